#include "boot/multiboot2.h"

#include "hv/host/log.h"
#include "hv/lib/string.h"
#include "hv/load/multiboot_abi.h"

/* A tag being read: `size` bytes at `bytes`, its head of 8 included, all of them there. */
struct tag {
    const uint8_t *bytes;
    uint32_t type, size;
};

/* The most of a string that is said in a log line, or kept of a module's. */
#define STRING_MOST 4096

/* Keeps a copy of at most `length` bytes of text, up to a zero byte. */
static char *keep_string(struct boot_info *out, const char *what, const void *text, uint64_t length)
{
    size_t size = strnlen(text, MIN(length, STRING_MOST)),
           room = sizeof(out->strings) - 1 - out->strings_used;
    char *copy = out->strings + out->strings_used;

    if (size > room || size == STRING_MOST) {
        size = MIN(size, room);
        out->left_out++;
        log_line("multiboot2: %s is cut after %lu bytes; make it shorter", what, size);
    }
    memcpy(copy, text, size);
    copy[size] = 0;
    out->strings_used = MIN(out->strings_used + size + 1, sizeof(out->strings) - 1);
    return copy;
}

/* Whether an array of `most` takes one more; else says so. */
static bool has_room(struct boot_info *out, const char *what, unsigned count, unsigned most)
{
    if (count < most)
        return true;
    out->left_out++;
    log_line("multiboot2: more than %u %s: the rest is left out", most, what);
    return false;
}

/* How many entries of at least `least` bytes follow a tag's `fixed` part; 0, said, if their size is wrong. */
static uint32_t entries(struct boot_info *out, const struct tag *tag, uint32_t fixed, uint32_t entry_size,
                        uint32_t least, const char *what)
{
    if (entry_size >= least)
        return (tag->size - fixed) / entry_size;
    out->left_out++;
    log_line("multiboot2: the entries of the %s have %u bytes, needed %u or more: it is left out", what,
             entry_size, least);
    return 0;
}

static void read_cmdline(struct boot_info *out, const struct tag *tag)
{
    out->cmdline = keep_string(out, "the command line", tag->bytes + sizeof(struct mb2_tag),
                               tag->size - sizeof(struct mb2_tag));
}

static void read_loader_name(struct boot_info *out, const struct tag *tag)
{
    out->loader_name = keep_string(out, "the boot loader's name", tag->bytes + sizeof(struct mb2_tag),
                                   tag->size - sizeof(struct mb2_tag));
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Splits "name arguments" in place: the name ends at the first blank. */
static void split_module_string(struct boot_module *module, char *text)
{
    while (is_blank(*text))
        text++;
    module->name = text;
    while (*text && !is_blank(*text))
        text++;
    if (*text)
        *text++ = 0;
    while (is_blank(*text))
        text++;
    module->arguments = text;
}

static void read_module(struct boot_info *out, const struct tag *tag)
{
    struct mb2_tag_module in;
    struct boot_module *module;

    if (!has_room(out, "modules", out->module_count, ARRAY_LENGTH(out->modules)))
        return;
    memcpy(&in, tag->bytes, sizeof(in));
    if (in.mod_end < in.mod_start) {
        out->left_out++;
        log_line("multiboot2: a module ends at 0x%x before it begins at 0x%x: it is left out", in.mod_end,
                 in.mod_start);
        return;
    }
    module = &out->modules[out->module_count++];
    module->first = in.mod_start;
    module->size = in.mod_end - in.mod_start;
    split_module_string(
        module, keep_string(out, "a module's string", tag->bytes + sizeof(in), tag->size - sizeof(in)));
}

static void read_mmap(struct boot_info *out, const struct tag *tag)
{
    struct mb2_tag_mmap head;
    uint32_t count;

    memcpy(&head, tag->bytes, sizeof(head));
    count = entries(out, tag, sizeof(head), head.entry_size, sizeof(struct mb2_mmap_entry), "memory map");
    for (uint32_t i = 0; i < count; i++) {
        struct mb2_mmap_entry in;

        memcpy(&in, tag->bytes + sizeof(head) + (size_t)i * head.entry_size, sizeof(in));
        if (in.length == 0)
            continue;
        if (in.base_addr + in.length < in.base_addr) {
            out->left_out++;
            log_line("multiboot2: the memory map's 0x%lx bytes at 0x%lx pass the end of memory: left out",
                     in.length, in.base_addr);
            continue;
        }
        if (!has_room(out, "ranges of memory", out->memory_count, ARRAY_LENGTH(out->memory)))
            return;
        out->memory[out->memory_count++] = (struct boot_memory){
            .first = in.base_addr,
            .size = in.length,
            .type = in.type >= MEMORY_RAM && in.type <= MEMORY_BAD ? in.type : MEMORY_RESERVED,
        };
    }
}

#define FRAMEBUFFER_RGB 1

static void read_framebuffer(struct boot_info *out, const struct tag *tag)
{
    struct mb2_tag_framebuffer in = {0};

    memcpy(&in, tag->bytes, MIN(tag->size, sizeof(in)));
    out->framebuffer = (struct boot_framebuffer){
        .address = in.address,
        .pitch = in.pitch,
        .width = in.width,
        .height = in.height,
        .bits_per_pixel = in.bits_per_pixel,
        .type = in.type,
    };
    if (in.type != FRAMEBUFFER_RGB)
        return;
    out->framebuffer.red_position = in.red_position;
    out->framebuffer.red_size = in.red_size;
    out->framebuffer.green_position = in.green_position;
    out->framebuffer.green_size = in.green_size;
    out->framebuffer.blue_position = in.blue_position;
    out->framebuffer.blue_size = in.blue_size;
}

/* A section header of an ELF64 file (System V ABI, "Section Header"). */
struct elf64_section {
    uint32_t name, type;
    uint64_t flags, address, offset, size;
    uint32_t link, info;
    uint64_t alignment, entry_size;
};

static void read_sections(struct boot_info *out, const struct tag *tag)
{
    struct mb2_tag_elf_sections head;
    uint32_t count;

    memcpy(&head, tag->bytes, sizeof(head));
    count = entries(out, tag, sizeof(head), head.entry_size, sizeof(struct elf64_section), "ELF sections");
    out->section_count = 0;
    for (uint32_t i = 0; i < MIN(count, head.count); i++) {
        struct elf64_section in;

        if (!has_room(out, "ELF sections", out->section_count, ARRAY_LENGTH(out->sections)))
            break;
        memcpy(&in, tag->bytes + sizeof(head) + (size_t)i * head.entry_size, sizeof(in));
        out->sections[out->section_count++] = (struct boot_section){
            in.name, in.type, in.link, in.flags, in.address, in.size, in.entry_size,
        };
    }
    out->section_names = head.names_index < out->section_count ? head.names_index : 0;
}

/* GRUB hands over both copies on ACPI 2.0 and later; the longer one has all. */
static void read_rsdp(struct boot_info *out, const struct tag *tag)
{
    unsigned length = MIN(tag->size - (unsigned)sizeof(struct mb2_tag), sizeof(out->rsdp));

    if (length < out->rsdp_length)
        return;
    memcpy(out->rsdp, tag->bytes + sizeof(struct mb2_tag), length);
    out->rsdp_length = length;
}

static uint64_t read_pointer(const struct tag *tag, unsigned size)
{
    uint64_t value = 0;

    memcpy(&value, tag->bytes + sizeof(struct mb2_tag), size);
    return value;
}

static void read_efi32_system(struct boot_info *out, const struct tag *tag)
{
    out->efi_system_table = read_pointer(tag, 4);
    out->efi_is_64 = false;
}

static void read_efi64_system(struct boot_info *out, const struct tag *tag)
{
    out->efi_system_table = read_pointer(tag, 8);
    out->efi_is_64 = true;
}

static void read_efi32_image(struct boot_info *out, const struct tag *tag)
{
    out->efi_image_handle = read_pointer(tag, 4);
}

static void read_efi64_image(struct boot_info *out, const struct tag *tag)
{
    out->efi_image_handle = read_pointer(tag, 8);
}

static void read_efi_services(struct boot_info *out, const struct tag *tag)
{
    (void)tag;
    out->efi_services = true;
}

static void read_load_base(struct boot_info *out, const struct tag *tag)
{
    out->load_base = read_pointer(tag, 4);
}

static void read_efi_mmap(struct boot_info *out, const struct tag *tag)
{
    struct mb2_tag_efi_mmap head;
    uint32_t count;

    memcpy(&head, tag->bytes, sizeof(head));
    count = entries(out, tag, sizeof(head), head.entry_size, sizeof(struct efi_descriptor), "EFI memory map");
    for (uint32_t i = 0; i < count; i++) {
        struct efi_descriptor in;

        memcpy(&in, tag->bytes + sizeof(head) + (size_t)i * head.entry_size, sizeof(in));
        if (in.pages == 0)
            continue;
        if (in.pages > (UINT64_MAX - in.physical) >> PAGE_SHIFT) {
            out->left_out++;
            log_line("multiboot2: the EFI memory map's 0x%lx pages at 0x%lx pass the end of memory: left out",
                     in.pages, in.physical);
            continue;
        }
        if (!has_room(out, "ranges of EFI memory", out->efi_memory_count, ARRAY_LENGTH(out->efi_memory)))
            return;
        out->efi_memory[out->efi_memory_count++] =
            (struct efi_range){in.physical, in.pages << PAGE_SHIFT, in.attributes, in.type};
    }
}

/* By type: the least size of the tag, and who reads it. What has no reader is not of use to Keel. */
static const struct {
    uint32_t least;
    void (*read)(struct boot_info *out, const struct tag *tag);
} readers[MB2_TAG_TYPES] = {
    [MB2_TAG_CMDLINE] = {sizeof(struct mb2_tag), read_cmdline},
    [MB2_TAG_LOADER_NAME] = {sizeof(struct mb2_tag), read_loader_name},
    [MB2_TAG_MODULE] = {sizeof(struct mb2_tag_module), read_module},
    [MB2_TAG_MMAP] = {sizeof(struct mb2_tag_mmap), read_mmap},
    [MB2_TAG_FRAMEBUFFER] = {offsetof(struct mb2_tag_framebuffer, red_position), read_framebuffer},
    [MB2_TAG_ELF_SECTIONS] = {sizeof(struct mb2_tag_elf_sections), read_sections},
    [MB2_TAG_ACPI_OLD] = {sizeof(struct mb2_tag) + 20, read_rsdp},
    [MB2_TAG_ACPI_NEW] = {sizeof(struct mb2_tag) + 36, read_rsdp},
    [MB2_TAG_EFI32_SYSTEM] = {sizeof(struct mb2_tag) + 4, read_efi32_system},
    [MB2_TAG_EFI64_SYSTEM] = {sizeof(struct mb2_tag) + 8, read_efi64_system},
    [MB2_TAG_EFI_MMAP] = {sizeof(struct mb2_tag_efi_mmap), read_efi_mmap},
    [MB2_TAG_EFI_SERVICES] = {sizeof(struct mb2_tag), read_efi_services},
    [MB2_TAG_EFI32_IMAGE] = {sizeof(struct mb2_tag) + 4, read_efi32_image},
    [MB2_TAG_EFI64_IMAGE] = {sizeof(struct mb2_tag) + 8, read_efi64_image},
    [MB2_TAG_LOAD_BASE] = {sizeof(struct mb2_tag) + 4, read_load_base},
};

static void read_tag(struct boot_info *out, const struct tag *tag)
{
    if (tag->type >= ARRAY_LENGTH(readers) || !readers[tag->type].read)
        return;
    if (tag->size >= readers[tag->type].least) {
        readers[tag->type].read(out, tag);
        return;
    }
    out->left_out++;
    log_line("multiboot2: tag %u has %u bytes, needed %u: it is left out", tag->type, tag->size,
             readers[tag->type].least);
}

bool multiboot2_parse(const void *info, uint64_t available, struct boot_info *out)
{
    struct mb2_info head = {0};

    memset(out, 0, sizeof(*out));
    out->cmdline = out->loader_name = "";
    if (available >= sizeof(head))
        memcpy(&head, info, sizeof(head));
    if (head.total_size < sizeof(head) || head.total_size > MIN(available, MULTIBOOT2_INFO_MOST)) {
        log_line(
            "multiboot2: the boot information says that it has %u bytes; needed are %lu to %lu. Was Keel "
            "started by a multiboot2 boot loader?",
            head.total_size, sizeof(head), MIN(available, MULTIBOOT2_INFO_MOST));
        return false;
    }
    for (uint64_t at = sizeof(head); head.total_size - at >= sizeof(struct mb2_tag);) {
        struct tag tag = {.bytes = (const uint8_t *)info + at};

        memcpy(&tag.type, tag.bytes, sizeof(tag.type));
        memcpy(&tag.size, tag.bytes + sizeof(tag.type), sizeof(tag.size));
        if (tag.type == MB2_TAG_END)
            return true;
        if (tag.size < sizeof(struct mb2_tag) || tag.size > head.total_size - at) {
            out->left_out++;
            log_line("multiboot2: tag %u at offset %lu says %u bytes, and %lu are left: the rest is left out",
                     tag.type, at, tag.size, head.total_size - at);
            return true;
        }
        read_tag(out, &tag);
        at = MIN(at + ALIGN_UP(tag.size, MB2_TAG_ALIGN), head.total_size);
    }
    out->left_out++;
    log_line("multiboot2: the boot information has no end tag: it may be cut");
    return true;
}
