#include "tests/unit/core_fixture.h"

#include "hv/cpu/control.h"

static void begin(unsigned bits, uint64_t cr0, uint64_t cr4, uint64_t efer)
{
    core_teardown(NULL);
    core_begin(bits);
    vcpu_set(core.vcpu, REG_CR0, cr0);
    vcpu_set(core.vcpu, REG_CR4, cr4);
    vcpu_set(core.vcpu, REG_EFER, efer);
}

static void set_tr_type(uint32_t type)
{
    struct segment tr = vcpu_get_segment(core.vcpu, SEG_TR);

    tr.attributes = SEG_P | type;
    vcpu_set_segment(core.vcpu, SEG_TR, &tr);
}

#define PROTECTED (CR0_PE | CR0_ET)
#define PAGING    (PROTECTED | CR0_PG)
#define LONG      (EFER_LME | EFER_LMA)

static void cr0_has_no_high_half_and_two_bits_that_need_another(void **state)
{
    (void)state;
    begin(16, CR0_ET, 0, 0);
    assert_true(cr0_valid(core.vcpu, 0));
    assert_true(cr0_valid(core.vcpu, PROTECTED));
    for (unsigned bit = 32; bit < 64; bit++)
        assert_false(cr0_valid(core.vcpu, PROTECTED | BIT(bit)));
    assert_false(cr0_valid(core.vcpu, CR0_PG));
    assert_true(cr0_valid(core.vcpu, PAGING));
    assert_false(cr0_valid(core.vcpu, CR0_NW));
    assert_true(cr0_valid(core.vcpu, CR0_CD));
    assert_true(cr0_valid(core.vcpu, CR0_NW | CR0_CD));
}

static void reserved_bits_of_cr0s_low_half_are_ignored(void **state)
{
    (void)state;
    begin(32, PROTECTED, 0, 0);
    assert_true(cr0_valid(core.vcpu, PROTECTED | 0x1ffaffc0));
}

static void long_mode_begins_with_pae_and_outside_64_bit_code(void **state)
{
    (void)state;
    begin(32, PROTECTED, CR4_PAE, EFER_LME);
    set_tr_type(11);
    assert_true(cr0_valid(core.vcpu, PAGING));
    vcpu_set(core.vcpu, REG_CR4, 0);
    assert_false(cr0_valid(core.vcpu, PAGING));
    vcpu_set(core.vcpu, REG_EFER, 0); /* 32-bit paging needs no PAE */
    assert_true(cr0_valid(core.vcpu, PAGING));
    begin(64, PROTECTED, CR4_PAE, EFER_LME); /* CS.L set before its time */
    set_tr_type(11);
    assert_false(cr0_valid(core.vcpu, PAGING));
    vcpu_set(core.vcpu, REG_EFER, 0);
    assert_true(cr0_valid(core.vcpu, PAGING));
}

static void long_mode_does_not_begin_on_a_16_bit_tss(void **state)
{
    (void)state;
    begin(32, PROTECTED, CR4_PAE, EFER_LME);
    set_tr_type(3);
    assert_false(cr0_valid(core.vcpu, PAGING));
    vcpu_set(core.vcpu, REG_EFER, 0);
    assert_true(cr0_valid(core.vcpu, PAGING));
}

static void paging_ends_outside_64_bit_code_and_without_pcid(void **state)
{
    (void)state;
    begin(64, PAGING, CR4_PAE, LONG);
    assert_false(cr0_valid(core.vcpu, PROTECTED));
    assert_true(cr0_valid(core.vcpu, PAGING | CR0_WP)); /* paging stays */
    begin(32, PAGING, CR4_PAE, LONG);                   /* compatibility mode */
    assert_true(cr0_valid(core.vcpu, PROTECTED));
    vcpu_set(core.vcpu, REG_CR4, CR4_PAE | CR4_PCIDE);
    assert_false(cr0_valid(core.vcpu, PROTECTED));
    assert_true(cr0_valid(core.vcpu, PAGING));
}

static void cr4_takes_allowed_bits_only(void **state)
{
    (void)state;
    begin(32, PROTECTED, 0, 0);
    for (unsigned bit = 0; bit < 64; bit++) {
        assert_false(cr4_valid(core.vcpu, BIT(bit), ~BIT(bit)));
        assert_int_equal(cr4_valid(core.vcpu, BIT(bit), BIT(bit)), bit != 17); /* PCIDE has its own rules */
    }
}

static void long_mode_keeps_pae_and_its_number_of_levels(void **state)
{
    (void)state;
    begin(64, PAGING, CR4_PAE, LONG);
    assert_true(cr4_valid(core.vcpu, CR4_PAE | CR4_PGE, UINT64_MAX));
    assert_false(cr4_valid(core.vcpu, CR4_PGE, UINT64_MAX));
    assert_false(cr4_valid(core.vcpu, CR4_PAE | CR4_LA57, UINT64_MAX));
    vcpu_set(core.vcpu, REG_CR4, CR4_PAE | CR4_LA57);
    assert_false(cr4_valid(core.vcpu, CR4_PAE, UINT64_MAX));
    assert_true(cr4_valid(core.vcpu, CR4_PAE | CR4_LA57, UINT64_MAX));
    begin(32, PAGING, CR4_PAE, EFER_LME); /* not active yet */
    assert_true(cr4_valid(core.vcpu, CR4_LA57, UINT64_MAX));
}

static void pcid_is_turned_on_in_long_mode_with_pcid_0(void **state)
{
    const uint64_t value = CR4_PAE | CR4_PCIDE;

    (void)state;
    begin(64, PAGING, CR4_PAE, LONG);
    vcpu_set(core.vcpu, REG_CR3, 0x7000);
    assert_true(cr4_valid(core.vcpu, value, UINT64_MAX));
    for (unsigned bit = 0; bit < 12; bit++) {
        vcpu_set(core.vcpu, REG_CR3, 0x7000 | BIT(bit));
        assert_false(cr4_valid(core.vcpu, value, UINT64_MAX));
    }
    vcpu_set(core.vcpu, REG_CR4, value); /* on already: any PCID will do, and it may be turned off */
    assert_true(cr4_valid(core.vcpu, value | CR4_PGE, UINT64_MAX));
    assert_true(cr4_valid(core.vcpu, CR4_PAE, UINT64_MAX));
    begin(32, PAGING, CR4_PAE, 0);
    assert_false(cr4_valid(core.vcpu, value, UINT64_MAX));
}

static void what_is_offered_follows_the_limits(void **state)
{
    const uint64_t never = CR4_VMXE | CR4_SMXE | CR4_CET | CR4_PKS | BIT(15) | BIT(19) | ~(BIT(25) - 1);

    (void)state;
    assert_false(cr4_offered(&(struct cpuid_limits){0}) & (CR4_OSXSAVE | CR4_PKE | never));
    assert_int_equal(cr4_offered(&(struct cpuid_limits){.xcr0 = 3}) & (CR4_OSXSAVE | CR4_PKE | never),
                     CR4_OSXSAVE);
    assert_int_equal(cr4_offered(&(struct cpuid_limits){.pku = true}) & (CR4_OSXSAVE | CR4_PKE | never),
                     CR4_PKE);
}

static void bits_that_cpuid_does_not_show_are_reserved(void **state)
{
    const struct cpuid_limits all = {.xcr0 = 7, .pku = true};

    (void)state;
    assert_int_equal(cr4_shown(core.vcpu), 0);
    fake_cpuid.regs = (struct cpuid_regs){UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};
    assert_int_equal(cr4_shown(core.vcpu),
                     cr4_offered(&all)); /* no bit that is offered lacks its place in CPUID */
    fake_cpuid.regs = (struct cpuid_regs){.edx = BIT(1) | BIT(6)}; /* VME and PAE */
    assert_int_equal(cr4_shown(core.vcpu), CR4_VME | CR4_PVI | CR4_PAE);
    fake_cpuid.regs = (struct cpuid_regs){.ebx = BIT(0) | BIT(7) | BIT(20)};
    assert_int_equal(cr4_shown(core.vcpu), CR4_FSGSBASE | CR4_SMEP | CR4_SMAP);
    fake_cpuid.regs = (struct cpuid_regs){.ecx = BIT(2) | BIT(3) | BIT(16) | BIT(17)};
    assert_int_equal(cr4_shown(core.vcpu), CR4_UMIP | CR4_PKE | CR4_LA57 | CR4_PCIDE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, core_setup, core_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(cr0_has_no_high_half_and_two_bits_that_need_another),
        TEST(reserved_bits_of_cr0s_low_half_are_ignored),
        TEST(long_mode_begins_with_pae_and_outside_64_bit_code),
        TEST(long_mode_does_not_begin_on_a_16_bit_tss),
        TEST(paging_ends_outside_64_bit_code_and_without_pcid),
        TEST(cr4_takes_allowed_bits_only),
        TEST(long_mode_keeps_pae_and_its_number_of_levels),
        TEST(pcid_is_turned_on_in_long_mode_with_pcid_0),
        TEST(what_is_offered_follows_the_limits),
        TEST(bits_that_cpuid_does_not_show_are_reserved),
    };
    return cmocka_run_group_tests_name("control", tests, NULL, NULL);
}
