#include "hv/load/elf.h"

#include "hv/lib/string.h"

/* System V ABI, "ELF Header" and "Program Header". */
#define ELF_CLASS_32     1
#define ELF_CLASS_64     2
#define ELF_LITTLE       1
#define ELF_EXECUTABLE   2
#define ELF_SHARED       3
#define ELF_MACHINE_386  3
#define ELF_MACHINE_X64  62
#define ELF_SEGMENT_LOAD 1

struct elf_ident {
    uint8_t magic[4], class, data, version, abi[9];
    uint16_t type, machine;
    uint32_t file_version;
} PACKED;

struct elf32_header {
    struct elf_ident ident;
    uint32_t entry, phoff, shoff, flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
} PACKED;

struct elf64_header {
    struct elf_ident ident;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
} PACKED;

struct elf32_segment {
    uint32_t type, offset, vaddr, paddr, filesz, memsz, flags, align;
} PACKED;

struct elf64_segment {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
} PACKED;

/* Where a file's program headers are. */
struct program_headers {
    uint64_t offset;
    uint16_t size, count;
};

bool elf_recognise(const struct module *file)
{
    return file->size >= 4 && memcmp(file->bytes, "\177ELF", 4) == 0;
}

/* What is wrong with them keeps no kernel from starting. */
static void read_sections(const struct module *file, bool is_64, uint64_t offset, struct elf_sections *out)
{
    out->bytes = module_at(file, offset, (uint64_t)out->count * out->size);
    if (!offset || !out->bytes || out->size != (is_64 ? ELF64_SECTION : ELF32_SECTION))
        out->count = 0;
}

static bool read_header(struct loader *loader, const struct module *file, struct elf_image *image,
                        struct program_headers *headers)
{
    const struct elf_ident *ident = module_at(file, 0, sizeof(*ident));
    const struct elf32_header *h32 = module_at(file, 0, sizeof(*h32));
    const struct elf64_header *h64 = module_at(file, 0, sizeof(*h64));

    image->is_64 = ident && ident->class == ELF_CLASS_64;
    if (!ident || (image->is_64 ? !h64 : !h32))
        return loader_refuse(loader, "an ELF file of only %lu bytes; copy it again", file->size);
    if (ident->data != ELF_LITTLE || (ident->class != ELF_CLASS_32 && !image->is_64) ||
        ident->machine != (image->is_64 ? ELF_MACHINE_X64 : ELF_MACHINE_386))
        return loader_refuse(
            loader,
            "an ELF file of class %u, byte order %u, machine %u; needed is a little-endian one "
            "for x86-64 (class 2, machine 62) or x86 (class 1, machine 3)",
            ident->class, ident->data, ident->machine);
    if (ident->type != ELF_EXECUTABLE && ident->type != ELF_SHARED)
        return loader_refuse(
            loader, "an ELF file of type %u; needed is an executable (type 2): was it linked?", ident->type);
    if (image->is_64) {
        image->entry = h64->entry;
        *headers = (struct program_headers){h64->phoff, h64->phentsize, h64->phnum};
        image->sections = (struct elf_sections){NULL, h64->shnum, h64->shentsize, h64->shstrndx};
        read_sections(file, true, h64->shoff, &image->sections);
    } else {
        image->entry = h32->entry;
        *headers = (struct program_headers){h32->phoff, h32->phentsize, h32->phnum};
        image->sections = (struct elf_sections){NULL, h32->shnum, h32->shentsize, h32->shstrndx};
        read_sections(file, false, h32->shoff, &image->sections);
    }
    if (headers->size != (image->is_64 ? sizeof(struct elf64_segment) : sizeof(struct elf32_segment)))
        return loader_refuse(loader, "an ELF file with program headers of %u bytes; needed are %lu-byte ones",
                             headers->size,
                             image->is_64 ? sizeof(struct elf64_segment) : sizeof(struct elf32_segment));
    return true;
}

static uint32_t read_segment(const uint8_t *bytes, bool is_64, struct elf_segment *segment)
{
    struct elf64_segment s64;
    struct elf32_segment s32;

    if (is_64) {
        memcpy(&s64, bytes, sizeof(s64));
        *segment = (struct elf_segment){s64.offset, s64.filesz, s64.paddr, s64.vaddr, s64.memsz};
        return s64.type;
    }
    memcpy(&s32, bytes, sizeof(s32));
    *segment = (struct elf_segment){s32.offset, s32.filesz, s32.paddr, s32.vaddr, s32.memsz};
    return s32.type;
}

static bool check_segment(struct loader *loader, const struct module *file, const struct elf_segment *segment)
{
    if (segment->file_size > segment->size)
        return loader_refuse(loader,
                             "a damaged ELF file: a segment has %lu bytes in the file and %lu in memory",
                             segment->file_size, segment->size);
    if (!module_at(file, segment->offset, segment->file_size))
        return loader_refuse(loader,
                             "a truncated ELF file: found %lu bytes, needed %lu more than 0x%lx; copy it "
                             "again",
                             file->size, segment->file_size, segment->offset);
    return true;
}

bool elf_read(struct loader *loader, const struct module *file, struct elf_image *image)
{
    struct program_headers headers = {0};
    const uint8_t *bytes;

    image->count = 0;
    if (!read_header(loader, file, image, &headers))
        return false;
    bytes = module_at(file, headers.offset, (uint64_t)headers.count * headers.size);
    if (!bytes)
        return loader_refuse(
            loader,
            "a truncated ELF file: found %lu bytes, and its %u program headers are at 0x%lx; "
            "copy it again",
            file->size, headers.count, headers.offset);
    for (unsigned i = 0; i < headers.count; i++) {
        struct elf_segment segment;

        if (read_segment(bytes + (size_t)i * headers.size, image->is_64, &segment) != ELF_SEGMENT_LOAD ||
            segment.size == 0)
            continue;
        if (!check_segment(loader, file, &segment))
            return false;
        if (image->count == ELF_SEGMENTS_MOST)
            return loader_refuse(loader, "an ELF file with more than %u segments to load; link it with fewer",
                                 ELF_SEGMENTS_MOST);
        image->segments[image->count++] = segment;
    }
    if (image->count == 0)
        return loader_refuse(loader,
                             "an ELF file without a segment to load: was it linked as an executable?");
    return true;
}

/* Takes the memory of the segments: those that overlap as one piece. */
static bool claim_segments(struct loader *loader, const struct elf_image *image)
{
    struct {
        gpa_t first, end;
    } pieces[ELF_SEGMENTS_MOST], piece;
    unsigned count = 0;

    for (unsigned i = 0; i < image->count; i++) {
        piece.first = image->segments[i].address;
        piece.end = piece.first + image->segments[i].size;
        if (piece.end < piece.first)
            piece.end = UINT64_MAX; /* which is no RAM, as claiming it will say */
        for (unsigned at = 0; at < count;) {
            if (piece.first >= pieces[at].end || piece.end <= pieces[at].first) {
                at++;
                continue;
            }
            piece.first = MIN(piece.first, pieces[at].first);
            piece.end = MAX(piece.end, pieces[at].end);
            pieces[at] = pieces[--count];
        }
        pieces[count++] = piece;
    }
    /* The last one lies highest as a rule: a VM that is too small hears at once how much it needs. */
    while (count-- > 0)
        if (!loader_claim(loader, "a segment of the kernel", pieces[count].first,
                          pieces[count].end - pieces[count].first))
            return false;
    return true;
}

bool elf_load(struct loader *loader, const struct module *file, const struct elf_image *image)
{
    if (!claim_segments(loader, image))
        return false;
    /* In the file's order, as GRUB does it: where two overlap, the later one stays. */
    for (unsigned i = 0; i < image->count; i++) {
        const struct elf_segment *segment = &image->segments[i];
        uint8_t *to = guest_ptr(loader->memory, segment->address, segment->size);

        memcpy(to, file->bytes + segment->offset, segment->file_size);
        memset(to + segment->file_size, 0, segment->size - segment->file_size);
    }
    return true;
}

bool elf_entry(struct loader *loader, const struct elf_image *image, gpa_t *entry)
{
    for (unsigned i = 0; i < image->count; i++) {
        *entry = image->entry;
        if (*entry >= image->segments[i].address &&
            *entry - image->segments[i].address < image->segments[i].size)
            return true;
    }
    for (unsigned i = 0; i < image->count; i++) {
        const struct elf_segment *segment = &image->segments[i];

        if (image->entry >= segment->virtual_address &&
            image->entry - segment->virtual_address < segment->size) {
            *entry = image->entry - segment->virtual_address + segment->address;
            return true;
        }
    }
    return loader_refuse(
        loader, "its entry point 0x%lx is in none of the segments that are loaded; relink it", image->entry);
}

gpa_t elf_start(const struct elf_image *image)
{
    gpa_t start = UINT64_MAX;

    for (unsigned i = 0; i < image->count; i++)
        start = MIN(start, image->segments[i].address);
    return start;
}

gpa_t elf_end(const struct elf_image *image)
{
    gpa_t end = 0;

    for (unsigned i = 0; i < image->count; i++)
        end = MAX(end, image->segments[i].address + image->segments[i].size);
    return end;
}
