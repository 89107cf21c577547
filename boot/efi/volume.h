/* Files of the volume that keel.efi was started from (UEFI, "Simple File System Protocol"). */
#pragma once

#include <efi.h>

#include "hv/lib/base.h"

#define PATH_MOST 256

struct volume {
    EFI_BOOT_SERVICES *services;
    EFI_FILE_HANDLE root;
};

/* A file's bytes, in pages of their own below 4 GiB: multiboot2 says where modules are in 32 bits. */
struct file {
    EFI_PHYSICAL_ADDRESS first;
    UINT64 size;
};

EFI_STATUS volume_open(struct volume *volume, EFI_HANDLE image, EFI_BOOT_SERVICES *services);

/* `path` is absolute, its names separated by backslashes. Nothing is allocated if it fails. */
EFI_STATUS volume_read(const struct volume *volume, const char *path, struct file *out);
