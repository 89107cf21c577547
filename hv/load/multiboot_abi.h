/*
 * What the Multiboot Specification (version 0.6.96) and the Multiboot2 Specification (version 2.0) lay down,
 * for both sides: Keel is loaded by multiboot2, and loads guests by either.
 */
#pragma once

#include "hv/lib/base.h"

/* Multiboot: header in the first 8 KiB of the kernel, on a 4-byte boundary. */
#define MB1_HEADER_MAGIC      0x1badb002
#define MB1_HEADER_WITHIN     8192
#define MB1_LOADED_MAGIC      0x2badb002
#define MB1_HEADER_PAGE_ALIGN BIT(0)
#define MB1_HEADER_MEMORY     BIT(1)
#define MB1_HEADER_VIDEO      BIT(2) /* a mode that it prefers, as in multiboot2 */
#define MB1_HEADER_REQUIRED   0xffff /* flags that a loader must know */
#define MB1_HEADER_ADDRESSES  BIT(16)

struct mb1_header {
    uint32_t magic, flags, checksum;
    uint32_t header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr; /* if MB1_HEADER_ADDRESSES */
};

#define MB1_INFO_MEMORY      BIT(0)
#define MB1_INFO_CMDLINE     BIT(2)
#define MB1_INFO_MODULES     BIT(3)
#define MB1_INFO_SECTIONS    BIT(5) /* ELF's: number, size, address, index of names in syms */
#define MB1_INFO_MMAP        BIT(6)
#define MB1_INFO_LOADER_NAME BIT(9)

struct mb1_info {
    uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, syms[4], mmap_length,
        mmap_addr, drives_length, drives_addr, config_table, boot_loader_name, apm_table;
};

struct mb1_module {
    uint32_t mod_start, mod_end, string, reserved;
};

struct mb1_mmap_entry {
    uint32_t size; /* of what follows */
    uint64_t base_addr, length;
    uint32_t type;
} PACKED;

/* Multiboot2: header in the first 32 KiB of the kernel, on an 8-byte boundary, then its tags. */
#define MB2_HEADER_MAGIC    0xe85250d6
#define MB2_HEADER_WITHIN   32768
#define MB2_LOADED_MAGIC    0x36d76289
#define MB2_ARCH_I386       0
#define MB2_HEADER_OPTIONAL BIT(0) /* in a tag's flags */
#define MB2_TAG_ALIGN       8

struct mb2_header {
    uint32_t magic, architecture, header_length, checksum;
};

struct mb2_header_tag {
    uint16_t type, flags;
    uint32_t size;
};

enum mb2_header_tag_type {
    MB2_HEADER_END,
    MB2_HEADER_INFORMATION,
    MB2_HEADER_ADDRESS,
    MB2_HEADER_ENTRY,
    MB2_HEADER_CONSOLE,
    MB2_HEADER_FRAMEBUFFER,
    MB2_HEADER_MODULE_ALIGN,
    MB2_HEADER_EFI_SERVICES,
    MB2_HEADER_ENTRY_EFI32,
    MB2_HEADER_ENTRY_EFI64,
    MB2_HEADER_RELOCATABLE,
    MB2_HEADER_TYPES,
};

struct mb2_header_address {
    struct mb2_header_tag tag;
    uint32_t header_addr, load_addr, load_end_addr, bss_end_addr;
};

#define MB2_LOAD_WHOLE_FILE UINT32_MAX /* in load_addr: from the first byte of the file on */

struct mb2_header_entry {
    struct mb2_header_tag tag;
    uint32_t entry_addr;
};

#define MB2_CONSOLE_NEEDED BIT(0) /* in its flags; bit 1: the kernel can do with EGA text */

struct mb2_header_console {
    struct mb2_header_tag tag;
    uint32_t flags;
};

struct mb2_header_relocatable {
    struct mb2_header_tag tag;
    uint32_t min_addr, max_addr, align, preference; /* MB2_PREFER_ */
};

enum mb2_preference { MB2_PREFER_NONE, MB2_PREFER_LOWEST, MB2_PREFER_HIGHEST };

/* The information that a multiboot2 kernel gets: total size, a reserved word, tags on 8-byte boundaries. */
struct mb2_info {
    uint32_t total_size, reserved;
};

struct mb2_tag {
    uint32_t type, size; /* `size` counts these 8 bytes, not the padding after the tag */
};

enum mb2_tag_type {
    MB2_TAG_END = 0,
    MB2_TAG_CMDLINE = 1,
    MB2_TAG_LOADER_NAME = 2,
    MB2_TAG_MODULE = 3,
    MB2_TAG_MEMORY = 4,
    MB2_TAG_BOOT_DEVICE = 5,
    MB2_TAG_MMAP = 6,
    MB2_TAG_VBE = 7,
    MB2_TAG_FRAMEBUFFER = 8,
    MB2_TAG_ELF_SECTIONS = 9,
    MB2_TAG_APM = 10,
    MB2_TAG_EFI32_SYSTEM = 11,
    MB2_TAG_EFI64_SYSTEM = 12,
    MB2_TAG_SMBIOS = 13,
    MB2_TAG_ACPI_OLD = 14,
    MB2_TAG_ACPI_NEW = 15,
    MB2_TAG_NETWORK = 16,
    MB2_TAG_EFI_MMAP = 17,
    MB2_TAG_EFI_SERVICES = 18,
    MB2_TAG_EFI32_IMAGE = 19,
    MB2_TAG_EFI64_IMAGE = 20,
    MB2_TAG_LOAD_BASE = 21,
    MB2_TAG_TYPES,
};

struct mb2_tag_module {
    struct mb2_tag tag;
    uint32_t mod_start, mod_end; /* then the string */
};

struct mb2_tag_memory {
    struct mb2_tag tag;
    uint32_t mem_lower, mem_upper;
};

struct mb2_tag_mmap {
    struct mb2_tag tag;
    uint32_t entry_size, entry_version; /* then the entries */
};

struct mb2_mmap_entry {
    uint64_t base_addr, length;
    uint32_t type, reserved;
};

struct mb2_tag_framebuffer {
    struct mb2_tag tag;
    uint64_t address;
    uint32_t pitch, width, height;
    uint8_t bits_per_pixel, type;
    uint16_t reserved;
    uint8_t red_position, red_size, green_position, green_size, blue_position, blue_size; /* if RGB */
} PACKED;

struct mb2_tag_elf_sections {
    struct mb2_tag tag;
    uint32_t count, entry_size, names_index; /* then the section headers */
};

struct mb2_tag_efi_mmap {
    struct mb2_tag tag;
    uint32_t entry_size, entry_version; /* then the descriptors */
};

/* An entry of the EFI memory map (UEFI, "GetMemoryMap"). */
struct efi_descriptor {
    uint32_t type, padding;
    uint64_t physical, virtual, pages, attributes;
};
