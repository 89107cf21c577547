#include "tests/unit/fake.h"

#include <string.h>

#include "hv/lib/format.h"
#include "tests/unit/vmx/vmx_image.h"

static struct vmx_capabilities cpu;
static struct text_buffer buffer;
static char text[32768];

static int setup(void **state)
{
    (void)state;
    image_cpu(&cpu);
    text_buffer_init(&buffer, text, sizeof(text));
    return 0;
}

static void encodings_rise_and_names_are_unique(void **state)
{
    (void)state;
    for (unsigned i = 0; i < vmcs_field_count; i++) {
        assert_true(vmcs_fields[i].name[0] != 0);
        for (unsigned j = i + 1; j < vmcs_field_count; j++) {
            assert_true(vmcs_fields[i].encoding < vmcs_fields[j].encoding);
            assert_string_not_equal(vmcs_fields[i].name, vmcs_fields[j].name);
        }
    }
}

static void encodings_follow_the_rule(void **state)
{
    (void)state;
    for (unsigned i = 0; i < vmcs_field_count; i++) {
        const struct vmcs_field *field = &vmcs_fields[i];
        assert_int_equal(field->encoding & 1, 0);       /* access type: full */
        assert_int_equal(field->encoding >> 12 & 1, 0); /* reserved */
        assert_int_equal(field->encoding >> 13, field->width);
        assert_int_equal(field->encoding >> 10 & 3, field->group);
    }
}

/* The tables of the appendix, by width and group, and the ENCLV-exiting bitmap of its older editions. */
static void each_table_of_the_appendix_is_complete(void **state)
{
    static const unsigned expected[4][4] = {
        [VMCS_WIDTH_16] = {5, 0, 11, 7},
        [VMCS_WIDTH_64] = {37 + 1, 3, 21, 12},
        [VMCS_WIDTH_32] = {20, 8, 23, 1},
        [VMCS_WIDTH_NATURAL] = {8, 6, 23, 15},
    };
    unsigned found[4][4] = {{0}};

    (void)state;
    for (unsigned i = 0; i < vmcs_field_count; i++)
        found[vmcs_fields[i].width][vmcs_fields[i].group]++;
    assert_memory_equal(found, expected, sizeof(found));
}

static void well_known_fields_have_the_manuals_encodings(void **state)
{
    (void)state;
    assert_int_equal(VMCS_VPID, 0x0000);
    assert_int_equal(VMCS_GUEST_TR_SELECTOR, 0x080e);
    assert_int_equal(VMCS_HOST_TR_SELECTOR, 0x0c0c);
    assert_int_equal(VMCS_EPTP, 0x201a);
    assert_int_equal(VMCS_GUEST_PHYSICAL_ADDRESS, 0x2400);
    assert_int_equal(VMCS_LINK_POINTER, 0x2800);
    assert_int_equal(VMCS_HOST_EFER, 0x2c02);
    assert_int_equal(VMCS_PIN_CONTROLS, 0x4000);
    assert_int_equal(VMCS_EXIT_REASON, 0x4402);
    assert_int_equal(VMCS_PREEMPTION_TIMER, 0x482e);
    assert_int_equal(VMCS_CR4_SHADOW, 0x6006);
    assert_int_equal(VMCS_EXIT_QUALIFICATION, 0x6400);
    assert_int_equal(VMCS_GUEST_RIP, 0x681e);
    assert_int_equal(VMCS_HOST_RIP, 0x6c16);
}

static void a_field_is_found_by_its_encoding(void **state)
{
    (void)state;
    for (unsigned i = 0; i < vmcs_field_count; i++)
        assert_ptr_equal(vmcs_field_find(vmcs_fields[i].encoding), &vmcs_fields[i]);
    assert_string_equal(vmcs_field_name(VMCS_GUEST_RIP), "guest RIP");
}

static void what_is_no_field_is_not_found(void **state)
{
    static const uint32_t none[] = {0x000a, 0x2011, 0x2036 + 1, 0x482c, 0x6c1e, 0xffff, 0x1681e, UINT32_MAX};

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(none); i++) {
        assert_null(vmcs_field_find(none[i]));
        assert_string_equal(vmcs_field_name(none[i]), "unknown VMCS field");
    }
}

static bool exists(uint32_t encoding)
{
    return vmcs_field_exists(vmcs_field_find(encoding), &cpu);
}

static void fields_exist_where_their_controls_are_allowed(void **state)
{
    (void)state;
    for (unsigned i = 0; i < vmcs_field_count; i++)
        assert_true(vmcs_field_exists(&vmcs_fields[i], &cpu));
    cpu.may_be_1[VMX_SECONDARY] &= ~(uint64_t)(VMX_SECONDARY_ENABLE_VPID | VMX_SECONDARY_USE_TSC_SCALING);
    assert_false(exists(VMCS_VPID));
    assert_false(exists(VMCS_TSC_MULTIPLIER));
    assert_true(exists(VMCS_EPTP));
    cpu.may_be_1[VMX_PIN] = 0;
    assert_false(exists(VMCS_PREEMPTION_TIMER));
    assert_true(exists(VMCS_GUEST_RIP));
}

static void one_of_two_controls_is_enough_for_a_field(void **state)
{
    (void)state;
    cpu.may_be_1[VMX_ENTRY] &= ~(uint64_t)VMX_ENTRY_LOAD_PAT;
    assert_true(exists(VMCS_GUEST_PAT));
    cpu.may_be_1[VMX_EXIT] &= ~(uint64_t)VMX_EXIT_SAVE_PAT;
    assert_false(exists(VMCS_GUEST_PAT));
}

/* A reader that fails the test on a field that the CPU does not have. */
static uint64_t strict_read(void *context, uint32_t encoding)
{
    (void)context;
    assert_non_null(vmcs_field_find(encoding));
    assert_true(exists(encoding));
    return encoding;
}

static const struct vmcs_reader strict = {.read = strict_read};

static unsigned lines_longer_than(size_t most)
{
    unsigned found = 0;

    for (const char *line = text; *line;) {
        const char *end = strchr(line, '\n');
        assert_non_null(end);
        found += (size_t)(end - line) > most;
        line = end + 1;
    }
    return found;
}

static void a_dump_shows_every_field_that_exists_and_reads_no_other(void **state)
{
    (void)state;
    vmcs_print(&strict, &cpu, VMCS_SHOWN_DUMP, &buffer.writer);
    for (unsigned i = 0; i < vmcs_field_count; i++) {
        char expected[96];
        format_text(expected, sizeof(expected), "%s 0x%x", vmcs_fields[i].name, vmcs_fields[i].encoding);
        assert_non_null(strstr(text, expected));
    }
    assert_int_equal(lines_longer_than(100), 0);

    memset(cpu.may_be_1, 0, sizeof(cpu.may_be_1));
    text_buffer_init(&buffer, text, sizeof(text));
    vmcs_print(&strict, &cpu, VMCS_SHOWN_DUMP, &buffer.writer);
    assert_null(strstr(text, "PML"));
    assert_non_null(strstr(text, "host RIP 0x6c16"));
}

static void a_crash_shows_the_exit_and_no_register(void **state)
{
    (void)state;
    vmcs_print(&strict, &cpu, VMCS_SHOWN_CRASH, &buffer.writer);
    assert_non_null(strstr(text, "guest interruptibility state 0x4824"));
    assert_null(strstr(text, "guest RIP"));
    assert_non_null(strstr(text, "exit reason 0x4402"));
    assert_null(strstr(text, "host"));
    assert_null(strstr(text, "I/O bitmap"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(encodings_rise_and_names_are_unique, setup),
        cmocka_unit_test_setup(encodings_follow_the_rule, setup),
        cmocka_unit_test_setup(each_table_of_the_appendix_is_complete, setup),
        cmocka_unit_test_setup(well_known_fields_have_the_manuals_encodings, setup),
        cmocka_unit_test_setup(a_field_is_found_by_its_encoding, setup),
        cmocka_unit_test_setup(what_is_no_field_is_not_found, setup),
        cmocka_unit_test_setup(fields_exist_where_their_controls_are_allowed, setup),
        cmocka_unit_test_setup(one_of_two_controls_is_enough_for_a_field, setup),
        cmocka_unit_test_setup(a_dump_shows_every_field_that_exists_and_reads_no_other, setup),
        cmocka_unit_test_setup(a_crash_shows_the_exit_and_no_register, setup),
    };
    return cmocka_run_group_tests_name("vmx_fields", tests, NULL, NULL);
}
