/* What Keel makes of SVM's features, and whether another core has as much. */
#include "tests/unit/fake.h"

#include <string.h>

#include "hv/lib/format.h"
#include "svm/controls.h"

static char text[2048];
static struct text_buffer buffer;

#define ALL (BIT(SVM_NESTED_PAGING) | BIT(SVM_NEXT_RIP) | BIT(SVM_LBR) | BIT(SVM_AVIC))

static unsigned print_unfit(const struct svm_capabilities *core, const struct svm_capabilities *boot)
{
    text_buffer_init(&buffer, text, sizeof(text));
    return svm_print_unfit(core, boot, &buffer.writer);
}

static void what_is_wanted_can_be_forbidden_and_nothing_else(void **state)
{
    struct svm_capabilities cpu = {.asids = 8, .features = ALL};

    (void)state;
    assert_false(virt_forbid(&svm_control_list, "nested paging", 13));
    assert_false(virt_forbid(&svm_control_list, "next-RIP save", 13));
    assert_false(virt_forbid(&svm_control_list, "AVIC", 4));
    assert_false(virt_forbid(&svm_control_list, "LBR", 3));
    assert_false(svm_control_list.trusted);
    assert_true(virt_forbid(&svm_control_list, "none, LBR virtualization", 4));
    assert_true(svm_control_list.trusted);
    assert_true(virt_forbid(&svm_control_list, "LBR virtualization", 18));
    assert_true(svm_choose_controls(&cpu));
    assert_int_equal(cpu.features, ALL & ~BIT(SVM_LBR));
}

static void what_is_needed_must_be_there(void **state)
{
    struct svm_capabilities cpu = {.asids = 8, .features = BIT(SVM_NEXT_RIP)};

    (void)state;
    assert_false(svm_choose_controls(&cpu));
    cpu = (struct svm_capabilities){.asids = 1, .features = BIT(SVM_NESTED_PAGING)};
    assert_false(svm_choose_controls(&cpu));
}

static void a_core_that_has_less_than_the_boot_core_is_told_apart(void **state)
{
    const struct svm_capabilities boot = {.asids = 8, .features = ALL, .physical_bits = 40};
    struct svm_capabilities core = boot;

    (void)state;
    assert_int_equal(print_unfit(&core, &boot), 0);
    core.features = ALL & ~BIT(SVM_AVIC); /* which is not used */
    core.asids = 16;
    assert_int_equal(print_unfit(&core, &boot), 0);
    core.features = ALL & ~BIT(SVM_NEXT_RIP);
    core.physical_bits = 39;
    assert_int_equal(print_unfit(&core, &boot), 2);
    assert_string_equal(
        text,
        "SVM: next-RIP save is not there, the boot core has it\n"
        "SVM: 16 ASIDs, 39 physical-address bits and no pages of 1 GiB; the boot core has 8, 40 and none\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_wanted_can_be_forbidden_and_nothing_else),
        cmocka_unit_test(what_is_needed_must_be_there),
        cmocka_unit_test(a_core_that_has_less_than_the_boot_core_is_told_apart),
    };
    return cmocka_run_group_tests_name("svm_controls", tests, NULL, NULL);
}
