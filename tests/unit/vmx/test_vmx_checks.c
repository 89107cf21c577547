#include "tests/unit/fake.h"

#include <string.h>

#include "hv/lib/format.h"
#include "tests/unit/vmx/vmx_image.h"
#include "tests/unit/vmx/vmx_mutations.h"
#include "vmx/checks.h"
#include "vmx/checks_rows.h"
#include "vmx/reasons.h"

#define MOST_EDITS 7

enum operation { END, PUT, RAISE, CLEAR };

struct edit {
    uint32_t encoding;
    enum operation operation;
    uint64_t value;
};

/* One way to break a check: legal edits first, then the one that breaks it. */
struct mutation {
    uint32_t field;
    const char *words;
    enum image_kind image;
    const struct edit *setup;
    struct edit breaking;
};

#define SET(field, value)                       ((struct edit){VMCS_##field, PUT, value})
#define ON(field, bits)                         ((struct edit){VMCS_##field, RAISE, bits})
#define OFF(field, bits)                        ((struct edit){VMCS_##field, CLEAR, bits})
#define DO(...)                                 ((const struct edit[MOST_EDITS + 1]){__VA_ARGS__})
#define NONE                                    NULL
#define M(field, words, image, setup, breaking) {VMCS_##field, words, IMAGE_##image, setup, breaking},

/* Hands every mutation to `test`. Sanitized, gcc would compile these hundreds of literals for a minute. */
__attribute__((no_sanitize("address", "undefined"))) static void
with_mutations(void (*test)(const struct mutation *mutations, unsigned count))
{
    const struct mutation mutations[] = {CONTROLS_ALL(M) HOST_ALL(M) GUEST_ALL(M) SEGMENTS_ALL(M)};

    test(mutations, ARRAY_LENGTH(mutations));
}

static struct vmx_capabilities cpu;
static struct image image;
static struct vmcs_reader reader;
static struct text_buffer buffer;
static char text[16384];

static int setup(void **state)
{
    (void)state;
    image_cpu(&cpu);
    reader = image_reader(&image);
    return 0;
}

static unsigned explain(void)
{
    text_buffer_init(&buffer, text, sizeof(text));
    return vmx_explain_entry(&reader, &cpu, &buffer.writer);
}

static void apply(const struct edit *edit)
{
    uint64_t *value = image_at(&image, edit->encoding);

    if (edit->operation == PUT)
        *value = edit->value;
    else if (edit->operation == RAISE)
        *value |= edit->value;
    else
        *value &= ~edit->value;
}

static bool about(const struct mutation *mutation, const struct vmx_check *check)
{
    return check->field == mutation->field && strstr(check->words, mutation->words);
}

/* The one check that a mutation breaks. */
static const struct vmx_check *check_of(const struct mutation *mutation)
{
    const struct vmx_check *check, *found = NULL;

    for (unsigned i = 0; (check = vmx_check_at(i)) != NULL; i++) {
        if (!about(mutation, check))
            continue;
        if (found)
            fail_msg("\"%s\" fits two checks of %s", mutation->words, vmcs_field_name(mutation->field));
        found = check;
    }
    if (!found)
        fail_msg("no check of %s says \"%s\"", vmcs_field_name(mutation->field), mutation->words);
    return found;
}

static void known_good_vmcss_break_no_check(void **state)
{
    (void)state;
    for (enum image_kind kind = 0; kind < IMAGE_KINDS; kind++) {
        image_build(&image, &cpu, kind);
        if (explain() != 0)
            fail_msg("image %d: %s", kind, text);
    }
    assert_string_equal(text, "");
}

static void find_a_mutation_for_each_check(const struct mutation *mutations, unsigned count)
{
    const struct vmx_check *check;

    for (unsigned i = 0; (check = vmx_check_at(i)) != NULL; i++) {
        unsigned found = 0;
        for (unsigned j = 0; j < count; j++)
            found += about(&mutations[j], check);
        if (!found)
            fail_msg("no mutation breaks %s: %s", vmcs_field_name(check->field), check->words);
    }
}

static void every_check_is_broken_by_a_mutation(void **state)
{
    (void)state;
    with_mutations(find_a_mutation_for_each_check);
}

/* Field, value found, demand and section of the one check that is broken. */
static void assert_text_names(const struct vmx_check *check)
{
    char start[128], end[128];

    format_text(start, sizeof(start), "%s: found 0x%lx, ", vmcs_field_name(check->field),
                (unsigned long)*image_at(&image, check->field));
    format_text(end, sizeof(end), " (SDM, \"%s\")\n", vmx_section_titles[check->section]);
    assert_memory_equal(text, start, strlen(start));
    assert_non_null(strstr(text, check->words));
    assert_string_equal(text + strlen(text) - strlen(end), end);
}

static void break_each_check(const struct mutation *mutations, unsigned count)
{
    const struct vmx_entry entry = {&reader, &cpu};

    for (unsigned i = 0; i < count; i++) {
        const struct mutation *mutation = &mutations[i];
        const struct vmx_check *check = check_of(mutation);
        const char *name = vmcs_field_name(mutation->field);

        image_build(&image, &cpu, mutation->image);
        for (const struct edit *edit = mutation->setup; edit && edit->operation != END; edit++)
            apply(edit);
        if (explain() != 0)
            fail_msg("mutation %u (%s, \"%s\"): its set-up breaks %s", i, name, mutation->words, text);
        apply(&mutation->breaking);
        if (explain() != 1 || !vmx_check_broken(check, &entry))
            fail_msg("mutation %u (%s, \"%s\") breaks: %s", i, name, mutation->words, text);
        assert_text_names(check);
    }
}

static void each_broken_check_is_named_and_no_other(void **state)
{
    (void)state;
    with_mutations(break_each_check);
}

static void rows_of_a_field_differ_in_their_words(void **state)
{
    const struct vmx_check *a, *b;

    (void)state;
    for (unsigned i = 0; (a = vmx_check_at(i)) != NULL; i++) {
        assert_non_null(vmcs_field_find(a->field));
        assert_non_null(a->demand);
        assert_in_range(a->section, 0, VMX_SECTIONS - 1);
        for (unsigned j = i + 1; (b = vmx_check_at(j)) != NULL; j++)
            assert_false(a->field == b->field && strcmp(a->words, b->words) == 0);
    }
    for (unsigned section = 0; section < VMX_SECTIONS; section++)
        assert_memory_equal(vmx_section_titles[section], "Checks ", 7);
}

static void a_broken_check_reads_as_field_found_demanded_and_section(void **state)
{
    (void)state;
    image_build(&image, &cpu, IMAGE_64);
    *image_at(&image, VMCS_HOST_CR0) = 0x80000011;
    explain();
    assert_string_equal(
        text, "host CR0: found 0x80000011, bits 0x20 must be 1: as IA32_VMX_CR0_FIXED0 and "
              "IA32_VMX_CR0_FIXED1 say (SDM, \"Checks on Host Control Registers, MSRs, and SSP\")\n");
    image_build(&image, &cpu, IMAGE_8086);
    *image_at(&image, VMCS_GUEST_DS_BASE) = 0x12345;
    explain();
    assert_string_equal(text, "guest DS base: found 0x12345, must equal 0x10000: the selector times 16, in "
                              "virtual-8086 mode (SDM, \"Checks on Guest Segment Registers\")\n");
    image_build(&image, &cpu, IMAGE_64);
    *image_at(&image, VMCS_HOST_RIP) = BIT(47);
    explain();
    assert_string_equal(text, "host RIP: found 0x800000000000, must be canonical (SDM, \"Checks Related to "
                              "Address-Space Size\")\n");
}

static void wrong_control_bits_are_called_by_name(void **state)
{
    (void)state;
    image_build(&image, &cpu, IMAGE_64);
    cpu.may_be_1[VMX_SECONDARY] &= ~(uint64_t)VMX_SECONDARY_ENABLE_VPID;
    cpu.must_be_1[VMX_SECONDARY] |= VMX_SECONDARY_RDSEED_EXITING;
    *image_at(&image, VMCS_SECONDARY_CONTROLS) |= BIT(29);
    assert_int_equal(explain(), 1);
    assert_non_null(strstr(text, "bits 0x10000 \"RDSEED exiting\" must be 1: "));
    assert_non_null(strstr(text, "bits 0x20000020 \"enable VPID\" \"reserved\" must be 0: "));
}

static void every_broken_check_is_printed(void **state)
{
    (void)state;
    image_build(&image, &cpu, IMAGE_64);
    *image_at(&image, VMCS_GUEST_RFLAGS) = 0;
    *image_at(&image, VMCS_HOST_TR_SELECTOR) = 0;
    *image_at(&image, VMCS_LINK_POINTER) = 1;
    assert_int_equal(explain(), 3);
    assert_non_null(strstr(text, "guest RFLAGS"));
    assert_non_null(strstr(text, "host TR selector"));
    assert_non_null(strstr(text, "VMCS link pointer"));
}

/* What a smaller CPU refuses and a bigger one takes. */
static void checks_follow_the_cpu(void **state)
{
    struct image good;

    (void)state;
    image_build(&good, &cpu, IMAGE_64);
#define REFUSED_WITHOUT(feature, field, legal)                                                               \
    do {                                                                                                     \
        image = good;                                                                                        \
        *image_at(&image, VMCS_##field) = (legal);                                                           \
        image_cpu(&cpu);                                                                                     \
        assert_int_equal(explain(), 0);                                                                      \
        feature;                                                                                             \
        assert_int_equal(explain(), 1);                                                                      \
        assert_memory_equal(text, vmcs_field_name(VMCS_##field), strlen(vmcs_field_name(VMCS_##field)));     \
    } while (0)
    REFUSED_WITHOUT(cpu.ept_vpid &= ~VMX_EPT_ACCESSED_DIRTY, EPTP, 0x105e);
    REFUSED_WITHOUT(cpu.ept_vpid &= ~VMX_EPT_5_LEVELS, EPTP, 0x1026);
    REFUSED_WITHOUT(cpu.ept_vpid &= ~VMX_EPT_UC, EPTP, 0x1018);
    REFUSED_WITHOUT(cpu.bus_lock_detect = false, GUEST_DEBUGCTL, 4);
    REFUSED_WITHOUT(cpu.rtm = false, GUEST_DEBUGCTL, BIT(15));
    REFUSED_WITHOUT(cpu.bus_lock_detect = false, GUEST_PENDING_DEBUG, BIT(11));
    REFUSED_WITHOUT(cpu.rtm = false, GUEST_PENDING_DEBUG, BIT(16) | BIT(12));
    REFUSED_WITHOUT(cpu.sgx = false, GUEST_INTERRUPTIBILITY, BIT(4));
    REFUSED_WITHOUT(cpu.misc &= ~VMX_MISC_ACTIVITY_HLT, GUEST_ACTIVITY, 1);
    REFUSED_WITHOUT(cpu.misc &= ~VMX_MISC_ACTIVITY_SHUTDOWN, GUEST_ACTIVITY, 2);
    REFUSED_WITHOUT(cpu.misc &= ~VMX_MISC_ACTIVITY_SIPI, GUEST_ACTIVITY, 3);
    REFUSED_WITHOUT(cpu.physical_bits = 36, MSR_BITMAP, BIT(36));
    REFUSED_WITHOUT(cpu.basic |= VMX_BASIC_32_BIT_ADDRESSES, MSR_BITMAP, BIT(32));
    REFUSED_WITHOUT(cpu.may_be_1[VMX_ENTRY] &= ~(uint64_t)VMX_ENTRY_LOAD_FRED;
                    cpu.may_be_1[VMX_PRIMARY] &= ~(uint64_t)VMX_PRIMARY_MONITOR_TRAP_FLAG, ENTRY_INTERRUPTION,
                    0x80000700);
#define TAKEN_WITH(feature, field, value)                                                                    \
    do {                                                                                                     \
        image = good;                                                                                        \
        *image_at(&image, VMCS_##field) = (value);                                                           \
        image_cpu(&cpu);                                                                                     \
        assert_int_equal(explain(), 1);                                                                      \
        feature;                                                                                             \
        assert_int_equal(explain(), 0);                                                                      \
    } while (0)
    TAKEN_WITH(cpu.lam = true, GUEST_CR3, BIT(62) | BIT(61));
    TAKEN_WITH(cpu.linear_bits = 57, HOST_RIP, BIT(55));
    TAKEN_WITH(cpu.linear_bits = 57, GUEST_FS_BASE, BIT(47));
    TAKEN_WITH(cpu.basic |= VMX_BASIC_ANY_ERROR_CODE, ENTRY_INTERRUPTION, 0x80000b15);
    TAKEN_WITH(cpu.ept_vpid |= VMX_EPT_SHADOW_STACK, EPTP, 0x109e);
}

static void a_software_event_of_no_length_needs_the_cpu_to_allow_it(void **state)
{
    (void)state;
    image_build(&image, &cpu, IMAGE_64);
    *image_at(&image, VMCS_ENTRY_INTERRUPTION) = 0x80000480;
    assert_int_equal(explain(), 1);
    cpu.misc |= VMX_MISC_ZERO_LENGTH;
    assert_int_equal(explain(), 0);
}

static void unusable_segments_are_hardly_checked(void **state)
{
    (void)state;
    image_build(&image, &cpu, IMAGE_64);
    for (unsigned segment = SEG_ES; segment <= SEG_LDTR; segment++) {
        if (segment == SEG_CS)
            continue;
        *image_at(&image, VMCS_GUEST_ES_ACCESS_RIGHTS + 2 * segment) = SEG_UNUSABLE | 0xf00;
        *image_at(&image, VMCS_GUEST_ES_LIMIT + 2 * segment) = 0x12345;
    }
    *image_at(&image, VMCS_GUEST_DS_BASE) = UINT64_MAX;
    assert_int_equal(explain(), 0);
}

static void without_unrestricted_guest_paging_is_demanded(void **state)
{
    (void)state;
    image_build(&image, &cpu, IMAGE_REAL);
    *image_at(&image, VMCS_SECONDARY_CONTROLS) &= ~(uint64_t)VMX_SECONDARY_UNRESTRICTED_GUEST;
    explain();
    assert_non_null(strstr(text, "guest CR0: found 0x30, bits 0x80000001 must be 1"));
}

static void cache_disable_bits_of_guest_cr0_are_never_checked(void **state)
{
    (void)state;
    image_build(&image, &cpu, IMAGE_REAL);
    *image_at(&image, VMCS_GUEST_CR0) |= CR0_CD | CR0_NW;
    assert_int_equal(explain(), 0);
    cpu.cr0_fixed1 &= ~(CR0_CD | CR0_NW);
    assert_int_equal(explain(), 0);
}

static void memory_that_cannot_be_read_is_not_judged(void **state)
{
    (void)state;
    image_build(&image, &cpu, IMAGE_64);
    *image_at(&image, VMCS_PRIMARY_CONTROLS) |= VMX_PRIMARY_USE_TPR_SHADOW;
    *image_at(&image, VMCS_TPR_THRESHOLD) = 15;
    *image_at(&image, VMCS_LINK_POINTER) = IMAGE_OTHER_VMCS;
    assert_int_equal(explain(), 2);
    reader.read_memory = NULL;
    assert_int_equal(explain(), 0);
}

static void an_msr_area_does_not_wrap_around(void **state)
{
    (void)state;
    image_build(&image, &cpu, IMAGE_64);
    *image_at(&image, VMCS_EXIT_MSR_LOAD_COUNT) = 0xffffffff;
    *image_at(&image, VMCS_EXIT_MSR_LOAD_ADDRESS) = UINT64_MAX - 15;
    explain();
    assert_non_null(strstr(text, "VM-exit MSR-load address: found 0xfffffffffffffff0, the last byte"));
}

static void every_value_of_every_field_is_survived(void **state)
{
    uint64_t seed = 1;

    (void)state;
    for (unsigned round = 0; round < 200; round++) {
        for (unsigned i = 0; i < IMAGE_FIELDS; i++) {
            seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            image.fields[i] = round < 2 ? -(uint64_t)round : seed >> (round % 64);
        }
        assert_true(explain() > 0);
    }
}

static void exit_reasons_have_the_names_of_the_manual(void **state)
{
    (void)state;
    assert_string_equal(vmx_exit_reason_name(0), "exception or NMI");
    assert_string_equal(vmx_exit_reason_name(VMX_REASON_CPUID), "CPUID");
    assert_string_equal(vmx_exit_reason_name(48), "EPT violation");
    assert_string_equal(vmx_exit_reason_name(52), "VMX-preemption timer expired");
    assert_string_equal(vmx_exit_reason_name(85), "WRMSRNS with an immediate");
    assert_int_equal(VMX_REASON_COUNT, 86);
    for (unsigned undefined = 35; undefined <= 42; undefined += undefined == 38 ? 4 : 3)
        assert_string_equal(vmx_exit_reason_name(undefined), "undefined exit reason");
    assert_string_equal(vmx_exit_reason_name(86), "undefined exit reason");
    assert_string_equal(vmx_exit_reason_name(UINT32_MAX), "undefined exit reason");
}

static void instruction_errors_have_words(void **state)
{
    (void)state;
    assert_string_equal(vmx_instruction_error_text(7), "VM entry with invalid control fields");
    assert_string_equal(vmx_instruction_error_text(8), "VM entry with invalid host-state fields");
    assert_string_equal(vmx_instruction_error_text(26), "VM entry with events blocked by MOV SS");
    assert_string_equal(vmx_instruction_error_text(28), "invalid operand to INVEPT or INVVPID");
    for (unsigned number = 0; number <= 28; number++) {
        bool undefined = number == 14 || number == 21 || number == 27;
        assert_int_equal(strcmp(vmx_instruction_error_text(number), "undefined VM-instruction error") == 0,
                         undefined);
    }
    assert_string_equal(vmx_instruction_error_text(UINT32_MAX), "undefined VM-instruction error");
}

static void assert_failure(uint32_t basic, uint64_t qualification, const char *part)
{
    text_buffer_init(&buffer, text, sizeof(text));
    vmx_print_entry_failure(basic, qualification, &buffer.writer);
    if (!strstr(text, part))
        fail_msg("%u, %lu: %s", basic, (unsigned long)qualification, text);
}

static void qualifications_of_entry_failures_have_words(void **state)
{
    (void)state;
    assert_failure(VMX_REASON_INVALID_GUEST_STATE, 2, "page-directory-pointer-table");
    assert_failure(VMX_REASON_INVALID_GUEST_STATE, 3, "NMI");
    assert_failure(VMX_REASON_INVALID_GUEST_STATE, 4, "VMCS link pointer");
    assert_failure(VMX_REASON_INVALID_GUEST_STATE, 5, "exit qualification 0x5");
    assert_failure(VMX_REASON_INVALID_GUEST_STATE, UINT64_MAX, "exit qualification 0xffffffffffffffff");
    assert_failure(VMX_REASON_MSR_LOADING, 3, "entry 3 of the VM-entry MSR-load area");
    assert_failure(VMX_REASON_INVALID_GUEST_STATE, 0, "");
    assert_string_equal(text, "");
}

static void assert_event(uint32_t field, uint32_t information, const char *words)
{
    image_build(&image, &cpu, IMAGE_64);
    *image_at(&image, field) = information;
    text_buffer_init(&buffer, text, sizeof(text));
    vmx_print_events(&reader, &buffer.writer);
    assert_string_equal(text, words);
}

static void events_have_words(void **state)
{
    (void)state;
    assert_event(VMCS_IDT_VECTORING, 0x30e, "");
    assert_event(VMCS_ENTRY_INTERRUPTION, 0x80000030,
                 "VM-entry interruption-information field: external interrupt 48\n");
    assert_event(VMCS_EXIT_INTERRUPTION, 0x80000202, "VM-exit interruption information: NMI 2\n");
    assert_event(VMCS_IDT_VECTORING, 0x80000b0e,
                 "IDT-vectoring information: hardware exception 14 (#PF) with error code\n");
    assert_event(VMCS_IDT_VECTORING, 0x80000480, "IDT-vectoring information: software interrupt 128\n");
    assert_event(VMCS_IDT_VECTORING, 0x80000603, "IDT-vectoring information: software exception 3 (#BP)\n");
    assert_event(VMCS_IDT_VECTORING, 0x80000501,
                 "IDT-vectoring information: privileged software exception 1\n");
    assert_event(VMCS_IDT_VECTORING, 0x800003ff, "IDT-vectoring information: hardware exception 255\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(known_good_vmcss_break_no_check, setup),
        cmocka_unit_test_setup(every_check_is_broken_by_a_mutation, setup),
        cmocka_unit_test_setup(each_broken_check_is_named_and_no_other, setup),
        cmocka_unit_test_setup(rows_of_a_field_differ_in_their_words, setup),
        cmocka_unit_test_setup(a_broken_check_reads_as_field_found_demanded_and_section, setup),
        cmocka_unit_test_setup(wrong_control_bits_are_called_by_name, setup),
        cmocka_unit_test_setup(every_broken_check_is_printed, setup),
        cmocka_unit_test_setup(checks_follow_the_cpu, setup),
        cmocka_unit_test_setup(a_software_event_of_no_length_needs_the_cpu_to_allow_it, setup),
        cmocka_unit_test_setup(unusable_segments_are_hardly_checked, setup),
        cmocka_unit_test_setup(without_unrestricted_guest_paging_is_demanded, setup),
        cmocka_unit_test_setup(cache_disable_bits_of_guest_cr0_are_never_checked, setup),
        cmocka_unit_test_setup(memory_that_cannot_be_read_is_not_judged, setup),
        cmocka_unit_test_setup(an_msr_area_does_not_wrap_around, setup),
        cmocka_unit_test_setup(every_value_of_every_field_is_survived, setup),
        cmocka_unit_test(exit_reasons_have_the_names_of_the_manual),
        cmocka_unit_test(instruction_errors_have_words),
        cmocka_unit_test(qualifications_of_entry_failures_have_words),
        cmocka_unit_test_setup(events_have_words, setup),
    };
    return cmocka_run_group_tests_name("vmx_checks", tests, NULL, NULL);
}
