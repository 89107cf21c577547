/* The memory map of a VM: how its RAM splits around the holes of a PC, and what its firmware says about it.
 */
#pragma once

#include "hv/lib/base.h"
#include "hv/vm/guest_mem.h"

/* Where RAM stops and goes on below 1 MiB, and what firmware keeps for itself there. */
#define MAP_BASE_END     0xa0000 /* base memory: 640 KiB, its last KiB is the EBDA */
#define MAP_EBDA         0x9fc00
#define MAP_FIRMWARE     0xe0000 /* the ACPI tables lie from here on */
#define MAP_MP_TABLES    0xf8000 /* and end before these */
#define MAP_FIRMWARE_END 0x100000

/* Types of the E820 interface (ACPI, "System Address Map Interfaces"); multiboot's are the same. */
enum map_type { MAP_RAM = 1, MAP_RESERVED = 2 };

struct map_range {
    gpa_t first;
    uint64_t size;
    enum map_type type;
};

/* In ascending order, without overlaps. */
struct guest_map {
    struct map_range ranges[8];
    unsigned count;
};

/*
 * The regions of a VM with `bytes` of RAM (at least 1 MiB, all that is below it; a multiple of the page
 * size): fills in first and size, leaves host NULL, and returns how many there are. The memory of a VGA at
 * 640 KiB and of option ROMs at 768 KiB is part of it, though the map does not give it to the guest.
 */
unsigned guest_map_split(uint64_t bytes, struct guest_region regions[2]);

/*
 * RAM as one piece of `bytes`, from 0 on, in the order of its addresses, and the VM's addresses of it. The
 * backing of RAM above 4 GiB goes on where that below ends: alignment is kept, large pages fit.
 */
gpa_t guest_map_address(uint64_t offset);
uint64_t guest_map_offset(gpa_t address);

/* The memory map of a VM with that RAM. */
void guest_map_build(const struct guest_mem *memory, struct guest_map *map);

/* Whether [first, first + size) is RAM that the map leaves to the guest; size 0 never is. */
bool guest_map_is_ram(const struct guest_map *map, gpa_t first, uint64_t size);

/* The end of the RAM that begins at 1 MiB: MIB(1) if there is none. */
gpa_t guest_map_low_end(const struct guest_map *map);
