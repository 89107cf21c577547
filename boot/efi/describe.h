/* What keel.efi found out about the machine, and how it tells Keel. */
#pragma once

#include <efi.h>

#include "boot/efi/image.h"
#include "boot/efi/information.h"
#include "boot/efi/volume.h"
#include "hv/life/config.h"
#include "hv/load/multiboot_abi.h"

struct hand_over_module {
    const char *name;
    struct file file;
};

struct hand_over {
    struct image image;
    struct hand_over_module
        modules[1 + (3 + CONFIG_MODULES) * CONFIG_VMS_MOST]; /* keel.conf, then the VMs' */
    unsigned module_count;
    const void *rsdp_old, *rsdp_new;        /* ACPI 1.0's and later; NULL: there is none */
    struct mb2_tag_framebuffer framebuffer; /* address 0: there is none */
    EFI_HANDLE handle;
    EFI_SYSTEM_TABLE *table;
    EFI_PHYSICAL_ADDRESS information; /* the structure that Keel gets */
    uint32_t room;
};

/* Looks for ACPI's tables and for a framebuffer. */
void hand_over_collect(struct hand_over *over, EFI_HANDLE handle, EFI_SYSTEM_TABLE *table);

/* Allocates the information structure, for a memory map of at most `map_room` bytes. */
EFI_STATUS hand_over_prepare(struct hand_over *over, UINTN map_room, EFI_BOOT_SERVICES *services);

/* Writes it. No call of the firmware: its boot services have ended. */
void hand_over_describe(const struct hand_over *over, const struct efi_map *map);
