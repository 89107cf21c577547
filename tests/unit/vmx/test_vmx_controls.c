#include "tests/unit/fake.h"

#include <string.h>

#include "hv/lib/format.h"
#include "hv/x86/registers.h"
#include "hv/x86/x86.h"
#include "vmx/controls.h"

/*
 * CPUs as their capability MSRs show them. An MSR that is not in the list does not exist: reading it fails
 * the test. The low half of a control MSR must be 1, the high half may be.
 */
struct msr_value {
    uint32_t msr;
    uint64_t value;
};

#define PAIR(may, must) ((uint64_t)(may) << 32 | (must))
#define FIXED_REGISTERS                                                                                      \
    {MSR_VMX_CR0_FIXED0, 0x80000021}, {MSR_VMX_CR0_FIXED1, 0xffffffff}, {MSR_VMX_CR4_FIXED0, 0x2000},        \
    {                                                                                                        \
        MSR_VMX_CR4_FIXED1, 0x3727ff                                                                         \
    }
#define BASIC(more)       (UINT64_C(6) << 50 | UINT64_C(4096) << 32 | 0x2b | (more))
#define EPT_VPID_COMPLETE UINT64_C(0xf0106734141)

/* Skylake-SP: TRUE controls, everything that Keel wants. */
static const struct msr_value skylake[] = {
    {MSR_VMX_BASIC, BASIC(VMX_BASIC_TRUE_CONTROLS | VMX_BASIC_IO_INFORMATION)},
    {MSR_VMX_MISC, 0x7004c1e7},
    FIXED_REGISTERS,
    {MSR_VMX_TRUE_PINBASED_CTLS, PAIR(0x7f, 0x16)},
    {MSR_VMX_TRUE_PROCBASED_CTLS, PAIR(0xfff9fffe, 0x04006172)},
    {MSR_VMX_TRUE_EXIT_CTLS, PAIR(0x01ffffff, 0x00036dfb)},
    {MSR_VMX_TRUE_ENTRY_CTLS, PAIR(0x0003ffff, 0x000011fb)},
    {MSR_VMX_PROCBASED_CTLS2, PAIR(0x001ffcff, 0)},
    {MSR_VMX_EPT_VPID_CAP, EPT_VPID_COMPLETE},
    {MSR_VMX_VMFUNC, 1},
};

/* Lynnfield: no unrestricted guest. */
static const struct msr_value lynnfield[] = {
    {MSR_VMX_BASIC, BASIC(VMX_BASIC_TRUE_CONTROLS)},
    {MSR_VMX_MISC, 0x401c5},
    FIXED_REGISTERS,
    {MSR_VMX_TRUE_PINBASED_CTLS, PAIR(0x7f, 0x16)},
    {MSR_VMX_TRUE_PROCBASED_CTLS, PAIR(0xf7f9fffe, 0x04006172)},
    {MSR_VMX_TRUE_EXIT_CTLS, PAIR(0x007fffff, 0x00036dfb)},
    {MSR_VMX_TRUE_ENTRY_CTLS, PAIR(0x0000ffff, 0x000011fb)},
    {MSR_VMX_PROCBASED_CTLS2, PAIR(0x0000007f, 0)},
    {MSR_VMX_EPT_VPID_CAP, EPT_VPID_COMPLETE},
};

/* Penryn: no EPT, no preemption timer, no TRUE controls. */
static const struct msr_value penryn[] = {
    {MSR_VMX_BASIC, BASIC(0)},
    {MSR_VMX_MISC, 0x403c0},
    FIXED_REGISTERS,
    {MSR_VMX_PINBASED_CTLS, PAIR(0x3f, 0x16)},
    {MSR_VMX_PROCBASED_CTLS, PAIR(0xf7f9fffe, 0x0401e172)},
    {MSR_VMX_EXIT_CTLS, PAIR(0x0003ffff, 0x00036dff)},
    {MSR_VMX_ENTRY_CTLS, PAIR(0x00003fff, 0x000011ff)},
    {MSR_VMX_PROCBASED_CTLS2, PAIR(0x00000041, 0)},
};

/* Prescott: no secondary controls at all. */
static const struct msr_value prescott[] = {
    {MSR_VMX_BASIC, BASIC(0)},
    {MSR_VMX_MISC, 0x403c0},
    FIXED_REGISTERS,
    {MSR_VMX_PINBASED_CTLS, PAIR(0x1f, 0x16)},
    {MSR_VMX_PROCBASED_CTLS, PAIR(0x67b9fffe, 0x0401e172)},
    {MSR_VMX_EXIT_CTLS, PAIR(0x0003ffff, 0x00036dff)},
    {MSR_VMX_ENTRY_CTLS, PAIR(0x000011ff, 0x000011ff)},
};

static const struct msr_value *model;
static unsigned model_length;
static struct vmx_cpuid leaves[4]; /* 7.0, 7.1, 0xa, 0x80000008 */
static struct vmx_capabilities cpu;
static struct vmx_controls controls;
static struct text_buffer buffer;
static char text[16384];

static uint64_t rdmsr(uint32_t msr)
{
    for (unsigned i = 0; i < model_length; i++)
        if (model[i].msr == msr)
            return model[i].value;
    fail_msg("this CPU has no MSR 0x%x", msr);
    return 0;
}

static struct vmx_cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
    switch (leaf) {
    case 0:
        return (struct vmx_cpuid){.eax = 0x16};
    case 7:
        return leaves[subleaf];
    case 0xa:
        return leaves[2];
    case 0x80000000:
        return (struct vmx_cpuid){.eax = leaves[3].eax ? 0x80000008 : 0x80000004};
    case 0x80000008:
        return leaves[3];
    default:
        return (struct vmx_cpuid){0};
    }
}

#define USE(list) use(list, ARRAY_LENGTH(list))

static bool use(const struct msr_value *list, unsigned length)
{
    model = list;
    model_length = length;
    vmx_read_capabilities(&cpu, rdmsr, cpuid);
    text_buffer_init(&buffer, text, sizeof(text));
    return vmx_compute_controls(&cpu, &controls);
}

static unsigned print_needed(void)
{
    text_buffer_init(&buffer, text, sizeof(text));
    return vmx_print_needed(&cpu, &buffer.writer);
}

static unsigned lines(void)
{
    unsigned count = 0;

    for (const char *at = text; *at; at++)
        count += *at == '\n';
    return count;
}

static int setup(void **state)
{
    (void)state;
    memset(leaves, 0, sizeof(leaves));
    leaves[3].eax = 48 << 8 | 46;
    return 0;
}

static void controls_are_sorted_and_their_names_unique_in_a_word(void **state)
{
    (void)state;
    for (unsigned i = 0; i < vmx_control_list.count; i++) {
        const struct virt_control *a = &vmx_control_list.rows[i];
        assert_true(a->word < VMX_WORDS && a->bit < 32 && (a->how < VIRT_TOGGLED || a->why[0]));
        if (i > 0)
            assert_true(a[-1].word * 64 + a[-1].bit < a->word * 64 + a->bit);
        for (unsigned j = i + 1; j < vmx_control_list.count; j++)
            assert_true(vmx_control_list.rows[j].word != a->word ||
                        strcmp(vmx_control_list.rows[j].name, a->name));
        assert_string_equal(virt_control_name(&vmx_control_list, a->word, a->bit), a->name);
    }
    assert_null(virt_control_name(&vmx_control_list, VMX_PIN, 1));
}

static void bits_have_the_manuals_numbers(void **state)
{
    (void)state;
    assert_int_equal(VMX_PIN_VIRTUAL_NMIS, 1 << 5);
    assert_int_equal(VMX_PRIMARY_USE_MSR_BITMAPS, 1 << 28);
    assert_int_equal(VMX_PRIMARY_ACTIVATE_SECONDARY, 1u << 31);
    assert_int_equal(VMX_SECONDARY_UNRESTRICTED_GUEST, 1 << 7);
    assert_int_equal(VMX_SECONDARY_ENABLE_XSAVES, 1 << 20);
    assert_int_equal(VMX_EXIT_HOST_ADDRESS_SPACE_SIZE, 1 << 9);
    assert_int_equal(VMX_EXIT_LOAD_EFER, 1 << 21);
    assert_int_equal(VMX_ENTRY_IA32E_MODE_GUEST, 1 << 9);
    assert_int_equal(VMX_ENTRY_LOAD_EFER, 1 << 15);
}

static void skylake_has_all_that_keel_needs(void **state)
{
    (void)state;
    assert_true(USE(skylake));
    assert_int_equal(controls.pin, 0x16 | 1 << 0 | 1 << 3 | 1 << 5 | 1 << 6);
    assert_int_equal(controls.primary, 0xb5206dfau);
    assert_int_equal(controls.secondary, 0x1014fb);
    assert_int_equal(controls.tertiary, 0);
    assert_int_equal(controls.exit, 0x36dfb | 1 << 2 | 1 << 9 | 0xf << 18);
    assert_int_equal(controls.entry, 0x11fb | 1 << 2 | 1 << 14 | 1 << 15);
    assert_int_equal(controls.missing[VMX_SECONDARY], VMX_SECONDARY_ENABLE_USER_WAIT |
                                                          VMX_SECONDARY_APIC_REGISTER_VIRTUALIZATION |
                                                          VMX_SECONDARY_VIRTUAL_INTERRUPT_DELIVERY);
    assert_int_equal(print_needed(), 0);
    assert_string_equal(text, "");
}

static void every_word_stays_within_what_the_cpu_allows(void **state)
{
    (void)state;
    USE(penryn);
    for (unsigned word = 0; word < VMX_WORDS; word++) {
        assert_int_equal(controls.word[word] & ~cpu.may_be_1[word], 0);
        assert_int_equal(cpu.must_be_1[word] & ~controls.word[word], 0);
    }
}

static void controls_toggled_at_run_time_start_off(void **state)
{
    (void)state;
    USE(skylake);
    assert_int_equal(
        controls.primary & (VMX_PRIMARY_INTERRUPT_WINDOW_EXITING | VMX_PRIMARY_NMI_WINDOW_EXITING), 0);
    assert_int_equal(controls.entry & VMX_ENTRY_IA32E_MODE_GUEST, 0);
}

static void a_toggled_control_that_is_not_allowed_is_missed(void **state)
{
    struct msr_value changed[ARRAY_LENGTH(skylake)];

    (void)state;
    memcpy(changed, skylake, sizeof(skylake));
    changed[9].value &= ~((uint64_t)VMX_ENTRY_IA32E_MODE_GUEST << 32);
    assert_int_equal(changed[9].msr, MSR_VMX_TRUE_ENTRY_CTLS);
    assert_false(USE(changed));
    assert_int_equal(controls.missing[VMX_ENTRY], VMX_ENTRY_IA32E_MODE_GUEST);
    assert_int_equal(print_needed(), 1);
    assert_non_null(strstr(text, "entry control \"IA-32e mode guest\" missing: "));
}

static void lynnfield_lacks_unrestricted_guest_and_is_told_so(void **state)
{
    (void)state;
    assert_false(USE(lynnfield));
    assert_int_equal(print_needed(), 1);
    assert_string_equal(
        text, "secondary control \"unrestricted guest\" missing: Keel runs real-mode guests with it; "
              "use a CPU from Westmere (2010) on, or in Bochs cpu: model=corei7_skylake_x\n");
}

static void penryn_lacks_ept_and_the_rest_of_nehalem(void **state)
{
    static const char *const missing[] = {
        "pin-based control \"activate VMX-preemption timer\" missing: ",
        "secondary control \"enable EPT\" missing: ",
        "secondary control \"unrestricted guest\" missing: ",
        "exit control \"save IA32_PAT\" missing: ",
        "exit control \"load IA32_PAT\" missing: ",
        "exit control \"save IA32_EFER\" missing: ",
        "exit control \"load IA32_EFER\" missing: ",
        "entry control \"load IA32_PAT\" missing: ",
        "entry control \"load IA32_EFER\" missing: ",
    };

    (void)state;
    assert_false(USE(penryn));
    print_needed();
    for (unsigned i = 0; i < ARRAY_LENGTH(missing); i++)
        if (!strstr(text, missing[i]))
            fail_msg("%s is not in: %s", missing[i], text);
    assert_null(strstr(text, "INVEPT")); /* says nothing more than that EPT is missing */
    assert_int_equal(lines(), ARRAY_LENGTH(missing));
}

static void prescott_lacks_the_secondary_controls(void **state)
{
    unsigned needed;

    (void)state;
    assert_false(USE(prescott));
    assert_int_equal(controls.secondary, 0);
    needed = print_needed();
    assert_int_equal(needed, lines());
    assert_non_null(strstr(text, "primary control \"activate secondary controls\" missing: "));
    assert_non_null(strstr(text, "secondary control \"enable EPT\" missing: "));
    assert_non_null(strstr(text, "pin-based control \"virtual NMIs\" missing: "));
    assert_non_null(strstr(text, "entry control \"IA-32e mode guest\" missing: "));
}

static void without_true_controls_some_exits_cannot_be_off(void **state)
{
    (void)state;
    USE(penryn);
    assert_int_equal(controls.forced[VMX_PRIMARY],
                     VMX_PRIMARY_CR3_LOAD_EXITING | VMX_PRIMARY_CR3_STORE_EXITING);
    USE(skylake);
    for (unsigned word = 0; word < VMX_WORDS; word++)
        assert_int_equal(controls.forced[word], 0);
}

static void ept_must_have_what_keel_builds_with(void **state)
{
    static const struct msr_value *const ept = &skylake[11];
    static const struct {
        uint64_t without;
        const char *name;
    } cases[] = {
        {VMX_EPT_4_LEVELS, "capability \"EPT with a page walk of 4 levels\" missing: "},
        {VMX_EPT_WB, "capability \"EPT structures in write-back memory\" missing: "},
        {VMX_EPT_INVEPT, "capability \"INVEPT\" missing: "},
        {VMX_EPT_INVEPT_SINGLE | VMX_EPT_INVEPT_ALL, "capability \"INVEPT of a single context or of all"},
    };
    struct msr_value changed[ARRAY_LENGTH(skylake)];

    (void)state;
    assert_int_equal(ept->msr, MSR_VMX_EPT_VPID_CAP);
    for (unsigned i = 0; i < ARRAY_LENGTH(cases); i++) {
        memcpy(changed, skylake, sizeof(skylake));
        changed[11].value &= ~cases[i].without;
        assert_false(USE(changed));
        assert_int_equal(print_needed(), 1);
        assert_memory_equal(text, cases[i].name, strlen(cases[i].name));
    }
    memcpy(changed, skylake, sizeof(skylake));
    changed[11].value &= ~VMX_EPT_INVEPT_SINGLE;
    assert_true(USE(changed));
}

static void a_vpid_that_cannot_be_invalidated_is_not_used(void **state)
{
    struct msr_value changed[ARRAY_LENGTH(skylake)];

    (void)state;
    memcpy(changed, skylake, sizeof(skylake));
    changed[11].value &= ~(VMX_VPID_SINGLE | VMX_VPID_ALL);
    assert_true(USE(changed));
    assert_int_equal(controls.secondary & VMX_SECONDARY_ENABLE_VPID, 0);
    assert_int_equal(controls.missing[VMX_SECONDARY] & VMX_SECONDARY_ENABLE_VPID, VMX_SECONDARY_ENABLE_VPID);
    changed[11].value |= VMX_VPID_ALL;
    USE(changed);
    assert_int_equal(controls.secondary & VMX_SECONDARY_ENABLE_VPID, VMX_SECONDARY_ENABLE_VPID);
}

static void a_vmcs_must_lie_in_write_back_memory(void **state)
{
    struct msr_value changed[ARRAY_LENGTH(skylake)];

    (void)state;
    memcpy(changed, skylake, sizeof(skylake));
    changed[0].value &= ~(UINT64_C(0xf) << 50);
    assert_false(USE(changed));
    assert_int_equal(print_needed(), 1);
    assert_non_null(strstr(text, "VMCS in write-back memory"));
}

static void tertiary_and_secondary_exit_controls_are_read_where_they_exist(void **state)
{
    struct msr_value changed[ARRAY_LENGTH(skylake) + 2];
    const unsigned primary = 7, exit = 8, end = ARRAY_LENGTH(skylake);

    (void)state;
    memcpy(changed, skylake, sizeof(skylake));
    changed[primary].value |= (uint64_t)VMX_PRIMARY_ACTIVATE_TERTIARY << 32;
    changed[exit].value |= (uint64_t)VMX_EXIT_ACTIVATE_SECONDARY << 32;
    changed[end] = (struct msr_value){MSR_VMX_PROCBASED_CTLS3, BIT(40) | VMX_TERTIARY_IPI_VIRTUALIZATION};
    changed[end + 1] = (struct msr_value){MSR_VMX_EXIT_CTLS2, VMX_EXIT2_LOAD_FRED};
    assert_true(USE(changed));
    assert_int_equal(cpu.may_be_1[VMX_TERTIARY], BIT(40) | VMX_TERTIARY_IPI_VIRTUALIZATION);
    assert_int_equal(cpu.may_be_1[VMX_EXIT2], VMX_EXIT2_LOAD_FRED);
    assert_int_equal(controls.tertiary, 0);
    assert_int_equal(controls.exit2, 0);
    assert_int_equal(controls.primary & VMX_PRIMARY_ACTIVATE_TERTIARY, 0);
}

static void capabilities_are_taken_apart(void **state)
{
    (void)state;
    USE(skylake);
    assert_int_equal(vmx_revision(&cpu), 0x2b);
    assert_int_equal(vmx_preemption_shift(&cpu), 7);
    assert_int_equal(vmx_cr3_targets(&cpu), 4);
    assert_int_equal(cpu.vmfunc, 1);
    assert_true(vmx_allowed(&cpu, VMX_SECONDARY, VMX_SECONDARY_ENABLE_EPT | VMX_SECONDARY_ENABLE_VPID));
    assert_false(vmx_allowed(&cpu, VMX_SECONDARY, VMX_SECONDARY_ENABLE_EPT | VMX_SECONDARY_USE_TSC_SCALING));
}

static void cpuid_says_what_entries_check_against(void **state)
{
    (void)state;
    leaves[0] = (struct vmx_cpuid){.eax = 1, .ebx = BIT(2) | BIT(11), .ecx = BIT(24)};
    leaves[1] = (struct vmx_cpuid){.eax = BIT(26)};
    leaves[2] = (struct vmx_cpuid){.eax = 0x0804, .edx = 3};
    leaves[3] = (struct vmx_cpuid){.eax = 57 << 8 | 52};
    USE(skylake);
    assert_true(cpu.sgx && cpu.rtm && cpu.bus_lock_detect && cpu.lam);
    assert_int_equal(cpu.physical_bits, 52);
    assert_int_equal(cpu.linear_bits, 57);
    assert_int_equal(cpu.perf_global_ctrl, UINT64_C(0x10007000000ff));
}

static void cpuid_that_says_little_or_nonsense_is_survived(void **state)
{
    (void)state;
    leaves[3].eax = 0;
    USE(skylake);
    assert_int_equal(cpu.physical_bits, 36);
    assert_int_equal(cpu.linear_bits, 48);
    leaves[2] = (struct vmx_cpuid){.eax = UINT32_MAX, .edx = UINT32_MAX};
    leaves[3].eax = 0xffff;
    USE(skylake);
    assert_int_equal(cpu.physical_bits, 52);
    assert_int_equal(cpu.linear_bits, 57);
    leaves[3].eax = 0x0101;
    USE(skylake);
    assert_int_equal(cpu.physical_bits, 32);
    assert_int_equal(cpu.linear_bits, 48);
}

static void controls_in_use_and_missing_are_printed_in_lines(void **state)
{
    (void)state;
    USE(skylake);
    vmx_print_controls(&controls, &buffer.writer);
    assert_non_null(strstr(text, "pin-based controls 0x0000007f: external-interrupt exiting, NMI exiting, "
                                 "virtual NMIs,\n    activate VMX-preemption timer\n"));
    assert_non_null(strstr(text, "\n  missing: APIC-register virtualization, virtual-interrupt delivery, "
                                 "enable user wait and pause\n"));
    assert_null(strstr(text, "cannot be off"));
    assert_null(strstr(text, "tertiary"));
    USE(penryn);
    vmx_print_controls(&controls, &buffer.writer);
    assert_non_null(strstr(text, "\n  cannot be off: CR3-load exiting, CR3-store exiting\n"));
    for (const char *line = text; *line; line = strchr(line, '\n') + 1)
        assert_in_range(strchr(line, '\n') - line, 1, 101);
}

static unsigned print_unfit(const struct vmx_capabilities *core)
{
    text_buffer_init(&buffer, text, sizeof(text));
    return vmx_print_unfit(core, &cpu, &controls, &buffer.writer);
}

static void a_core_that_has_less_than_the_boot_core_is_told_apart(void **state)
{
    static const struct {
        enum vmx_control_word word;
        uint64_t bit;
        bool must; /* be 1 here; else must be 0 */
        const char *words;
    } cases[] = {
        {VMX_PIN, VMX_PIN_VIRTUAL_NMIS, false, "pin-based control \"virtual NMIs\": cannot be 1 here"},
        {VMX_SECONDARY, VMX_SECONDARY_ENABLE_VPID, false,
         "secondary control \"enable VPID\": cannot be 1 here"},
        {VMX_PRIMARY, VMX_PRIMARY_NMI_WINDOW_EXITING, false,
         "primary control \"NMI-window exiting\": cannot be 1 here"},
        {VMX_PRIMARY, VMX_PRIMARY_CR3_LOAD_EXITING, true,
         "primary control \"CR3-load exiting\": cannot be 0 here"},
    };

    (void)state;
    assert_true(USE(skylake));
    assert_int_equal(print_unfit(&cpu), 0);
    for (unsigned i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct vmx_capabilities core = cpu;

        if (cases[i].must)
            core.must_be_1[cases[i].word] |= cases[i].bit;
        else
            core.may_be_1[cases[i].word] &= ~cases[i].bit;
        assert_int_equal(print_unfit(&core), 1);
        if (!strstr(text, cases[i].words))
            fail_msg("%s is not in: %s", cases[i].words, text);
    }
}

static void a_core_that_has_more_than_the_boot_core_fits(void **state)
{
    struct vmx_capabilities core;

    (void)state;
    assert_true(USE(skylake));
    core = cpu;
    for (unsigned word = 0; word < VMX_WORDS; word++)
        core.may_be_1[word] |= UINT32_MAX;
    core.cr4_fixed1 |= CR4_CET;
    core.ept_vpid |= VMX_EPT_5_LEVELS;
    core.physical_bits++;
    assert_int_equal(print_unfit(&core), 0);
}

static void registers_ept_and_addresses_of_a_core_are_compared_too(void **state)
{
    struct vmx_capabilities core;

    (void)state;
    assert_true(USE(skylake));
    core = cpu;
    core.basic++;
    core.cr0_fixed0 |= CR0_WP;
    core.cr4_fixed1 &= ~(uint64_t)CR4_SMEP;
    core.ept_vpid &= ~(uint64_t)VMX_EPT_1G;
    core.physical_bits = 39;
    assert_int_equal(print_unfit(&core), 5);
    assert_non_null(strstr(text, "VMCS revision: found 0x2c, the boot core's is 0x2b\n"));
    assert_non_null(strstr(text, "IA32_VMX_CR0_FIXED0: found 0x80010021, the boot core's is 0x80000021\n"));
    assert_non_null(strstr(text, "physical-address width: found 0x27, the boot core's is 0x2e\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(controls_are_sorted_and_their_names_unique_in_a_word, setup),
        cmocka_unit_test_setup(bits_have_the_manuals_numbers, setup),
        cmocka_unit_test_setup(skylake_has_all_that_keel_needs, setup),
        cmocka_unit_test_setup(every_word_stays_within_what_the_cpu_allows, setup),
        cmocka_unit_test_setup(controls_toggled_at_run_time_start_off, setup),
        cmocka_unit_test_setup(a_toggled_control_that_is_not_allowed_is_missed, setup),
        cmocka_unit_test_setup(lynnfield_lacks_unrestricted_guest_and_is_told_so, setup),
        cmocka_unit_test_setup(penryn_lacks_ept_and_the_rest_of_nehalem, setup),
        cmocka_unit_test_setup(prescott_lacks_the_secondary_controls, setup),
        cmocka_unit_test_setup(without_true_controls_some_exits_cannot_be_off, setup),
        cmocka_unit_test_setup(ept_must_have_what_keel_builds_with, setup),
        cmocka_unit_test_setup(a_vpid_that_cannot_be_invalidated_is_not_used, setup),
        cmocka_unit_test_setup(a_vmcs_must_lie_in_write_back_memory, setup),
        cmocka_unit_test_setup(tertiary_and_secondary_exit_controls_are_read_where_they_exist, setup),
        cmocka_unit_test_setup(capabilities_are_taken_apart, setup),
        cmocka_unit_test_setup(cpuid_says_what_entries_check_against, setup),
        cmocka_unit_test_setup(cpuid_that_says_little_or_nonsense_is_survived, setup),
        cmocka_unit_test_setup(controls_in_use_and_missing_are_printed_in_lines, setup),
        cmocka_unit_test_setup(a_core_that_has_less_than_the_boot_core_is_told_apart, setup),
        cmocka_unit_test_setup(a_core_that_has_more_than_the_boot_core_fits, setup),
        cmocka_unit_test_setup(registers_ept_and_addresses_of_a_core_are_compared_too, setup),
    };
    return cmocka_run_group_tests_name("vmx_controls", tests, NULL, NULL);
}
