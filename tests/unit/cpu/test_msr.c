#include "tests/unit/core_fixture.h"

#include <stdlib.h>
#include <string.h>

/* Numbers as the SDM's volume 4 gives them; Keel's own names are private to hv/cpu/msr.c. */
#define TSC        0x10
#define TSC_ADJUST 0x3b
#define MTRR_BASE0 0x200
#define MTRR_MASK0 0x201
#define MISC       0x1a0
#define DEBUGCTL   0x1d9
#define MTRR_DEF   0x2ff
#define XSS        0xda0
#define EFER       0xc0000080

static struct msr_state msrs;
static void *devices;
static struct bus_range *ranges;

static const struct cpuid_limits limits = {.xcr0 = 0xe7, .xss = BIT(8) | BIT(11), .physical_bits = 39};

static int setup(void **state)
{
    (void)state;
    core_begin(64);
    fake_cpuid.regs = (struct cpuid_regs){.ebx = BIT(1), .edx = BIT(20)}; /* IA32_TSC_ADJUST, NX */
    memset(&msrs, 0xa5, sizeof(msrs)); /* a reset must not depend on what was there */
    core.vcpu->arch.msrs = &msrs;
    devices = calloc(1, msr_devices_size());
    ranges = calloc(msr_range_count(), sizeof(*ranges));
    msr_ranges(core.vcpu, devices, ranges);
    assert_true(bus_init(&core.vcpu->msr_bus, "MSR", ranges, msr_range_count()));
    msr_reset(core.vcpu, &limits, 0xc0000000);
    return 0;
}

static int teardown(void **state)
{
    free(devices);
    free(ranges);
    return core_teardown(state);
}

static uint64_t get(uint32_t msr)
{
    uint64_t value = 0x5555;

    if (!msr_read(core.vcpu, msr, &value))
        fail_msg("RDMSR 0x%x raises #GP", msr);
    return value;
}

static bool gp_on_read(uint32_t msr)
{
    uint64_t value;

    return !msr_read(core.vcpu, msr, &value);
}

static bool put(uint32_t msr, uint64_t value)
{
    return msr_write(core.vcpu, msr, value);
}

/* Every MSR that holds a constant, or takes writes without effect. */
static void constants_read_as_they_are_and_take_what_the_manual_lets_them(void **state)
{
    static const struct {
        uint32_t msr;
        int64_t value; /* -1: not readable */
        bool zero_may_be_written, one_may_be_written;
    } rows[] = {
        {0x0, 0, true, false},                      /* IA32_P5_MC_ADDR */
        {0x1, 0, true, false},                      /* IA32_P5_MC_TYPE */
        {0x17, 0, false, false},                    /* IA32_PLATFORM_ID */
        {0x3a, 1, false, false},                    /* IA32_FEATURE_CONTROL: locked, VMX off */
        {0x79, -1, true, true},                     /* IA32_BIOS_UPDT_TRIG */
        {0x8b, INT64_C(1) << 32, true, true},       /* IA32_BIOS_SIGN_ID */
        {0xfe, 8 | 1 << 8 | 1 << 10, false, false}, /* IA32_MTRRCAP: 8 pairs, fixed ranges, WC */
        {0x179, 0, false, false},                   /* IA32_MCG_CAP: no banks */
        {0x17a, 0, true, false},                    /* IA32_MCG_STATUS */
        {0x198, 10 << 8, false, false},             /* IA32_PERF_STATUS: 1 GHz is 10 times 100 MHz */
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(rows); i++) {
        assert_int_equal(gp_on_read(rows[i].msr), rows[i].value < 0);
        if (rows[i].value >= 0)
            assert_int_equal(get(rows[i].msr), rows[i].value);
        assert_int_equal(put(rows[i].msr, 0), rows[i].zero_may_be_written);
        assert_int_equal(put(rows[i].msr, 1), rows[i].one_may_be_written);
        if (rows[i].value >= 0)
            assert_int_equal(get(rows[i].msr), rows[i].value);
    }
}

static void the_ratio_in_perf_status_is_never_zero_nor_too_wide(void **state)
{
    (void)state;
    fake_hz = 1;
    assert_int_equal(get(0x198), 1 << 8);
    fake_hz = UINT64_MAX;
    assert_int_equal(get(0x198), 0xff << 8);
}

static void unknown_msrs_raise_gp_and_are_counted(void **state)
{
    static const uint32_t unknown[] = {0x2,   0x11,  0x480, 0x6e0,      0x210,      0x24f,
                                       0x251, 0x25a, 0x270, 0x40000000, 0xc0000081, 0xffffffff};

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(unknown); i++) {
        assert_true(gp_on_read(unknown[i]));
        assert_false(put(unknown[i], 0));
    }
    assert_int_equal(core.vcpu->msr_bus.misses.count, 2 * ARRAY_LENGTH(unknown));
}

static void native_msrs_are_not_on_the_bus(void **state)
{
    unsigned count = 0;

    (void)state;
    for (; msr_native[count]; count++)
        assert_true(gp_on_read(msr_native[count]));
    assert_int_equal(count, 12);
}

static void a_write_to_the_tsc_moves_tsc_adjust_as_much(void **state)
{
    (void)state;
    fake_now = 1000;
    assert_int_equal(get(TSC), 1000);
    assert_true(put(TSC, 50)); /* back */
    assert_int_equal(get(TSC), 50);
    assert_int_equal(get(TSC_ADJUST), (uint64_t)-950);
    assert_int_equal(core.vcpu->arch.tsc_offset, (uint64_t)-950);
    assert_int_equal(core.vendor_msr[0], (uint64_t)-950); /* the vendor learns the offset */
    assert_int_equal(core.latest_msr, TSC);
    assert_int_equal(core.tsc_changes, 1);
    fake_now += 7;
    assert_int_equal(get(TSC), 57);
    assert_true(put(TSC, UINT64_MAX));
    fake_now += 2;
    assert_int_equal(get(TSC), 1); /* wraps */
}

static void a_write_to_tsc_adjust_moves_the_tsc_by_the_difference(void **state)
{
    (void)state;
    fake_now = 1000;
    assert_true(put(TSC_ADJUST, 500));
    assert_int_equal(get(TSC), 1500);
    assert_int_equal(get(TSC_ADJUST), 500);
    assert_true(put(TSC_ADJUST, 200));
    assert_int_equal(get(TSC), 1200);
    assert_true(put(TSC, 2200)); /* both together */
    assert_int_equal(get(TSC_ADJUST), 1200);
    assert_true(put(TSC_ADJUST, 0));
    assert_int_equal(get(TSC), 1000);
    assert_int_equal(core.vcpu->arch.tsc_offset, 0);
    assert_int_equal(core.tsc_changes, 4);
}

static void what_cpuid_hides_raises_gp(void **state)
{
    uint64_t value;

    (void)state;
    fake_cpuid.regs = (struct cpuid_regs){0};
    assert_false(put(TSC_ADJUST, 500));
    assert_false(msr_read(core.vcpu, TSC_ADJUST, &value));
    assert_int_equal(core.vcpu->arch.tsc_offset, 0);
    vcpu_set(core.vcpu, REG_EFER, 0);
    assert_false(put(EFER, EFER_NXE));
    assert_true(put(EFER, EFER_LME));
}

static void misc_enable_keeps_what_may_not_change(void **state)
{
    const uint64_t fixed = BIT(11) | BIT(12),
                   writable = BIT(0) | BIT(3) | BIT(16) | BIT(18) | BIT(22) | BIT(23) | BIT(34);

    (void)state;
    assert_int_equal(get(MISC), fixed | BIT(0));
    assert_true(put(MISC, UINT64_MAX));
    assert_int_equal(get(MISC), fixed | writable);
    assert_true(put(MISC, 0));
    assert_int_equal(get(MISC), fixed);
}

static void debugctl_takes_lbr_and_btf_only(void **state)
{
    (void)state;
    assert_true(put(DEBUGCTL, 3));
    assert_int_equal(core.latest_msr, DEBUGCTL);
    assert_int_equal(get(DEBUGCTL), 3);
    for (unsigned bit = 2; bit < 64; bit++)
        assert_false(put(DEBUGCTL, BIT(bit)));
    assert_int_equal(get(DEBUGCTL), 3);
}

/* SDM, "Memory Types That Can Be Encoded in MTRRs". */
static bool is_memory_type(unsigned type)
{
    return type == 0 || type == 1 || type == 4 || type == 5 || type == 6;
}

/* Another legal value for each `number` below 25. */
static uint64_t two_types(unsigned number)
{
    static const uint8_t types[] = {6, 5, 4, 1, 0};

    return types[number % 5] | (uint64_t)types[number / 5] << 56;
}

static void mtrrs_take_the_five_memory_types_only(void **state)
{
    static const uint32_t fixed[] = {0x250, 0x258, 0x259, 0x268, 0x269, 0x26a,
                                     0x26b, 0x26c, 0x26d, 0x26e, 0x26f};

    (void)state;
    for (unsigned type = 0; type < 256; type++) {
        bool good = is_memory_type(type);

        assert_int_equal(put(MTRR_BASE0 + 14, 0x100000 | type), good);
        assert_int_equal(put(MTRR_DEF, type), good);
        for (unsigned i = 0; i < ARRAY_LENGTH(fixed); i++)
            for (unsigned byte = 0; byte < 8; byte++)
                assert_int_equal(put(fixed[i], (uint64_t)type << (8 * byte)), good);
    }
    for (unsigned i = 0; i < ARRAY_LENGTH(fixed); i++)
        assert_true(put(fixed[i], two_types(i)));
    for (unsigned i = 0; i < ARRAY_LENGTH(fixed); i++) /* eleven registers: none stands for two */
        assert_int_equal(get(fixed[i]), two_types(i));
}

static void variable_mtrrs_check_reserved_bits(void **state)
{
    const uint64_t address = (BIT(39) - 1) & ~PAGE_MASK;

    (void)state;
    for (unsigned bit = 0; bit < 64; bit++) {
        assert_int_equal(put(MTRR_MASK0 + 2, BIT(bit)), bit == 11 || (bit >= 12 && bit < 39));
        if (bit >= 8)
            assert_int_equal(put(MTRR_BASE0 + 2, BIT(bit)), bit >= 12 && bit < 39);
    }
    for (unsigned i = 0; i < MTRR_VARIABLE; i++) {
        assert_true(put(MTRR_BASE0 + 2 * i, (address & ~((uint64_t)i << 12)) | 6));
        assert_true(put(MTRR_MASK0 + 2 * i, (address & ~((uint64_t)i << 13)) | BIT(11)));
    }
    for (unsigned i = 0; i < MTRR_VARIABLE; i++) {
        assert_int_equal(get(MTRR_BASE0 + 2 * i), (address & ~((uint64_t)i << 12)) | 6);
        assert_int_equal(get(MTRR_MASK0 + 2 * i), (address & ~((uint64_t)i << 13)) | BIT(11));
    }
    assert_true(gp_on_read(MTRR_BASE0 + 2 * MTRR_VARIABLE));
}

static void the_default_type_has_two_enable_bits(void **state)
{
    (void)state;
    for (unsigned bit = 8; bit < 64; bit++)
        assert_int_equal(put(MTRR_DEF, 6 | BIT(bit)), bit == 10 || bit == 11);
    assert_true(put(MTRR_DEF, 0xc00));
    assert_int_equal(get(MTRR_DEF), 0xc00);
}

static void mtrrs_begin_as_firmware_leaves_them(void **state)
{
    (void)state;
    assert_int_equal(get(MTRR_DEF), 0xc06);
    assert_int_equal(get(MTRR_BASE0), 0xc0000000); /* 3 to 4 GiB uncached */
    assert_int_equal(get(MTRR_MASK0), 0x7fc0000800);
    for (unsigned i = 1; i < MTRR_VARIABLE; i++)
        assert_int_equal(get(MTRR_MASK0 + 2 * i), 0);
    assert_int_equal(get(0x258), 0x0606060606060606);
    assert_int_equal(get(0x259), 0); /* 640 to 768 KiB */
    assert_int_equal(get(0x268), 0x0606060606060606);
}

static void efer_has_four_bits_and_lma_is_the_processors(void **state)
{
    (void)state;
    vcpu_set(core.vcpu, REG_EFER, 0);
    for (unsigned bit = 0; bit < 64; bit++)
        assert_int_equal(put(EFER, BIT(bit)), bit == 0 || bit == 8 || bit == 10 || bit == 11);
    assert_true(put(EFER, EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE));
    assert_int_equal(get(EFER), EFER_SCE | EFER_LME | EFER_NXE);
    vcpu_set(core.vcpu, REG_EFER, EFER_LME | EFER_LMA);
    core.vcpu->arch.code_changed = false;
    assert_true(put(EFER, EFER_LME | EFER_NXE));
    assert_int_equal(get(EFER), EFER_LME | EFER_LMA | EFER_NXE);
    assert_true(core.vcpu->arch.code_changed);
}

static void lme_may_not_change_while_paging_is_on(void **state)
{
    (void)state;
    vcpu_set(core.vcpu, REG_CR0, CR0_PE | CR0_PG);
    vcpu_set(core.vcpu, REG_EFER, EFER_LME | EFER_LMA);
    assert_false(put(EFER, EFER_SCE));
    assert_true(put(EFER, EFER_LME | EFER_SCE));
    assert_int_equal(get(EFER), EFER_LME | EFER_LMA | EFER_SCE);
    vcpu_set(core.vcpu, REG_EFER, 0);
    assert_false(put(EFER, EFER_LME));
    vcpu_set(core.vcpu, REG_CR0, CR0_PE);
    assert_true(put(EFER, EFER_LME));
}

static void xss_exists_with_xsaves_and_takes_allowed_components(void **state)
{
    (void)state;
    fake_cpuid.regs.eax = 0xf & ~BIT(3);
    assert_true(gp_on_read(XSS));
    assert_false(put(XSS, 0));
    fake_cpuid.regs.eax = BIT(3);
    assert_int_equal(get(XSS), 0);
    assert_int_equal(fake_cpuid.leaf, 0xd);
    assert_int_equal(fake_cpuid.subleaf, 1);
    for (unsigned bit = 0; bit < 64; bit++)
        assert_int_equal(put(XSS, BIT(bit)), bit == 8 || bit == 11);
    assert_true(put(XSS, BIT(8)));
    assert_int_equal(get(XSS), BIT(8));
    assert_int_equal(core.latest_msr, XSS);
    assert_int_equal(core.vendor_msr[0], BIT(8));
    assert_int_equal(fake_asked.cpuid_changes, 3);
}

/* SDM, "XSETBV": written anew, as a rule over every combination of the low ten bits. */
static bool xcr0_is_legal(unsigned value)
{
    unsigned avx512 = value >> 5 & 7, mpx = value >> 3 & 3;
    bool x87 = value & 1, sse = value & 2, avx = value & 4;

    return x87 && (!avx || sse) && (mpx == 0 || mpx == 3) && (avx512 == 0 || (avx512 == 7 && avx));
}

static void xcr0_takes_legal_combinations_of_what_cpuid_shows(void **state)
{
    static const unsigned shown[] = {0x7, 0xe7, 0x1f, 0x207, 0x2ff};

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(shown); i++) {
        fake_cpuid.regs = (struct cpuid_regs){.eax = shown[i]};
        for (unsigned value = 0; value < 0x400; value++) {
            bool legal = xcr0_is_legal(value) && !(value & ~shown[i]);

            core.vcpu->arch.xcr0 = 1;
            fake_asked.cpuid_changes = 0;
            assert_int_equal(xcr0_write(core.vcpu, 0, value), legal);
            assert_int_equal(core.vcpu->arch.xcr0, legal ? value : 1);
            assert_int_equal(fake_asked.cpuid_changes, legal);
        }
    }
    assert_int_equal(fake_cpuid.leaf, 0xd);
    assert_int_equal(fake_cpuid.subleaf, 0);
}

static void xcr0_is_the_only_one_and_its_high_half_counts(void **state)
{
    (void)state;
    fake_cpuid.regs = (struct cpuid_regs){.eax = 7, .edx = BIT(30)};
    assert_false(xcr0_write(core.vcpu, 1, 7));
    assert_false(xcr0_write(core.vcpu, UINT32_MAX, 7));
    assert_true(xcr0_write(core.vcpu, 0, BIT(62) | 7));
    assert_false(xcr0_write(core.vcpu, 0, BIT(63) | 7));
    assert_false(xcr0_write(core.vcpu, 0, BIT(32) | 7));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(constants_read_as_they_are_and_take_what_the_manual_lets_them),
        TEST(the_ratio_in_perf_status_is_never_zero_nor_too_wide),
        TEST(unknown_msrs_raise_gp_and_are_counted),
        TEST(what_cpuid_hides_raises_gp),
        TEST(native_msrs_are_not_on_the_bus),
        TEST(a_write_to_the_tsc_moves_tsc_adjust_as_much),
        TEST(a_write_to_tsc_adjust_moves_the_tsc_by_the_difference),
        TEST(misc_enable_keeps_what_may_not_change),
        TEST(debugctl_takes_lbr_and_btf_only),
        TEST(mtrrs_take_the_five_memory_types_only),
        TEST(variable_mtrrs_check_reserved_bits),
        TEST(the_default_type_has_two_enable_bits),
        TEST(mtrrs_begin_as_firmware_leaves_them),
        TEST(efer_has_four_bits_and_lma_is_the_processors),
        TEST(lme_may_not_change_while_paging_is_on),
        TEST(xss_exists_with_xsaves_and_takes_allowed_components),
        TEST(xcr0_takes_legal_combinations_of_what_cpuid_shows),
        TEST(xcr0_is_the_only_one_and_its_high_half_counts),
    };
    return cmocka_run_group_tests_name("msr", tests, NULL, NULL);
}
