/*
 * Kernels with a multiboot or multiboot2 header: ELF files, or any file whose header says where it goes. They
 * start in 32-bit protected mode with the address of their boot information in EBX.
 */
#include "hv/load/multiboot.h"

#include "hv/lib/string.h"
#include "hv/load/elf.h"

/* The header's place in the file; `within` and the alignment are the specification's. */
static const uint8_t *find_header(const struct module *kernel, uint32_t magic, uint64_t within, unsigned step)
{
    for (uint64_t at = 0; at < within; at += step) {
        const uint8_t *bytes = module_at(kernel, at, sizeof(struct mb2_header));
        uint32_t words[4];

        if (!bytes)
            break;
        memcpy(words, bytes, sizeof(words));
        if (words[0] != magic)
            continue;
        /* The checksum is the third word of a multiboot header, the fourth of a multiboot2 header. */
        if (words[0] + words[1] + words[2] + (magic == MB2_HEADER_MAGIC ? words[3] : 0) == 0)
            return bytes;
    }
    return NULL;
}

static const uint8_t *find_mb1(const struct module *kernel)
{
    return find_header(kernel, MB1_HEADER_MAGIC, MB1_HEADER_WITHIN, 4);
}

static const uint8_t *find_mb2(const struct module *kernel)
{
    return find_header(kernel, MB2_HEADER_MAGIC, MB2_HEADER_WITHIN, MB2_TAG_ALIGN);
}

/* An image whose header gives its addresses: what of the file goes where. */
struct addresses {
    uint64_t header_offset; /* in the file */
    uint32_t header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr;
};

/* What the tags of a multiboot2 header ask for. */
struct mb2_wishes {
    struct addresses addresses;
    struct mb2_header_relocatable relocatable;
    bool has_addresses, has_entry, has_relocatable;
};

/*
 * Where a kernel of `size` bytes that was linked for `base` goes: there, unless it is relocatable and that
 * place will not do or another is preferred.
 */
static bool choose_place(struct loader *loader, const struct mb2_wishes *wishes, gpa_t base, uint64_t size,
                         struct loaded_kernel *kernel)
{
    const struct mb2_header_relocatable *asked = &wishes->relocatable;
    struct range_wish wish = {asked->min_addr, (gpa_t)asked->max_addr + 1, size, MAX(asked->align, 1u),
                              asked->preference == MB2_PREFER_HIGHEST ? PLACE_HIGHEST : PLACE_LOWEST};

    kernel->start = base;
    kernel->relocatable = wishes->has_relocatable;
    if (wishes->has_relocatable) {
        bool fits = base >= wish.from && base < wish.end && wish.end - base >= size &&
                    base % wish.align == 0 && loader_is_free(loader, base, size);

        if (!(fits && asked->preference == MB2_PREFER_NONE) && !loader_find(loader, &wish, &kernel->start))
            return loader_refuse(loader,
                                 "its multiboot2 header wants its %lu bytes between 0x%x and 0x%x on a "
                                 "boundary of 0x%lx, where the VM has no room; give it more memory",
                                 size, asked->min_addr, asked->max_addr, wish.align);
    }
    kernel->end = kernel->start + size;
    kernel->slide = kernel->start - base;
    return true;
}

static bool load_by_addresses(struct loader *loader, const struct mb2_wishes *wishes,
                              struct loaded_kernel *kernel)
{
    const struct addresses *a = &wishes->addresses;
    const struct module *file = loader->request->kernel;
    uint64_t offset = a->header_offset - (a->header_addr - a->load_addr), length, size;
    uint8_t *to;

    if (a->load_addr > a->header_addr || a->header_addr - a->load_addr > a->header_offset)
        return loader_refuse(
            loader,
            "its multiboot header is at 0x%lx in the file, to be loaded at 0x%x, and asks for "
            "loading from 0x%x on, which the file does not have; relink it",
            a->header_offset, a->header_addr, a->load_addr);
    length = a->load_end_addr ? (uint64_t)a->load_end_addr - a->load_addr : file->size - offset;
    if ((a->load_end_addr && a->load_end_addr <= a->load_addr) || !module_at(file, offset, length))
        return loader_refuse(
            loader,
            "a truncated kernel: its multiboot header asks for 0x%x to 0x%x from offset 0x%lx, "
            "and the file has %lu bytes; copy it again",
            a->load_addr, a->load_end_addr, offset, file->size);
    size = MAX(length, a->bss_end_addr > a->load_addr ? a->bss_end_addr - a->load_addr : 0);
    if (a->entry_addr < a->load_addr || a->entry_addr - a->load_addr >= size)
        return loader_refuse(loader,
                             "its entry point 0x%x is outside what is loaded, 0x%x to 0x%lx; relink it",
                             a->entry_addr, a->load_addr, a->load_addr + size - 1);
    if (!choose_place(loader, wishes, a->load_addr, size, kernel))
        return false;
    to = loader_claim(loader, "the kernel", kernel->start, size);
    if (!to)
        return false;
    memcpy(to, file->bytes + offset, length);
    memset(to + length, 0, size - length);
    kernel->entry = a->entry_addr + kernel->slide;
    return true;
}

static bool load_elf(struct loader *loader, const struct mb2_wishes *wishes, struct loaded_kernel *kernel)
{
    const struct module *file = loader->request->kernel;
    struct elf_image image;
    gpa_t start;

    if (!elf_recognise(file))
        return loader_refuse(
            loader, "its multiboot header gives no addresses, and it is no ELF file; needed is one or "
                    "the other");
    if (!elf_read(loader, file, &image) || !elf_entry(loader, &image, &kernel->entry))
        return false;
    start = elf_start(&image);
    if (wishes->has_entry)
        kernel->entry = wishes->addresses.entry_addr;
    if (!choose_place(loader, wishes, start, elf_end(&image) - start, kernel))
        return false;
    for (unsigned i = 0; i < image.count; i++)
        image.segments[i].address += kernel->slide;
    kernel->entry += kernel->slide;
    kernel->sections = image.sections;
    return elf_load(loader, file, &image);
}

static bool load(struct loader *loader, const struct mb2_wishes *wishes, struct loaded_kernel *kernel)
{
    return (wishes->has_addresses ? load_by_addresses : load_elf)(loader, wishes, kernel) &&
           loader_place_low(loader);
}

static bool start(struct loader *loader, gpa_t entry, uint32_t magic)
{
    if (entry > UINT32_MAX)
        return loader_refuse(loader, "its entry point 0x%lx is above 4 GiB; multiboot starts 32-bit code",
                             entry);
    if (!guest_map_is_ram(&loader->map, entry, 1))
        return loader_refuse(loader, "its entry point 0x%lx is not in the VM's RAM; relink it", entry);
    loader_start_protected(loader, (uint32_t)entry);
    loader->entry->rax = magic;
    loader->entry->rbx = loader->low + LOW_BOOT_INFO;
    return true;
}

static bool recognise_mb1(const struct module *kernel)
{
    return find_mb1(kernel) != NULL;
}

static bool load_mb1(struct loader *loader)
{
    const struct module *file = loader->request->kernel;
    const uint8_t *at = find_mb1(file);
    struct loaded_kernel kernel = {0};
    struct mb2_wishes wishes = {0};
    struct mb1_header header;
    uint32_t unknown;

    memset(&header, 0, sizeof(header));
    memcpy(&header, at, offsetof(struct mb1_header, header_addr));
    unknown =
        header.flags & MB1_HEADER_REQUIRED & ~(MB1_HEADER_PAGE_ALIGN | MB1_HEADER_MEMORY | MB1_HEADER_VIDEO);
    if (unknown)
        return loader_refuse(
            loader,
            "its multiboot header demands features 0x%x; Keel's VMs have none of them: build it without",
            unknown);
    if (header.flags & MB1_HEADER_ADDRESSES) {
        if (!module_at(file, (uint64_t)(at - file->bytes), sizeof(header)))
            return loader_refuse(loader, "the file ends within its multiboot header; copy it again");
        memcpy(&header, at, sizeof(header));
        wishes.addresses =
            (struct addresses){(uint64_t)(at - file->bytes), header.header_addr,  header.load_addr,
                               header.load_end_addr,         header.bss_end_addr, header.entry_addr};
        wishes.has_addresses = true;
    }
    return load(loader, &wishes, &kernel) && multiboot1_write_info(loader, &kernel) &&
           start(loader, kernel.entry, MB1_LOADED_MAGIC);
}

static bool take_information(struct loader *loader, const uint8_t *tag, uint32_t size,
                             struct mb2_wishes *wishes)
{
    (void)wishes;
    for (uint32_t at = sizeof(struct mb2_header_tag); at + 4 <= size; at += 4) {
        uint32_t type;

        memcpy(&type, tag + at, sizeof(type));
        if (type >= MB2_TAG_TYPES)
            return loader_refuse(
                loader,
                "its multiboot2 header demands boot information of type %u; Keel knows 0 to %u: "
                "build it with that request optional",
                type, MB2_TAG_TYPES - 1);
    }
    return true;
}

static bool take_address(struct loader *loader, const uint8_t *tag, uint32_t size, struct mb2_wishes *wishes)
{
    struct mb2_header_address address;

    if (size < sizeof(address))
        return loader_refuse(loader, "the address tag of its multiboot2 header has %u bytes, needed %lu",
                             size, sizeof(address));
    memcpy(&address, tag, sizeof(address));
    wishes->addresses.header_addr = address.header_addr;
    wishes->addresses.load_addr = address.load_addr;
    if (address.load_addr == MB2_LOAD_WHOLE_FILE)
        wishes->addresses.load_addr = address.header_addr - (uint32_t)wishes->addresses.header_offset;
    wishes->addresses.load_end_addr = address.load_end_addr;
    wishes->addresses.bss_end_addr = address.bss_end_addr;
    wishes->has_addresses = true;
    return true;
}

static bool take_entry(struct loader *loader, const uint8_t *tag, uint32_t size, struct mb2_wishes *wishes)
{
    struct mb2_header_entry entry;

    if (size < sizeof(entry))
        return loader_refuse(loader, "the entry tag of its multiboot2 header has %u bytes, needed %lu", size,
                             sizeof(entry));
    memcpy(&entry, tag, sizeof(entry));
    wishes->addresses.entry_addr = entry.entry_addr;
    wishes->has_entry = true;
    return true;
}

/* A VM's only console is its serial port; a kernel that merely says that it knows others may start. */
static bool take_console(struct loader *loader, const uint8_t *tag, uint32_t size, struct mb2_wishes *wishes)
{
    struct mb2_header_console console;

    (void)wishes;
    if (size < sizeof(console))
        return loader_refuse(loader, "the console tag of its multiboot2 header has %u bytes, needed %lu",
                             size, sizeof(console));
    memcpy(&console, tag, sizeof(console));
    if (console.flags & MB2_CONSOLE_NEEDED)
        return loader_refuse(loader, "its multiboot2 header demands a text console or a framebuffer, and a "
                                     "VM has a serial port only; build it with that tag optional");
    return true;
}

static bool take_relocatable(struct loader *loader, const uint8_t *tag, uint32_t size,
                             struct mb2_wishes *wishes)
{
    struct mb2_header_relocatable *asked = &wishes->relocatable;

    if (size < sizeof(*asked))
        return loader_refuse(loader, "the relocatable tag of its multiboot2 header has %u bytes, needed %lu",
                             size, sizeof(*asked));
    memcpy(asked, tag, sizeof(*asked));
    if (asked->align & (asked->align - 1) || asked->preference > MB2_PREFER_HIGHEST)
        return loader_refuse(loader,
                             "its multiboot2 header asks for a boundary of 0x%x with preference %u; needed "
                             "are a power of 2, and 0 to 2",
                             asked->align, asked->preference);
    wishes->has_relocatable = true;
    return true;
}

static bool ignore(struct loader *loader, const uint8_t *tag, uint32_t size, struct mb2_wishes *wishes)
{
    (void)loader, (void)tag, (void)size, (void)wishes;
    return true;
}

/* By type. One without a function cannot be granted: the kernel is refused unless its tag is optional. */
static const struct {
    const char *name;
    bool (*take)(struct loader *loader, const uint8_t *tag, uint32_t size, struct mb2_wishes *wishes);
} header_tags[] = {
    [MB2_HEADER_INFORMATION] = {"information request", take_information},
    [MB2_HEADER_ADDRESS] = {"address", take_address},
    [MB2_HEADER_ENTRY] = {"entry address", take_entry},
    [MB2_HEADER_CONSOLE] = {"console", take_console},
    [MB2_HEADER_FRAMEBUFFER] = {"framebuffer", ignore},       /* a preference */
    [MB2_HEADER_MODULE_ALIGN] = {"module alignment", ignore}, /* modules always lie on pages */
    [MB2_HEADER_EFI_SERVICES] = {"EFI boot services", NULL},
    [MB2_HEADER_ENTRY_EFI32] = {"EFI i386 entry", ignore}, /* for EFI only, as is the next one */
    [MB2_HEADER_ENTRY_EFI64] = {"EFI amd64 entry", ignore},
    [MB2_HEADER_RELOCATABLE] = {"relocatable", take_relocatable},
};

static bool take_tag(struct loader *loader, const uint8_t *bytes, const struct mb2_header_tag *tag,
                     struct mb2_wishes *wishes)
{
    bool optional = tag->flags & MB2_HEADER_OPTIONAL, known = tag->type < ARRAY_LENGTH(header_tags);

    if (known && header_tags[tag->type].take)
        return (optional && (tag->type == MB2_HEADER_INFORMATION || tag->type == MB2_HEADER_CONSOLE)) ||
               header_tags[tag->type].take(loader, bytes, tag->size, wishes);
    if (optional)
        return true;
    return loader_refuse(
        loader,
        "its multiboot2 header demands what Keel's VMs have not: tag %u (%s); build it with that "
        "tag optional",
        tag->type, known ? header_tags[tag->type].name : "unknown");
}

static bool read_mb2_tags(struct loader *loader, const uint8_t *at, struct mb2_wishes *wishes)
{
    const struct module *file = loader->request->kernel;
    struct mb2_header header;
    struct mb2_header_tag tag;
    uint64_t offset = (uint64_t)(at - file->bytes), end;

    memcpy(&header, at, sizeof(header));
    if (header.architecture != MB2_ARCH_I386)
        return loader_refuse(loader, "its multiboot2 header is for architecture %u; needed is 0, the PC",
                             header.architecture);
    end = offset + header.header_length;
    for (offset += sizeof(header); offset + sizeof(tag) <= end;) {
        const uint8_t *bytes = module_at(file, offset, sizeof(tag));

        if (bytes)
            memcpy(&tag, bytes, sizeof(tag));
        if (!bytes || tag.size < sizeof(tag) || tag.size > end - offset || !module_at(file, offset, tag.size))
            return loader_refuse(
                loader,
                "a damaged multiboot2 header: the tag at 0x%lx in the file is not whole; copy "
                "the kernel again",
                offset);
        if (tag.type == MB2_HEADER_END)
            return true;
        if (!take_tag(loader, bytes, &tag, wishes))
            return false;
        offset += ALIGN_UP(tag.size, MB2_TAG_ALIGN);
    }
    return loader_refuse(loader,
                         "a damaged multiboot2 header: no end tag in its %u bytes; copy the kernel again",
                         header.header_length);
}

static bool recognise_mb2(const struct module *kernel)
{
    return find_mb2(kernel) != NULL;
}

static bool load_mb2(struct loader *loader)
{
    const struct module *file = loader->request->kernel;
    const uint8_t *at = find_mb2(file);
    struct mb2_wishes wishes = {.addresses.header_offset = (uint64_t)(at - file->bytes)};
    struct loaded_kernel kernel = {0};

    if (!read_mb2_tags(loader, at, &wishes))
        return false;
    if (wishes.has_addresses && !wishes.has_entry)
        return loader_refuse(
            loader, "its multiboot2 header has an address tag and no entry address tag; needed are both");
    return load(loader, &wishes, &kernel) && multiboot2_write_info(loader, &kernel) &&
           start(loader, kernel.entry, MB2_LOADED_MAGIC);
}

const struct kernel_format multiboot1_format = {
    .name = "multiboot",
    .sign = "header in the first 8 KiB",
    .recognise = recognise_mb1,
    .takes_modules = true,
    .load = load_mb1,
};

const struct kernel_format multiboot2_format = {
    .name = "multiboot2",
    .sign = "header in the first 32 KiB",
    .recognise = recognise_mb2,
    .takes_modules = true,
    .load = load_mb2,
};
