#include "tests/unit/fake.h"

#include <string.h>

#include "devices/reset.h"

static struct vm vm;
static struct reset_control control;

static uint8_t get(struct device *device)
{
    uint64_t value = 0;

    assert_true(device->ops->read(device, 0, 1, &value));
    return value;
}

static void put(struct device *device, uint8_t value)
{
    assert_true(device->ops->write(device, 0, 1, value));
}

static int setup(void **state)
{
    (void)state;
    fake_reset();
    memset(&control, 0, sizeof(control));
    fake_asked.stops = 0;
    reset_control_init(&control, &vm);
    control.control.ops->reset(&control.control);
    control.port_a.ops->reset(&control.port_a);
    return 0;
}

static void two_then_six_resets(void **state)
{
    (void)state;
    assert_int_equal(get(&control.control), 0);
    put(&control.control, 0x02);
    assert_int_equal(fake_asked.stops, 0);
    assert_int_equal(get(&control.control), 0x02);
    put(&control.control, 0x06);
    assert_int_equal(fake_asked.stops, 1);
}

static void every_kind_of_reset_is_one(void **state)
{
    static const uint8_t kinds[] = {0x04, 0x06, 0x0c, 0x0e};

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(kinds); i++) {
        put(&control.control, 0);
        put(&control.control, kinds[i]);
        assert_int_equal(fake_asked.stops, i + 1);
    }
}

static void the_go_bit_must_rise(void **state)
{
    (void)state;
    put(&control.control, 0x04);
    put(&control.control, 0x06);
    put(&control.control, 0x0e);
    assert_int_equal(fake_asked.stops, 1);
    put(&control.control, 0x02);
    put(&control.control, 0x06);
    assert_int_equal(fake_asked.stops, 2);
}

static void other_bits_are_neither_kept_nor_obeyed(void **state)
{
    (void)state;
    put(&control.control, 0xfb);
    assert_int_equal(get(&control.control), 0x0a);
    put(&control.port_a, 0xfe);
    assert_int_equal(get(&control.port_a), 0x02);
    assert_int_equal(fake_asked.stops, 0);
}

static void port_a_remembers_a20(void **state)
{
    (void)state;
    assert_int_equal(get(&control.port_a), 0x02);
    put(&control.port_a, 0x00);
    assert_int_equal(get(&control.port_a), 0x00);
    put(&control.port_a, 0x02);
    assert_int_equal(get(&control.port_a), 0x02);
    assert_int_equal(fake_asked.stops, 0);
}

static void port_a_resets_when_its_bit_rises(void **state)
{
    (void)state;
    put(&control.port_a, 0x03);
    put(&control.port_a, 0x03);
    assert_int_equal(fake_asked.stops, 1);
    put(&control.port_a, 0x02);
    put(&control.port_a, 0x01);
    assert_int_equal(fake_asked.stops, 2);
}

static void the_registers_are_apart(void **state)
{
    (void)state;
    put(&control.control, 0x0a);
    put(&control.port_a, 0x00);
    control.control.ops->reset(&control.control);
    assert_int_equal(get(&control.control), 0x00);
    assert_int_equal(get(&control.port_a), 0x00);
    control.port_a.ops->reset(&control.port_a);
    assert_int_equal(get(&control.port_a), 0x02);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(two_then_six_resets, setup),
        cmocka_unit_test_setup(every_kind_of_reset_is_one, setup),
        cmocka_unit_test_setup(the_go_bit_must_rise, setup),
        cmocka_unit_test_setup(other_bits_are_neither_kept_nor_obeyed, setup),
        cmocka_unit_test_setup(port_a_remembers_a20, setup),
        cmocka_unit_test_setup(port_a_resets_when_its_bit_rises, setup),
        cmocka_unit_test_setup(the_registers_are_apart, setup),
    };
    return cmocka_run_group_tests_name("reset", tests, NULL, NULL);
}
