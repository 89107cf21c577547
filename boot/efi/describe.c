#include "boot/efi/describe.h"

#include "hv/lib/string.h"

#define RSDP_OLD_SIZE   20 /* ACPI, "Root System Description Pointer (RSDP) Structure" */
#define RSDP_NEW_SIZE   36

#define FRAMEBUFFER_RGB 1

/* Of all tags but those of the memory map and of the modules, and of one module. */
#define TAGS_ROOM       KIB(4)
#define MODULE_ROOM     (PATH_MOST + 32)

static void find_rsdp(struct hand_over *over, const EFI_SYSTEM_TABLE *table)
{
    EFI_GUID old = ACPI_TABLE_GUID, new = ACPI_20_TABLE_GUID;

    for (UINTN i = 0; i < table->NumberOfTableEntries; i++) {
        const EFI_CONFIGURATION_TABLE *entry = &table->ConfigurationTable[i];

        if (memcmp(&entry->VendorGuid, &old, sizeof(old)) == 0)
            over->rsdp_old = entry->VendorTable;
        if (memcmp(&entry->VendorGuid, &new, sizeof(new)) == 0)
            over->rsdp_new = entry->VendorTable;
    }
}

/* A colour's bits stand together. */
static void set_colour(uint32_t mask, uint8_t *position, uint8_t *size)
{
    if (!mask)
        return;
    *position = (uint8_t)__builtin_ctz(mask);
    *size = (uint8_t)(32 - __builtin_clz(mask) - *position);
}

/* UEFI, "EFI_GRAPHICS_OUTPUT_PROTOCOL". */
static void find_framebuffer(struct mb2_tag_framebuffer *out, EFI_BOOT_SERVICES *services)
{
    EFI_GUID guid = EFI_GRAPHICS_OUTPUT_PROTOCOL_GUID;
    EFI_GRAPHICS_OUTPUT_PROTOCOL *graphics;
    EFI_PIXEL_BITMASK masks = {0xff, 0xff00, 0xff0000, 0xff000000};
    const EFI_GRAPHICS_OUTPUT_MODE_INFORMATION *mode;

    if (EFI_ERROR(services->LocateProtocol(&guid, NULL, (void **)&graphics)) || !graphics->Mode)
        return;
    mode = graphics->Mode->Info;
    if (mode->PixelFormat == PixelBltOnly)
        return;
    if (mode->PixelFormat == PixelBlueGreenRedReserved8BitPerColor)
        masks = (EFI_PIXEL_BITMASK){0xff0000, 0xff00, 0xff, 0xff000000};
    if (mode->PixelFormat == PixelBitMask)
        masks = mode->PixelInformation;
    out->address = graphics->Mode->FrameBufferBase;
    out->width = mode->HorizontalResolution;
    out->height = mode->VerticalResolution;
    out->bits_per_pixel = (uint8_t)(32 - __builtin_clz(masks.RedMask | masks.GreenMask | masks.BlueMask |
                                                       masks.ReservedMask | 1));
    out->pitch = mode->PixelsPerScanLine * ((out->bits_per_pixel + 7u) / 8);
    out->type = FRAMEBUFFER_RGB;
    set_colour(masks.RedMask, &out->red_position, &out->red_size);
    set_colour(masks.GreenMask, &out->green_position, &out->green_size);
    set_colour(masks.BlueMask, &out->blue_position, &out->blue_size);
}

void hand_over_collect(struct hand_over *over, EFI_HANDLE handle, EFI_SYSTEM_TABLE *table)
{
    over->handle = handle;
    over->table = table;
    find_rsdp(over, table);
    find_framebuffer(&over->framebuffer, table->BootServices);
}

EFI_STATUS hand_over_prepare(struct hand_over *over, UINTN map_room, EFI_BOOT_SERVICES *services)
{
    UINTN room = TAGS_ROOM + 2 * map_room + over->module_count * MODULE_ROOM;

    over->room = (uint32_t)ALIGN_UP(room, PAGE_SIZE);
    over->information = UINT32_MAX;
    return services->AllocatePages(AllocateMaxAddress, EfiLoaderData, over->room >> PAGE_SHIFT,
                                   &over->information);
}

void hand_over_describe(const struct hand_over *over, const struct efi_map *map)
{
    struct information information;
    uint64_t table = (uintptr_t)over->table, handle = (uintptr_t)over->handle;

    information_begin(&information, (void *)(uintptr_t)over->information, over->room);
    information_string(&information, MB2_TAG_CMDLINE, "");
    information_string(&information, MB2_TAG_LOADER_NAME, "keel.efi");
    information_add(&information, MB2_TAG_LOAD_BASE, &over->image.base, sizeof(over->image.base), NULL, 0);
    for (unsigned i = 0; i < over->module_count; i++)
        information_module(&information, (uint32_t)over->modules[i].file.first,
                           (uint32_t)over->modules[i].file.size, over->modules[i].name);
    if (over->framebuffer.address)
        information_add(&information, MB2_TAG_FRAMEBUFFER,
                        (const uint8_t *)&over->framebuffer + sizeof(struct mb2_tag),
                        sizeof(over->framebuffer) - sizeof(struct mb2_tag), NULL, 0);
    if (over->rsdp_old)
        information_add(&information, MB2_TAG_ACPI_OLD, over->rsdp_old, RSDP_OLD_SIZE, NULL, 0);
    if (over->rsdp_new)
        information_add(&information, MB2_TAG_ACPI_NEW, over->rsdp_new, RSDP_NEW_SIZE, NULL, 0);
    information_add(&information, MB2_TAG_EFI64_SYSTEM, &table, sizeof(table), NULL, 0);
    information_add(&information, MB2_TAG_EFI64_IMAGE, &handle, sizeof(handle), NULL, 0);
    information_memory(&information, map);
    information_end(&information);
}
