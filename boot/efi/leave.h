/* The way out of the firmware's boot services (UEFI, "EFI_BOOT_SERVICES.ExitBootServices()"). */
#pragma once

#include <efi.h>

#include "boot/efi/information.h"

struct departure {
    EFI_PHYSICAL_ADDRESS buffer; /* for the memory map */
    UINTN room, pages;
};

/* Allocates what leaving needs: behind ExitBootServices nothing can be. */
EFI_STATUS leave_prepare(struct departure *departure, EFI_BOOT_SERVICES *services);
void leave_cancel(const struct departure *departure, EFI_BOOT_SERVICES *services);

/*
 * Ends the boot services and says what the memory map was then. Tries again, with a new map, when the map
 * changed between the two calls.
 */
EFI_STATUS leave(const struct departure *departure, EFI_HANDLE image, EFI_BOOT_SERVICES *services,
                 struct efi_map *map);
