#include "hv/load/linux_boot.h"

#include "hv/lib/string.h"

/* The zero page: offsets of what a 32- or 64-bit boot loader fills in besides the setup header. */
#define ZERO_ACPI_RSDP    0x070
#define ZERO_E820_ENTRIES 0x1e8
#define ZERO_E820_TABLE   0x2d0
#define ZERO_E820_MOST    128

struct e820_entry {
    uint64_t addr, size;
    uint32_t type;
} PACKED;

_Static_assert(offsetof(struct setup_header, header) == 0x202 - SETUP_HEADER, "setup header");
_Static_assert(offsetof(struct setup_header, cmd_line_ptr) == 0x228 - SETUP_HEADER, "setup header");
_Static_assert(offsetof(struct setup_header, init_size) == 0x260 - SETUP_HEADER, "setup header");
_Static_assert(ARRAY_LENGTH(((struct guest_map *)0)->ranges) <= ZERO_E820_MOST, "zero page's E820 table");
_Static_assert(LOW_CMDLINE - LOW_BOOT_INFO == PAGE_SIZE, "the zero page is one page");

static void fill_e820(uint8_t *zero_page, const struct guest_map *map)
{
    for (unsigned i = 0; i < map->count; i++) {
        const struct map_range *range = &map->ranges[i];
        struct e820_entry entry = {range->first, range->size, range->type};
        memcpy(zero_page + ZERO_E820_TABLE + i * sizeof(entry), &entry, sizeof(entry));
    }
    zero_page[ZERO_E820_ENTRIES] = (uint8_t)map->count;
}

static bool place_cmdline(struct loader *loader, uint32_t most)
{
    size_t length = strlen(loader->request->cmdline);

    most = MIN(most, LOW_BOOT_INFO_END - LOW_CMDLINE - 1);
    if (length > most)
        return loader_refuse(loader, "its command line has %lu bytes; this kernel takes at most %u", length,
                             most);
    return guest_write(loader->memory, loader->low + LOW_CMDLINE, loader->request->cmdline, length + 1);
}

bool linux_boot(struct loader *loader, const struct linux_kernel *kernel)
{
    const struct load_request *request = loader->request;
    struct setup_header setup = {0};
    gpa_t ramdisk = 0, boot_info;
    uint8_t *zero_page;

    memcpy(&setup, kernel->header, MIN(kernel->header_length, sizeof(setup)));
    if (!loader_place_low(loader) || !place_cmdline(loader, setup.cmdline_size))
        return false;
    if (request->ramdisk) {
        if (!loader_place(loader, request->ramdisk, PLACE_HIGHEST, MAP_FIRMWARE_END,
                          (uint64_t)setup.initrd_addr_max + 1, &ramdisk))
            return false;
        setup.ramdisk_image = (uint32_t)ramdisk;
        setup.ramdisk_size = (uint32_t)request->ramdisk->size;
    }
    setup.type_of_loader = LOADER_UNDEFINED;
    setup.cmd_line_ptr = (uint32_t)loader->low + LOW_CMDLINE;
    setup.setup_data = 0;
    setup.code32_start = (uint32_t)kernel->load;

    boot_info = loader->low + LOW_BOOT_INFO;
    zero_page = guest_ptr(loader->memory, boot_info, PAGE_SIZE);
    memset(zero_page, 0, PAGE_SIZE);
    memcpy(zero_page + SETUP_HEADER, kernel->header, kernel->header_length);
    memcpy(zero_page + SETUP_HEADER, &setup, MIN(kernel->header_length, sizeof(setup)));
    if (setup.version >= PROTOCOL_ACPI_RSDP)
        memcpy(zero_page + ZERO_ACPI_RSDP, &request->acpi_rsdp, sizeof(request->acpi_rsdp));
    fill_e820(zero_page, &loader->map);

    if (kernel->entry_64)
        loader_start_long(loader, kernel->entry);
    else
        loader_start_protected(loader, (uint32_t)kernel->entry);
    loader->entry->rsi = boot_info;
    return true;
}
