/* SVM's exit table: what each exit code becomes, where RIP goes, and what the next VMRUN must read again. */
#include "hv/event/guest_debug.h"
#include "tests/unit/svm/svm_fixture.h"

#include <string.h>

#define RIP  0x1000
#define NEXT 0x1002

/* An exit by this code, with its information. Returns whether the vCPU goes on. */
static bool leave(uint64_t code, uint64_t info1, uint64_t info2)
{
    machine.asked[0] = 0;
    machine.left = false;
    machine.vmcb->rip = RIP;
    machine.vmcb->next_rip = NEXT;
    machine.vmcb->exit_code = code;
    machine.vmcb->exit_info1 = info1;
    machine.vmcb->exit_info2 = info2;
    core.vcpu->requests = 0;
    core.vcpu->arch.event.valid = false;
    privileged_begin();
    svm_handle_exit(core.vcpu);
    privileged_end();
    return !machine.left;
}

static void assert_became(uint64_t code, uint64_t info1, const char *what, uint64_t rip)
{
    assert_true(leave(code, info1, 0));
    assert_string_equal(machine.asked, what);
    assert_int_equal(machine.vmcb->rip, rip);
}

static void begin(uint32_t features)
{
    svm_begin(features);
}

static void a_debuggers_step_over_what_keel_completes_is_no_trap_of_the_guests(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        begin(SVM_NEXT_RIP);
        fake_debuggers = i ? BIT(14) : 0;
        machine.vmcb->rflags |= RFLAGS_TF;
        leave(SVM_EXIT_CPUID, 0, 0);
        assert_int_equal(machine.vmcb->rip, NEXT);
        assert_int_equal(!!(machine.vmcb->event & VMCB_EVENT_VALID), !i);
        assert_int_equal(!!(machine.vmcb->dr6 & BIT(14)), !i);
    }
    fake_debuggers = 0;
}

static void what_is_done_moves_rip_to_the_next_instruction(void **state)
{
    (void)state;
    begin(0);
    fake_cpuid.leaf = 1;
    core.vcpu->arch.gpr[REG_RAX] = 0x80000001;
    assert_became(SVM_EXIT_CPUID, 0, "", NEXT);
    assert_int_equal(fake_cpuid.leaf, 0x80000001);
    assert_became(SVM_EXIT_VMMCALL, 0, "hypercall", NEXT);
    assert_became(SVM_EXIT_MSR, 0, "rdmsr", NEXT);
    assert_became(SVM_EXIT_MSR, 1, "wrmsr", NEXT);
    assert_became(SVM_EXIT_XSETBV, 0, "xsetbv", NEXT);
    assert_became(SVM_EXIT_PAUSE, 0, "pause", NEXT);
    assert_became(SVM_EXIT_INVD, 0, "", NEXT);
    assert_became(SVM_EXIT_WBINVD, 0, "", NEXT);
}

static void what_faults_leaves_rip_where_it_is(void **state)
{
    static const enum svm_exit undefined[] = {
        SVM_EXIT_RSM,  SVM_EXIT_INVLPGA, SVM_EXIT_VMRUN,   SVM_EXIT_VMLOAD, SVM_EXIT_VMSAVE,  SVM_EXIT_STGI,
        SVM_EXIT_CLGI, SVM_EXIT_SKINIT,  SVM_EXIT_MONITOR, SVM_EXIT_MWAIT,  SVM_EXIT_INVLPGB, SVM_EXIT_RDPRU};

    (void)state;
    begin(0);
    for (unsigned i = 0; i < ARRAY_LENGTH(undefined); i++)
        assert_became(undefined[i], 0, "undefined", RIP);
    assert_became(SVM_EXIT_RDPMC, 0, "protection", RIP);
    machine.refuses = true;
    assert_became(SVM_EXIT_MSR, 0, "rdmsr", RIP);
    assert_became(SVM_EXIT_MSR, 1, "wrmsr", RIP);
    assert_became(SVM_EXIT_XSETBV, 0, "xsetbv", RIP);
}

static void without_next_rip_the_length_is_found_by_decoding(void **state)
{
    (void)state;
    begin(0);
    machine.length = 3;
    machine.vmcb->rip = 0xffffffff;
    machine.vmcb->next_rip = 0;
    machine.vmcb->exit_code = SVM_EXIT_INVD;
    privileged_begin();
    svm_handle_exit(core.vcpu);
    privileged_end();
    assert_int_equal(machine.vmcb->rip, 2); /* outside 64-bit code it has 32 bits */
}

/* The fetch's #PF goes in, with nothing of the instruction's own behind it. */
static void what_cannot_be_fetched_any_more_faults_where_it_is(void **state)
{
    static const uint16_t codes[] = {SVM_EXIT_CPUID, SVM_EXIT_HLT, SVM_EXIT_TASK_SWITCH, 0x43 /* #BP */};

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(codes); i++) {
        begin(0);
        machine.length = 0;
        machine.asked[0] = 0;
        machine.left = false;
        machine.vmcb->cr0 = CR0_PE | CR0_ET;
        machine.vmcb->rflags |= RFLAGS_TF;
        machine.vmcb->rip = RIP;
        machine.vmcb->next_rip = 0;
        machine.vmcb->exit_code = codes[i];
        privileged_begin();
        svm_handle_exit(core.vcpu);
        privileged_end();
        assert_false(machine.left);
        assert_int_equal(machine.vmcb->rip, RIP);
        assert_int_equal(machine.vmcb->event & 0xfff, 0x30e);
        assert_null(strstr(machine.asked, "task"));
    }
}

static void ports_are_taken_from_the_information(void **state)
{
    (void)state;
    begin(0);
    assert_true(leave(SVM_EXIT_IOIO, 0x3f80011, 0x1234)); /* in al, 0x3f8 */
    assert_string_equal(machine.asked, "in 0x3f8, 1");
    assert_int_equal(machine.vmcb->rip, 0x1234);
    assert_true(leave(SVM_EXIT_IOIO, 0xcf80040, 0x1234)); /* out 0xcf8, eax */
    assert_string_equal(machine.asked, "out 0xcf8, 4");
    assert_true(leave(SVM_EXIT_IOIO, 0x600025, 0x1234)); /* insw */
    assert_string_equal(machine.asked, "emulate");
    assert_int_equal(machine.vmcb->rip, RIP);
    machine.vmcb->dr7 = 0x20402;
    assert_true(leave(SVM_EXIT_IOIO, 0x600020, 0x1234)); /* out 0x60, ax */
    assert_string_equal(machine.asked, "breakpoints 0x20402 at 0x60, 2");
}

static void control_registers_go_to_the_emulator_unless_the_cpu_names_both(void **state)
{
    (void)state;
    begin(BIT(SVM_DECODE_ASSISTS));
    assert_became(SVM_EXIT_CR8_WRITE, 0, "emulate", RIP);
    assert_became(SVM_EXIT_CR8_WRITE, BIT(63) | 9, "cr8 from 9", NEXT);
    assert_became(SVM_EXIT_CR4_READ, BIT(63) | 3, "cr4 to 3", NEXT);
    machine.refuses = true;
    assert_became(SVM_EXIT_CR4_WRITE, BIT(63), "cr4 from 0", RIP);
}

static void a_nested_fault_believes_the_address_of_operands_alone(void **state)
{
    const uint64_t operand = BIT(32), walk = BIT(33), fetch = BIT(4), reserved = BIT(3);

    (void)state;
    begin(0);
    assert_true(leave(SVM_EXIT_NPF, operand, 0xfee00080));
    assert_string_equal(machine.asked, "memory at 0xfee00080, reported 0xfee00080");
    assert_true(leave(SVM_EXIT_NPF, walk, 0xfee00080));
    assert_string_equal(machine.asked, "memory");
    assert_true(leave(SVM_EXIT_NPF, operand | fetch, 0xfee00080));
    assert_string_equal(machine.asked, "memory");
    assert_false(leave(SVM_EXIT_NPF, operand | reserved, 0x5000));
    assert_string_equal(machine.asked, "");
    assert_int_equal(core.vm.end, VM_CRASHED);
    assert_non_null(strstr(core.vm.reason, "0x5000"));
}

/* The bytes are those of this exit, if the CPU keeps them. */
static void the_bytes_of_a_nested_fault_are_handed_on(void **state)
{
    uint8_t bytes[15];

    (void)state;
    begin(BIT(SVM_DECODE_ASSISTS));
    assert_true(leave(SVM_EXIT_NPF, BIT(32), 0xfee00080));
    machine.vmcb->fetched = 15;
    memcpy(machine.vmcb->bytes + 0xd1, "fifteen letters", 15);
    assert_int_equal(virt_state->get_bytes(core.vcpu, bytes), 15);
    assert_memory_equal(bytes, "fifteen letters", 15);
    machine.vmcb->fetched = 255;
    assert_int_equal(virt_state->get_bytes(core.vcpu, bytes), 15);
    machine.vmcb->fetched = 15;
    machine.vmcb->exit_code = SVM_EXIT_IOIO;
    assert_int_equal(virt_state->get_bytes(core.vcpu, bytes), 0);
    begin(0);
    machine.vmcb->exit_code = SVM_EXIT_NPF;
    machine.vmcb->fetched = 15;
    assert_int_equal(virt_state->get_bytes(core.vcpu, bytes), 0);
}

static void a_task_switch_says_what_asked_for_it(void **state)
{
    (void)state;
    begin(0);
    machine.vmcb->cr0 = CR0_PE | CR0_ET;
    assert_true(leave(SVM_EXIT_TASK_SWITCH, 0x28, 0));
    assert_string_equal(machine.asked, "task 0x28 by 0, length 2");
    assert_true(leave(SVM_EXIT_TASK_SWITCH, 0x28, BIT(38)));
    assert_string_equal(machine.asked, "task 0x28 by 2, length 2");
    machine.svm->nmi = NMI_BLOCKED;
    assert_true(leave(SVM_EXIT_TASK_SWITCH, 0x28, BIT(36)));
    assert_string_equal(machine.asked, "task 0x28 by 1, length 2");
    assert_int_equal(machine.svm->nmi, NMI_OPEN);
    machine.vmcb->exit_interrupt = 0x80000041; /* interrupt 0x41 through a task gate: no instruction asked */
    assert_true(leave(SVM_EXIT_TASK_SWITCH, 0x28, 0));
    assert_string_equal(machine.asked, "task 0x28 by 3, length 0");
}

static void hlt_sleeps_behind_the_instruction_until_something_waits(void **state)
{
    (void)state;
    begin(BIT(SVM_VNMI));
    assert_false(leave(SVM_EXIT_HLT, 0, 0));
    assert_int_equal(machine.vmcb->rip, NEXT);
    assert_int_equal(core.vcpu->activity, VCPU_HALTED);

    core.vcpu->activity = VCPU_RUNNABLE;
    machine.vmcb->interrupt_control |= VMCB_V_NMI; /* in the shadow of STI: the CPU has not delivered it */
    assert_true(leave(SVM_EXIT_HLT, 0, 0));
    assert_int_equal(core.vcpu->activity, VCPU_RUNNABLE);
    assert_false(machine.vmcb->interrupt_control & VMCB_V_NMI);
    assert_int_equal(machine.vmcb->event, 0x80000202); /* it goes in now */
    assert_int_equal(core.vcpu->arch.nmis, 0);
}

static void the_machines_interrupts_are_taken_after_every_exit(void **state)
{
    (void)state;
    begin(0);
    assert_became(SVM_EXIT_NMI, 0, "ignored", RIP);
    assert_became(SVM_EXIT_INIT, 0, "ignored", RIP);
    assert_became(SVM_EXIT_VINTR, 0, "window", RIP);
    assert_became(SVM_EXIT_SHUTDOWN, 0, "triple_fault", RIP);
    assert_false(privileged.interrupts); /* on, and off again */
}

static void an_exit_leaves_nothing_for_the_next_vmrun_but_what_changed(void **state)
{
    (void)state;
    begin(0);
    machine.vmcb->clean = 0;
    machine.vmcb->tlb_control = VMCB_FLUSH_ALL;
    machine.vmcb->event = 0x80000041;
    assert_true(leave(SVM_EXIT_CPUID, 0, 0));
    assert_int_equal(machine.vmcb->clean, UINT32_MAX);
    assert_int_equal(machine.vmcb->tlb_control, 0);
    assert_int_equal(machine.vmcb->event, 0);
}

static void exceptions_that_keel_intercepts_reach_the_guest(void **state)
{
    (void)state;
    begin(0);
    machine.vmcb->cr0 = CR0_PE | CR0_ET;
    assert_true(leave(SVM_EXIT_DB, 0, 0));
    assert_int_equal(machine.vmcb->event, 0x80000301);
    assert_true(leave(SVM_EXIT_AC, 0, 0));
    assert_int_equal(machine.vmcb->event, 0x80000b11);
}

static void what_no_intercept_causes_ends_the_vm(void **state)
{
    (void)state;
    begin(0);
    assert_false(leave(SVM_EXIT_AVIC_NOACCEL, 0x11, 0x22));
    assert_int_equal(core.vm.end, VM_CRASHED);
    assert_non_null(strstr(core.vm.reason, "0x402 (AVIC: access not accelerated)"));
    begin(0);
    assert_false(leave(0x12345, 0, 0));
    assert_non_null(strstr(core.vm.reason, "undefined exit code"));
}

static void a_failed_vmrun_is_explained(void **state)
{
    (void)state;
    begin(0);
    machine.vmcb->asid = 0;
    assert_false(leave(UINT64_MAX, 0, 0));
    assert_int_equal(core.vm.end, VM_CRASHED);
    assert_non_null(strstr(machine.report, "guest ASID: found 0x0: 0 is the host's"));
}

static bool intercepted(unsigned code)
{
    return machine.vmcb->bytes[code / 8] >> code % 8 & 1;
}

static void what_has_a_handler_is_intercepted_and_nothing_else(void **state)
{
    (void)state;
    begin(0);
    assert_true(intercepted(SVM_EXIT_INTR) && intercepted(SVM_EXIT_NMI) && intercepted(SVM_EXIT_INIT));
    assert_true(intercepted(SVM_EXIT_VMRUN) && intercepted(SVM_EXIT_SHUTDOWN) && intercepted(SVM_EXIT_DB));
    assert_false(intercepted(SVM_EXIT_IRET) || intercepted(SVM_EXIT_RDTSC) || intercepted(SVM_EXIT_INVLPG));
    assert_false(intercepted(SVM_EXIT_PAUSE)); /* each PAUSE would exit */
    begin(BIT(SVM_PAUSE_FILTER));
    assert_true(intercepted(SVM_EXIT_PAUSE));
    assert_int_not_equal(machine.vmcb->pause_count, 0);
}

static void the_first_write_of_cr0_forgets_what_was_remembered_of_code(void **state)
{
    (void)state;
    begin(0);
    assert_false(intercepted(SVM_EXIT_CR0_SEL_WRITE));
    svm_watch_paging(core.vcpu);
    assert_true(intercepted(SVM_EXIT_CR0_SEL_WRITE));
    core.vcpu->arch.code_changed = false;
    assert_became(SVM_EXIT_CR0_SEL_WRITE, 0, "", RIP); /* the MOV runs again */
    assert_true(core.vcpu->arch.code_changed);
    assert_false(intercepted(SVM_EXIT_CR0_SEL_WRITE));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, svm_setup, svm_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_debuggers_step_over_what_keel_completes_is_no_trap_of_the_guests),
        TEST(what_is_done_moves_rip_to_the_next_instruction),
        TEST(what_faults_leaves_rip_where_it_is),
        TEST(without_next_rip_the_length_is_found_by_decoding),
        TEST(what_cannot_be_fetched_any_more_faults_where_it_is),
        TEST(ports_are_taken_from_the_information),
        TEST(control_registers_go_to_the_emulator_unless_the_cpu_names_both),
        TEST(a_nested_fault_believes_the_address_of_operands_alone),
        TEST(the_bytes_of_a_nested_fault_are_handed_on),
        TEST(a_task_switch_says_what_asked_for_it),
        TEST(hlt_sleeps_behind_the_instruction_until_something_waits),
        TEST(the_machines_interrupts_are_taken_after_every_exit),
        TEST(an_exit_leaves_nothing_for_the_next_vmrun_but_what_changed),
        TEST(exceptions_that_keel_intercepts_reach_the_guest),
        TEST(what_no_intercept_causes_ends_the_vm),
        TEST(a_failed_vmrun_is_explained),
        TEST(the_first_write_of_cr0_forgets_what_was_remembered_of_code),
        TEST(what_has_a_handler_is_intercepted_and_nothing_else),
    };
    return cmocka_run_group_tests_name("svm_exits", tests, NULL, NULL);
}
