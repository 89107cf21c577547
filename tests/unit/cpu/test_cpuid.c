#include "tests/unit/fake.h"

#include <stdlib.h>
#include <string.h>

#include "hv/cpu/cpuid.h"
#include "hv/cpu/cpuid_policy.h"
#include "tests/unit/cpu/cpuid_machines.h"

/* The machine, as a table of what CPUID answers there. */
static const struct answer *machine_answers;
static size_t machine_count;

/* A leaf that the machine does not have answers with bits all set: nothing may come of it. */
static void machine(uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out)
{
    uint32_t highest = leaf < 0x80000000 ? machine_answers[0].regs.eax : 0x80000000;

    for (size_t i = 0; i < machine_count; i++) {
        if (machine_answers[i].leaf == 0x80000000 && leaf >= 0x80000000)
            highest = machine_answers[i].regs.eax;
        if (machine_answers[i].leaf == leaf && machine_answers[i].subleaf == subleaf) {
            *out = machine_answers[i].regs;
            return;
        }
    }
    *out = leaf > highest ? (struct cpuid_regs){UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX}
                          : (struct cpuid_regs){0};
}

static struct vcpu vcpu;
static struct cpuid_limits limits;

static const struct cpuid_limits everything = {.rdtscp = true,
                                               .invpcid = true,
                                               .xsaves = true,
                                               .waitpkg = true,
                                               .pku = true,
                                               .tsc_deadline = true,
                                               .x2apic = true,
                                               .xcr0 = 0x2e7,
                                               .xss = 0,
                                               .tsc_hz = 2494228000,
                                               .physical_bits = 48};

static void build(unsigned id, unsigned vcpus)
{
    vcpu.id = id;
    cpuid_init(&vcpu, vcpus, &limits, machine);
}

#define ON(model) (machine_answers = (model), machine_count = ARRAY_LENGTH(model))

static int setup(void **state)
{
    (void)state;
    vcpu.arch.cpuid = malloc(cpuid_table_size());
    limits = everything;
    return !vcpu.arch.cpuid;
}

static int teardown(void **state)
{
    (void)state;
    free(vcpu.arch.cpuid);
    return 0;
}

static struct cpuid_regs ask(uint32_t leaf, uint32_t subleaf)
{
    return *cpuid_lookup(&vcpu, leaf, subleaf);
}

static void assert_regs(uint32_t leaf, uint32_t subleaf, uint32_t eax, uint32_t ebx, uint32_t ecx,
                        uint32_t edx)
{
    struct cpuid_regs regs = ask(leaf, subleaf);

    if (regs.eax != eax || regs.ebx != ebx || regs.ecx != ecx || regs.edx != edx)
        fail_msg("leaf %x.%x: %08x %08x %08x %08x, not %08x %08x %08x %08x", leaf, subleaf, regs.eax,
                 regs.ebx, regs.ecx, regs.edx, eax, ebx, ecx, edx);
}

static void skylake_x_shows_what_a_guest_may_use(void **state)
{
    (void)state;
    ON(skylake_x);
    build(1, 4);
    assert_regs(0, 0, 0x16, 0x756e6547, 0x6c65746e, 0x49656e69);
    assert_regs(1, 0, 0x00050654, 0x01040800, 0xf7fa3203, 0x1f8bfbff);
    assert_regs(2, 0, 0x76036301, 0x00f0b5ff, 0, 0x00c30000);
    assert_regs(6, 0, 4, 0, 0, 0);
    assert_regs(7, 0, 0, 0xd19f2feb, 0x00000008, 0x00000400);
    assert_regs(0x80000000, 0, 0x80000008, 0, 0, 0);
    assert_regs(0x80000001, 0, 0, 0, 0x121, 0x2c100800);
    assert_regs(0x80000002, 0, 0x65746e49, 0x2952286c, 0x726f4320, 0x4d542865);
    assert_regs(0x80000006, 0, 0, 0, 0x01006040, 0);
    assert_regs(0x80000007, 0, 0, 0, 0, 0x100);
    assert_regs(0x80000008, 0, 0x302e, 0, 0, 0);
}

static void leaves_of_the_machine_alone_are_zero(void **state)
{
    static const uint32_t leaves[] = {3,    5,          8,          9,          0xa,        0xc,
                                      0xe,  0xf,        0x10,       0x11,       0x12,       0x13,
                                      0x14, 0x80000005, 0x40000001, 0x4000000f, 0x40000011, 0x4fffffff};

    (void)state;
    ON(skylake_x);
    build(0, 1);
    for (size_t i = 0; i < ARRAY_LENGTH(leaves); i++)
        assert_regs(leaves[i], 0, 0, 0, 0, 0);
    ON(epyc);
    build(0, 1);
    for (uint32_t leaf = 0x80000009; leaf < 0x80000019; leaf++)
        assert_regs(leaf, 0, 0, 0, 0, 0);
    assert_regs(0x8000001b, 0, 0, 0, 0, 0);
    assert_regs(0x8000001f, 0, 0, 0, 0, 0);
}

static void an_older_intel_machine_gets_the_frequency_leaves(void **state)
{
    (void)state;
    ON(haswell);
    build(0, 1);
    assert_regs(0, 0, 0x16, 0x756e6547, 0x6c65746e, 0x49656e69);
    assert_regs(1, 0, 0x000306c3, 0x00010800, 0xf7fa3203, 0x0f8bfbff);
    assert_regs(7, 0, 0, 0x000027ab, 0, 0);
    for (uint32_t leaf = 0xe; leaf <= 0x14; leaf++)
        assert_regs(leaf, 0, 0, 0, 0, 0);
    assert_regs(0x15, 0, 1, 1, 2494228000, 0);
    assert_regs(0x16, 0, 2494, 2494, 100, 0);
    assert_regs(0x80000008, 0, 0x3027, 0, 0, 0);
}

static void epyc_shows_what_a_guest_may_use(void **state)
{
    (void)state;
    ON(epyc);
    build(2, 3);
    assert_regs(0, 0, 0x0d, 0x68747541, 0x444d4163, 0x69746e65);
    assert_regs(1, 0, 0x00800f12, 0x02030800, 0xf7f83203, 0x178bfbff);
    assert_regs(6, 0, 4, 0, 0, 0);
    assert_regs(7, 0, 0, 0x209c01a9, 0, 0);
    assert_regs(0x80000000, 0, 0x8000001f, 0x68747541, 0x444d4163, 0x69746e65);
    assert_regs(0x80000001, 0, 0x00800f12, 0x40000000, 0x004001f3, 0x2dd3fbff);
    assert_regs(0x80000007, 0, 0, 0, 0, 0x100);
    assert_regs(0x80000008, 0, 0x3030, 0x5, 0x2002, 0);
    assert_regs(0x80000019, 0, 0xf040f040, 0, 0, 0);
    assert_regs(0x8000001a, 0, 3, 0, 0, 0);
    assert_regs(0x8000001e, 0, 2, 2, 0, 0);
}

static void a_single_vcpu_has_no_siblings(void **state)
{
    (void)state;
    ON(epyc);
    build(0, 1);
    assert_int_equal(ask(1, 0).edx & BIT(28), 0);
    assert_int_equal(ask(0x80000001, 0).ecx & BIT(1), 0);
    assert_int_equal(ask(0x80000008, 0).ecx, 0);
    ON(skylake_x);
    build(0, 1);
    assert_int_equal(ask(1, 0).edx & BIT(28), 0);
    assert_int_equal(ask(4, 0).eax >> 26, 0);
    assert_regs(0xb, 1, 0, 1, 0x201, 0);
}

static void topology_is_one_package_of_single_threaded_cores(void **state)
{
    (void)state;
    ON(skylake_x);
    build(5, 6);
    assert_regs(0xb, 0, 0, 1, 0x100, 5);
    assert_regs(0xb, 1, 3, 6, 0x201, 5);
    assert_regs(0xb, 2, 0, 0, 2, 5); /* invalid level: the subleaf comes back in ECX[7:0] */
    assert_regs(0xb, 0x12345678, 0, 0, 0x78, 5);
    assert_int_equal(ask(1, 0).ebx >> 24, 5);
    assert_int_equal(ask(1, 0).ebx >> 16 & 0xff, 6);
    build(63, 64);
    assert_regs(0xb, 1, 6, 64, 0x201, 63);
    assert_int_equal(ask(4, 0).eax >> 26, 63);
    assert_int_equal(ask(4, 3).eax >> 14 & 0xfff, 63);
}

static void caches_are_private_below_level_3(void **state)
{
    (void)state;
    ON(skylake_x);
    build(0, 4);
    assert_regs(4, 0, 0x0c000121, 0x01c0003f, 0x3f, 0);
    assert_regs(4, 2, 0x0c000143, 0x03c0003f, 0x3ff, 0);
    assert_regs(4, 3, 0x0c00c163, 0x0280003f, 0x2fff, 4);
    assert_regs(4, 4, 0, 0, 0, 0);
    ON(haswell);
    build(0, 4);
    assert_regs(4, 3, 0, 0, 0, 0);
    ON(epyc);
    build(0, 4);
    assert_regs(0x8000001d, 2, 0x0143, 0x01c0003f, 0x3ff, 2);
    assert_regs(0x8000001d, 3, 0xc163, 0x03c0003f, 0x1fff, 1);
    assert_regs(0x8000001d, 4, 0, 0, 0, 0);
}

/* Each limit, and where its feature shows. */
static void a_feature_without_its_control_is_hidden(void **state)
{
    static struct answer modern[ARRAY_LENGTH(skylake_x)];
    static const struct {
        bool *limit;
        uint32_t leaf;
        unsigned reg;
        uint32_t bits;
    } ties[] = {
        {&limits.rdtscp, 0x80000001, CPUID_EDX, BIT(27)},
        {&limits.rdtscp, 7, CPUID_ECX, BIT(22)},
        {&limits.invpcid, 7, CPUID_EBX, BIT(10)},
        {&limits.waitpkg, 7, CPUID_ECX, BIT(5)},
        {&limits.pku, 7, CPUID_ECX, BIT(3)},
        {&limits.tsc_deadline, 1, CPUID_ECX, BIT(24)},
        {&limits.x2apic, 1, CPUID_ECX, BIT(21)},
    };

    (void)state;
    memcpy(modern, skylake_x, sizeof(modern));
    for (size_t i = 0; i < ARRAY_LENGTH(modern); i++)
        if (modern[i].leaf == 7)
            modern[i].regs.ecx = 0xffffffff;
    ON(modern);
    for (size_t i = 0; i < ARRAY_LENGTH(ties); i++) {
        struct cpuid_regs regs;

        limits = everything;
        build(0, 1);
        regs = ask(ties[i].leaf, 0);
        assert_int_equal(((uint32_t *)&regs)[ties[i].reg] & ties[i].bits, ties[i].bits);
        *ties[i].limit = false;
        build(0, 1);
        regs = ask(ties[i].leaf, 0);
        assert_int_equal(((uint32_t *)&regs)[ties[i].reg] & ties[i].bits, 0);
    }
    limits = everything;
    build(0, 1);
    assert_int_equal(ask(0xd, 1).eax, 0xf);
    limits.xsaves = false;
    build(0, 1);
    assert_int_equal(ask(0xd, 1).eax, 7);
    limits.physical_bits = 39;
    build(0, 1);
    assert_int_equal(ask(0x80000008, 0).eax, 0x3027);
    limits.physical_bits = 52; /* never more than the machine has */
    build(0, 1);
    assert_int_equal(ask(0x80000008, 0).eax, 0x302e);
}

static void xsave_sizes_follow_xcr0_and_the_components(void **state)
{
    (void)state;
    ON(skylake_x);
    build(0, 1);
    assert_regs(0xd, 0, 0x2e7, 0x240, 0xa88, 0); /* XCR0 is 1 after reset */
    assert_regs(0xd, 1, 0xf, 0x240, 0, 0);
    assert_regs(0xd, 2, 0x100, 0x240, 0, 0);
    assert_regs(0xd, 3, 0, 0, 0, 0); /* MPX is hidden */
    assert_regs(0xd, 4, 0, 0, 0, 0);
    assert_regs(0xd, 7, 0x400, 0x680, 0, 0);
    assert_regs(0xd, 8, 0, 0, 0, 0); /* PT likewise */
    assert_regs(0xd, 9, 8, 0xa80, 0, 0);
    assert_regs(0xd, 62, 0, 0, 0, 0);
    assert_regs(0xd, UINT32_MAX, 0, 0, 0, 0);
    cpuid_refresh(&vcpu, CR4_OSXSAVE, true, 7, 0);
    assert_int_equal(ask(0xd, 0).ebx, 0x340);
    assert_int_equal(ask(0xd, 1).ebx, 0x340);
    cpuid_refresh(&vcpu, CR4_OSXSAVE, true, 0xe7, 0);
    assert_int_equal(ask(0xd, 0).ebx, 0xa80);
    assert_int_equal(ask(0xd, 1).ebx, 576 + 256 + 64 + 512 + 1024); /* no gap where MPX was */
    cpuid_refresh(&vcpu, CR4_OSXSAVE, true, 0x2e7, 0);
    assert_int_equal(ask(0xd, 0).ebx, 0xa88);
    assert_int_equal(ask(0xd, 1).ebx, 576 + 256 + 64 + 512 + 1024 + 8);
    assert_int_equal(ask(0xd, 0).ecx, 0xa88);
}

static void the_compacted_size_counts_system_state_and_alignment(void **state)
{
    static const struct answer made_up[] = {
        {0x00, 0, {0x16, 0x756e6547, 0x6c65746e, 0x49656e69}},
        {0x01, 0, {0x000806f8, 0, 0x7ffefbff, 0xbfebfbff}},
        {0x0d, 0, {0x60207, 0x2b00, 0x2b00, 0}},
        {0x0d, 1, {0x1f, 0, 0x1800, 0}},
        {0x0d, 2, {0x100, 0x240, 0, 0}},
        {0x0d, 9, {8, 0xa80, 0, 0}},
        {0x0d, 11, {0x10, 0, 1, 0}},
        {0x0d, 12, {0x18, 0, 1, 0}},
        {0x0d, 17, {0x40, 0xac0, 2, 0}},
        {0x0d, 18, {0x2000, 0xb00, 6, 0}},
        {0x1d, 0, {1, 0, 0, 0}},
        {0x80000000, 0, {0x80000008, 0, 0, 0}},
    };

    (void)state;
    ON(made_up);
    limits.xcr0 = 0x60207;
    limits.xss = 0x1800;
    build(0, 1);
    cpuid_refresh(&vcpu, CR4_OSXSAVE, true, 0x60207, 0x1000);
    assert_regs(0xd, 1, 0xf, 0x2000 + 960, 0x1800, 0); /* 576 + 256 + 8 + 24 = 864, to 896, and 64 of them */
    assert_regs(0xd, 18, 0x2000, 0xb00, 2, 0);         /* without XFD */
    assert_regs(0xd, 11, 0x10, 0, 1, 0);
    assert_int_equal(ask(0xd, 0).ebx, 0x2b00);
    cpuid_refresh(&vcpu, CR4_OSXSAVE, true, 3, UINT64_MAX);
    assert_int_equal(ask(0xd, 1).ebx, 576 + 16 + 24);
    limits.xcr0 = 0x20007; /* half of AMX is none */
    build(0, 1);
    assert_int_equal(ask(0xd, 0).eax, 7);
}

static void vector_features_follow_the_components_that_xcr0_may_have(void **state)
{
    (void)state;
    ON(skylake_x);
    limits.xcr0 = 7;
    build(0, 1);
    assert_int_equal(ask(0xd, 0).eax, 7);
    assert_int_equal(ask(7, 0).ebx & (BIT(16) | BIT(17) | BIT(28) | BIT(30) | BIT(31)), 0);
    assert_int_equal(ask(7, 0).ebx & BIT(5), BIT(5));
    assert_int_equal(ask(7, 0).ecx & BIT(3), 0); /* PKU needs PKRU's state */
    limits.xcr0 = 0x67;                          /* ZMM_Hi256 without Hi16_ZMM */
    build(0, 1);
    assert_int_equal(ask(0xd, 0).eax, 7);
    limits.xcr0 = 3;
    build(0, 1);
    assert_int_equal(ask(1, 0).ecx & (BIT(12) | BIT(26) | BIT(28) | BIT(29)), BIT(26));
    assert_int_equal(ask(7, 0).ebx & BIT(5), 0);
    assert_int_equal(ask(0xd, 0).ecx, 0x240);
    limits.xcr0 = 0;
    build(0, 1);
    cpuid_refresh(&vcpu, CR4_OSXSAVE, true, 0, 0);
    assert_int_equal(ask(1, 0).ecx & (BIT(26) | BIT(27) | BIT(28)), 0);
    assert_regs(0xd, 0, 0, 0, 0, 0);
    assert_regs(0xd, 1, 0, 0, 0, 0);
}

static void dynamic_bits_follow_the_registers(void **state)
{
    (void)state;
    ON(skylake_x);
    build(0, 1);
    assert_int_equal(ask(1, 0).ecx & BIT(27), 0);
    assert_int_equal(ask(1, 0).edx & BIT(9), BIT(9));
    cpuid_refresh(&vcpu, CR4_OSXSAVE | CR4_PKE, false, 1, 0);
    assert_int_equal(ask(1, 0).ecx & BIT(27), BIT(27));
    assert_int_equal(ask(7, 0).ecx & BIT(4), BIT(4));
    assert_int_equal(ask(1, 0).edx & BIT(9), 0);
    assert_int_equal(ask(0x80000001, 0).edx & BIT(9), 0); /* Intel's does not repeat it */
    cpuid_refresh(&vcpu, 0, true, 1, 0);
    assert_int_equal(ask(1, 0).ecx & BIT(27), 0);
    assert_int_equal(ask(7, 0).ecx & BIT(4), 0);
    assert_int_equal(ask(1, 0).edx & BIT(9), BIT(9));
    assert_int_equal(ask(0x80000001, 0).edx & BIT(9), 0);
    ON(epyc);
    build(0, 1);
    assert_int_equal(ask(0x80000001, 0).edx & BIT(9), BIT(9));
    cpuid_refresh(&vcpu, CR4_PKE, false, 1, 0);
    assert_int_equal(ask(0x80000001, 0).edx & BIT(9), 0);
    assert_int_equal(ask(7, 0).ecx & BIT(4), 0); /* no PKU there */
}

static void unknown_leaves_answer_as_the_vendors_do(void **state)
{
    static const uint32_t unknown[] = {0x17,       0x1f,       0x20,       0x3fffffff,
                                       0x50000000, 0x7fffffff, 0x80000009, 0x80000021,
                                       0x80000022, 0x8fffffff, 0xc0000000, UINT32_MAX};

    (void)state;
    ON(skylake_x);
    build(0, 1);
    for (size_t i = 0; i < ARRAY_LENGTH(unknown); i++)
        assert_regs(unknown[i], 7, 2494, 2494, 100, 0); /* the highest basic leaf is 16H */
    ON(epyc);
    build(0, 1);
    for (size_t i = 0; i < ARRAY_LENGTH(unknown); i++)
        if (unknown[i] != 0x80000009 && unknown[i] != 0x80000021)
            assert_regs(unknown[i], 0, 0, 0, 0, 0);
}

static void a_highest_leaf_with_subleaves_answers_for_unknown_ones_by_subleaf(void **state)
{
    static const struct answer newer[] = {{0x00, 0, {0x20, 0x756e6547, 0x6c65746e, 0x49656e69}},
                                          {0x18, 0, {0x2, 0, 0, 0}},
                                          {0x18, 1, {0, 0x00080001, 1, 0x0000c063}},
                                          {0x80000000, 0, {0x80000008, 0, 0, 0}}};

    (void)state;
    ON(newer);
    build(3, 4);
    assert_int_equal(ask(0, 0).eax, 0x1f);
    assert_regs(0x1f, 1, 2, 4, 0x201, 3);
    assert_regs(0x21, 1, 2, 4, 0x201, 3);
    assert_regs(0x21, 9, 0, 0, 9, 3);
    assert_regs(0x18, 0, 2, 0, 0, 0);
    assert_regs(0x18, 1, 0, 0x00080001, 1, 0x0000c063);
    assert_regs(0x18, 3, 0, 0, 0, 0);
}

static void leaves_beyond_the_machines_highest_show_nothing_of_its_answer(void **state)
{
    static const struct answer old[] = {{0x00, 0, {2, 0x756e6547, 0x6c65746e, 0x49656e69}},
                                        {0x01, 0, {0x000106a5, 0, 0xffffffff, 0xffffffff}},
                                        {0x80000000, 0, {0x80000001, 0, 0, 0}}};

    (void)state;
    ON(old);
    build(0, 1);
    assert_regs(4, 0, 0, 0, 0, 0);
    assert_regs(7, 0, 0, 0, 0, 0);
    assert_regs(0xd, 0, 0, 0, 0, 0);
    assert_int_equal(ask(1, 0).ecx & (BIT(26) | BIT(28)), 0);
    assert_regs(0x80000008, 0, 2494, 2494, 100, 0); /* as the highest basic leaf */
}

static void the_hypervisor_leaves_name_keel_and_its_clocks(void **state)
{
    struct cpuid_regs regs;

    (void)state;
    ON(epyc);
    build(0, 1);
    regs = ask(0x40000000, 0);
    assert_int_equal(regs.eax, 0x40000010);
    assert_memory_equal(&regs.ebx, "KeelKeelKeel", 12);
    assert_regs(0x40000010, 0, 2494228, 2494228, 0, 0);
    assert_regs(0x40000010, 0x7ffa3223, 2494228, 2494228, 0, 0); /* whatever was in ECX */
}

static void a_clock_beyond_32_bits_is_left_to_the_leaf_in_megahertz(void **state)
{
    (void)state;
    ON(skylake_x);
    limits.tsc_hz = 4294967295;
    build(0, 1);
    assert_regs(0x15, 0, 1, 1, 4294967295, 0);
    limits.tsc_hz = 5000400000;
    build(0, 1);
    assert_regs(0x15, 0, 1, 1, 0, 0);
    assert_regs(0x16, 0, 5000, 5000, 100, 0);
    assert_regs(0x40000010, 0, 5000400, 5000400, 0, 0);
}

static void no_bit_has_two_policies_and_each_says_why(void **state)
{
    (void)state;
    for (unsigned i = 0; i < cpuid_policy_count; i++) {
        const struct cpuid_policy *one = &cpuid_policies[i];

        assert_true(one->bits && one->what && one->what[0]);
        for (unsigned j = i + 1; j < cpuid_policy_count; j++) {
            const struct cpuid_policy *other = &cpuid_policies[j];

            if (one->leaf == other->leaf &&
                (one->reg == other->reg || one->reg == CPUID_ALL || other->reg == CPUID_ALL) &&
                (one->subleaf == other->subleaf || one->subleaf == CPUID_ANY ||
                 other->subleaf == CPUID_ANY) &&
                (one->bits & other->bits))
                fail_msg("leaf %x: \"%s\" and \"%s\" share %x", one->leaf, one->what, other->what,
                         one->bits & other->bits);
        }
    }
}

static void what_is_hidden_is_said_with_the_reason(void **state)
{
    static char text[8192];
    struct text_buffer buffer;

    (void)state;
    ON(skylake_x);
    limits.invpcid = false;
    build(0, 1);
    text_buffer_init(&buffer, text, sizeof(text));
    cpuid_describe(&vcpu, machine, &buffer.writer);
    assert_non_null(strstr(text, "00000001.0 ecx: hides 00000060 of: VMX, SMX"));
    assert_non_null(strstr(text, "00000007.0 ebx: hides 00000400 of: INVPCID: by its control"));
    assert_null(strstr(text, "RDTSCP"));
    assert_null(strstr(text, "SVM"));
}

/* A machine that answers anything. */
static void noise(uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out)
{
    srand(leaf * 31 + subleaf + (unsigned)machine_count);
    *out = (struct cpuid_regs){(uint32_t)rand() * 2u, (uint32_t)rand() * 2u, (uint32_t)rand() * 2u,
                               (uint32_t)rand() * 2u};
    if (leaf == 0 && machine_count % 3 == 0)
        out->ecx = 0x444d4163;
    if (leaf == 0x80000000)
        out->eax = 0x80000000 | (out->eax & 0xff);
}

static void any_machine_at_all_is_survived_and_hides_what_is_keels(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 300; round++) {
        machine_count = round;
        limits.xcr0 = round % 5 ? UINT64_MAX : 0;
        limits.xss = round % 7 ? UINT64_MAX : 0;
        vcpu.id = round % 64;
        cpuid_init(&vcpu, 64, &limits, noise);
        cpuid_refresh(&vcpu, UINT64_MAX, round & 1, UINT64_MAX, UINT64_MAX);
        for (uint32_t leaf = 0; leaf < 0x30; leaf++)
            for (uint32_t subleaf = 0; subleaf < 70; subleaf++) {
                ask(leaf, subleaf);
                ask(0x80000000 + leaf, subleaf);
            }
        assert_int_equal(ask(1, 0).ecx & (BIT(3) | BIT(5) | BIT(6)), 0);
        assert_int_equal(ask(0x80000001, 0).ecx & (BIT(2) | BIT(12)), 0);
        assert_true(ask(0, 0).eax <= 0x1f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(skylake_x_shows_what_a_guest_may_use, setup, teardown),
        cmocka_unit_test_setup_teardown(leaves_of_the_machine_alone_are_zero, setup, teardown),
        cmocka_unit_test_setup_teardown(an_older_intel_machine_gets_the_frequency_leaves, setup, teardown),
        cmocka_unit_test_setup_teardown(epyc_shows_what_a_guest_may_use, setup, teardown),
        cmocka_unit_test_setup_teardown(a_single_vcpu_has_no_siblings, setup, teardown),
        cmocka_unit_test_setup_teardown(topology_is_one_package_of_single_threaded_cores, setup, teardown),
        cmocka_unit_test_setup_teardown(caches_are_private_below_level_3, setup, teardown),
        cmocka_unit_test_setup_teardown(a_feature_without_its_control_is_hidden, setup, teardown),
        cmocka_unit_test_setup_teardown(xsave_sizes_follow_xcr0_and_the_components, setup, teardown),
        cmocka_unit_test_setup_teardown(the_compacted_size_counts_system_state_and_alignment, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(vector_features_follow_the_components_that_xcr0_may_have, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(dynamic_bits_follow_the_registers, setup, teardown),
        cmocka_unit_test_setup_teardown(unknown_leaves_answer_as_the_vendors_do, setup, teardown),
        cmocka_unit_test_setup_teardown(a_highest_leaf_with_subleaves_answers_for_unknown_ones_by_subleaf,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(leaves_beyond_the_machines_highest_show_nothing_of_its_answer, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_hypervisor_leaves_name_keel_and_its_clocks, setup, teardown),
        cmocka_unit_test_setup_teardown(a_clock_beyond_32_bits_is_left_to_the_leaf_in_megahertz, setup,
                                        teardown),
        cmocka_unit_test(no_bit_has_two_policies_and_each_says_why),
        cmocka_unit_test_setup_teardown(what_is_hidden_is_said_with_the_reason, setup, teardown),
        cmocka_unit_test_setup_teardown(any_machine_at_all_is_survived_and_hides_what_is_keels, setup,
                                        teardown),
    };
    return cmocka_run_group_tests_name("cpuid", tests, NULL, NULL);
}
