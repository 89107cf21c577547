#include "hv/load/guest_map.h"
#include "tests/unit/fake.h"

#include <stdlib.h>
#include <string.h>

static struct guest_mem memory;
static struct guest_map map;

/* The map of a VM of that size; its RAM is not touched. */
static void build(uint64_t bytes)
{
    memset(&memory, 0, sizeof(memory));
    memory.count = guest_map_split(bytes, memory.regions);
    guest_map_build(&memory, &map);
}

static void assert_region(unsigned i, gpa_t first, uint64_t size)
{
    assert_true(i < memory.count);
    assert_int_equal(memory.regions[i].first, first);
    assert_int_equal(memory.regions[i].size, size);
    assert_null(memory.regions[i].host);
}

static void ram_is_one_piece_with_a_vgas_memory_and_roms(void **state)
{
    (void)state;
    build(MIB(1));
    assert_int_equal(memory.count, 1);
    assert_region(0, 0, MIB(1));
    build(MIB(256));
    assert_int_equal(memory.count, 1);
    assert_region(0, 0, MIB(256));
    assert_false(guest_map_is_ram(&map, 0xa0000, 1)); /* which the map leaves out */
    assert_false(guest_map_is_ram(&map, 0xbffff, 1));
}

static void ram_that_the_pci_hole_displaces_lies_above_4_gib(void **state)
{
    (void)state;
    build(GIB(3));
    assert_int_equal(memory.count, 1);
    assert_region(0, 0, GIB(3));
    build(GIB(3) + KIB(4));
    assert_int_equal(memory.count, 2);
    assert_region(1, GIB(4), KIB(4));
    build(GIB(5));
    assert_region(1, GIB(4), GIB(2));
}

static void assert_range(unsigned i, gpa_t first, gpa_t end, enum map_type type)
{
    assert_true(i < map.count);
    assert_int_equal(map.ranges[i].first, first);
    assert_int_equal(map.ranges[i].size, end - first);
    assert_int_equal(map.ranges[i].type, type);
}

static void the_map_is_that_of_a_pc(void **state)
{
    (void)state;
    build(GIB(5));
    assert_int_equal(map.count, 7);
    assert_range(0, 0, 0x9fc00, MAP_RAM);
    assert_range(1, 0x9fc00, 0xa0000, MAP_RESERVED);
    assert_range(2, 0xe0000, 0x100000, MAP_RESERVED);
    assert_range(3, 0x100000, GIB(3), MAP_RAM);
    assert_range(4, 0xfec00000, 0xfec01000, MAP_RESERVED);
    assert_range(5, 0xfee00000, 0xfee01000, MAP_RESERVED);
    assert_range(6, GIB(4), GIB(6), MAP_RAM);
}

static void the_smallest_map_has_base_memory_only(void **state)
{
    (void)state;
    build(MIB(1));
    assert_int_equal(map.count, 5);
    assert_int_equal(guest_map_low_end(&map), MIB(1));
    assert_false(guest_map_is_ram(&map, MIB(1), 1));
}

static void ranges_ascend_without_overlap_for_any_size(void **state)
{
    (void)state;
    for (uint64_t bytes = MIB(1); bytes < GIB(8); bytes = bytes * 3 / 2 & ~PAGE_MASK) {
        uint64_t ram = 0;

        build(bytes);
        for (unsigned i = 0; i < map.count; i++) {
            if (i > 0)
                assert_true(map.ranges[i].first >= map.ranges[i - 1].first + map.ranges[i - 1].size);
            if (map.ranges[i].type == MAP_RAM)
                ram += map.ranges[i].size;
        }
        assert_int_equal(ram, bytes - MIB(1) + 0x9fc00);
    }
}

static void ram_is_known_to_its_last_byte(void **state)
{
    (void)state;
    build(MIB(64));
    assert_int_equal(guest_map_low_end(&map), MIB(64));
    assert_true(guest_map_is_ram(&map, 0, 0x9fc00));
    assert_false(guest_map_is_ram(&map, 0, 0x9fc01));
    assert_false(guest_map_is_ram(&map, 0xe0000, 16));
    assert_false(guest_map_is_ram(&map, 0xc0000, 16));
    assert_true(guest_map_is_ram(&map, MIB(64) - 1, 1));
    assert_false(guest_map_is_ram(&map, MIB(64) - 1, 2));
    assert_false(guest_map_is_ram(&map, MIB(64), 1));
    assert_false(guest_map_is_ram(&map, MIB(1), 0));
    assert_false(guest_map_is_ram(&map, MIB(1), UINT64_MAX));
    assert_false(guest_map_is_ram(&map, UINT64_MAX, 1));
    assert_false(guest_map_is_ram(&map, UINT64_MAX, UINT64_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ram_is_one_piece_with_a_vgas_memory_and_roms),
        cmocka_unit_test(ram_that_the_pci_hole_displaces_lies_above_4_gib),
        cmocka_unit_test(the_map_is_that_of_a_pc),
        cmocka_unit_test(the_smallest_map_has_base_memory_only),
        cmocka_unit_test(ranges_ascend_without_overlap_for_any_size),
        cmocka_unit_test(ram_is_known_to_its_last_byte),
    };
    return cmocka_run_group_tests_name("guest_map", tests, NULL, NULL);
}
