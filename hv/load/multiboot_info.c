/* What a multiboot kernel is told: both versions' information structures. */
#include "hv/lib/string.h"
#include "hv/load/multiboot.h"

#define LOADER_NAME   "Keel"
#define RSDP_OLD_SIZE 20 /* ACPI 1.0's part of the RSDP */
#define RSDP_SIZE     36

/* The boot information while it grows: pieces one after the other, each on a boundary. */
struct blob {
    uint8_t *bytes;
    uint32_t at, used; /* where the guest has it, and how much of it there is */
    bool full;
};

#define BLOB_SIZE (LOW_BOOT_INFO_END - LOW_BOOT_INFO)

static void blob_init(struct blob *blob, const struct loader *loader)
{
    *blob = (struct blob){.at = (uint32_t)loader->low + LOW_BOOT_INFO};
    blob->bytes = guest_ptr(loader->memory, blob->at, BLOB_SIZE);
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
    return blob->at + at;
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
    const struct load_request *request = loader->request;
    uint64_t modules = request->ramdisk ? strlen(request->ramdisk->arguments) : 0;

    if (!blob->full)
        return true;
    for (unsigned i = 0; i < request->module_count; i++)
        modules += strlen(request->modules[i].arguments);
    return loader_refuse(
        loader,
        "its command line (%lu bytes) and its modules' (%lu) do not fit into the %u bytes of "
        "boot information; shorten them",
        strlen(request->cmdline), modules, BLOB_SIZE);
}

/* The ramdisk, if there is one, is the first of a kernel's modules. */
static unsigned module_count(const struct loader *loader)
{
    return loader->request->module_count + (loader->request->ramdisk != NULL);
}

/* Where modules may be from: behind the kernel, or, with one at the top of memory, before it. */
static gpa_t module_place(const struct loader *loader, const struct module *file, gpa_t kernel_end)
{
    struct range_wish wish = {kernel_end, GIB(4), ALIGN_UP(file->size, PAGE_SIZE), PAGE_SIZE, PLACE_LOWEST};
    gpa_t at;

    if (loader_find(loader, &wish, &at))
        return kernel_end;
    wish.from = MAP_FIRMWARE_END;
    return loader_find(loader, &wish, &at) ? wish.from : kernel_end;
}

/* Puts the module of that number behind the kernel, and describes it; its string is at *arguments. */
static bool place_module(struct loader *loader, gpa_t kernel_end, unsigned number, struct mb1_module *module,
                         const char **arguments)
{
    const struct load_request *request = loader->request;
    const struct module *file = request->ramdisk;
    gpa_t at;

    if (file && number == 0) {
        *arguments = file->arguments;
    } else {
        const struct load_module *given = &request->modules[number - (file != NULL)];

        file = given->file;
        *arguments = given->arguments;
    }
    if (!loader_place(loader, file, PLACE_LOWEST, module_place(loader, file, kernel_end), GIB(4), &at))
        return false;
    *module = (struct mb1_module){.mod_start = (uint32_t)at, .mod_end = (uint32_t)(at + file->size)};
    return true;
}

/*
 * Adds the section header table, and puts what of the file no segment has, symbols for instance, behind the
 * modules. Returns the table's address, or 0 if there is no room for it.
 */
static uint32_t add_sections(struct blob *blob, struct loader *loader, const struct loaded_kernel *kernel)
{
    const struct elf_sections *sections = &kernel->sections;
    const struct module *file = loader->request->kernel;
    uint32_t at = blob->used;
    size_t size = (size_t)sections->count * sections->size;
    struct range_wish wish = {kernel->end, GIB(4), 0, PAGE_SIZE, PLACE_LOWEST};
    uint8_t *to = NULL;
    gpa_t place = 0;

    if (!size || blob->full || size > BLOB_SIZE - at)
        return 0;
    wish.size = elf_sections_size(file, sections);
    if (wish.size && loader_find(loader, &wish, &place))
        to = loader_claim(loader, "the kernel's sections", place, wish.size);
    blob_add(blob, sections->bytes, size);
    elf_sections_place(file, sections, blob->bytes + at, to, place, kernel->slide);
    return blob->at + at;
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

static void mb1_add_mmap(struct blob *blob, const struct guest_map *map, struct mb1_info *info)
{
    info->mmap_addr = blob->at + blob->used;
    for (unsigned i = 0; i < map->count; i++) {
        const struct map_range *range = &map->ranges[i];
        struct mb1_mmap_entry entry = {sizeof(entry) - sizeof(entry.size), range->first, range->size,
                                       range->type};

        blob_add(blob, &entry, sizeof(entry));
        info->mmap_length += sizeof(entry);
    }
}

static bool mb1_add_modules(struct blob *blob, struct loader *loader, gpa_t kernel_end, struct mb1_info *info)
{
    const char *arguments;
    uint32_t list = blob->used;

    info->mods_count = module_count(loader);
    info->mods_addr = info->mods_count ? blob->at + list : 0;
    blob->used += info->mods_count * (uint32_t)sizeof(struct mb1_module);
    for (unsigned i = 0; i < info->mods_count; i++) {
        struct mb1_module module;

        if (!place_module(loader, kernel_end, i, &module, &arguments))
            return false;
        module.string = blob_add_text(blob, arguments);
        memcpy(blob->bytes + list + i * sizeof(module), &module, sizeof(module));
    }
    return true;
}

bool multiboot1_write_info(struct loader *loader, const struct loaded_kernel *kernel)
{
    const struct load_request *request = loader->request;
    struct mb1_info info = {
        .flags = MB1_INFO_MEMORY | MB1_INFO_CMDLINE | MB1_INFO_MODULES | MB1_INFO_MMAP | MB1_INFO_LOADER_NAME,
        .mem_lower = mem_lower(),
        .mem_upper = mem_upper(loader),
    };
    struct blob blob;

    blob_init(&blob, loader);
    blob.used = sizeof(info);
    mb1_add_mmap(&blob, &loader->map, &info);
    if (!mb1_add_modules(&blob, loader, kernel->end, &info))
        return false;
    info.cmdline = blob_add_text(&blob, request->cmdline);
    info.boot_loader_name = blob_add_text(&blob, LOADER_NAME);
    if (!blob_fits(loader, &blob))
        return false;
    info.syms[2] = add_sections(&blob, loader, kernel);
    if (info.syms[2]) {
        info.flags |= MB1_INFO_SECTIONS;
        info.syms[0] = kernel->sections.count;
        info.syms[1] = kernel->sections.size;
        info.syms[3] = kernel->sections.names;
    }
    memcpy(blob.bytes, &info, sizeof(info));
    return true;
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

static bool add_module(struct blob *blob, struct loader *loader, gpa_t kernel_end, unsigned number)
{
    struct mb1_module module;
    struct mb2_tag_module tag;
    const char *arguments;
    size_t length;

    if (!place_module(loader, kernel_end, number, &module, &arguments))
        return false;
    length = strlen(arguments) + 1;
    tag = (struct mb2_tag_module){
        .tag = {MB2_TAG_MODULE, (uint32_t)(sizeof(tag) + length)},
        .mod_start = module.mod_start,
        .mod_end = module.mod_end,
    };
    blob_align(blob, MB2_TAG_ALIGN);
    blob_add(blob, &tag, sizeof(tag));
    blob_add(blob, arguments, length);
    return true;
}

/* The headers directly follow the tag's fixed part. Left out if they do not fit. */
static void add_sections_tag(struct blob *blob, struct loader *loader, const struct loaded_kernel *kernel)
{
    const struct elf_sections *sections = &kernel->sections;
    struct mb2_tag_elf_sections tag = {
        .tag = {MB2_TAG_ELF_SECTIONS, (uint32_t)sizeof(tag) + (uint32_t)sections->count * sections->size},
        .count = sections->count,
        .entry_size = sections->size,
        .names_index = sections->names,
    };
    struct blob before;

    blob_align(blob, MB2_TAG_ALIGN);
    before = *blob;
    blob_add(blob, &tag, sizeof(tag));
    if (!add_sections(blob, loader, kernel))
        *blob = before;
}

bool multiboot2_write_info(struct loader *loader, const struct loaded_kernel *kernel)
{
    const struct load_request *request = loader->request;
    const uint32_t sizes[2] = {mem_lower(), mem_upper(loader)}, base = (uint32_t)kernel->start;
    struct mb2_info info = {0};
    uint8_t rsdp[RSDP_SIZE];
    struct blob blob;

    blob_init(&blob, loader);
    blob.used = sizeof(info);
    add_tag(&blob, MB2_TAG_CMDLINE, request->cmdline, strlen(request->cmdline) + 1);
    add_tag(&blob, MB2_TAG_LOADER_NAME, LOADER_NAME, sizeof(LOADER_NAME));
    for (unsigned i = 0; i < module_count(loader); i++)
        if (!add_module(&blob, loader, kernel->end, i))
            return false;
    add_tag(&blob, MB2_TAG_MEMORY, sizes, sizeof(sizes));
    add_mmap(&blob, &loader->map);
    if (request->acpi_rsdp && guest_read(loader->memory, request->acpi_rsdp, rsdp, sizeof(rsdp))) {
        add_tag(&blob, MB2_TAG_ACPI_OLD, rsdp, RSDP_OLD_SIZE);
        add_tag(&blob, MB2_TAG_ACPI_NEW, rsdp, sizeof(rsdp));
    }
    if (kernel->relocatable)
        add_tag(&blob, MB2_TAG_LOAD_BASE, &base, sizeof(base));
    if (!blob_fits(loader, &blob))
        return false;
    add_sections_tag(&blob, loader, kernel);
    add_tag(&blob, MB2_TAG_END, "", 0);
    info.total_size = blob.used;
    memcpy(blob.bytes, &info, sizeof(info));
    return blob_fits(loader, &blob);
}
