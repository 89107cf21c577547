#include "tests/unit/fake.h"

#include "devices/fw_cfg.h"

static struct fw_cfg cfg;
static struct spinlock lock;
static struct bus bus;
static struct bus_range range;

static int setup(void **state)
{
    (void)state;
    fake_reset();
    fw_cfg_init(&cfg, &lock, 3, UINT64_C(0x123450000));
    range = (struct bus_range){0x510, 0x511, &cfg.device};
    assert_true(bus_init(&bus, "port", &range, 1));
    bus_reset(&bus);
    return 0;
}

static uint64_t item(uint16_t key, unsigned size)
{
    uint64_t value = 0, byte = 0;

    bus_write(&bus, 0x510, 2, key);
    for (unsigned i = 0; i < size; i++) {
        assert_true(bus_read(&bus, 0x511, 1, &byte));
        value |= byte << 8 * i;
    }
    return value;
}

static void it_says_who_it_is_and_how_large_the_machine_is(void **state)
{
    (void)state;
    assert_int_equal(item(0, 4), 'Q' | 'E' << 8 | 'M' << 16 | 'U' << 24);
    assert_int_equal(item(1, 4), 1);
    assert_int_equal(item(3, 8), UINT64_C(0x123450000));
    assert_int_equal(item(5, 2), 3);
    assert_int_equal(item(15, 2), 3);
}

static void what_is_not_there_is_zero(void **state)
{
    uint64_t value;

    (void)state;
    assert_int_equal(item(0x19, 4), 0); /* the directory of files has none */
    assert_int_equal(item(0xffff, 8), 0);
    item(3, 8);
    assert_true(bus_read(&bus, 0x511, 1, &value));
    assert_int_equal(value, 0); /* behind an item's end */
    assert_int_equal(item(5, 1), 3);
    assert_int_equal(item(5, 2), 3); /* selected anew it begins anew */
}

static void other_accesses_are_answered_by_nobody(void **state)
{
    uint64_t value;

    (void)state;
    item(5, 0);
    assert_false(bus_read(&bus, 0x510, 1, &value));
    assert_int_equal(value, 0xff);
    assert_false(bus_read(&bus, 0x510, 2, &value));
    assert_false(bus_write(&bus, 0x511, 1, 0));
    assert_true(bus_read(&bus, 0x511, 1, &value));
    assert_int_equal(value, 3);
}

static void after_a_reset_the_signature_is_selected(void **state)
{
    uint64_t value;

    (void)state;
    item(3, 2);
    bus_reset(&bus);
    assert_true(bus_read(&bus, 0x511, 1, &value));
    assert_int_equal(value, 'Q');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(it_says_who_it_is_and_how_large_the_machine_is, setup),
        cmocka_unit_test_setup(what_is_not_there_is_zero, setup),
        cmocka_unit_test_setup(other_accesses_are_answered_by_nobody, setup),
        cmocka_unit_test_setup(after_a_reset_the_signature_is_selected, setup),
    };
    return cmocka_run_group_tests_name("fw_cfg", tests, NULL, NULL);
}
