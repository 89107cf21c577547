/* The information structure that GRUB would hand over (Multiboot2 Specification, "Boot information"). */
#pragma once

#include "hv/lib/base.h"

/* Being written: `full` once something did not fit, which is then left out. */
struct information {
    uint8_t *bytes;
    uint32_t size, room;
    bool full;
};

/* `bytes` lies on a border of 8 bytes. */
void information_begin(struct information *information, void *bytes, uint32_t room);

/* A tag of `size` bytes behind its head: the fixed part and then the rest, which may be NULL for none. */
void information_add(struct information *information, uint32_t type, const void *fixed, uint32_t fixed_size,
                     const void *rest, uint32_t rest_size);

void information_string(struct information *information, uint32_t type, const char *text);
void information_module(struct information *information, uint32_t first, uint32_t size, const char *text);

/* The EFI memory map as it is, and in multiboot2's types, neighbours of one type merged. */
struct efi_map {
    const uint8_t *descriptors;
    uint64_t size;
    uint32_t stride, version; /* `stride` is at least sizeof(struct efi_descriptor) */
};
void information_memory(struct information *information, const struct efi_map *map);

/* The end tag and the total size. Returns whether all had room. */
bool information_end(struct information *information);
