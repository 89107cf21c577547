#include "tests/unit/fake.h"

#include <string.h>

/* A device that remembers its accesses and reads as 0x10 + offset. */
struct probe {
    unsigned reads, writes;
    uint64_t offset, value;
    unsigned size;
};

static bool probe_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    struct probe *probe = device->state;

    probe->reads++, probe->offset = offset, probe->size = size;
    *value = 0;
    for (unsigned i = 0; i < size; i++)
        *value |= (0x10 + offset + i) << (8 * i);
    return true;
}

static bool probe_write(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct probe *probe = device->state;

    probe->writes++, probe->offset = offset, probe->size = size, probe->value = value;
    return true;
}

static const struct device_ops bytes = {.read = probe_read, .write = probe_write, .width = 1};
static const struct device_ops longs = {.read = probe_read, .write = probe_write, .width = 4};
static const struct device_ops write_only = {.write = probe_write, .width = 1};

static struct probe a_state, b_state, c_state;
static struct device a = {"a", &bytes, &a_state, NULL}, b = {"b", &longs, &b_state, NULL},
                     c = {"c", &write_only, &c_state, NULL};
static struct bus bus;
static struct bus_range ranges[3];

static int setup(void **state)
{
    (void)state;
    fake_reset();
    memset(&a_state, 0, sizeof(a_state));
    memset(&b_state, 0, sizeof(b_state));
    memset(&c_state, 0, sizeof(c_state));
    ranges[0] = (struct bus_range){0x80, 0x80, &c};
    ranges[1] = (struct bus_range){0x20, 0x23, &a};
    ranges[2] = (struct bus_range){0x24, 0x2b, &b};
    assert_true(bus_init(&bus, "port", ranges, 3));
    return 0;
}

static void finds_the_range_of_an_address(void **state)
{
    (void)state;
    assert_null(bus_find(&bus, 0x1f));
    assert_ptr_equal(bus_find(&bus, 0x20)->device, &a);
    assert_ptr_equal(bus_find(&bus, 0x23)->device, &a);
    assert_ptr_equal(bus_find(&bus, 0x24)->device, &b);
    assert_null(bus_find(&bus, 0x2c));
    assert_ptr_equal(bus_find(&bus, 0x80)->device, &c);
    assert_null(bus_find(&bus, UINT64_MAX));
}

static void offsets_are_relative_to_the_range(void **state)
{
    uint64_t value;

    (void)state;
    assert_true(bus_read(&bus, 0x28, 4, &value));
    assert_int_equal(b_state.offset, 4);
    assert_int_equal(b_state.size, 4);
    assert_int_equal(value, 0x17161514);
    assert_true(bus_write(&bus, 0x24, 2, 0xabcd));
    assert_int_equal(b_state.value, 0xabcd);
}

static void wide_accesses_are_split(void **state)
{
    uint64_t value;

    (void)state;
    assert_true(bus_read(&bus, 0x20, 4, &value));
    assert_int_equal(a_state.reads, 4);
    assert_int_equal(value, 0x13121110);
    assert_true(bus_read(&bus, 0x22, 4, &value)); /* two bytes of a, two of b */
    assert_int_equal(value, 0x11101312);
    assert_int_equal(b_state.reads, 1);
    assert_true(bus_read(&bus, 0x2a, 4, &value)); /* two bytes of b, two of nobody */
    assert_int_equal(value, 0xffff1716);
    assert_true(bus_write(&bus, 0x20, 2, 0x55aa));
    assert_int_equal(a_state.writes, 2);
    assert_int_equal(a_state.value, 0x55);
}

static void nobody_reads_as_ones_and_is_counted(void **state)
{
    uint64_t value = 0;

    (void)state;
    assert_false(bus_read(&bus, 0x300, 1, &value));
    assert_int_equal(value, 0xff);
    assert_false(bus_read(&bus, 0x300, 4, &value));
    assert_int_equal(value, 0xffffffff);
    assert_false(bus_read(&bus, 0x80, 1, &value)); /* write-only */
    assert_int_equal(value, 0xff);
    assert_false(bus_write(&bus, 0x301, 1, 0));
    assert_int_equal(bus.misses.count, 4);
    assert_int_equal(bus.misses.latest[3], 0x301);
}

static void clashes_are_named(void **state)
{
    struct bus_range clash[] = {{0x20, 0x23, &a}, {0x23, 0x24, &b}}, inverted[] = {{5, 4, &a}};

    (void)state;
    assert_false(bus_init(&bus, "port", clash, 2));
    assert_non_null(strstr(fake_log, "port bus: a and b both claim 0x23"));
    assert_false(bus_init(&bus, "port", inverted, 1));
    assert_non_null(strstr(fake_log, "before it begins"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(finds_the_range_of_an_address, setup),
        cmocka_unit_test_setup(offsets_are_relative_to_the_range, setup),
        cmocka_unit_test_setup(wide_accesses_are_split, setup),
        cmocka_unit_test_setup(nobody_reads_as_ones_and_is_counted, setup),
        cmocka_unit_test_setup(clashes_are_named, setup),
    };
    return cmocka_run_group_tests_name("bus", tests, NULL, NULL);
}
