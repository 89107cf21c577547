/* A good VMCB breaks no check of VMRUN; each check is broken by one edit, and then no other is. */
#include "tests/unit/fake.h"

#include <string.h>

#include "hv/lib/format.h"
#include "svm/checks.h"

static const struct svm_capabilities cpu = {.asids = 16, .physical_bits = 40};
static union vmcb vmcb;
static char text[4096];

static void build(void)
{
    memset(&vmcb, 0, sizeof(vmcb));
    vmcb.intercepts2 = 1;
    vmcb.iopm = 0x10000;
    vmcb.msrpm = 0x20000;
    vmcb.asid = 1;
    vmcb.nested = VMCB_NESTED_PAGING;
    vmcb.nested_cr3 = 0x30000;
    vmcb.efer = EFER_SVME | EFER_LME | EFER_LMA | EFER_NXE | EFER_SCE;
    vmcb.cr0 = CR0_PG | CR0_PE | CR0_ET | CR0_NE | CR0_WP;
    vmcb.cr4 = CR4_PAE | CR4_PGE | CR4_OSXSAVE | CR4_SMAP | CR4_PKE;
    vmcb.cr3 = 0x40000;
    vmcb.cs.attributes = 0x29b;
    vmcb.dr6 = 0xffff0ff0;
    vmcb.dr7 = 0x400;
    vmcb.pat = UINT64_C(0x0007040600070406);
}

static unsigned explain(void)
{
    struct text_buffer buffer;

    text_buffer_init(&buffer, text, sizeof(text));
    return svm_explain_vmrun(&vmcb, &cpu, &buffer.writer);
}

#define EVENT(type, vector) (VMCB_EVENT_VALID | (uint64_t)(type) << 8 | (vector))

/* `words` names the check of the field, and is there only once. */
static const struct mutation {
    uint16_t field;
    const char *words;
    uint64_t value;
} mutations[] = {
#define M(name, words, value)                                                                                \
    {                                                                                                        \
        offsetof(union vmcb, name), words, value                                                             \
    }
    M(intercepts2, "VMRUN", 0xfffffffe),
    M(iopm, "the map must end", UINT64_C(0xfffffff000)), /* the last page is inside, the map's end is not */
    M(msrpm, "the map must end", UINT64_C(0xfffffff000)),
    M(asid, "0 is the host's", 0),
    M(interrupt_control, "virtual NMIs", VMCB_V_NMI_ENABLE),
    M(nested_cr3, "beyond", BIT(40)),
    M(event, "type", EVENT(1, 32)),
    M(event, "no exception", EVENT(EVENT_EXCEPTION, EXC_NMI)),
    M(event, "64-bit code", EVENT(EVENT_EXCEPTION, EXC_BR)),
    M(efer, "SVME", EFER_LME | EFER_LMA),
    M(efer, "reserved", EFER_SVME | EFER_LME | EFER_LMA | BIT(9)),
    M(cr0, "NW", CR0_PG | CR0_PE | CR0_ET | CR0_NW),
    M(cr0, "63:32", CR0_PG | CR0_PE | CR0_ET | BIT(32)),
    M(cr0, "PE", CR0_PG | CR0_ET),
    M(cr3, "beyond", BIT(40)),
    M(cr4, "reserved", CR4_PAE | BIT(13)),
    M(cr4, "PAE", 0),
    M(cr4, "CET", CR4_PAE | CR4_CET),
    M(cs, "L and D", 0x69b),
    M(dr6, "63:32", BIT(32)),
    M(dr7, "63:32", BIT(63)),
    M(pat, "memory type", UINT64_C(0x0007040600070402)),
    M(s_cet, "reserved", BIT(6)),
#undef M
};

static void set_field(uint16_t offset, uint64_t value)
{
    for (unsigned i = 0; i < vmcb_field_count; i++)
        if (vmcb_fields[i].offset == offset)
            memcpy(vmcb.bytes + offset, &value, MIN(vmcb_fields[i].size, sizeof(value)));
}

static void apply(const struct mutation *mutation)
{
    build();
    if (mutation->field == offsetof(union vmcb, cs))
        vmcb.cs.attributes = (uint16_t)mutation->value;
    else
        set_field(mutation->field, mutation->value);
    if (strcmp(mutation->words, "CET") == 0) /* it is CR0.WP that is missing */
        vmcb.cr0 &= ~CR0_WP;
}

static bool about(const struct mutation *mutation, const struct svm_check *check)
{
    return check->field == mutation->field && strstr(check->words, mutation->words);
}

static void a_good_vmcb_breaks_no_check(void **state)
{
    (void)state;
    build();
    assert_int_equal(explain(), 0);
    assert_string_equal(text, "");
    vmcb.interrupt_control = VMCB_V_NMI_ENABLE;
    vmcb.intercepts1 = 1 << 1; /* NMI */
    assert_int_equal(explain(), 0);
    vmcb.cr0 = CR0_CD | CR0_NW | CR0_ET; /* after RESET */
    vmcb.cr4 = 0;
    vmcb.efer = EFER_SVME;
    vmcb.cs.attributes = 0x9b;
    assert_int_equal(explain(), 0);
}

static void every_check_has_its_mutation(void **state)
{
    (void)state;
    for (unsigned i = 0; i < svm_check_count; i++) {
        unsigned found = 0;

        for (unsigned j = 0; j < ARRAY_LENGTH(mutations); j++)
            found += about(&mutations[j], &svm_checks[i]);
        if (found != 1)
            fail_msg("%u mutations are about %s: %s", found, vmcb_name(svm_checks[i].field),
                     svm_checks[i].words);
    }
}

static void a_broken_check_is_named_and_no_other(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(mutations); i++) {
        apply(&mutations[i]);
        if (explain() != 1)
            fail_msg("mutation %u of %s breaks more or less than one check: %s", i,
                     vmcb_name(mutations[i].field), text);
        assert_non_null(strstr(text, mutations[i].words));
        assert_memory_equal(text, vmcb_name(mutations[i].field), strlen(vmcb_name(mutations[i].field)));
    }
}

static void two_broken_checks_are_two_lines(void **state)
{
    (void)state;
    build();
    vmcb.asid = 0;
    vmcb.dr7 = BIT(40);
    assert_int_equal(explain(), 2);
    assert_non_null(strstr(
        text, "guest ASID: found 0x0: 0 is the host's (APM, \"Canonicalization and Consistency Checks\")\n"));
    assert_non_null(strstr(text, "DR7: found 0x10000000000"));
}

static void events_that_may_be_injected_break_nothing(void **state)
{
    static const uint64_t events[] = {
        0,
        EVENT(EVENT_INTERRUPT, 255),
        EVENT(EVENT_NMI, 2),
        EVENT(EVENT_EXCEPTION, EXC_PF) | VMCB_EVENT_ERROR,
        EVENT(EVENT_SOFT_INTERRUPT, 0x80),
        EVENT(7, 255) & ~VMCB_EVENT_VALID,
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(events); i++) {
        build();
        vmcb.event = events[i];
        assert_int_equal(explain(), 0);
    }
}

static void the_width_of_addresses_is_the_processors(void **state)
{
    const struct svm_capabilities wide = {.asids = 16, .physical_bits = 48};

    (void)state;
    build();
    vmcb.nested_cr3 = BIT(40);
    for (unsigned i = 0; i < svm_check_count; i++)
        assert_false(svm_check_broken(&svm_checks[i], &vmcb, &wide));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_vmcb_breaks_no_check),
        cmocka_unit_test(every_check_has_its_mutation),
        cmocka_unit_test(a_broken_check_is_named_and_no_other),
        cmocka_unit_test(two_broken_checks_are_two_lines),
        cmocka_unit_test(events_that_may_be_injected_break_nothing),
        cmocka_unit_test(the_width_of_addresses_is_the_processors),
    };
    return cmocka_run_group_tests_name("svm_checks", tests, NULL, NULL);
}
