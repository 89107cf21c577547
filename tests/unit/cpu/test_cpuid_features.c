#include "tests/unit/fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hv/cpu/cpuid.h"
#include "tests/unit/cpu/cpuid_machines.h"

/* Names are those of Linux's arch/x86/include/asm/cpufeatures.h, places those of the SDM and the APM. */
static const struct {
    const char *name;
    uint32_t leaf, subleaf;
    unsigned reg, bit; /* 0 to 3: EAX to EDX */
    const char *with;  /* what is hidden by it as well, of this machine's */
} table[] = {
    {"x2apic", 1, 0, 2, 21, ""},
    {"tsc_deadline_timer", 1, 0, 2, 24, ""},
    {"rdrand", 1, 0, 2, 30, ""},
    {"hypervisor", 1, 0, 2, 31, ""},
    {"pcid", 1, 0, 2, 17, "invpcid"},
    {"pni", 1, 0, 2, 0, "ssse3 sse4_1 sse4_2"},
    {"xsave", 1, 0, 2, 26, "avx fma f16c avx2 avx512f avx512bw xsaveopt xgetbv1 pku"},
    {"avx", 1, 0, 2, 28, "fma f16c avx2 avx512f avx512dq avx512cd avx512bw avx512vl"},
    {"avx2", 7, 0, 1, 5, "avx512f avx512vl"},
    {"avx512f", 7, 0, 1, 16, "avx512dq avx512cd avx512bw avx512vl"},
    {"avx512bw", 7, 0, 1, 30, ""},
    {"fsgsbase", 7, 0, 1, 0, ""},
    {"tsc_adjust", 7, 0, 1, 1, ""},
    {"smep", 7, 0, 1, 7, ""},
    {"smap", 7, 0, 1, 20, ""},
    {"invpcid", 7, 0, 1, 10, ""},
    {"rtm", 7, 0, 1, 11, ""},
    {"pku", 7, 0, 2, 3, ""},
    {"xsaveopt", 0xd, 1, 0, 0, ""},
    {"arat", 6, 0, 0, 2, ""},
    {"nx", 0x80000001, 0, 3, 20, ""},
    {"pdpe1gb", 0x80000001, 0, 3, 26, ""},
    {"rdtscp", 0x80000001, 0, 3, 27, ""},
    {"lahf_lm", 0x80000001, 0, 2, 0, ""},
    {"nonstop_tsc", 0x80000007, 0, 3, 8, ""},
};

static struct vcpu vcpu, plain;
static char text[256];

static void machine(uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out)
{
    *out = (struct cpuid_regs){0};
    for (unsigned i = 0; i < ARRAY_LENGTH(skylake_x); i++)
        if (skylake_x[i].leaf == leaf && skylake_x[i].subleaf == subleaf)
            *out = skylake_x[i].regs;
}

static bool read(const char *words, struct cpuid_choice *choice)
{
    struct text_buffer buffer;

    text_buffer_init(&buffer, text, sizeof(text));
    return cpuid_choice_read(words, choice, &buffer.writer);
}

static struct cpuid_limits limits;

static void build(struct vcpu *to, const char *words)
{
    limits = (struct cpuid_limits){.rdtscp = true,
                                   .invpcid = true,
                                   .xsaves = true,
                                   .waitpkg = true,
                                   .pku = true,
                                   .tsc_deadline = true,
                                   .x2apic = true,
                                   .xcr0 = 0x2e7,
                                   .tsc_hz = 1000000000,
                                   .physical_bits = 46};
    if (!read(words, &limits.choice))
        fail_msg("%s: %s", words, text);
    cpuid_limit(&limits);
    cpuid_init(to, 1, &limits, machine);
    cpuid_refresh(to, 0, true, 1, 0);
}

static int begin(void **state)
{
    (void)state;
    vcpu.arch.cpuid = malloc(cpuid_table_size());
    plain.arch.cpuid = malloc(cpuid_table_size());
    build(&plain, "");
    return 0;
}

static int end(void **state)
{
    (void)state;
    free(vcpu.arch.cpuid);
    free(plain.arch.cpuid);
    return 0;
}

static bool shows(const struct vcpu *of, unsigned row)
{
    struct cpuid_regs regs = *cpuid_lookup(of, table[row].leaf, table[row].subleaf);
    uint32_t all[] = {regs.eax, regs.ebx, regs.ecx, regs.edx};

    return all[table[row].reg] >> table[row].bit & 1;
}

static bool lists(const char *words, const char *name)
{
    size_t length = strlen(name);

    for (const char *at = strstr(words, name); at; at = strstr(at + 1, name))
        if ((at == words || at[-1] == ' ') && (at[length] == 0 || at[length] == ' '))
            return true;
    return false;
}

static void each_name_hides_its_bit_and_what_needs_it(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(table); i++) {
        char words[40];

        snprintf(words, sizeof(words), "-%s", table[i].name);
        build(&vcpu, words);
        if (!shows(&plain, i) && strcmp(table[i].name, "pdpe1gb") != 0)
            fail_msg("%s is not shown without the key", table[i].name);
        for (unsigned k = 0; k < ARRAY_LENGTH(table); k++) {
            bool gone = k == i || lists(table[i].with, table[k].name);

            if (gone != cpuid_is_hidden(&limits.choice, table[k].name) && gone)
                fail_msg("-%s leaves %s", table[i].name, table[k].name);
            if (shows(&vcpu, k) != (shows(&plain, k) && !cpuid_is_hidden(&limits.choice, table[k].name)))
                fail_msg("-%s: bit of %s is wrong", table[i].name, table[k].name);
        }
    }
}

static void limits_follow(void **state)
{
    (void)state;
    build(&vcpu, "-x2apic,-tsc_deadline_timer, -rdtscp -pcid");
    assert_false(limits.x2apic || limits.tsc_deadline || limits.rdtscp || limits.invpcid);
    assert_true(limits.pku && limits.xsaves);
    assert_int_equal(limits.xcr0, 0x2e7);
    build(&vcpu, "-avx512f");
    assert_int_equal(limits.xcr0, 0x207);
    build(&vcpu, "-avx");
    assert_int_equal(limits.xcr0, 0x203);
    build(&vcpu, "-pku");
    assert_int_equal(limits.xcr0, 0xe7);
    build(&vcpu, "-xsave");
    assert_int_equal(limits.xcr0, 0);
}

/* SDM, leaf 0DH: of an area for all that may be enabled. */
static void the_xsave_area_shrinks_with_its_components(void **state)
{
    (void)state;
    assert_int_equal(cpuid_lookup(&plain, 0xd, 0)->eax, 0x2e7);
    assert_int_equal(cpuid_lookup(&plain, 0xd, 0)->ecx, 0xa88);
    build(&vcpu, "-pku");
    assert_int_equal(cpuid_lookup(&vcpu, 0xd, 0)->eax, 0xe7);
    assert_int_equal(cpuid_lookup(&vcpu, 0xd, 0)->ecx, 0xa80);
    build(&vcpu, "-pku,-avx512f");
    assert_int_equal(cpuid_lookup(&vcpu, 0xd, 0)->eax, 7);
    assert_int_equal(cpuid_lookup(&vcpu, 0xd, 0)->ecx, 0x340);
    assert_int_equal(cpuid_lookup(&vcpu, 0xd, 5)->eax, 0);
    build(&vcpu, "-pku,-avx");
    assert_int_equal(cpuid_lookup(&vcpu, 0xd, 0)->ecx, 0x240);
    build(&vcpu, "-xsave");
    assert_int_equal(cpuid_lookup(&vcpu, 0xd, 0)->eax | cpuid_lookup(&vcpu, 0xd, 0)->ecx, 0);
    cpuid_refresh(&vcpu, UINT64_MAX, true, 1, 0);
    assert_int_equal(cpuid_lookup(&vcpu, 1, 0)->ecx >> 27 & 1, 0); /* OSXSAVE */
}

static void what_is_off_can_be_wanted(void **state)
{
    (void)state;
    assert_int_equal(cpuid_lookup(&plain, 7, 0)->ebx >> 4 & 1, 0);
    build(&vcpu, "+hle, +avx2");
    assert_int_equal(cpuid_lookup(&vcpu, 7, 0)->ebx >> 4 & 1, 1);
    assert_null(cpuid_wanted_missing(&limits.choice, &vcpu));
    build(&vcpu, "+sse4a, +hle");
    assert_string_equal(cpuid_wanted_missing(&limits.choice, &vcpu), "sse4a");
}

static void mistakes_are_said_in_words(void **state)
{
    static const struct {
        const char *words, *reason;
    } cases[] = {
        {"-avx3", "\"avx3\" is not a feature of /proc/cpuinfo that a VM can have; near it are avx"},
        {"-avx512", "near it are avx512f"},
        {"-nosuchthing", "\"nosuchthing\" is not a feature"},
        {"-", "is not a feature"},
        {"-vmx", "\"vmx\" is not a feature"},
        {"x2apic", "\"x2apic\" begins with neither + nor -"},
        {"-fpu", "fpu cannot be hidden: no VM is without it"},
        {"-lm", "lm cannot be hidden"},
        {"-avx, +avx2", "avx2 is wanted and hidden, as what needs avx"},
        {"-rtm +rtm", "rtm is wanted and hidden"},
    };
    struct cpuid_choice choice;

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(cases); i++) {
        assert_false(read(cases[i].words, &choice));
        if (!strstr(text, cases[i].reason))
            fail_msg("%s: %s", cases[i].words, text);
    }
    assert_true(read("", &choice));
    assert_true(read(" , -x2apic ,,\t-avx ", &choice));
    memset(text, 'a', sizeof(text) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_name_hides_its_bit_and_what_needs_it, begin, end),
        cmocka_unit_test_setup_teardown(limits_follow, begin, end),
        cmocka_unit_test_setup_teardown(the_xsave_area_shrinks_with_its_components, begin, end),
        cmocka_unit_test_setup_teardown(what_is_off_can_be_wanted, begin, end),
        cmocka_unit_test_setup_teardown(mistakes_are_said_in_words, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
