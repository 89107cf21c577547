#include "hv/load/guest_map.h"

#include "hv/x86/pc.h"

/* Ranges that the map names whatever RAM the VM has, besides those of RAM. */
static const struct map_range firmware[] = {
    {MAP_EBDA, MAP_BASE_END - MAP_EBDA, MAP_RESERVED},
    {MAP_FIRMWARE, MAP_FIRMWARE_END - MAP_FIRMWARE, MAP_RESERVED},
    {PC_IOAPIC, PAGE_SIZE, MAP_RESERVED},
    {PC_LOCAL_APIC, PAGE_SIZE, MAP_RESERVED},
};

unsigned guest_map_split(uint64_t bytes, struct guest_region regions[2])
{
    const struct {
        gpa_t first;
        uint64_t from, to; /* the part of `bytes` that lies here */
    } parts[] = {
        {0, 0, PC_PCI_HOLE},
        {GIB(4), PC_PCI_HOLE, UINT64_MAX},
    };
    unsigned count = 0;

    for (unsigned i = 0; i < ARRAY_LENGTH(parts); i++)
        if (bytes > parts[i].from)
            regions[count++] = (struct guest_region){
                .first = parts[i].first,
                .size = MIN(bytes, parts[i].to) - parts[i].from,
            };
    return count;
}

gpa_t guest_map_address(uint64_t offset)
{
    return offset < PC_PCI_HOLE ? offset : offset - PC_PCI_HOLE + GIB(4);
}

uint64_t guest_map_offset(gpa_t address)
{
    return address < GIB(4) ? address : address - GIB(4) + PC_PCI_HOLE;
}

static void add(struct guest_map *map, struct map_range range)
{
    unsigned at = map->count;

    if (range.size == 0 || map->count == ARRAY_LENGTH(map->ranges))
        return;
    for (; at > 0 && map->ranges[at - 1].first > range.first; at--)
        map->ranges[at] = map->ranges[at - 1];
    map->ranges[at] = range;
    map->count++;
}

/* The part of a region from `from` on and before `to`. */
static struct map_range ram_between(const struct guest_region *region, gpa_t from, gpa_t to)
{
    gpa_t first = MAX(region->first, from), end = MIN(region->first + region->size, to);

    return (struct map_range){first, end > first ? end - first : 0, MAP_RAM};
}

void guest_map_build(const struct guest_mem *memory, struct guest_map *map)
{
    map->count = 0;
    for (unsigned i = 0; i < ARRAY_LENGTH(firmware); i++)
        add(map, firmware[i]);
    for (unsigned i = 0; i < memory->count; i++) {
        add(map, ram_between(&memory->regions[i], 0, MAP_EBDA));
        add(map, ram_between(&memory->regions[i], MAP_FIRMWARE_END, UINT64_MAX));
    }
}

bool guest_map_is_ram(const struct guest_map *map, gpa_t first, uint64_t size)
{
    for (unsigned i = 0; size > 0 && i < map->count; i++) {
        const struct map_range *range = &map->ranges[i];
        if (range->type == MAP_RAM && first >= range->first && first - range->first < range->size)
            return size <= range->size - (first - range->first);
    }
    return false;
}

gpa_t guest_map_low_end(const struct guest_map *map)
{
    for (unsigned i = 0; i < map->count; i++)
        if (map->ranges[i].type == MAP_RAM && map->ranges[i].first == MAP_FIRMWARE_END)
            return MAP_FIRMWARE_END + map->ranges[i].size;
    return MAP_FIRMWARE_END;
}
