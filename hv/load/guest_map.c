#include "hv/load/guest_map.h"

#include "hv/load/pc.h"

/* Ranges that the map names whatever RAM the VM has, besides those of RAM. */
static const struct map_range firmware[] = {
    {MAP_EBDA, MAP_BASE_END - MAP_EBDA, MAP_RESERVED},
    {MAP_FIRMWARE, MAP_FIRMWARE_END - MAP_FIRMWARE, MAP_RESERVED},
    {PC_IOAPIC, PAGE_SIZE, MAP_RESERVED},
    {PC_LOCAL_APIC, PAGE_SIZE, MAP_RESERVED},
};

unsigned guest_map_split(uint64_t bytes, struct guest_region regions[3])
{
    const struct {
        gpa_t first;
        uint64_t from, to; /* the part of `bytes` that lies here */
    } parts[] = {
        {0, 0, MAP_BASE_END},
        {MAP_SHADOW, MAP_SHADOW, PC_PCI_HOLE},
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

/* The BIOS data area, as IBM's PC laid it out. */
#define BDA_COM1        0x400
#define BDA_EQUIPMENT   0x410
#define BDA_MEMORY_SIZE 0x413 /* of base memory, in KiB */
#define BDA_EBDA        0x40e /* its segment */
#define EQUIPMENT_FPU   BIT(1)
#define EQUIPMENT_COM1  BIT(9)

/*
 * There is no BIOS. Systems that call one all the same learn it as of a function that a BIOS lacks: carry
 * set, AH 86h. Other vectors just return.
 */
#define BIOS_FIRST      0x10 /* of its interrupts */
#define BIOS_LAST       0x1f
#define NO_BIOS         0x3e0 /* in the EBDA */
#define RETURN          (NO_BIOS + 10)

static const uint8_t no_bios[] = {
    0x55,                   /* push bp */
    0x89, 0xe5,             /* mov  bp, sp */
    0x80, 0x4e, 0x06, 0x01, /* or   byte [bp + 6], 1 */
    0x5d,                   /* pop  bp */
    0xb4, 0x86,             /* mov  ah, 0x86 */
    0xcf,                   /* iret */
};

static bool write_vectors(const struct guest_mem *memory)
{
    if (!guest_write(memory, MAP_EBDA + NO_BIOS, no_bios, sizeof(no_bios)))
        return false;
    for (unsigned i = 0; i < 256; i++) {
        uint32_t entry = (uint32_t)MAP_EBDA << 12 | (i < BIOS_FIRST || i > BIOS_LAST ? RETURN : NO_BIOS);

        if (!guest_write(memory, 4 * i, &entry, sizeof(entry)))
            return false;
    }
    return true;
}

bool guest_map_write_bios_data(const struct guest_mem *memory)
{
    const struct {
        gpa_t at;
        uint16_t value;
    } words[] = {
        {BDA_COM1, PC_COM1},
        {BDA_EQUIPMENT, EQUIPMENT_FPU | EQUIPMENT_COM1},
        {BDA_MEMORY_SIZE, MAP_EBDA >> 10},
        {BDA_EBDA, MAP_EBDA >> 4},
        {MAP_EBDA, (MAP_BASE_END - MAP_EBDA) >> 10}, /* the EBDA begins with its size in KiB */
    };

    for (unsigned i = 0; i < ARRAY_LENGTH(words); i++)
        if (!guest_write(memory, words[i].at, &words[i].value, sizeof(words[i].value)))
            return false;
    return write_vectors(memory);
}
