/* ELF executables, 32- and 64-bit, as far as a loader needs them. Nothing outside hv/load/ needs this. */
#pragma once

#include "hv/load/loader.h"

#define ELF_SEGMENTS_MOST 32

struct elf_segment {
    uint64_t offset, file_size; /* in the file */
    gpa_t address;              /* physical */
    uint64_t virtual_address, size;
};

struct elf_image {
    bool is_64;
    uint64_t entry; /* as the file says: physical or virtual */
    struct elf_segment segments[ELF_SEGMENTS_MOST];
    unsigned count;
};

/* Whether the file begins as an ELF file does. */
bool elf_recognise(const struct module *file);

/*
 * Reads and checks the headers of an executable for x86 or x86-64. Empty segments are left out. Returns false
 * with the reason said if the file is no such thing, or not whole.
 */
bool elf_read(struct loader *loader, const struct module *file, struct elf_image *image);

/* Claims the memory of every segment and copies it there, the rest of each zeroed. */
bool elf_load(struct loader *loader, const struct module *file, const struct elf_image *image);

/* The physical address of the entry point, which may be given as a virtual one. */
bool elf_entry(struct loader *loader, const struct elf_image *image, gpa_t *entry);

/* The end of the highest segment. */
gpa_t elf_end(const struct elf_image *image);
