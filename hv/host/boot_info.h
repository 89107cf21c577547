/*
 * What the boot loader found and loaded, in Keel's own words: copied out of what it handed over, so that its
 * memory can be used again. Only the modules' bytes stay where they are.
 */
#pragma once

#include "hv/lib/base.h"

/* Types of a memory range, as multiboot2 and ACPI number them. */
enum memory_type {
    MEMORY_RAM = 1,
    MEMORY_RESERVED = 2,
    MEMORY_ACPI = 3, /* tables: RAM once they have been read */
    MEMORY_NVS = 4,  /* the firmware's, kept over sleep */
    MEMORY_BAD = 5,
};

struct boot_memory {
    hpa_t first;
    uint64_t size; /* not 0; first + size does not wrap */
    uint32_t type; /* enum memory_type; unknown ones are reserved */
};

/* UEFI, "Memory Type Usage after ExitBootServices": the loader's, the boot services' and conventional memory.
 */
#define EFI_RANGES_LEFT   (BIT(1) | BIT(2) | BIT(3) | BIT(4) | BIT(7))
#define EFI_RANGE_RUNTIME BIT(63) /* attribute: the run-time services go on using it */

/* A descriptor of the EFI memory map (UEFI, "GetMemoryMap"). */
struct efi_range {
    hpa_t first;
    uint64_t size, attributes;
    uint32_t type;
};

/* What EFI's run-time services need mapped, at its physical address, and how. */
enum efi_access { EFI_CODE, EFI_CONSTANTS, EFI_DATA, EFI_DEVICE };

struct efi_runtime_range {
    hpa_t first;
    uint64_t size;
    enum efi_access access;
};

struct efi_runtime {
    hpa_t reset; /* ResetSystem; 0: it cannot be called */
    struct efi_runtime_range ranges[128];
    unsigned count;
};

struct boot_module {
    hpa_t first;
    uint64_t size;
    const char *name;      /* first word of its string, "" if it has none */
    const char *arguments; /* the rest */
};

/* A section of Keel's own file as it lies in memory. */
struct boot_section {
    uint32_t name; /* offset in the section of names */
    uint32_t type, link;
    uint64_t flags, address, size, entry_size;
};

struct boot_framebuffer {
    hpa_t address; /* 0: there is none */
    uint32_t pitch, width, height;
    uint8_t bits_per_pixel, type; /* type 0: palette, 1: RGB, 2: text */
    uint8_t red_position, red_size, green_position, green_size, blue_position, blue_size;
};

struct boot_info {
    const char *cmdline;     /* "" if there is none */
    const char *loader_name; /* "" if it did not say */

    struct boot_memory memory[256]; /* as handed over: in any order, may overlap */
    unsigned memory_count;
    struct efi_range efi_memory[512];
    unsigned efi_memory_count;
    struct boot_module modules[64];
    unsigned module_count;
    struct boot_section sections[64];
    unsigned section_count, section_names; /* section_names: which of them holds the names */

    /* A copy of the RSDP: 36 bytes of ACPI 2.0 or later, or 20 of ACPI 1.0; length 0 if none was handed over.
     */
    uint8_t rsdp[36] __attribute__((aligned(8)));
    unsigned rsdp_length;

    struct boot_framebuffer framebuffer;
    hpa_t efi_system_table, efi_image_handle; /* 0: not started by EFI */
    struct efi_runtime efi;
    bool efi_is_64;    /* else a 32-bit EFI's */
    bool efi_services; /* EFI's boot services still run */
    hpa_t load_base;   /* where Keel was loaded, if it was relocated; else 0 */

    unsigned left_out; /* entries and tags that did not fit or were damaged: each was said in a log line */
    char strings[16384];
    unsigned strings_used;
};
