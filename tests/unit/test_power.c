/* How the machine ends: which registers are written, in which order. */
#include "tests/unit/fake.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include "hv/host/acpi.h"
#include "hv/host/paging.h"
#include "tests/unit/privileged.h"

struct machine machine;
struct serial serial_ports[SERIAL_ACPI + 1];
static unsigned drained;

void serial_drain(const struct serial *serial)
{
    assert_ptr_equal(serial, &serial_ports[drained]);
    drained++;
}

static sigjmp_buf over;
static unsigned waits;

/* Nothing has worked until the keyboard controller had its time: the triple fault is next. */
void clock_wait(uint64_t ticks)
{
    assert_true(ticks > 0);
    if (++waits == 3)
        siglongjmp(over, 1);
}

static void halted(void)
{
    siglongjmp(over, 1);
}

static uint8_t in_memory;

void *host_map(hpa_t physical, uint64_t size, enum host_mapping mapping)
{
    assert_int_equal(physical, 0xfed00000);
    assert_int_equal(size, 1);
    assert_int_equal(mapping, HOST_DEVICE);
    return &in_memory;
}

static char written[256];

static uint32_t in(uint16_t port, unsigned size)
{
    assert_int_equal(port, 0x404);
    assert_int_equal(size, 2);
    return 0xffff;
}

static void out(uint16_t port, unsigned size, uint32_t value)
{
    size_t used = strlen(written);

    snprintf(written + used, sizeof(written) - used, "%x=%0*x ", port, (int)size * 2, value);
}

static void begin(void)
{
    fake_reset();
    memset(&machine, 0, sizeof(machine));
    machine.sleep.space = machine.reset.space = 0xff;
    written[0] = 0;
    drained = waits = in_memory = 0;
    privileged_begin();
    privileged.in = in;
    privileged.out = out;
    privileged.halt = halted;
}

static const char *end_by(void (*ending)(void))
{
    if (!sigsetjmp(over, 1))
        ending();
    privileged_end();
    assert_int_equal(drained, SERIAL_ACPI + 1);
    return written;
}

static void power_goes_off_by_pm1_control(void **state)
{
    (void)state;
    begin();
    machine.s5_known = true;
    machine.s5_type_a = 5;
    machine.s5_type_b = 2;
    machine.pm1a_control = 0x404;
    assert_string_equal(end_by(machine_power_off), "404=3401 ");
    begin();
    machine.s5_known = true;
    machine.s5_type_a = 5;
    machine.s5_type_b = 2;
    machine.pm1a_control = 0x404;
    machine.pm1b_control = 0x504;
    assert_string_equal(end_by(machine_power_off), "404=3401 504=2800 ");
    assert_string_equal(fake_log, "");
}

static void a_hardware_reduced_machine_goes_off_by_its_sleep_register(void **state)
{
    (void)state;
    begin();
    machine.s5_known = true;
    machine.s5_type_a = 5;
    machine.sleep = (struct acpi_register){0, 0xfed00000};
    assert_string_equal(end_by(machine_power_off), "");
    assert_int_equal(in_memory, 5 << 2 | 0x20);
    assert_string_equal(fake_log, "");
}

static void a_machine_that_cannot_go_off_says_so(void **state)
{
    (void)state;
    begin();
    machine.pm1a_control = 0x404; /* and no \\_S5 */
    assert_string_equal(end_by(machine_power_off), "");
    assert_non_null(strstr(fake_log, "by hand"));
    begin();
    machine.s5_known = true;
    assert_string_equal(end_by(machine_power_off), "");
    assert_non_null(strstr(fake_log, "by hand"));
}

static void a_reset_tries_one_way_after_the_other(void **state)
{
    (void)state;
    begin();
    machine.reset = (struct acpi_register){1, 0xb2};
    machine.reset_value = 0x73;
    assert_string_equal(end_by(machine_reboot), "b2=73 cf9=02 cf9=06 64=fe ");
    begin();
    assert_string_equal(end_by(machine_reboot), "cf9=02 cf9=06 64=fe ");
    begin();
    machine.reset = (struct acpi_register){0, 0xfed00000};
    machine.reset_value = 9;
    assert_string_equal(end_by(machine_reboot), "cf9=02 cf9=06 64=fe ");
    assert_int_equal(in_memory, 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(power_goes_off_by_pm1_control),
        cmocka_unit_test(a_hardware_reduced_machine_goes_off_by_its_sleep_register),
        cmocka_unit_test(a_machine_that_cannot_go_off_says_so),
        cmocka_unit_test(a_reset_tries_one_way_after_the_other),
    };
    return cmocka_run_group_tests_name("power", tests, NULL, NULL);
}
