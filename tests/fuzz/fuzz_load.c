/*
 * Guest images. The input's first bytes choose a well-formed image and the VM; each four bytes after them
 * change one word of the image, so that the fuzzer gets past the magic numbers.
 */
#include "hv/load/guest_map.h"
#include "hv/load/load.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/fake.h"

#include <string.h>

#define IMAGE_SIZE 0x2000

static uint8_t image[IMAGE_SIZE];

static void put(unsigned at, uint64_t value, unsigned size)
{
    memcpy(image + at, &value, size);
}

static void make_bzimage(void)
{
    image[0x1f1] = 1;
    put(0x1f4, 0x1c00 / 16, 4);
    put(0x1fe, 0xaa55, 2);
    put(0x200, 0x6aeb, 2);
    memcpy(image + 0x202, "HdrS", 4);
    put(0x206, 0x20f, 2);
    image[0x211] = 1;
    put(0x214, 0x100000, 4);
    put(0x22c, 0x7fffffff, 4);
    put(0x230, 0x1000, 4);
    image[0x234] = 1;
    put(0x236, 1, 2);
    put(0x238, 2047, 4);
    put(0x258, 0x100000, 8);
    put(0x260, 0x10000, 4);
}

/* Two segments, the second with a bss. */
static void make_elf64(void)
{
    static const uint64_t heads[2][6] = {
        {0x400, 0x100000, 0x100000, 0x1000, 0x1000, 0},
        {0x1400, 0x110000, 0x110000, 0x800, 0x8000, 0},
    };

    memcpy(image, "\177ELF\2\1\1", 7);
    put(16, 2, 2);
    put(18, 62, 2);
    put(24, 0x100000, 8);
    put(32, 64, 8);
    put(54, 56, 2);
    put(56, 2, 2);
    for (unsigned i = 0; i < 2; i++) {
        put(64 + 56 * i, 1, 8);
        memcpy(image + 64 + 56 * i + 8, heads[i], sizeof(heads[i]));
    }
}

static void make_elf32(void)
{
    static const uint32_t head[] = {1, 0x400, 0x100000, 0x100000, 0x1000, 0x3000, 7, 0};

    memcpy(image, "\177ELF\1\1\1", 7);
    put(16, 2, 2);
    put(18, 3, 2);
    put(24, 0x100000, 4);
    put(28, 52, 4);
    put(42, 32, 2);
    put(44, 1, 2);
    memcpy(image + 52, head, sizeof(head));
}

static void make_mb1(void)
{
    static const uint32_t header[] = {0x1badb002, 0x10003, 0, 0x100404, 0x100000, 0, 0x108000, 0x100440};

    make_elf32();
    memcpy(image + 0x404, header, sizeof(header));
}

static void make_mb2(void)
{
    static const uint32_t header[] = {
        0xe85250d6, 0,        0x60, 0,  1,        16, 6,           3,  2 | 0 << 16, 24, 0x100408, 0x100000,
        0,          0x108000, 3,    12, 0x100500, 0,  4 | 1 << 16, 12, 0,           0,  0,        8,
    };

    make_elf64();
    memcpy(image + 0x408, header, sizeof(header));
}

static void make_nothing(void)
{
}

static void (*const templates[])(void) = {make_bzimage, make_elf64, make_elf32,
                                          make_mb1,     make_mb2,   make_nothing};

static uint32_t word(unsigned at)
{
    uint32_t value;

    memcpy(&value, image + at, sizeof(value));
    return value;
}

/* Changes are 2 bytes of place and kind, and 2 of value: a byte, or a word with one of its halves set. */
static void change(const uint8_t *data, size_t size)
{
    for (; size >= 4; data += 4, size -= 4) {
        unsigned at = (data[0] | data[1] << 8) & (IMAGE_SIZE - 1), kind = data[1] >> 5;
        uint16_t value = (uint16_t)(data[2] | data[3] << 8);

        if (kind & 4)
            at &= 0x7ff; /* where the headers are */
        if (at > IMAGE_SIZE - 8)
            continue;
        if ((kind & 3) == 0)
            image[at] = (uint8_t)value;
        else
            put(at, (uint64_t)value << (kind & 3) * 8, 4);
    }
}

static struct guest_mem *make_memory(unsigned choice)
{
    static const uint64_t sizes[] = {MIB(1), MIB(2), MIB(3), MIB(4)};
    static struct guest_mem memories[ARRAY_LENGTH(sizes)];
    struct guest_mem *memory = &memories[choice % ARRAY_LENGTH(sizes)];

    if (memory->count == 0) {
        memory->count = guest_map_split(sizes[choice % ARRAY_LENGTH(sizes)], memory->regions);
        for (unsigned i = 0; i < memory->count; i++)
            memory->regions[i].host = calloc(1, memory->regions[i].size);
    }
    return memory;
}

/* A guest that was loaded starts in its own RAM, with what it was promised there. */
static void check(const struct guest_mem *memory, const struct entry_state *entry)
{
    uint64_t base = entry->mode == ENTRY_REAL ? entry->cs * UINT64_C(16) : 0;

    MUST(entry->rip <= UINT32_MAX && guest_ptr(memory, base + entry->rip, 1));
    if (entry->mode != ENTRY_REAL)
        MUST(guest_ptr(memory, entry->gdt, entry->gdt_limit + UINT64_C(1)) &&
             entry->cs + 7 <= entry->gdt_limit);
    if (entry->mode == ENTRY_LONG)
        MUST(guest_ptr(memory, entry->cr3, PAGE_SIZE));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char cmdline[] = "console=ttyS0", reason[200];
    struct module kernel = {"k", "", NULL, IMAGE_SIZE}, ramdisk = {"r", "x", image, 0x1234};
    struct load_request request = {.kernel = &kernel, .cmdline = cmdline, .vcpus = 1, .acpi_rsdp = 0xe0000};
    struct guest_mem *memory;
    struct entry_state entry;
    uint8_t *bytes;

    if (size < 8)
        return 0;
    memset(image, 0, sizeof(image));
    templates[data[0] % ARRAY_LENGTH(templates)]();
    change(data + 8, size - 8);
    if (data[1] & 1) /* the checksums of multiboot and multiboot2 */
        put(0x40c, 0u - word(0x404) - word(0x408), 4);
    if (data[1] & 2)
        put(0x414, 0u - word(0x408) - word(0x40c) - word(0x410), 4);
    if (data[1] & 4)
        request.ramdisk = &ramdisk;
    if (data[1] & 8)
        kernel.size = (data[2] | data[3] << 8) % IMAGE_SIZE;
    if (data[1] & 16) {
        request.format = FORMAT_FLAT;
        request.flat_load = request.flat_entry = (uint64_t)(data[2] | data[3] << 8) << (data[4] % 24);
        request.flat_mode = data[5] % 3;
    }
    memory = make_memory(data[6]);
    bytes = malloc(kernel.size ? kernel.size : 1); /* nothing behind its last byte */
    memcpy(bytes, image, kernel.size);
    kernel.bytes = bytes;
    reason[0] = 0;
    if (load_guest(memory, &request, &entry, reason, sizeof(reason)))
        check(memory, &entry);
    else
        MUST(reason[0]); /* never silent */
    free(bytes);
    return 0;
}
