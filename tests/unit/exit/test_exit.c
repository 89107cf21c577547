#include "tests/unit/core_fixture.h"

#include <string.h>

#include "hv/cpu/native.h"
#include "hv/emulate/emulate.h"
#include "hv/emulate/task_switch.h"
#include "hv/exit/exit.h"
#include "tests/unit/privileged.h"

/* A device whose reads are `answer`, at ports 0x60 to 0x6f and, by number, MSR and hypercall 0x60 to 0x6f. */
static struct {
    uint64_t answer, written, offset;
    unsigned size;
    bool answers;
} probe;

static bool probe_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    (void)device;
    probe.offset = offset, probe.size = size;
    *value = probe.answer & size_mask(size);
    return probe.answers;
}

static bool probe_write(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    (void)device;
    probe.offset = offset, probe.size = size, probe.written = value;
    return probe.answers;
}

static const struct device_ops probe_ops = {.read = probe_read, .write = probe_write, .width = 8};
static struct device device = {"probe", &probe_ops, NULL, NULL};
static struct bus_range range = {0x60, 0x6f, &device, .stat_at = 24};
static struct msr_state msrs;

static enum emulate_result emulated;
static gpa_t emulated_gpa;
static uint8_t instruction[15];
static unsigned instruction_length;

enum emulate_result emulate(struct vcpu *vcpu, gpa_t gpa)
{
    (void)vcpu;
    emulated_gpa = gpa;
    return emulated;
}

unsigned emulate_bytes(struct vcpu *vcpu, uint8_t bytes[15])
{
    (void)vcpu;
    memcpy(bytes, instruction, instruction_length);
    return instruction_length;
}

static struct task_switch switched;
static unsigned switches;

bool task_switch(struct vcpu *vcpu, const struct task_switch *request)
{
    assert_false(vcpu->arch.event.valid); /* or it would be delivered twice */
    switched = *request;
    switches++;
    return true;
}

static int setup(void **state)
{
    core_setup(state);
    memset(&probe, 0, sizeof(probe));
    probe.answers = true;
    assert_true(bus_init(&core.vm.ports, "port", &range, 1));
    assert_true(bus_init(&core.vcpu->msr_bus, "MSR", &range, 1));
    assert_true(bus_init(&core.vcpu->hypercall_bus, "hypercall", &range, 1));
    core.vcpu->arch.msrs = &msrs;
    for (unsigned i = 0; i < 16; i++)
        core.vcpu->arch.gpr[i] = UINT64_C(0x1111111111111111) * i;
    core.vcpu->arch.gpr[REG_RAX] = 0xaaaaaaaabbbbbbbb;
    instruction_length = 0;
    return 0;
}

static void in_replaces_al_ax_or_all_of_rax(void **state)
{
    (void)state;
    probe.answer = 0x1122334455667788;
    exit_in(core.vcpu, 0x61, 1);
    assert_int_equal(core.vcpu->arch.gpr[REG_RAX], 0xaaaaaaaabbbbbb88);
    assert_int_equal(probe.offset, 1);
    assert_int_equal(probe.size, 1);
    exit_in(core.vcpu, 0x62, 2);
    assert_int_equal(core.vcpu->arch.gpr[REG_RAX], 0xaaaaaaaabbbb7788);
    exit_in(core.vcpu, 0x64, 4); /* a 32-bit result clears the upper half */
    assert_int_equal(core.vcpu->arch.gpr[REG_RAX], 0x55667788);
    assert_int_equal(probe.size, 4);
}

static void in_from_a_port_without_a_device_reads_ones(void **state)
{
    (void)state;
    exit_in(core.vcpu, 0xffff, 1);
    assert_int_equal(core.vcpu->arch.gpr[REG_RAX], 0xaaaaaaaabbbbbbff);
    exit_in(core.vcpu, 0x300, 2);
    assert_int_equal(core.vcpu->arch.gpr[REG_RAX], 0xaaaaaaaabbbbffff);
    exit_in(core.vcpu, 0xfffd, 4); /* runs over the last port */
    assert_int_equal(core.vcpu->arch.gpr[REG_RAX], 0xffffffff);
    assert_int_equal(core.vm.ports.misses.count, 3);
}

static void out_sends_as_many_bytes_as_it_is_wide(void **state)
{
    (void)state;
    exit_out(core.vcpu, 0x60, 1);
    assert_int_equal(probe.written, 0xbb);
    exit_out(core.vcpu, 0x60, 2);
    assert_int_equal(probe.written, 0xbbbb);
    exit_out(core.vcpu, 0x60, 4);
    assert_int_equal(probe.written, 0xbbbbbbbb);
    assert_int_equal(probe.size, 4);
    assert_int_equal(core.vcpu->arch.gpr[REG_RAX], 0xaaaaaaaabbbbbbbb);
}

static void rdmsr_fills_eax_and_edx_and_clears_above(void **state)
{
    (void)state;
    core.vcpu->arch.gpr[REG_RCX] = 0xcccccccc00000060; /* ECX counts */
    probe.answer = 0x1122334455667788;
    assert_true(exit_rdmsr(core.vcpu));
    assert_int_equal(core.vcpu->arch.gpr[REG_RAX], 0x55667788);
    assert_int_equal(core.vcpu->arch.gpr[REG_RDX], 0x11223344);
    assert_int_equal(probe.offset, 0);
    assert_false(core.vcpu->arch.event.valid);
}

static void wrmsr_takes_edx_and_eax(void **state)
{
    (void)state;
    core.vcpu->arch.gpr[REG_RCX] = 0xcccccccc00000061;
    core.vcpu->arch.gpr[REG_RDX] = 0xffffffff01234567;
    assert_true(exit_wrmsr(core.vcpu));
    assert_int_equal(probe.written, 0x01234567bbbbbbbb);
    assert_int_equal(probe.offset, 1);
}

static void msrs_that_nobody_answers_raise_gp_and_change_nothing(void **state)
{
    (void)state;
    core.vcpu->arch.gpr[REG_RCX] = 0x70;
    assert_false(exit_rdmsr(core.vcpu));
    core_expect_exception(EXC_GP);
    assert_int_equal(core.vcpu->arch.gpr[REG_RAX], 0xaaaaaaaabbbbbbbb);
    assert_int_equal(core.vcpu->arch.gpr[REG_RDX], 0x2222222222222222);
    core.vcpu->arch.event.valid = false;
    core.vcpu->arch.gpr[REG_RCX] = 0x60;
    probe.answers = false; /* the device's own refusal: a reserved bit */
    assert_false(exit_wrmsr(core.vcpu));
    core_expect_exception(EXC_GP);
}

/* The first access finds its range and remembers it. */
static void the_second_access_to_a_place_is_as_the_first(void **state)
{
    struct bus *ports = &core.vm.ports, *msrs_of = &core.vcpu->msr_bus;

    (void)state;
    core.vcpu->arch.gpr[REG_RCX] = 0x62;
    for (unsigned turn = 0; turn < 3; turn++) {
        assert_int_equal(bus_remembered(ports, 0x63, 2) != NULL, turn > 0);
        assert_int_equal(bus_remembered(msrs_of, 0x62, 0) != NULL, turn > 0);
        core.vcpu->stat_at = 5;
        probe.answer = 0x11223344556677a0 + turn;
        exit_in(core.vcpu, 0x63, 2);
        assert_int_equal(core.vcpu->arch.gpr[REG_RAX] & 0xffff, 0x77a0 + turn);
        assert_int_equal(core.vcpu->stat_at, 24);
        core.vcpu->stat_at = 5;
        exit_out(core.vcpu, 0x64, 2);
        assert_int_equal(probe.written, 0x77a0 + turn);
        assert_int_equal(core.vcpu->stat_at, 24);
        assert_true(exit_rdmsr(core.vcpu));
        assert_int_equal(probe.offset, 2);
        assert_int_equal(core.vcpu->arch.gpr[REG_RAX], 0x556677a0 + turn);
        assert_int_equal(core.vcpu->arch.gpr[REG_RDX], 0x11223344);
        assert_true(exit_wrmsr(core.vcpu));
        assert_int_equal(probe.written, 0x11223344556677a0 + turn);
    }
    assert_int_equal(ports->misses.count + msrs_of->misses.count, 0);
}

static void who_is_remembered_may_yet_not_answer(void **state)
{
    (void)state;
    core.vcpu->arch.gpr[REG_RCX] = 0x60;
    for (unsigned turn = 0; turn < 3; turn++) {
        probe.answers = turn == 0;
        exit_in(core.vcpu, 0x60, 4);
        exit_out(core.vcpu, 0x60, 4);
        assert_int_equal(exit_rdmsr(core.vcpu), turn == 0);
        assert_int_equal(exit_wrmsr(core.vcpu), turn == 0);
        core.vcpu->arch.event.valid = false;
    }
    assert_int_equal(core.vm.ports.misses.count, 4);
    assert_int_equal(core.vcpu->msr_bus.misses.count, 4);
    exit_in(core.vcpu, 0x60, 1);
    assert_int_equal(core.vcpu->arch.gpr[REG_RAX], 0xffffffff);
    assert_false(exit_rdmsr(core.vcpu));
    core_expect_exception(EXC_GP);
    assert_int_equal(core.vcpu->arch.gpr[REG_RAX], 0xffffffff);
}

static void hlt_leaves_the_run_loop_if_nothing_wakes_it(void **state)
{
    (void)state;
    exit_halt(core.vcpu);
    assert_int_equal(core.vcpu->activity, VCPU_HALTED);
    assert_false(vcpu_serve_requests(core.vcpu));
    assert_int_equal(core.vcpu->requests, 0); /* or it would be awake */
    core.vcpu->activity = VCPU_RUNNABLE;
    core.vcpu->arch.nmis = 1;
    exit_halt(core.vcpu);
    assert_int_equal(core.vcpu->activity, VCPU_RUNNABLE);
    assert_int_equal(core.vcpu->requests, 0);
}

static void hypercalls_answer_in_rax_and_unknown_ones_minus_1000(void **state)
{
    (void)state;
    probe.answer = 0x1122334455667788;
    core.vcpu->arch.gpr[REG_RAX] = 0x65;
    exit_hypercall(core.vcpu);
    assert_int_equal(core.vcpu->arch.gpr[REG_RAX], 0x1122334455667788);
    assert_int_equal(probe.offset, 5);
    core.vcpu->arch.gpr[REG_RAX] = 0x70;
    exit_hypercall(core.vcpu);
    assert_int_equal((int64_t)core.vcpu->arch.gpr[REG_RAX], -1000);
    core.vcpu->arch.gpr[REG_RAX] = UINT64_MAX;
    exit_hypercall(core.vcpu);
    assert_int_equal((int64_t)core.vcpu->arch.gpr[REG_RAX], -1000);
    assert_false(core.vcpu->arch.event.valid);
}

static void cpuid_fills_four_registers_and_clears_their_upper_halves(void **state)
{
    (void)state;
    fake_cpuid.regs = (struct cpuid_regs){1, 2, 3, 0x80000004};
    core.vcpu->arch.gpr[REG_RCX] = 0xffffffff00000005;
    exit_cpuid(core.vcpu);
    assert_int_equal(fake_cpuid.leaf, 0xbbbbbbbb);
    assert_int_equal(fake_cpuid.subleaf, 5);
    assert_int_equal(core.vcpu->arch.gpr[REG_RAX], 1);
    assert_int_equal(core.vcpu->arch.gpr[REG_RBX], 2);
    assert_int_equal(core.vcpu->arch.gpr[REG_RCX], 3);
    assert_int_equal(core.vcpu->arch.gpr[REG_RDX], 0x80000004);
}

static void xsetbv_reaches_the_cpu_only_if_legal(void **state)
{
    (void)state;
    privileged_begin();
    fake_cpuid.regs.eax = 7;
    core.vcpu->arch.gpr[REG_RCX] = 0xffffffff00000000;
    core.vcpu->arch.gpr[REG_RDX] = 0xffffffff00000000;
    core.vcpu->arch.gpr[REG_RAX] = 0xffffffff00000003;
    assert_true(exit_xsetbv(core.vcpu));
    assert_int_equal(privileged.xcr0, 3);
    assert_int_equal(core.vcpu->arch.xcr0, 3);
    assert_false(core.vcpu->arch.event.valid);

    core.vcpu->arch.gpr[REG_RAX] = 5; /* AVX without SSE */
    assert_false(exit_xsetbv(core.vcpu));
    core_expect_exception(EXC_GP);
    core.vcpu->arch.event.valid = false;
    core.vcpu->arch.gpr[REG_RAX] = 7;
    core.vcpu->arch.gpr[REG_RDX] = 1; /* bit 32 */
    assert_false(exit_xsetbv(core.vcpu));
    core_expect_exception(EXC_GP);
    core.vcpu->arch.event.valid = false;
    core.vcpu->arch.gpr[REG_RDX] = 0;
    core.vcpu->arch.gpr[REG_RCX] = 1; /* no XCR1 */
    assert_false(exit_xsetbv(core.vcpu));
    core_expect_exception(EXC_GP);
    core.vcpu->arch.event.valid = false;
    core.vcpu->arch.gpr[REG_RCX] = 0;
    core_set_cpl(3);
    assert_false(exit_xsetbv(core.vcpu));
    core_expect_exception(EXC_GP);
    privileged_end();
    assert_int_equal(privileged.xsetbvs, 1);
    assert_int_equal(core.vcpu->arch.xcr0, 3);
}

static void cr8_has_four_bits(void **state)
{
    (void)state;
    assert_true(exit_write_cr8(core.vcpu, 15));
    assert_int_equal(core.tpr, 15);
    assert_false(exit_write_cr8(core.vcpu, 16));
    core_expect_exception(EXC_GP);
    core.vcpu->arch.event.valid = false;
    assert_false(exit_write_cr8(core.vcpu, BIT(32)));
    core_expect_exception(EXC_GP);
    assert_int_equal(core.tpr, 15);
}

static void an_emulated_instruction_is_all(void **state)
{
    (void)state;
    emulated = EMULATE_DONE;
    exit_emulate(core.vcpu, 0xfee00000);
    assert_int_equal(emulated_gpa, 0xfee00000);
    emulated = EMULATE_FAULT;
    exit_emulate(core.vcpu, EMULATE_NO_GPA);
    assert_int_equal(emulated_gpa, EMULATE_NO_GPA);
    assert_false(core.vcpu->arch.event.valid);
    assert_int_equal(core.vm.end, VM_RUNS);
}

static void a_user_programs_unknown_instruction_raises_ud(void **state)
{
    (void)state;
    emulated = EMULATE_UNKNOWN;
    core_set_cpl(3);
    exit_emulate(core.vcpu, 0xfed00000);
    core_expect_exception(EXC_UD);
    assert_int_equal(core.vm.end, VM_RUNS);
}

static void a_kernels_unknown_instruction_ends_the_vm_with_its_bytes(void **state)
{
    (void)state;
    emulated = EMULATE_UNKNOWN;
    vcpu_set(core.vcpu, REG_RIP, 0xffffffff81000000);
    memcpy(instruction, "\x0f\xae\x00\xff\x10", 5);
    instruction_length = 5;
    exit_emulate(core.vcpu, 0xfed00010);
    assert_false(core.vcpu->arch.event.valid);
    assert_int_equal(core.vm.end, VM_CRASHED);
    assert_string_equal(core.vm.reason,
                        "at rip 0xffffffff81000000 an access to 0xfed00010, which is no RAM, by an "
                        "instruction that Keel does not emulate: 0f ae 00 ff 10");
}

static void the_longest_crash_line_fits(void **state)
{
    (void)state;
    emulated = EMULATE_UNKNOWN;
    vcpu_set(core.vcpu, REG_RIP, 0xffffffff81000000);
    memset(instruction, 0x66, 15);
    instruction_length = 15;
    exit_emulate(core.vcpu, 0xffffffffff000);
    assert_non_null(strstr(core.vm.reason, "0xffffffffff000, which is no RAM"));
    assert_non_null(strstr(core.vm.reason, " 66 66 66 66 66 66 66 66 66 66 66 66 66 66 66"));
}

static void a_crash_without_address_or_bytes_says_so(void **state)
{
    (void)state;
    emulated = EMULATE_UNKNOWN;
    vcpu_set(core.vcpu, REG_RIP, 0x10);
    exit_emulate(core.vcpu, EMULATE_NO_GPA);
    assert_string_equal(core.vm.reason,
                        "at rip 0x10 an access to a string of ports, by an instruction that Keel does not "
                        "emulate: (its bytes cannot be read)");
}

/* DR7 with breakpoint `n` enabled locally, of this kind (R/W and LEN together). */
static uint64_t dr7_of(unsigned n, unsigned kind)
{
    return BIT(2 * n) | (uint64_t)kind << (16 + 4 * n);
}

static bool traps(uint64_t dr7, uint16_t port, unsigned size)
{
    core.vcpu->arch.event.valid = false;
    vcpu_set(core.vcpu, REG_DR6, 0);
    exit_io_breakpoints(core.vcpu, dr7, port, size);
    if (core.vcpu->arch.event.valid)
        core_expect_exception(EXC_DB);
    return core.vcpu->arch.event.valid;
}

static void a_breakpoint_on_a_port_traps_where_it_overlaps(void **state)
{
    enum { IO_1 = 2, IO_2 = 6, IO_4 = 14 };

    (void)state;
    fake_cpu.dr[2] = 0x63;                         /* its low bits are ignored as far as it is long */
    assert_false(traps(dr7_of(2, IO_1), 0x63, 1)); /* CR4.DE is off */
    vcpu_set(core.vcpu, REG_CR4, CR4_DE);
    assert_true(traps(dr7_of(2, IO_1), 0x63, 1));
    assert_int_equal(vcpu_get(core.vcpu, REG_DR6), BIT(2));
    assert_true(traps(dr7_of(2, IO_1), 0x60, 4));
    assert_false(traps(dr7_of(2, IO_1), 0x62, 1));
    assert_false(traps(dr7_of(2, IO_1), 0x64, 1));
    assert_true(traps(dr7_of(2, IO_2), 0x62, 1));
    assert_false(traps(dr7_of(2, IO_2), 0x60, 2));
    assert_true(traps(dr7_of(2, IO_4), 0x60, 1));
    assert_true(traps(dr7_of(2, IO_4), 0x5f, 2));
    assert_false(traps(dr7_of(2, IO_4), 0x5e, 2));
    assert_true(traps(dr7_of(2, IO_1) ^ BIT(4) ^ BIT(5), 0x63, 1)); /* enabled globally */
    assert_false(traps(dr7_of(2, IO_1) & ~BIT(4), 0x63, 1));        /* not enabled */
    for (unsigned kind = 0; kind < 16; kind++)                      /* of code or data */
        if ((kind & 3) != 2)
            assert_false(traps(dr7_of(2, kind), 0x63, 1));
}

static void every_breakpoint_that_is_hit_shows_in_dr6(void **state)
{
    (void)state;
    vcpu_set(core.vcpu, REG_CR4, CR4_DE);
    fake_cpu.dr[0] = 0x3f8, fake_cpu.dr[1] = 0x3f9, fake_cpu.dr[2] = 0x3f8, fake_cpu.dr[3] = UINT64_MAX;
    assert_true(traps(dr7_of(0, 2) | dr7_of(1, 2) | dr7_of(2, 2) | dr7_of(3, 14), 0x3f8, 1));
    assert_int_equal(vcpu_get(core.vcpu, REG_DR6), BIT(0) | BIT(2));
    assert_false(traps(dr7_of(3, 14), 0xffff, 1)); /* no port is at 2^64 - 4 */
}

static void memory_that_an_events_delivery_needs_ends_the_vm(void **state)
{
    (void)state;
    emulated = EMULATE_DONE;
    exit_memory(core.vcpu, 0xfed00000, 0xfed00000);
    assert_int_equal(emulated_gpa, 0xfed00000);
    assert_int_equal(core.vm.end, VM_RUNS);
    emulated_gpa = 0;
    core.vcpu->arch.event = (struct event){.valid = true, .type = EVENT_INTERRUPT, .vector = 0x31};
    exit_memory(core.vcpu, EMULATE_NO_GPA, 0xa0008);
    assert_int_equal(emulated_gpa, 0);
    assert_string_equal(core.vm.reason,
                        "delivery of vector 49 needs memory at 0xa0008, where there is no RAM");
}

static void a_task_gate_delivers_the_event_that_went_through_it(void **state)
{
    struct task_switch request = {.source = TASK_SWITCH_GATE, .selector = 0x28, .length = 2};

    (void)state;
    switches = 0;
    core.vcpu->arch.event = (struct event){
        .valid = true, .type = EVENT_EXCEPTION, .vector = EXC_DF, .has_error = true, .error = 0x55};
    exit_task_switch(core.vcpu, &request);
    assert_int_equal(switches, 1);
    assert_true(switched.external);
    assert_true(switched.has_error);
    assert_int_equal(switched.error, 0x55);
    assert_int_equal(switched.length, 0); /* the old task goes on where it was, not behind an instruction */

    request.length = 2;
    core.vcpu->arch.event = (struct event){.valid = true, .type = EVENT_SOFT_INTERRUPT, .vector = 0x80};
    exit_task_switch(core.vcpu, &request);
    assert_false(switched.external);
    assert_false(switched.has_error);
    assert_int_equal(switched.length, 2);
}

static void a_task_switch_by_the_program_is_passed_on(void **state)
{
    struct task_switch request = {.source = TASK_SWITCH_CALL, .selector = 0x30, .length = 7};

    (void)state;
    exit_task_switch(core.vcpu, &request);
    assert_int_equal(switched.selector, 0x30);
    assert_int_equal(switched.length, 7);
    assert_false(switched.external);
}

static void whole_handlers_do_what_their_names_say(void **state)
{
    (void)state;
    exit_ignored(core.vcpu);
    assert_int_equal(core.vcpu->requests, 0);
    exit_window(core.vcpu);
    assert_int_equal(core.vcpu->requests, REQUEST_EVENT);
    assert_false(core.vcpu->arch.event.valid);
    exit_undefined(core.vcpu);
    core_expect_exception(EXC_UD);
    core.vcpu->arch.event.valid = false;
    exit_protection(core.vcpu);
    core_expect_exception(EXC_GP);
    vcpu_set(core.vcpu, REG_RIP, 0x7c00);
    exit_triple_fault(core.vcpu);
    assert_string_equal(core.vm.reason, "triple fault at rip 0x7c00");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, core_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(in_replaces_al_ax_or_all_of_rax),
        TEST(in_from_a_port_without_a_device_reads_ones),
        TEST(out_sends_as_many_bytes_as_it_is_wide),
        TEST(rdmsr_fills_eax_and_edx_and_clears_above),
        TEST(wrmsr_takes_edx_and_eax),
        TEST(msrs_that_nobody_answers_raise_gp_and_change_nothing),
        TEST(the_second_access_to_a_place_is_as_the_first),
        TEST(who_is_remembered_may_yet_not_answer),
        TEST(hlt_leaves_the_run_loop_if_nothing_wakes_it),
        TEST(hypercalls_answer_in_rax_and_unknown_ones_minus_1000),
        TEST(cpuid_fills_four_registers_and_clears_their_upper_halves),
        TEST(xsetbv_reaches_the_cpu_only_if_legal),
        TEST(cr8_has_four_bits),
        TEST(an_emulated_instruction_is_all),
        TEST(a_user_programs_unknown_instruction_raises_ud),
        TEST(a_kernels_unknown_instruction_ends_the_vm_with_its_bytes),
        TEST(the_longest_crash_line_fits),
        TEST(a_crash_without_address_or_bytes_says_so),
        TEST(a_breakpoint_on_a_port_traps_where_it_overlaps),
        TEST(every_breakpoint_that_is_hit_shows_in_dr6),
        TEST(memory_that_an_events_delivery_needs_ends_the_vm),
        TEST(a_task_gate_delivers_the_event_that_went_through_it),
        TEST(a_task_switch_by_the_program_is_passed_on),
        TEST(whole_handlers_do_what_their_names_say),
    };
    return cmocka_run_group_tests_name("exit", tests, NULL, NULL);
}
