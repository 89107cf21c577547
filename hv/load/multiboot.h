/* The boot information of multiboot kernels. Nothing outside hv/load/ needs this. */
#pragma once

#include "hv/load/elf.h"
#include "hv/load/multiboot_abi.h"

/* A kernel that has been loaded, for its boot information. */
struct loaded_kernel {
    gpa_t start, end;
    uint64_t slide; /* how far above the place that it was linked for it lies, modulo 2^64 */
    gpa_t entry;
    struct elf_sections sections; /* count 0 if it was not loaded as an ELF file */
    bool relocatable;
};

/*
 * Put the ramdisk and then the modules behind the kernel, and write the boot information to LOW_BOOT_INFO of
 * loader->low: command line, loader's name, memory size and map, modules, section headers; for multiboot2
 * also a copy of the RSDP, and for a relocatable kernel its base. As GRUB does, a module's string is its
 * arguments without its name. Return false with the reason said if something does not fit; sections for which
 * there is no memory have the address 0.
 */
bool multiboot1_write_info(struct loader *loader, const struct loaded_kernel *kernel);
bool multiboot2_write_info(struct loader *loader, const struct loaded_kernel *kernel);
