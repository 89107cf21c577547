#include "boot/efi/information.h"

#include "hv/host/boot_info.h"
#include "hv/lib/string.h"
#include "hv/load/multiboot_abi.h"

/* UEFI, "EFI_MEMORY_TYPE". */
#define EFI_UNUSABLE     8
#define EFI_ACPI_RECLAIM 9
#define EFI_ACPI_NVS     10

void information_begin(struct information *information, void *bytes, uint32_t room)
{
    *information = (struct information){.bytes = bytes, .size = sizeof(struct mb2_info), .room = room};
}

/* Makes room for a tag and writes its head. Returns what follows the head, or NULL. */
static uint8_t *begin_tag(struct information *information, uint32_t type, uint64_t size)
{
    uint64_t whole = sizeof(struct mb2_tag) + size;
    uint8_t *at = information->bytes + information->size;
    struct mb2_tag tag = {type, (uint32_t)whole};

    if (ALIGN_UP(whole, MB2_TAG_ALIGN) > information->room - information->size) {
        information->full = true;
        return NULL;
    }
    memset(at, 0, ALIGN_UP(whole, MB2_TAG_ALIGN));
    memcpy(at, &tag, sizeof(tag));
    information->size += (uint32_t)ALIGN_UP(whole, MB2_TAG_ALIGN);
    return at + sizeof(tag);
}

void information_add(struct information *information, uint32_t type, const void *fixed, uint32_t fixed_size,
                     const void *rest, uint32_t rest_size)
{
    uint8_t *at = begin_tag(information, type, (uint64_t)fixed_size + rest_size);

    if (at && fixed_size)
        memcpy(at, fixed, fixed_size);
    if (at && rest_size)
        memcpy(at + fixed_size, rest, rest_size);
}

void information_string(struct information *information, uint32_t type, const char *text)
{
    information_add(information, type, NULL, 0, text, (uint32_t)strlen(text) + 1);
}

void information_module(struct information *information, uint32_t first, uint32_t size, const char *text)
{
    uint32_t place[] = {first, first + size};

    information_add(information, MB2_TAG_MODULE, place, sizeof(place), text, (uint32_t)strlen(text) + 1);
}

/* What is marked for the run-time services is theirs, whatever its type. */
static uint32_t memory_type(const struct efi_descriptor *range)
{
    if (range->attributes & EFI_RANGE_RUNTIME)
        return MEMORY_RESERVED;
    if (range->type < 64 && (BIT(range->type) & EFI_RANGES_LEFT))
        return MEMORY_RAM;
    switch (range->type) {
    case EFI_UNUSABLE:
        return MEMORY_BAD;
    case EFI_ACPI_RECLAIM:
        return MEMORY_ACPI;
    case EFI_ACPI_NVS:
        return MEMORY_NVS;
    default:
        return MEMORY_RESERVED;
    }
}

/* Returns how many ranges there are; writes them if `at` is not NULL. */
static uint32_t merge(const struct efi_map *map, uint8_t *at)
{
    struct mb2_mmap_entry last = {0};
    uint32_t count = 0;

    for (uint64_t offset = 0; offset + map->stride <= map->size; offset += map->stride) {
        struct efi_descriptor in;

        memcpy(&in, map->descriptors + offset, sizeof(in));
        if (in.pages == 0)
            continue;
        if (count && last.type == memory_type(&in) && last.base_addr + last.length == in.physical) {
            last.length += in.pages << PAGE_SHIFT;
        } else {
            last = (struct mb2_mmap_entry){in.physical, in.pages << PAGE_SHIFT, memory_type(&in), 0};
            count++;
        }
        if (at)
            memcpy(at + (count - 1) * sizeof(last), &last, sizeof(last));
    }
    return count;
}

void information_memory(struct information *information, const struct efi_map *map)
{
    uint32_t kinds[] = {sizeof(struct mb2_mmap_entry), 0}, efi[] = {map->stride, map->version};
    uint8_t *at = begin_tag(information, MB2_TAG_MMAP, sizeof(kinds) + (uint64_t)merge(map, NULL) * kinds[0]);

    if (at) {
        memcpy(at, kinds, sizeof(kinds));
        merge(map, at + sizeof(kinds));
    }
    information_add(information, MB2_TAG_EFI_MMAP, efi, sizeof(efi), map->descriptors, (uint32_t)map->size);
}

bool information_end(struct information *information)
{
    struct mb2_info head = {0};

    begin_tag(information, MB2_TAG_END, 0);
    head.total_size = information->size;
    memcpy(information->bytes, &head, sizeof(head));
    return !information->full;
}
