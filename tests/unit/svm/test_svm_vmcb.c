/* SVM's tables: the VMCB's fields and the names of exits. */
#include "tests/unit/fake.h"

#include <string.h>

#include "hv/lib/format.h"
#include "svm/fields.h"
#include "svm/reasons.h"

static void fields_are_sorted_and_do_not_overlap(void **state)
{
    (void)state;
    for (unsigned i = 1; i < vmcb_field_count; i++)
        assert_true(vmcb_fields[i - 1].offset + vmcb_fields[i - 1].size <= vmcb_fields[i].offset);
}

static void fields_are_aligned_and_have_a_name_of_their_own(void **state)
{
    (void)state;
    for (unsigned i = 0; i < vmcb_field_count; i++) {
        const struct vmcb_field *field = &vmcb_fields[i];

        assert_int_equal(field->offset % field->size, 0);
        assert_true(strlen(field->name) > 0);
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(field->name, vmcb_fields[j].name);
    }
}

/* Offsets of the APM's tables, apart from the list. */
static void fields_lie_where_the_manual_has_them(void **state)
{
    static const struct {
        uint16_t offset;
        const char *name;
    } rows[] = {
        {0x040, "IOPM_BASE_PA"}, {0x048, "MSRPM_BASE_PA"}, {0x050, "TSC_OFFSET"},   {0x058, "guest ASID"},
        {0x05c, "TLB_CONTROL"},  {0x070, "EXITCODE"},      {0x078, "EXITINFO1"},    {0x080, "EXITINFO2"},
        {0x088, "EXITINTINFO"},  {0x0a8, "EVENTINJ"},      {0x0b0, "N_CR3"},        {0x0c8, "nRIP"},
        {0x4cb, "CPL"},          {0x4d0, "EFER"},          {0x548, "CR4"},          {0x550, "CR3"},
        {0x558, "CR0"},          {0x570, "RFLAGS"},        {0x578, "RIP"},          {0x5d8, "RSP"},
        {0x5f8, "RAX"},          {0x600, "STAR"},          {0x620, "KernelGsBase"}, {0x640, "CR2"},
        {0x668, "G_PAT"},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_string_equal(vmcb_name(rows[i].offset), rows[i].name);
    assert_string_equal(vmcb_name(0x3f0), "unknown VMCB field");
}

static void values_have_their_own_width(void **state)
{
    static union vmcb vmcb;

    (void)state;
    memset(&vmcb, 0xff, sizeof(vmcb));
    vmcb.asid = 0x12345678;
    vmcb.cpl = 3;
    vmcb.rip = UINT64_C(0xfedcba9876543210);
    assert_int_equal(vmcb_value(&vmcb, 0x58), 0x12345678);
    assert_int_equal(vmcb_value(&vmcb, 0x4cb), 3);
    assert_true(vmcb_value(&vmcb, 0x578) == UINT64_C(0xfedcba9876543210));
    assert_int_equal(vmcb_value(&vmcb, 0x3f0), 0);
}

static void a_crash_shows_the_exit_and_a_dump_everything(void **state)
{
    static char text[8192];
    struct text_buffer buffer;
    static union vmcb vmcb;

    (void)state;
    memset(&vmcb, 0, sizeof(vmcb));
    vmcb.cs =
        (struct vmcb_segment){.selector = 0x10, .attributes = 0x29b, .limit = 0xffffffff, .base = 0x1000};
    vmcb.rip = 0xfff0;
    text_buffer_init(&buffer, text, sizeof(text));
    vmcb_print(&vmcb, VMCB_SHOWN_CRASH, &buffer.writer);
    assert_non_null(strstr(text, "EXITCODE 0x0; EXITINFO1"));
    assert_null(strstr(text, "; RIP"));
    assert_null(strstr(text, "G_PAT"));
    text_buffer_init(&buffer, text, sizeof(text));
    vmcb_print(&vmcb, VMCB_SHOWN_DUMP, &buffer.writer);
    assert_non_null(strstr(text, "CS 0x10 base 0x1000 limit 0xffffffff attributes 0x29b"));
    assert_non_null(strstr(text, "; RIP 0xfff0"));
    for (unsigned i = 0; i < vmcb_field_count; i++)
        assert_non_null(strstr(text, vmcb_fields[i].name));
}

static void exit_codes_have_names(void **state)
{
    (void)state;
    assert_string_equal(svm_exit_name(0x72), "CPUID");
    assert_string_equal(svm_exit_name(0x400), "nested page fault");
    assert_string_equal(svm_exit_name(UINT64_MAX), "invalid guest state in the VMCB");
    assert_string_equal(svm_exit_name(0x3ff), "undefined exit code");
    assert_string_equal(svm_exit_name(UINT32_MAX), "undefined exit code");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_sorted_and_do_not_overlap),
        cmocka_unit_test(fields_are_aligned_and_have_a_name_of_their_own),
        cmocka_unit_test(fields_lie_where_the_manual_has_them),
        cmocka_unit_test(values_have_their_own_width),
        cmocka_unit_test(a_crash_shows_the_exit_and_a_dump_everything),
        cmocka_unit_test(exit_codes_have_names),
    };
    return cmocka_run_group_tests_name("svm_vmcb", tests, NULL, NULL);
}
