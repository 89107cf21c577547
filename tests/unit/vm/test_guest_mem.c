#include "tests/unit/fake.h"

#include <string.h>

#include "hv/vm/guest_mem.h"

/* Two regions with a hole between, and one that touches the second. */
static uint8_t low[0x1000], middle[0x1000], high[0x1000];
static const struct guest_mem memory = {
    .regions = {{0, 0x1000, low}, {0x3000, 0x1000, middle}, {0x4000, 0x1000, high}}, .count = 3};

static int setup(void **state)
{
    (void)state;
    memset(low, 1, sizeof(low));
    memset(middle, 2, sizeof(middle));
    memset(high, 3, sizeof(high));
    return 0;
}

static void a_pointer_is_given_inside_one_region_only(void **state)
{
    (void)state;
    assert_ptr_equal(guest_ptr(&memory, 0, 0x1000), low);
    assert_ptr_equal(guest_ptr(&memory, 0xfff, 1), low + 0xfff);
    assert_null(guest_ptr(&memory, 0xfff, 2));
    assert_null(guest_ptr(&memory, 0x1000, 1));
    assert_null(guest_ptr(&memory, 0x2fff, 1));
    assert_ptr_equal(guest_ptr(&memory, 0x3000, 1), middle);
    assert_null(guest_ptr(&memory, 0x3fff, 2)); /* RAM, but in two pieces */
    assert_null(guest_ptr(&memory, 0x5000, 1));
}

static void no_length_and_huge_lengths_are_outside(void **state)
{
    (void)state;
    assert_null(guest_ptr(&memory, 0, 0));
    assert_null(guest_ptr(&memory, 0, UINT64_MAX));
    assert_null(guest_ptr(&memory, 0x800, UINT64_MAX - 0x7ff));
    assert_null(guest_ptr(&memory, UINT64_MAX, 1));
}

static void copies_cross_from_region_to_region(void **state)
{
    uint8_t bytes[4] = {9, 9, 9, 9};

    (void)state;
    assert_true(guest_read(&memory, 0x3ffe, bytes, 4));
    assert_memory_equal(bytes, ((uint8_t[]){2, 2, 3, 3}), 4);
    assert_true(guest_write(&memory, 0x3fff, "ab", 2));
    assert_int_equal(middle[0xfff], 'a');
    assert_int_equal(high[0], 'b');
    assert_true(guest_fill(&memory, 0x3ffe, 7, 4));
    assert_int_equal(middle[0xffe], 7);
    assert_int_equal(high[1], 7);
    assert_int_equal(high[2], 3);
}

static void nothing_is_copied_if_any_byte_is_not_ram(void **state)
{
    uint8_t bytes[4] = {9, 9, 9, 9};

    (void)state;
    assert_false(guest_read(&memory, 0xffe, bytes, 4));
    assert_int_equal(bytes[0], 9);
    assert_false(guest_write(&memory, 0xffe, "abcd", 4));
    assert_int_equal(low[0xffe], 1);
    assert_false(guest_fill(&memory, 0x4fff, 5, 2));
    assert_int_equal(high[0xfff], 3);
    assert_false(guest_write(&memory, 0x4000, bytes, UINT64_MAX - 0x1000));
    assert_false(guest_write(&memory, UINT64_MAX, bytes, 4));
}

static void copying_nothing_succeeds(void **state)
{
    (void)state;
    assert_true(guest_read(&memory, 0x2000, NULL, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_pointer_is_given_inside_one_region_only, setup),
        cmocka_unit_test_setup(no_length_and_huge_lengths_are_outside, setup),
        cmocka_unit_test_setup(copies_cross_from_region_to_region, setup),
        cmocka_unit_test_setup(nothing_is_copied_if_any_byte_is_not_ram, setup),
        cmocka_unit_test_setup(copying_nothing_succeeds, setup),
    };
    return cmocka_run_group_tests_name("guest_mem", tests, NULL, NULL);
}
