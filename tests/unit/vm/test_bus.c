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

/* As exits read and write: by what is remembered, if that will do. */
static bool quick_read(uint64_t address, unsigned size, uint64_t *value)
{
    const struct bus_range *range = bus_remembered(&bus, address, size);

    return range ? bus_device_read(range, address, size, value) : bus_read(&bus, address, size, value);
}

static bool quick_write(uint64_t address, unsigned size, uint64_t value)
{
    const struct bus_range *range = bus_remembered(&bus, address, size);

    return range ? bus_device_write(range, address, size, value) : bus_write(&bus, address, size, value);
}

static void an_access_is_remembered_where_it_needs_no_parts(void **state)
{
    uint64_t value;

    (void)state;
    for (uint64_t address = 0x1e; address < 0x30; address++)
        for (unsigned size = 0; size <= 8; size = size ? 2 * size : 1) {
            bool is_a = address >= 0x20 && address <= 0x23, is_b = address >= 0x24 && address <= 0x2b;
            bool fits = (is_a && size <= 1) || (is_b && size <= 4 && address + size <= 0x2c);

            assert_null(bus_remembered(&bus, address, size));
            bus_read(&bus, address, 1, &value);
            if (fits)
                assert_ptr_equal(bus_remembered(&bus, address, size)->device, is_a ? &a : &b);
            else
                assert_null(bus_remembered(&bus, address, size));
            assert_true(bus_init(&bus, "port", ranges, 3));
        }
}

/* A bus whose addresses 0x20, 0x57 and 0xb0 share a place among the remembered ranges. */
static void colliding_addresses_do_not_lose_each_other(void **state)
{
    static struct bus_range near[3];
    uint64_t value;

    (void)state;
    near[0] = (struct bus_range){0xb0, 0xb0, &c};
    near[1] = (struct bus_range){0x20, 0x23, &a};
    near[2] = (struct bus_range){0x55, 0x5a, &b};
    assert_true(bus_init(&bus, "port", near, 3));
    assert_int_equal(bus_place(0x20), bus_place(0x57));
    assert_int_equal(bus_place(0x20), bus_place(0xb0));
    for (unsigned round = 0; round < 3; round++) {
        assert_true(quick_read(0x20, 1, &value));
        assert_int_equal(value, 0x10);
        assert_true(quick_read(0x57, 1, &value));
        assert_int_equal(value, 0x12);
        assert_true(quick_write(0xb0, 1, round));
        assert_int_equal(c_state.value, round);
    }
    assert_int_equal(a_state.reads + b_state.reads + c_state.writes, 9);
}

static void a_gap_is_one_where_all_of_it_is(void **state)
{
    uint64_t value;

    (void)state;
    for (uint64_t address = 0; address < 0x100; address++) {
        bool is_gap = address < 0x80 && (address < 0x20 || address > 0x2b);

        assert_false(bus_is_gap(&bus, address, 1)); /* before anybody looked */
        bus_read(&bus, address, 1, &value);
        assert_int_equal(bus_is_gap(&bus, address, 1),
                         is_gap); /* above all ranges it is searched each time */
        assert_int_equal(bus_is_gap(&bus, address, 4), is_gap && address + 3 != 0x80 && address + 3 != 0x20 &&
                                                           address + 2 != 0x80 && address + 2 != 0x20 &&
                                                           address + 1 != 0x80 && address + 1 != 0x20);
        assert_true(bus_init(&bus, "port", ranges, 3));
    }
}

/* Twice: the second time the gaps are remembered too. */
static void a_neighbour_of_what_is_remembered_is_still_nobody(void **state)
{
    uint64_t value;

    (void)state;
    for (unsigned round = 0; round < 2; round++)
        for (uint64_t address = 0; address < 0x1000; address++) {
            assert_int_equal(quick_read(address, 1, &value), address >= 0x20 && address <= 0x2b);
            assert_int_equal(quick_read(address, 1, &value), address >= 0x20 && address <= 0x2b);
            assert_int_equal(quick_write(address, 1, 0),
                             (address >= 0x20 && address <= 0x2b) || address == 0x80);
        }
    assert_false(quick_read(UINT64_MAX, 1, &value));
    assert_false(quick_read(0x20 + BIT(32), 1, &value));
    assert_true(quick_read(0x1f, 2, &value)); /* begins where nobody is */
    assert_int_equal(value, 0x10ff);
}

static void a_read_that_runs_over_the_end_of_addresses_is_nobodys(void **state)
{
    uint64_t value = 0;

    (void)state;
    assert_false(bus_read(&bus, UINT64_MAX - 2, 8, &value));
    assert_int_equal(value, UINT64_MAX);
    assert_false(bus_write(&bus, UINT64_MAX - 2, 8, 0));
}

static bool refuse_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    (void)device, (void)offset, (void)size;
    *value = 0x1234;
    return false;
}

static bool refuse_write(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    (void)device, (void)offset, (void)size, (void)value;
    return false;
}

static const struct device_ops refusing = {.read = refuse_read, .write = refuse_write, .width = 8};
static struct device refuser = {"refuser", &refusing, NULL, NULL};

static void a_device_that_refuses_is_nobody(void **state)
{
    static struct bus_range range;
    uint64_t value = 0;

    (void)state;
    range = (struct bus_range){0x10, 0x1f, &refuser};
    assert_true(bus_init(&bus, "port", &range, 1));
    assert_false(bus_read(&bus, 0x10, 2, &value));
    assert_int_equal(value, 0xffff);
    assert_false(bus_read(&bus, 0x1e, 4, &value)); /* in parts */
    assert_int_equal(value, 0xffffffff);
    assert_false(bus_write(&bus, 0x10, 1, 0));
    assert_int_equal(bus.misses.count, 3);
}

static void the_latest_misses_are_kept(void **state)
{
    uint64_t value;

    (void)state;
    for (uint64_t i = 0; i < 11; i++)
        bus_read(&bus, 0x400 + i, 1, &value);
    assert_int_equal(bus.misses.count, 11);
    assert_int_equal(bus.misses.latest[2], 0x40a);
    assert_int_equal(bus.misses.latest[3], 0x403);
}

static void a_number_is_eight_bytes_of_one_address(void **state)
{
    uint64_t value = 0x5555;

    (void)state;
    assert_true(bus_read_number(&bus, 0x21, &value)); /* `width` 1 does not split it */
    assert_int_equal(a_state.reads, 1);
    assert_int_equal(a_state.offset, 1);
    assert_int_equal(a_state.size, 8);
    assert_true(bus_write_number(&bus, 0x2b, UINT64_MAX)); /* nor does the range's end */
    assert_int_equal(b_state.writes, 1);
    assert_int_equal(b_state.offset, 7);
    assert_int_equal(b_state.value, UINT64_MAX);
    value = 0x5555;
    assert_false(bus_read_number(&bus, 0x2c, &value));
    assert_false(bus_read_number(&bus, 0x80, &value)); /* write-only */
    assert_int_equal(value, 0x5555);
    assert_false(bus_write_number(&bus, 0x2c, 0));
    assert_int_equal(bus.misses.count, 3);
}

static void a_range_alone_splits_as_a_bus_does(void **state)
{
    struct bus_range page = {0xfee00000, 0xfee00fff, &b}, narrow = {0x20, 0x23, &a}, deaf = {8, 15, &c};
    uint64_t value = 0x5555;

    (void)state;
    bus_range_prepare(&page);
    bus_range_prepare(&narrow);
    bus_range_prepare(&deaf);
    assert_true(bus_range_read(&page, 0xfee00004, 4, &value));
    assert_int_equal(value, 0x17161514);
    assert_int_equal(b_state.reads, 1);
    assert_true(bus_range_read(&page, 0xfee00000, 8, &value)); /* two of four bytes */
    assert_int_equal(value, 0x1716151413121110);
    assert_int_equal(b_state.reads, 3);
    assert_true(bus_range_write(&narrow, 0x20, 4, 0x44332211));
    assert_int_equal(a_state.writes, 4);
    assert_int_equal(a_state.value, 0x44);
    assert_true(bus_range_read(&narrow, 0x22, 4, &value)); /* runs over its end */
    assert_int_equal(value, 0xffff1312);
    value = 0x5555;
    assert_false(bus_range_read(&deaf, 8, 1, &value));
    assert_int_equal(value, 0x5555);
}

static struct spinlock lock;
static bool was_held;

static bool look_at_lock(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    (void)device, (void)offset, (void)size;
    was_held = !spin_try_lock(&lock);
    *value = 0;
    return true;
}

static bool look_at_lock_too(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    (void)device, (void)offset, (void)size, (void)value;
    was_held = !spin_try_lock(&lock);
    return false;
}

static unsigned resets;

static void count_reset(struct device *device)
{
    (void)device;
    resets++;
}

static const struct device_ops locked_ops = {
    .read = look_at_lock, .write = look_at_lock_too, .reset = count_reset, .width = 4};
static struct device locked = {"locked", &locked_ops, NULL, &lock};

static void a_devices_lock_is_held_around_each_access(void **state)
{
    static struct bus_range range;
    uint64_t value;

    (void)state;
    range = (struct bus_range){0x10, 0x1f, &locked};
    assert_true(bus_init(&bus, "port", &range, 1));
    assert_true(bus_read(&bus, 0x10, 4, &value));
    assert_true(was_held);
    was_held = false;
    assert_false(bus_write(&bus, 0x10, 4, 0)); /* also where it refuses */
    assert_true(was_held);
    was_held = false;
    assert_true(bus_range_read(&range, 0x10, 4, &value));
    assert_true(was_held);
    assert_true(spin_try_lock(&lock)); /* free again */
    spin_unlock(&lock);
}

static void reset_reaches_each_device_that_has_one(void **state)
{
    static struct bus_range some[2];

    (void)state;
    some[0] = (struct bus_range){0x10, 0x1f, &locked};
    some[1] = (struct bus_range){0x20, 0x2f, &a};
    assert_true(bus_init(&bus, "port", some, 2));
    resets = 0;
    bus_reset(&bus);
    assert_int_equal(resets, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(finds_the_range_of_an_address, setup),
        cmocka_unit_test_setup(offsets_are_relative_to_the_range, setup),
        cmocka_unit_test_setup(wide_accesses_are_split, setup),
        cmocka_unit_test_setup(nobody_reads_as_ones_and_is_counted, setup),
        cmocka_unit_test_setup(clashes_are_named, setup),
        cmocka_unit_test_setup(colliding_addresses_do_not_lose_each_other, setup),
        cmocka_unit_test_setup(a_gap_is_one_where_all_of_it_is, setup),
        cmocka_unit_test_setup(an_access_is_remembered_where_it_needs_no_parts, setup),
        cmocka_unit_test_setup(a_neighbour_of_what_is_remembered_is_still_nobody, setup),
        cmocka_unit_test_setup(a_read_that_runs_over_the_end_of_addresses_is_nobodys, setup),
        cmocka_unit_test_setup(a_device_that_refuses_is_nobody, setup),
        cmocka_unit_test_setup(the_latest_misses_are_kept, setup),
        cmocka_unit_test_setup(a_number_is_eight_bytes_of_one_address, setup),
        cmocka_unit_test_setup(a_range_alone_splits_as_a_bus_does, setup),
        cmocka_unit_test_setup(a_devices_lock_is_held_around_each_access, setup),
        cmocka_unit_test_setup(reset_reaches_each_device_that_has_one, setup),
    };
    return cmocka_run_group_tests_name("bus", tests, NULL, NULL);
}
