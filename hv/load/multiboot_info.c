#include "hv/lib/string.h"
#include "hv/load/multiboot.h"

#define LOADER_NAME   "Keel"
#define RSDP_OLD_SIZE 20 /* ACPI 1.0's part of the RSDP */
#define RSDP_SIZE     36

/* The boot information while it grows: pieces one after the other, each on a boundary. */
struct blob {
    uint8_t *bytes;
    uint32_t used;
    bool full;
};

#define BLOB_SIZE (LOW_BOOT_INFO_END - LOW_BOOT_INFO)

static void blob_init(struct blob *blob, const struct loader *loader)
{
    *blob = (struct blob){.bytes = guest_ptr(loader->memory, LOW_BOOT_INFO, BLOB_SIZE)};
    memset(blob->bytes, 0, BLOB_SIZE);
}

/* Returns the guest-physical address of the copy; `full` is set, and nothing copied, if there is no room. */
static uint32_t blob_add(struct blob *blob, const void *from, size_t length)
{
    uint32_t at = blob->used;

    if (blob->full || length > BLOB_SIZE - at) {
        blob->full = true;
        return 0;
    }
    memcpy(blob->bytes + at, from, length);
    blob->used = at + (uint32_t)length;
    return LOW_BOOT_INFO + at;
}

static void blob_align(struct blob *blob, uint32_t to)
{
    blob->used = (uint32_t)ALIGN_UP(blob->used, to);
}

static uint32_t blob_add_text(struct blob *blob, const char *text)
{
    uint32_t at = blob_add(blob, text, strlen(text) + 1);

    blob_align(blob, 4);
    return at;
}

static bool blob_fits(struct loader *loader, const struct blob *blob)
{
    if (!blob->full)
        return true;
    return loader_refuse(
        loader,
        "its command line (%lu bytes) and its module's (%lu) do not fit into the %u bytes of "
        "boot information; shorten them",
        strlen(loader->request->cmdline),
        loader->request->ramdisk ? strlen(loader->request->ramdisk->arguments) : 0, BLOB_SIZE);
}

static bool place_module(struct loader *loader, gpa_t kernel_end, gpa_t *at)
{
    return loader_place(loader, loader->request->ramdisk, PLACE_LOWEST, MAX(kernel_end, MAP_FIRMWARE_END),
                        GIB(4), at);
}

/* In KiB: base memory, and what lies above 1 MiB in one piece. */
static uint32_t mem_lower(void)
{
    return MAP_EBDA >> 10;
}

static uint32_t mem_upper(const struct loader *loader)
{
    return (uint32_t)((guest_map_low_end(&loader->map) - MAP_FIRMWARE_END) >> 10);
}

bool multiboot1_write_info(struct loader *loader, gpa_t kernel_end)
{
    const struct load_request *request = loader->request;
    struct mb1_info info = {
        .flags = MB1_INFO_MEMORY | MB1_INFO_CMDLINE | MB1_INFO_MODULES | MB1_INFO_MMAP | MB1_INFO_LOADER_NAME,
        .mem_lower = mem_lower(),
        .mem_upper = mem_upper(loader),
    };
    struct mb1_module module = {0};
    struct blob blob;
    gpa_t at;

    blob_init(&blob, loader);
    blob.used = sizeof(info);
    for (unsigned i = 0; i < loader->map.count; i++) {
        const struct map_range *range = &loader->map.ranges[i];
        struct mb1_mmap_entry entry = {sizeof(entry) - sizeof(entry.size), range->first, range->size,
                                       range->type};
        uint32_t here = blob_add(&blob, &entry, sizeof(entry));

        if (i == 0)
            info.mmap_addr = here;
        info.mmap_length += sizeof(entry);
    }
    info.cmdline = blob_add_text(&blob, request->cmdline);
    info.boot_loader_name = blob_add_text(&blob, LOADER_NAME);
    if (request->ramdisk) {
        if (!place_module(loader, kernel_end, &at))
            return false;
        module.mod_start = (uint32_t)at;
        module.mod_end = (uint32_t)(at + request->ramdisk->size);
        module.string = blob_add_text(&blob, request->ramdisk->arguments);
        info.mods_count = 1;
        info.mods_addr = blob_add(&blob, &module, sizeof(module));
    }
    memcpy(blob.bytes, &info, sizeof(info));
    return blob_fits(loader, &blob);
}

/* A tag: its fixed part, whose type and size are filled in here, and what follows it. */
static void add_tag(struct blob *blob, enum mb2_tag_type type, const void *rest, size_t length)
{
    struct mb2_tag tag = {type, (uint32_t)(sizeof(tag) + length)};

    blob_align(blob, MB2_TAG_ALIGN);
    blob_add(blob, &tag, sizeof(tag));
    blob_add(blob, rest, length);
}

static void add_mmap(struct blob *blob, const struct guest_map *map)
{
    struct {
        uint32_t entry_size, entry_version;
        struct mb2_mmap_entry entries[ARRAY_LENGTH(map->ranges)];
    } mmap = {.entry_size = sizeof(struct mb2_mmap_entry)};

    for (unsigned i = 0; i < map->count; i++)
        mmap.entries[i] =
            (struct mb2_mmap_entry){map->ranges[i].first, map->ranges[i].size, map->ranges[i].type, 0};
    add_tag(blob, MB2_TAG_MMAP, &mmap, 8 + map->count * sizeof(mmap.entries[0]));
}

static bool add_module(struct blob *blob, struct loader *loader, gpa_t kernel_end)
{
    const struct module *file = loader->request->ramdisk;
    size_t length = strlen(file->arguments) + 1;
    struct mb2_tag_module tag;
    gpa_t at;

    if (!place_module(loader, kernel_end, &at))
        return false;
    tag = (struct mb2_tag_module){
        .tag = {MB2_TAG_MODULE, (uint32_t)(sizeof(tag) + length)},
        .mod_start = (uint32_t)at,
        .mod_end = (uint32_t)(at + file->size),
    };
    blob_align(blob, MB2_TAG_ALIGN);
    blob_add(blob, &tag, sizeof(tag));
    blob_add(blob, file->arguments, length);
    return true;
}

bool multiboot2_write_info(struct loader *loader, gpa_t kernel_end)
{
    const struct load_request *request = loader->request;
    const uint32_t sizes[2] = {mem_lower(), mem_upper(loader)};
    struct mb2_info info = {0};
    uint8_t rsdp[RSDP_SIZE];
    struct blob blob;

    blob_init(&blob, loader);
    blob.used = sizeof(info);
    add_tag(&blob, MB2_TAG_CMDLINE, request->cmdline, strlen(request->cmdline) + 1);
    add_tag(&blob, MB2_TAG_LOADER_NAME, LOADER_NAME, sizeof(LOADER_NAME));
    if (request->ramdisk && !add_module(&blob, loader, kernel_end))
        return false;
    add_tag(&blob, MB2_TAG_MEMORY, sizes, sizeof(sizes));
    add_mmap(&blob, &loader->map);
    if (request->acpi_rsdp && guest_read(loader->memory, request->acpi_rsdp, rsdp, sizeof(rsdp))) {
        add_tag(&blob, MB2_TAG_ACPI_OLD, rsdp, RSDP_OLD_SIZE);
        add_tag(&blob, MB2_TAG_ACPI_NEW, rsdp, sizeof(rsdp));
    }
    add_tag(&blob, MB2_TAG_END, "", 0);
    info.total_size = blob.used;
    memcpy(blob.bytes, &info, sizeof(info));
    return blob_fits(loader, &blob);
}
