/* A vCPU's VMCB: as it is made and after RESET, its registers and segments, and what moves with it between
 * cores. */
#include "tests/unit/svm/svm_fixture.h"

#include "hv/host/instructions.h"

#include <string.h>

static void begin(uint32_t features)
{
    svm_begin(features);
    machine.vmcb->clean = UINT32_MAX;
    machine.vmcb->tlb_control = 0;
}

static void a_new_vmcb_breaks_no_check_of_vmrun(void **state)
{
    (void)state;
    begin(BIT(SVM_VNMI) | BIT(SVM_LBR));
    assert_true(machine.vmcb->intercepts2 & 1);
    assert_true(machine.vmcb->asid > 0 && machine.vmcb->asid < svm_cpu.asids);
    assert_int_equal(machine.vmcb->nested, VMCB_NESTED_PAGING);
    assert_int_equal(machine.vmcb->lbr_control, VMCB_LBR_VIRTUALIZED);
    assert_true(machine.vmcb->interrupt_control & VMCB_V_INTR_MASKING);
    assert_int_equal((uintptr_t)machine.vmcb % PAGE_SIZE, 0);
}

static void reset_is_the_state_that_the_manual_has(void **state)
{
    struct segment cs, tr, gdtr;

    (void)state;
    begin(0);
    fake_cpuid.regs.eax = 0x600f20;
    core.vcpu->arch.tsc_offset = 0x1234;
    core.vcpu->arch.gpr[REG_RBX] = 5;
    machine.vmcb->rsp = machine.vmcb->cr3 = machine.vmcb->event = 5;
    machine.vmcb->interrupt_shadow = 1;
    machine.svm->nmi = NMI_BLOCKED;
    machine.svm->stepping = true;
    privileged_begin();
    for (unsigned n = 0; n < 4; n++)
        privileged.dr[n] = 0x1000 + n;
    svm_vcpu_reset(core.vcpu);
    privileged_end();
    for (unsigned n = 0; n < 4; n++)
        assert_int_equal(privileged.dr[n], 0);
    assert_int_equal(svm_get(core.vcpu, REG_CR0), CR0_CD | CR0_NW | CR0_ET);
    assert_int_equal(svm_get(core.vcpu, REG_RIP), 0xfff0);
    assert_int_equal(svm_get(core.vcpu, REG_RFLAGS), RFLAGS_1);
    assert_int_equal(svm_get(core.vcpu, REG_EFER), 0);
    assert_int_equal(svm_get(core.vcpu, REG_CR4), 0);
    assert_int_equal(svm_get(core.vcpu, REG_RSP) | svm_get(core.vcpu, REG_CR3), 0);
    assert_int_equal(svm_get(core.vcpu, REG_DR6), 0xffff0ff0);
    assert_int_equal(svm_get(core.vcpu, REG_DR7), 0x400);
    assert_int_equal(core.vcpu->arch.gpr[REG_RDX], 0x600f20);
    assert_int_equal(core.vcpu->arch.gpr[REG_RBX], 0);
    assert_int_equal(machine.vmcb->tsc_offset, 0x1234);
    assert_int_equal(machine.vmcb->event | machine.vmcb->interrupt_shadow, 0);
    assert_int_equal(machine.svm->nmi, NMI_OPEN);
    assert_false(machine.svm->stepping);
    assert_int_equal(machine.vmcb->clean, 0);
    svm_get_segment(core.vcpu, SEG_CS, &cs);
    svm_get_segment(core.vcpu, SEG_TR, &tr);
    svm_get_segment(core.vcpu, SEG_GDTR, &gdtr);
    assert_int_equal(cs.base, 0xffff0000);
    assert_int_equal(cs.selector, 0xf000);
    assert_int_equal(cs.attributes, 0x9b);
    assert_int_equal(tr.attributes, 0x8b);
    assert_int_equal(gdtr.limit, 0xffff);
}

static void the_guest_sees_neither_svme_nor_mce(void **state)
{
    (void)state;
    begin(0);
    svm_set(core.vcpu, REG_EFER, EFER_LME);
    svm_set(core.vcpu, REG_CR4, CR4_PAE);
    assert_int_equal(machine.vmcb->efer, EFER_LME | EFER_SVME);
    assert_int_equal(machine.vmcb->cr4, CR4_PAE | CR4_MCE);
    assert_int_equal(svm_get(core.vcpu, REG_EFER), EFER_LME);
    assert_int_equal(svm_get(core.vcpu, REG_CR4), CR4_PAE);
}

/* APM, "VMCB Clean Bits". */
static void a_change_is_told_to_the_cpu_and_no_more(void **state)
{
    static const struct {
        enum vcpu_reg reg;
        uint32_t part;
        bool flushes;
    } rows[] = {
        {REG_CR0, VMCB_CLEAN_CONTROL, true},
        {REG_CR3, VMCB_CLEAN_CONTROL, true},
        {REG_CR4, VMCB_CLEAN_CONTROL, true},
        {REG_EFER, VMCB_CLEAN_CONTROL, true},
        {REG_DR6, VMCB_CLEAN_DEBUG, false},
        {REG_DR7, VMCB_CLEAN_DEBUG, false},
        {REG_RIP, 0, false},
        {REG_RSP, 0, false},
        {REG_RFLAGS, 0, false},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(rows); i++) {
        begin(BIT(SVM_FLUSH_ASID));
        svm_set(core.vcpu, rows[i].reg, 0x10);
        assert_int_equal(machine.vmcb->clean, UINT32_MAX & ~rows[i].part);
        assert_int_equal(machine.vmcb->tlb_control, rows[i].flushes ? VMCB_FLUSH_ASID : 0);
    }
    begin(0);
    svm_set(core.vcpu, REG_CR3, 0x10);
    assert_int_equal(machine.vmcb->tlb_control, VMCB_FLUSH_ALL);
}

static void cr2_is_in_the_cpu_too_where_vmrun_loses_it(void **state)
{
    (void)state;
    begin(0);
    svm_cpu.quirks.loses_cr2 = true;
    privileged_begin();
    svm_set(core.vcpu, REG_CR2, 0xdead000);
    privileged_end();
    assert_int_equal(privileged.cr[2], 0xdead000);
    assert_int_equal(svm_get(core.vcpu, REG_CR2), 0xdead000);
    machine.cpu.current = NULL;
    svm_set(core.vcpu, REG_CR2, 0xbeef000); /* would be a fault */
    assert_int_equal(svm_get(core.vcpu, REG_CR2), 0xbeef000);
}

static void segments_come_back_as_they_were_put(void **state)
{
    static const struct segment rows[] = {
        {.selector = 0x08, .attributes = 0x9b | SEG_L | SEG_G, .limit = 0xffffffff},
        {.selector = 0x23, .base = 0x1000, .attributes = 0xf3 | SEG_DB | SEG_G, .limit = 0xffffffff},
        {.selector = 0x30, .attributes = 0x93, .limit = 0xffff},
        {.selector = 0x00, .attributes = SEG_UNUSABLE},
    };

    (void)state;
    begin(0);
    for (unsigned i = 0; i < ARRAY_LENGTH(rows); i++)
        for (enum vcpu_segment at = SEG_ES; at <= SEG_TR; at++) {
            struct segment found;

            svm_set_segment(core.vcpu, at, &rows[i]);
            svm_get_segment(core.vcpu, at, &found);
            assert_int_equal(found.selector, rows[i].selector);
            assert_int_equal(found.base, rows[i].base);
            assert_int_equal(found.limit, rows[i].limit);
            assert_int_equal(found.attributes, rows[i].attributes);
        }
    assert_false(machine.vmcb->clean & (VMCB_CLEAN_SEGMENTS | VMCB_CLEAN_TABLES));
}

static void the_privilege_level_is_that_of_ss(void **state)
{
    struct segment ss = {.selector = 0x2b, .attributes = 0xf3, .limit = 0xffff};

    (void)state;
    begin(0);
    svm_set_segment(core.vcpu, SEG_SS, &ss);
    assert_int_equal(machine.vmcb->cpl, 3);
    machine.vmcb->cpl = 0; /* the CPU does not keep the DPL in SS up to date */
    svm_get_segment(core.vcpu, SEG_SS, &ss);
    assert_int_equal(SEG_DPL(ss.attributes), 0);
}

static void the_emulator_gets_all_it_asks_in_one_call(void **state)
{
    const struct segment cs = {.base = 0x70000, .attributes = 0x9b | SEG_DB | SEG_G, .limit = 0xffffffff};
    struct code_state code;

    (void)state;
    begin(0);
    svm_set_segment(core.vcpu, SEG_CS, &cs);
    svm_set(core.vcpu, REG_CR3, 0x5000);
    svm_set(core.vcpu, REG_RIP, 0x1234);
    svm_get_code(core.vcpu, &code);
    assert_int_equal(code.rip, 0x1234);
    assert_int_equal(code.cr3, 0x5000);
    assert_int_equal(code.base, 0x70000);
    assert_int_equal(code.attributes & 0xff, 0x9b);
}

static void msrs_of_the_vmcb_are_told_to_the_cpu(void **state)
{
    uint64_t value;

    (void)state;
    begin(0);
    assert_true(svm_set_msr(core.vcpu, 0x10, 0x5555));
    assert_int_equal(machine.vmcb->tsc_offset, 0x5555);
    assert_false(machine.vmcb->clean & VMCB_CLEAN_INTERCEPTS);
    assert_true(svm_set_msr(core.vcpu, 0x1d9, 3));
    assert_false(machine.vmcb->clean & VMCB_CLEAN_LBR);
    assert_true(svm_get_msr(core.vcpu, 0x1d9, &value));
    assert_int_equal(value, 3);
    privileged_begin();
    assert_true(svm_set_msr(core.vcpu, IA32_XSS, 0x100)); /* stays in the CPU */
    privileged_end();
    assert_int_equal(privileged.msr, IA32_XSS);
    assert_int_equal(core.vcpu->arch.native.xss, 0x100);
    assert_false(svm_get_msr(core.vcpu, 0x10, &value));
    assert_false(svm_set_msr(core.vcpu, 0x1234, 1));
}

static void an_instruction_that_is_done_ends_the_shadow_and_traps_a_step(void **state)
{
    (void)state;
    begin(0);
    machine.vmcb->rip = 0x1000;
    machine.vmcb->interrupt_shadow = VMCB_SHADOW;
    core.vcpu->requests = 0;
    svm_advance(core.vcpu, 3);
    assert_int_equal(machine.vmcb->rip, 0x1003);
    assert_int_equal(machine.vmcb->interrupt_shadow, 0);
    assert_true(core.vcpu->requests & REQUEST_EVENT); /* what waited may go in */
    assert_false(core.vcpu->arch.event.valid);
    machine.vmcb->rflags |= RFLAGS_RF; /* it has let this one pass its breakpoint, and lets no other */
    svm_advance(core.vcpu, 3);
    assert_false(machine.vmcb->rflags & RFLAGS_RF);
    assert_false(core.vcpu->arch.event.valid);
    machine.vmcb->rflags |= RFLAGS_TF | RFLAGS_RF;
    svm_advance(core.vcpu, 1);
    assert_false(machine.vmcb->rflags & RFLAGS_RF);
    core_expect_exception(EXC_DB);
    assert_true(machine.vmcb->dr6 & BIT(14));
    core.vcpu->arch.event.valid = false;
    machine.vmcb->debugctl = BIT(1); /* BTF: branches only */
    svm_advance(core.vcpu, 1);
    assert_false(core.vcpu->arch.event.valid);
}

static void rip_has_32_bits_outside_64_bit_code(void **state)
{
    (void)state;
    begin(0);
    machine.vmcb->rip = 0xfffffffe;
    svm_advance(core.vcpu, 4);
    assert_int_equal(machine.vmcb->rip, 2);
    machine.vmcb->cs.attributes |= VMCB_LONG_CODE;
    machine.vmcb->rip = 0xfffffffe;
    svm_advance(core.vcpu, 4);
    assert_int_equal(machine.vmcb->rip, UINT64_C(0x100000002));
}

static void load(void)
{
    privileged_begin();
    svm_vcpu_load(core.vcpu);
    privileged_end();
}

static void another_core_reads_all_of_the_vmcb_and_keeps_no_translation(void **state)
{
    (void)state;
    begin(BIT(SVM_FLUSH_ASID));
    core.vm.space.root = 0x7000;
    load();
    assert_int_equal(machine.vmcb->clean, UINT32_MAX); /* the same core as before */
    assert_int_equal(machine.vmcb->tlb_control, 0);
    assert_int_equal(privileged.cr[3], 0x7000);
    assert_ptr_equal(machine.cpu.current, core.vcpu);
    machine.cpu.index = 1;
    load();
    assert_int_equal(machine.vmcb->clean, 0);
    assert_int_equal(machine.vmcb->tlb_control, VMCB_FLUSH_ASID);
    privileged_begin();
    svm_vcpu_put(core.vcpu);
    privileged_end();
    assert_int_equal(privileged.cr[3], 0x5000); /* Keel's own */
    assert_null(machine.cpu.current);
}

static void vcpus_that_share_an_asid_begin_with_a_flush(void **state)
{
    (void)state;
    svm_asids = 4;
    for (unsigned i = 0; i < svm_asids; i++)
        begin(BIT(SVM_FLUSH_ASID));
    assert_true(machine.vmcb->asid > 0 && machine.vmcb->asid < svm_cpu.asids);
    load();
    assert_int_equal(machine.vmcb->tlb_control, VMCB_FLUSH_ASID);
}

static void a_request_to_stop_is_served_before_the_guest_is_entered(void **state)
{
    (void)state;
    begin(0);
    core.vcpu->requests = REQUEST_STOP;
    svm_run(core.vcpu);
    assert_int_equal(machine.entries, 0);
    core.vcpu->requests = 0;
    svm_run(core.vcpu);
    assert_int_equal(machine.entries, 1);
}

static void a_vcpu_that_memory_is_missing_for_leaves_nothing_behind(void **state)
{
    unsigned before = (unsigned)fake_memory.blocks, tries = 0;
    void *vendor = core.vcpu->arch.vendor;
    struct native_state native = core.vcpu->arch.native;
    bool made;

    (void)state;
    do {
        memset(&core.vcpu->arch.native, 0, sizeof(core.vcpu->arch.native));
        fake_memory.refused_at = ++tries;
        made = svm_vcpu_create(core.vcpu);
        fake_memory.refused_at = 0;
        svm_vcpu_destroy(core.vcpu); /* as life_destroy does, whatever was made */
        assert_int_equal((unsigned)fake_memory.blocks, before);
    } while (!made);
    assert_int_equal(tries, 3); /* the VMCB, what XSAVE needs, and nothing failed */
    core.vcpu->arch.vendor = vendor;
    core.vcpu->arch.native = native;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, svm_setup, svm_teardown)

/* They are intercepted, to raise #UD; and TSC_AUX goes with RDTSCP. */
static void what_cpuid_hides_is_intercepted(void **state)
{
    void *vendor = core.vcpu->arch.vendor;
    struct native_state native = core.vcpu->arch.native;
    uint64_t map[3];

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        const union vmcb *vmcb;

        fake_cpuid.hides = i == 1 ? "rdtscp" : i == 2 ? "invpcid" : NULL;
        memset(&core.vcpu->arch.native, 0, sizeof(core.vcpu->arch.native));
        assert_true(svm_vcpu_create(core.vcpu));
        vmcb = &svm_of(core.vcpu)->vmcb;
        assert_int_equal(vmcb->intercepts2 >> 7 & 1, i == 1);
        assert_int_equal(vmcb->intercepts3 >> 2 & 1, i == 2);
        map[i] = vmcb->msrpm;
        svm_vcpu_destroy(core.vcpu);
    }
    assert_int_not_equal(map[0], map[1]);
    assert_int_equal(map[0], map[2]);
    core.vcpu->arch.vendor = vendor;
    core.vcpu->arch.native = native;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_vmcb_breaks_no_check_of_vmrun),
        TEST(reset_is_the_state_that_the_manual_has),
        TEST(the_guest_sees_neither_svme_nor_mce),
        TEST(a_change_is_told_to_the_cpu_and_no_more),
        TEST(cr2_is_in_the_cpu_too_where_vmrun_loses_it),
        TEST(segments_come_back_as_they_were_put),
        TEST(the_privilege_level_is_that_of_ss),
        TEST(the_emulator_gets_all_it_asks_in_one_call),
        TEST(msrs_of_the_vmcb_are_told_to_the_cpu),
        TEST(an_instruction_that_is_done_ends_the_shadow_and_traps_a_step),
        TEST(rip_has_32_bits_outside_64_bit_code),
        TEST(another_core_reads_all_of_the_vmcb_and_keeps_no_translation),
        TEST(vcpus_that_share_an_asid_begin_with_a_flush),
        TEST(a_vcpu_that_memory_is_missing_for_leaves_nothing_behind),
        TEST(a_request_to_stop_is_served_before_the_guest_is_entered),
        TEST(what_cpuid_hides_is_intercepted),
    };
    return cmocka_run_group_tests_name("svm_vcpu", tests, NULL, NULL);
}
