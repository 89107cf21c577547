/* keel.elf, which keel.efi carries whole. */
#pragma once

#include <efi.h>

#include "hv/lib/base.h"

struct image {
    EFI_PHYSICAL_ADDRESS first; /* what was allocated */
    UINTN pages;
    uint32_t base, entry; /* where it lies in there, and where it is entered */
};

/* Loads it below 4 GiB, on a border of 2 MiB; what fails is said. */
EFI_STATUS image_load(struct image *image, EFI_BOOT_SERVICES *services);

/*
 * enter.asm: position-independent code to be copied to a page below 4 GiB. It is called there with the
 * physical addresses of Keel's entry and of the information, and enters Keel as a multiboot2 boot loader
 * does.
 */
extern const uint8_t enter_start[], enter_end[];
typedef __attribute__((sysv_abi)) void (*enter_function)(uint64_t entry, uint64_t information);
