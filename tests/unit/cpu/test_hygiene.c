#include "hv/cpu/hygiene.h"

#include <string.h>

#include "tests/unit/fake.h"

struct row {
    const char *cpu;
    struct hygiene_words words;
    const char *said;
};

/* What these CPUs show. */
static const struct row cpus_known[] = {
    {"Skylake, microcode of 2019",
     {.intel = true, .leaf7_ebx = 0x029c6fbf, .leaf7_edx = 0x9c000400},
     "between VMs: IBPB, L1D flush, VERW"},
    {"Skylake, microcode of 2017",
     {.intel = true, .leaf7_ebx = 0x029c6fbf},
     "between VMs: nothing; needed and not offered by this CPU: IBPB, L1D flush, VERW (newer microcode may)"},
    {"Cascade Lake with TSX",
     {.intel = true, .leaf7_ebx = 0xd39ffffb, .leaf7_edx = 0xbc000400, .arch_capabilities = 0xab},
     "between VMs: IBPB, VERW"},
    {"Cascade Lake, TSX off",
     {.intel = true, .leaf7_ebx = 0xd39ff7eb, .leaf7_edx = 0xbc000400, .arch_capabilities = 0x2b},
     "between VMs: IBPB"},
    {"Ice Lake server, fill buffers",
     {.intel = true, .leaf7_ebx = 0xf3bfbffb, .leaf7_edx = 0xbc000412, .arch_capabilities = 0x20d6b},
     "between VMs: IBPB, VERW"},
    {"Sapphire Rapids",
     {.intel = true, .leaf7_ebx = 0xf3bfbffb, .leaf7_edx = 0xffdd4432, .arch_capabilities = 0x0400016b},
     "between VMs: IBPB"},
    {"Gracemont",
     {.intel = true, .leaf7_ebx = 0x239c27eb, .leaf7_edx = 0xfc1cc410, .arch_capabilities = 0x180fd6b},
     "between VMs: IBPB"},
    {"Gracemont, register file",
     {.intel = true, .leaf7_ebx = 0x239c27eb, .leaf7_edx = 0xfc1cc410, .arch_capabilities = 0x1180fd6b},
     "between VMs: IBPB, VERW"},
    {"a nested Skylake whose host skips the flush",
     {.intel = true, .leaf7_edx = 0xbc000400, .arch_capabilities = 0x08},
     "between VMs: IBPB, VERW"},
    {"Zen 2", {.extended8_ebx = 0x010eb757}, "between VMs: IBPB"},
    {"Zen 3, which has the flush command and no need of it",
     {.leaf7_edx = 0x10000000, .extended8_ebx = 0x111ef657},
     "between VMs: IBPB"},
    {"Zen, microcode of 2017",
     {.extended8_ebx = 0x00000007},
     "between VMs: nothing; needed and not offered by this CPU: IBPB (newer microcode may)"},
};

static void each_cpu_gets_what_it_needs_and_no_more(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(cpus_known); i++) {
        const struct row *row = &cpus_known[i];
        struct text_buffer buffer;
        char text[200];
        unsigned offered, needed = hygiene_needed(&row->words, &offered);

        text_buffer_init(&buffer, text, sizeof(text));
        hygiene_describe(&buffer.writer, needed, offered);
        if (strcmp(text, row->said) != 0)
            fail_msg("%s: %s", row->cpu, text);
        assert_int_equal(offered & ~needed, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_cpu_gets_what_it_needs_and_no_more),
    };
    return cmocka_run_group_tests_name("hygiene", tests, NULL, NULL);
}
