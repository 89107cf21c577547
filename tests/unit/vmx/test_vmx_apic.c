#include "tests/unit/fake.h"

#include <string.h>

#include "vmx/apic.h"

#define ACCESSES  VMX_SECONDARY_VIRTUALIZE_APIC_ACCESSES
#define X2APIC    VMX_SECONDARY_VIRTUALIZE_X2APIC
#define REGISTERS VMX_SECONDARY_APIC_REGISTER_VIRTUALIZATION
#define DELIVERY  VMX_SECONDARY_VIRTUAL_INTERRUPT_DELIVERY
#define POSTED    VMX_PIN_PROCESS_POSTED_INTERRUPTS
#define SHADOW    VMX_PRIMARY_USE_TPR_SHADOW
#define CR8       (VMX_PRIMARY_CR8_LOAD_EXITING | VMX_PRIMARY_CR8_STORE_EXITING)

static struct vmx_capabilities cpu;
static struct vmx_controls words;
static uint32_t page[1024];

static int setup(void **state)
{
    (void)state;
    memset(&cpu, 0, sizeof(cpu));
    memset(page, 0, sizeof(page));
    for (unsigned i = 0; i < VMX_WORDS; i++)
        cpu.may_be_1[i] = UINT32_MAX;
    vmx_compute_controls(&cpu, &words);
    return 0;
}

static void put(enum apic_reg reg, uint32_t value)
{
    page[4 * reg] = value;
}

static void add(enum apic_reg first, unsigned vector)
{
    page[4 * (first + vector / 32)] |= UINT32_C(1) << vector % 32;
}

static void a_complete_cpu_virtualizes_all_of_it(void **state)
{
    (void)state;
    assert_true(words.pin & POSTED);
    assert_true(words.exit & VMX_EXIT_ACKNOWLEDGE_INTERRUPT);
    assert_int_equal(words.primary & (SHADOW | CR8), SHADOW);
    assert_int_equal(words.secondary & (ACCESSES | X2APIC | REGISTERS | DELIVERY),
                     ACCESSES | X2APIC | REGISTERS | DELIVERY);
}

static void without_tpr_shadow_there_is_none_of_it(void **state)
{
    (void)state;
    cpu.may_be_1[VMX_PRIMARY] &= ~(uint64_t)SHADOW;
    vmx_compute_controls(&cpu, &words);
    assert_int_equal(words.primary & (SHADOW | CR8), CR8);
    assert_int_equal(words.secondary & (ACCESSES | X2APIC | REGISTERS | DELIVERY), 0);
    assert_int_equal(words.pin & POSTED, 0);
    assert_int_equal(words.exit & VMX_EXIT_ACKNOWLEDGE_INTERRUPT, 0);
}

static void posted_interrupts_need_delivery_and_acknowledgement(void **state)
{
    (void)state;
    cpu.may_be_1[VMX_SECONDARY] &= ~(uint64_t)DELIVERY;
    vmx_compute_controls(&cpu, &words);
    assert_int_equal(words.pin & POSTED, 0);
    assert_true(words.secondary & REGISTERS);
    cpu.may_be_1[VMX_SECONDARY] |= DELIVERY;
    cpu.may_be_1[VMX_EXIT] &= ~(uint64_t)VMX_EXIT_ACKNOWLEDGE_INTERRUPT;
    vmx_compute_controls(&cpu, &words);
    assert_int_equal(words.pin & POSTED, 0);
    assert_true(words.secondary & DELIVERY);
}

static void cr8_exits_that_cannot_be_off_stay_on(void **state)
{
    (void)state;
    cpu.must_be_1[VMX_PRIMARY] = CR8;
    vmx_compute_controls(&cpu, &words);
    assert_int_equal(words.primary & (SHADOW | CR8), SHADOW | CR8);
}

static void the_two_modes_exclude_each_other(void **state)
{
    (void)state;
    assert_int_equal(vmx_apic_secondary(&words, false), words.secondary & ~(uint64_t)X2APIC);
    assert_int_equal(vmx_apic_secondary(&words, true), words.secondary & ~(uint64_t)ACCESSES);
}

static void x2apic_registers_are_open_as_far_as_hardware_serves_them(void **state)
{
    struct x2apic_open open = vmx_x2apic_open(&words);
    static const uint8_t closed[] = {0x00, 0x0b, 0x0e, 0x2f, 0x31, 0x39, 0x3f};

    (void)state;
    assert_int_equal(open.write, BIT(APIC_TPR) | BIT(APIC_EOI) | BIT(APIC_SELF_IPI));
    for (unsigned i = 0; i < ARRAY_LENGTH(closed); i++)
        assert_false(open.read & BIT(closed[i]));
    for (unsigned reg = APIC_ISR; reg <= APIC_ESR; reg++)
        assert_true(open.read & BIT(reg));
    assert_true(open.read & BIT(APIC_PPR) && open.read & BIT(APIC_ICR) &&
                open.read & BIT(APIC_INITIAL_COUNT));

    words.secondary &= ~(uint64_t)DELIVERY;
    open = vmx_x2apic_open(&words);
    assert_int_equal(open.write, BIT(APIC_TPR));
    assert_false(open.read & BIT(APIC_PPR));
    words.secondary &= ~(uint64_t)REGISTERS;
    words.secondary |= DELIVERY;
    assert_int_equal(vmx_x2apic_open(&words).read, BIT(APIC_TPR));
    words.secondary &= ~(uint64_t)X2APIC;
    open = vmx_x2apic_open(&words);
    assert_int_equal(open.read | open.write, 0);
}

static void the_threshold_is_the_class_that_tpr_holds_back(void **state)
{
    (void)state;
    assert_int_equal(vmx_tpr_threshold(page), 0);
    add(APIC_IRR, 0x51);
    assert_int_equal(vmx_tpr_threshold(page), 0); /* nothing but the guest's IF or ISR holds it back */
    put(APIC_TPR, 0x4f);
    assert_int_equal(vmx_tpr_threshold(page), 0);
    put(APIC_TPR, 0x50);
    assert_int_equal(vmx_tpr_threshold(page), 5);
    put(APIC_TPR, 0xff);
    assert_int_equal(vmx_tpr_threshold(page), 5);
    add(APIC_IRR, 0xff);
    assert_int_equal(vmx_tpr_threshold(page), 15);
    put(APIC_TPR, 0xffffff10); /* only the low byte counts, whatever a guest has put there */
    assert_int_equal(vmx_tpr_threshold(page), 0);
}

static void the_status_has_the_highest_requested_and_served(void **state)
{
    (void)state;
    assert_int_equal(vmx_interrupt_status(page), 0);
    add(APIC_IRR, 0x31);
    add(APIC_IRR, 0x9f);
    add(APIC_ISR, 0x20);
    assert_int_equal(vmx_interrupt_status(page), 0x209f);
    add(APIC_ISR, 0xff);
    add(APIC_IRR, 0xe0);
    assert_int_equal(vmx_interrupt_status(page), 0xffe0);
}

static void the_end_of_levels_exits(void **state)
{
    (void)state;
    add(APIC_TMR, 0x21);
    add(APIC_TMR, 0x5f);
    add(APIC_TMR, 0x60);
    add(APIC_TMR, 0xff);
    add(APIC_IRR, 0x90);
    assert_int_equal(vmx_eoi_exits(page, 0), BIT(0x21));
    assert_int_equal(vmx_eoi_exits(page, 1), BIT(0x1f) | BIT(0x20));
    assert_int_equal(vmx_eoi_exits(page, 2), 0);
    assert_int_equal(vmx_eoi_exits(page, 3), BIT(63));
}

static void what_is_wanted_can_be_forbidden_and_nothing_else(void **state)
{
    static const char names[] = "virtual-interrupt delivery, enable EPT";

    (void)state;
    assert_false(virt_forbid(&vmx_control_list, names + 28, 10)); /* needed */
    assert_false(virt_forbid(&vmx_control_list, "RDTSC exiting", 13));
    assert_false(virt_forbid(&vmx_control_list, names, 10));
    assert_false(virt_forbid(&vmx_control_list, names, sizeof(names) - 1));
    vmx_apply_forbidden(&cpu);
    assert_true(vmx_allowed(&cpu, VMX_SECONDARY, UINT32_MAX));
    assert_true(virt_forbid(&vmx_control_list, names, 26));
    vmx_apply_forbidden(&cpu);
    assert_int_equal(cpu.may_be_1[VMX_SECONDARY], UINT32_MAX & ~(uint64_t)DELIVERY);
    cpu.may_be_1[VMX_SECONDARY] = cpu.must_be_1[VMX_SECONDARY] = DELIVERY;
    vmx_apply_forbidden(&cpu);
    assert_int_equal(cpu.may_be_1[VMX_SECONDARY], DELIVERY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_complete_cpu_virtualizes_all_of_it, setup),
        cmocka_unit_test_setup(without_tpr_shadow_there_is_none_of_it, setup),
        cmocka_unit_test_setup(posted_interrupts_need_delivery_and_acknowledgement, setup),
        cmocka_unit_test_setup(cr8_exits_that_cannot_be_off_stay_on, setup),
        cmocka_unit_test_setup(the_two_modes_exclude_each_other, setup),
        cmocka_unit_test_setup(x2apic_registers_are_open_as_far_as_hardware_serves_them, setup),
        cmocka_unit_test_setup(the_threshold_is_the_class_that_tpr_holds_back, setup),
        cmocka_unit_test_setup(the_status_has_the_highest_requested_and_served, setup),
        cmocka_unit_test_setup(the_end_of_levels_exits, setup),
        cmocka_unit_test_setup(what_is_wanted_can_be_forbidden_and_nothing_else, setup),
    };
    return cmocka_run_group_tests_name("vmx_apic", tests, NULL, NULL);
}
