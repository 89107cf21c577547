/* ELF executables, 32- and 64-bit, as far as a loader needs them. Nothing outside hv/load/ needs this. */
#pragma once

#include "hv/load/loader.h"

#define ELF_SEGMENTS_MOST 32

struct elf_segment {
    uint64_t offset, file_size; /* in the file */
    gpa_t address;              /* physical */
    uint64_t virtual_address, size;
};

#define ELF32_SECTION 40 /* bytes of a section header */
#define ELF64_SECTION 64

/* The section header table in the file. */
struct elf_sections {
    const uint8_t *bytes;
    uint16_t count, size; /* of headers, and of one; count 0: there is none, or it is not whole */
    uint16_t names;       /* the place of the section with the names */
};

struct elf_image {
    bool is_64;
    uint64_t entry; /* as the file says: physical or virtual */
    struct elf_segment segments[ELF_SEGMENTS_MOST];
    unsigned count;
    struct elf_sections sections;
};

/* Whether the file begins as an ELF file does. */
bool elf_recognise(const struct module *file);

/*
 * Reads and checks the headers of an executable for x86 or x86-64. Empty segments are left out. Returns false
 * with the reason said if the file is no such thing, or not whole.
 */
bool elf_read(struct loader *loader, const struct module *file, struct elf_image *image);

/* Claims the memory of every segment and copies it there, the rest of each zeroed. Segments may overlap. */
bool elf_load(struct loader *loader, const struct module *file, const struct elf_image *image);

/* The physical address of the entry point, which may be given as a virtual one. */
bool elf_entry(struct loader *loader, const struct elf_image *image, gpa_t *entry);

/* The start of the lowest segment, and the end of the highest. */
gpa_t elf_start(const struct elf_image *image);
gpa_t elf_end(const struct elf_image *image);

/* How many bytes the sections need that are not loaded with a segment: symbols, strings. */
uint64_t elf_sections_size(const struct module *file, const struct elf_sections *sections);

/*
 * Copies those to `to`, which the guest has at `at` (NULL: they stay where they are), and gives the copy of
 * the table in `headers` the sections' addresses: theirs, or what the file says and `slide` more.
 */
void elf_sections_place(const struct module *file, const struct elf_sections *sections, uint8_t *headers,
                        uint8_t *to, gpa_t at, uint64_t slide);
