/* Section headers of an ELF file, for kernels that look up their own symbols. */
#include "hv/lib/string.h"
#include "hv/load/elf.h"

/* System V ABI, "Sections". */
#define SECTION_NULL   0
#define SECTION_NOBITS 8
#define SECTION_ALLOC  BIT(1)
#define PLACED_ALIGN   16

/* The fields of a header that matter here; `address_at` is where its address lies within it. */
struct section {
    uint32_t type;
    uint64_t flags, address, offset, size;
    unsigned address_at, address_size;
};

static struct section read_section(const uint8_t *header, unsigned size)
{
    struct section section = {0};
    unsigned word = size == ELF64_SECTION ? 8 : 4;

    memcpy(&section.type, header + 4, sizeof(section.type));
    memcpy(&section.flags, header + 8, word);
    memcpy(&section.address, header + 8 + word, word);
    memcpy(&section.offset, header + 8 + 2 * word, word);
    memcpy(&section.size, header + 8 + 3 * word, word);
    section.address_at = 8 + word;
    section.address_size = word;
    return section;
}

/* Whether a section has bytes in the file and no place of its own in memory. */
static bool is_unplaced(const struct module *file, const struct section *section)
{
    return section->type != SECTION_NULL && section->type != SECTION_NOBITS && section->address == 0 &&
           section->size && module_at(file, section->offset, section->size);
}

uint64_t elf_sections_size(const struct module *file, const struct elf_sections *sections)
{
    uint64_t size = 0;

    for (unsigned i = 0; i < sections->count; i++) {
        struct section section = read_section(sections->bytes + i * sections->size, sections->size);

        if (is_unplaced(file, &section))
            size += ALIGN_UP(section.size, PLACED_ALIGN);
    }
    return size;
}

void elf_sections_place(const struct module *file, const struct elf_sections *sections, uint8_t *headers,
                        uint8_t *to, gpa_t at, uint64_t slide)
{
    for (unsigned i = 0; i < sections->count; i++) {
        struct section section = read_section(sections->bytes + i * sections->size, sections->size);
        uint64_t address = section.address;

        if (to && is_unplaced(file, &section)) {
            address = at;
            memcpy(to, file->bytes + section.offset, section.size);
            to += ALIGN_UP(section.size, PLACED_ALIGN);
            at += ALIGN_UP(section.size, PLACED_ALIGN);
        } else if (section.flags & SECTION_ALLOC) {
            address += slide;
        }
        memcpy(headers + i * sections->size + section.address_at, &address, section.address_size);
    }
}
