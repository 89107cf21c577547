#include "tests/unit/fake.h"

#include <string.h>

#include "devices/acpi_pm.h"
#include "hv/x86/pc.h"

#define STATUS     (PC_PM1A_EVT - PC_PM_BASE)
#define ENABLE     (STATUS + 2)
#define CONTROL    (PC_PM1A_CNT - PC_PM_BASE)
#define TIMER      (PC_PM_TMR - PC_PM_BASE)
#define GPE        (PC_GPE0 - PC_PM_BASE)

#define TIMER_BIT  0x0001
#define BUTTON_BIT 0x0100
#define SCI_EN     0x0001
#define S5         (PC_SLP_TYP_S5 << 10)
#define SLP_EN     0x2000

static struct vm vm;
static struct acpi_pm pm;
static bool sci;

static void set_sci(void *owner, unsigned pin, bool asserted)
{
    assert_null(owner);
    assert_int_equal(pin, PC_SCI_IRQ);
    sci = asserted;
}

static uint32_t get(unsigned offset, unsigned size)
{
    uint64_t value = UINT64_MAX;

    assert_true(pm.block.ops->read(&pm.block, offset, size, &value));
    assert_int_equal(value & ~size_mask(size), 0);
    return value;
}

static void put(unsigned offset, unsigned size, uint32_t value)
{
    assert_true(pm.block.ops->write(&pm.block, offset, size, value));
}

static void smi(uint8_t value)
{
    assert_true(pm.smi.ops->write(&pm.smi, 0, 1, value));
}

/* The first moment at which the PM timer shows at least `ticks`. */
static uint64_t moment_of(uint64_t ticks)
{
    return (uint64_t)((double)ticks * fake_hz / PM_TIMER_HZ) + 2;
}

static int setup(void **state)
{
    (void)state;
    fake_reset();
    memset(&vm, 0, sizeof(vm));
    memset(&pm, 0, sizeof(pm));
    fake_asked.end = VM_RUNS;
    sci = false;
    acpi_pm_init(&pm, &vm);
    pm.sci = (struct irq_line){set_sci, NULL, PC_SCI_IRQ};
    pm.block.ops->reset(&pm.block);
    return 0;
}

static void starts_in_legacy_mode(void **state)
{
    (void)state;
    for (unsigned offset = 0; offset < PC_PM_PORTS; offset += 2)
        assert_int_equal(get(offset, 2), 0);
    assert_int_equal(fake_next_deadline(), UINT64_MAX);
    assert_ptr_equal(pm.block.lock, &vm.lock);
    assert_ptr_equal(pm.smi.lock, &vm.lock);
}

static void acpi_mode_comes_and_goes_at_the_smi_port(void **state)
{
    uint64_t value;

    (void)state;
    smi(0x55); /* no command of ours */
    assert_int_equal(get(CONTROL, 2), 0);
    smi(PC_ACPI_ENABLE);
    assert_int_equal(get(CONTROL, 2), SCI_EN);
    put(CONTROL, 2, 0); /* an operating system cannot change it there */
    assert_int_equal(get(CONTROL, 2), SCI_EN);
    smi(PC_ACPI_DISABLE);
    assert_int_equal(get(CONTROL, 2), 0);
    put(CONTROL, 2, SCI_EN);
    assert_int_equal(get(CONTROL, 2), 0);
    assert_true(pm.smi.ops->write(&pm.smi, 1, 1, PC_ACPI_ENABLE)); /* the status byte commands nothing */
    assert_int_equal(get(CONTROL, 2), 0);
    assert_true(pm.smi.ops->read(&pm.smi, 1, 1, &value));
    assert_int_equal(value, PC_ACPI_ENABLE);
    assert_true(pm.smi.ops->read(&pm.smi, 0, 1, &value));
    assert_int_equal(value, PC_ACPI_DISABLE);
}

static void the_timer_counts_at_its_frequency_and_wraps(void **state)
{
    (void)state;
    fake_run_until(fake_hz);
    assert_int_equal(get(TIMER, 4), PM_TIMER_HZ);
    fake_run_until(1000 * fake_hz);
    assert_int_equal(get(TIMER, 4), (uint32_t)(UINT64_C(1000) * PM_TIMER_HZ));
    fake_run_until(2000 * fake_hz);
    assert_int_equal(get(TIMER, 4), (uint32_t)(UINT64_C(2000) * PM_TIMER_HZ));
    fake_hz = 3500000000;
    fake_run_until(7000 * fake_hz); /* a product beyond 64 bits */
    assert_int_equal(get(TIMER, 4), (uint32_t)(UINT64_C(7000) * PM_TIMER_HZ));
}

static void the_timer_is_read_in_parts_and_never_written(void **state)
{
    uint32_t ticks;

    (void)state;
    fake_run_until(123456789012);
    ticks = get(TIMER, 4);
    assert_int_equal(get(TIMER, 2), ticks & 0xffff);
    assert_int_equal(get(TIMER + 2, 2), ticks >> 16);
    assert_int_equal(get(TIMER + 1, 1), ticks >> 8 & 0xff);
    put(TIMER, 4, 0);
    assert_int_equal(get(TIMER, 4), ticks);
}

static void the_carry_sets_the_status_bit_both_ways(void **state)
{
    (void)state;
    fake_run_until(moment_of(BIT(31)) - 1000);
    assert_int_equal(get(STATUS, 2), 0);
    fake_run_until(moment_of(BIT(31)));
    assert_int_equal(get(STATUS, 2), TIMER_BIT);
    put(STATUS, 2, TIMER_BIT);
    assert_int_equal(get(STATUS, 2), 0);
    fake_run_until(moment_of(BIT(32)));
    put(STATUS, 2, BUTTON_BIT); /* clears another bit only, and sees the carry */
    assert_int_equal(get(STATUS, 2), TIMER_BIT);
    assert_false(sci);
    assert_int_equal(fake_next_deadline(), UINT64_MAX);
}

static void the_carry_interrupts_when_enabled(void **state)
{
    (void)state;
    smi(PC_ACPI_ENABLE);
    assert_int_equal(fake_next_deadline(), UINT64_MAX);
    put(ENABLE, 2, TIMER_BIT);
    assert_in_range(fake_next_deadline(), moment_of(BIT(31)) - 300, moment_of(BIT(31)));
    fake_run_until(moment_of(BIT(31)) - 300);
    assert_false(sci);
    fake_run_until(moment_of(BIT(31)));
    assert_true(sci);
    assert_int_equal(fake_next_deadline(), UINT64_MAX); /* until the guest has cleared it */
    put(STATUS, 2, TIMER_BIT);
    assert_false(sci);
    assert_in_range(fake_next_deadline(), moment_of(BIT(32)) - 300, moment_of(BIT(32)));
    put(ENABLE, 2, 0);
    assert_int_equal(fake_next_deadline(), UINT64_MAX);
}

static void a_carry_seen_by_a_read_still_interrupts(void **state)
{
    (void)state;
    smi(PC_ACPI_ENABLE);
    put(ENABLE, 2, TIMER_BIT);
    fake_now = moment_of(BIT(31)) + 100; /* later than the deadline, before the timer's callback */
    assert_int_equal(get(STATUS, 2), TIMER_BIT);
    fake_run_until(fake_now);
    assert_true(sci);
}

static void the_power_button_interrupts(void **state)
{
    (void)state;
    assert_false(acpi_pm_press_power_button(&pm)); /* nobody listens */
    assert_int_equal(get(STATUS, 2), BUTTON_BIT);
    assert_false(sci);
    put(STATUS, 2, BUTTON_BIT);
    put(ENABLE, 2, BUTTON_BIT);
    assert_false(acpi_pm_press_power_button(&pm)); /* legacy mode */
    assert_false(sci);
    smi(PC_ACPI_ENABLE);
    assert_true(sci); /* level: as soon as it may */
    put(STATUS + 1, 1, BUTTON_BIT >> 8);
    assert_false(sci);
    assert_int_equal(get(STATUS, 2), 0);
    assert_true(acpi_pm_press_power_button(&pm));
    assert_true(sci);
    put(ENABLE, 2, 0);
    assert_false(sci);
}

static void status_is_cleared_by_ones_only(void **state)
{
    (void)state;
    acpi_pm_press_power_button(&pm);
    put(STATUS, 2, (uint16_t)~BUTTON_BIT);
    assert_int_equal(get(STATUS, 2), BUTTON_BIT);
    put(STATUS, 1, 0xff); /* the other byte */
    assert_int_equal(get(STATUS, 2), BUTTON_BIT);
    put(STATUS, 4, BUTTON_BIT | (uint32_t)BUTTON_BIT << 16); /* status and enable in one access */
    assert_int_equal(get(STATUS, 4), (uint32_t)BUTTON_BIT << 16);
}

static void enable_keeps_what_this_machine_has(void **state)
{
    (void)state;
    put(ENABLE, 2, 0xffff);
    assert_int_equal(get(ENABLE, 2), 0x0521);
    put(ENABLE + 1, 1, 0);
    assert_int_equal(get(ENABLE, 2), 0x0021);
    put(ENABLE, 1, 0x01);
    assert_int_equal(get(ENABLE, 2), 0x0001);
}

static void soft_off_ends_the_vm(void **state)
{
    (void)state;
    put(CONTROL, 2, S5);
    assert_int_equal(get(CONTROL, 2), S5);
    assert_int_equal(fake_asked.end, VM_RUNS);
    put(CONTROL, 2, S5 | SLP_EN);
    assert_int_equal(fake_asked.end, VM_POWERED_OFF);
    assert_int_equal(get(CONTROL, 2), S5); /* SLP_EN reads as 0 */
    fake_asked.end = VM_RUNS;
    put(CONTROL + 1, 1, (S5 | SLP_EN) >> 8);
    assert_int_equal(fake_asked.end, VM_POWERED_OFF);
}

static void other_sleep_types_do_nothing(void **state)
{
    (void)state;
    for (unsigned type = 0; type < 8; type++)
        if (type != PC_SLP_TYP_S5)
            put(CONTROL, 2, type << 10 | SLP_EN);
    put(CONTROL, 1, 0xff);
    assert_int_equal(fake_asked.end, VM_RUNS);
    assert_int_equal(get(CONTROL, 1), 0x02); /* BM_RLD alone is kept */
}

static void gpe_enable_holds_and_nothing_comes(void **state)
{
    (void)state;
    smi(PC_ACPI_ENABLE);
    put(GPE, 4, 0xa55affff);
    assert_int_equal(get(GPE, 4), 0xa55a0000);
    put(GPE + 3, 1, 0);
    assert_int_equal(get(GPE + 2, 2), 0x005a);
    assert_false(sci);
}

static void accesses_across_registers_reach_both(void **state)
{
    (void)state;
    put(ENABLE + 1, 2, 0x0201); /* high byte of enable, low byte of control */
    assert_int_equal(get(ENABLE, 2), 0x0100);
    assert_int_equal(get(CONTROL, 2), 0x0002);
    assert_int_equal(get(ENABLE + 1, 2), 0x0201);
    assert_int_equal(get(CONTROL + 2, 2), 0); /* nothing there */
    put(CONTROL + 2, 2, 0xffff);
    assert_int_equal(get(CONTROL, 4), 0x0002);
}

static void reset_forgets_everything(void **state)
{
    (void)state;
    smi(PC_ACPI_ENABLE);
    put(ENABLE, 2, 0xffff);
    put(GPE, 4, 0xffff0000);
    put(CONTROL, 2, S5);
    acpi_pm_press_power_button(&pm);
    assert_true(sci);
    fake_now = moment_of(BIT(31)) + 1;
    pm.block.ops->reset(&pm.block);
    assert_false(sci);
    assert_int_equal(fake_next_deadline(), UINT64_MAX);
    for (unsigned offset = 0; offset < PC_PM_PORTS; offset += 2)
        if (offset < TIMER || offset >= GPE)
            assert_int_equal(get(offset, 2), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(starts_in_legacy_mode, setup),
        cmocka_unit_test_setup(acpi_mode_comes_and_goes_at_the_smi_port, setup),
        cmocka_unit_test_setup(the_timer_counts_at_its_frequency_and_wraps, setup),
        cmocka_unit_test_setup(the_timer_is_read_in_parts_and_never_written, setup),
        cmocka_unit_test_setup(the_carry_sets_the_status_bit_both_ways, setup),
        cmocka_unit_test_setup(the_carry_interrupts_when_enabled, setup),
        cmocka_unit_test_setup(a_carry_seen_by_a_read_still_interrupts, setup),
        cmocka_unit_test_setup(the_power_button_interrupts, setup),
        cmocka_unit_test_setup(status_is_cleared_by_ones_only, setup),
        cmocka_unit_test_setup(enable_keeps_what_this_machine_has, setup),
        cmocka_unit_test_setup(soft_off_ends_the_vm, setup),
        cmocka_unit_test_setup(other_sleep_types_do_nothing, setup),
        cmocka_unit_test_setup(gpe_enable_holds_and_nothing_comes, setup),
        cmocka_unit_test_setup(accesses_across_registers_reach_both, setup),
        cmocka_unit_test_setup(reset_forgets_everything, setup),
    };
    return cmocka_run_group_tests_name("acpi_pm", tests, NULL, NULL);
}
