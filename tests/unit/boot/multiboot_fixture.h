/* Multiboot kernels to load: an ELF file with a header of either version. */
#pragma once

#include "tests/unit/load/load_fixture.h"

/* The kernel's one segment: what lies at 0x400 in the file goes to 1 MiB. */
static const struct elf_piece piece = {0x400, 0xffffffff80100000, 0x100000, 0x1000, 0x3000};

static inline bool load_elf(void)
{
    return load_bytes(elf, sizeof(elf));
}

static inline void put_mb1_header(uint8_t *at, uint32_t flags)
{
    put(at, 0x1badb002, 4);
    put(at + 4, flags, 4);
    put(at + 8, -(0x1badb002 + flags), 4);
}

static inline int begin_mb1(void **state)
{
    make_elf32(0x100010, &piece, 1);
    put_mb1_header(elf + 0x404, 3);
    return begin(state);
}

static inline void give_ramdisk(void)
{
    static uint8_t bytes[5000];

    memset(bytes, 0x5a, sizeof(bytes));
    ramdisk = (struct module){"r", "some arguments", bytes, sizeof(bytes)};
    request.ramdisk = &ramdisk;
}

/* A multiboot2 header at 0x408 of the ELF file, which tests give tags. */
static uint8_t *mb2;
static uint32_t mb2_length;

static inline void finish_mb2(void)
{
    put(mb2, 0xe85250d6, 4);
    put(mb2 + 4, 0, 4);
    put(mb2 + 8, mb2_length, 4);
    put(mb2 + 12, -(0xe85250d6 + mb2_length), 4);
}

static inline void put_tag(uint16_t type, uint16_t flags, const uint32_t *words, unsigned count)
{
    uint8_t *at = mb2 + mb2_length;

    put(at, type, 2);
    put(at + 2, flags, 2);
    put(at + 4, 8 + 4 * count, 4);
    if (count)
        memcpy(at + 8, words, 4 * count);
    mb2_length += (uint32_t)ALIGN_UP(8 + 4 * count, 8);
}

static inline void begin_header(void)
{
    mb2 = elf + 0x408;
    mb2_length = 16;
}

static inline void end_header(void)
{
    put_tag(0, 0, NULL, 0);
    finish_mb2();
}

static inline int begin_mb2(void **state)
{
    make_elf64(0xffffffff80100010, &piece, 1);
    begin_header();
    return begin(state);
}

/* The tag of that type in the information, or 0. */
static inline gpa_t find_tag(uint32_t type)
{
    gpa_t at = entry.rbx + 8, last = entry.rbx + get(entry.rbx, 4);

    while (at < last && get(at, 4) != 0) {
        assert_true(get(at + 4, 4) >= 8);
        if (get(at, 4) == type)
            return at;
        at += ALIGN_UP(get(at + 4, 4), 8);
    }
    if (type == 0) {
        assert_int_equal(get(at + 4, 4), 8);
        assert_int_equal(at + 8, last);
        return at;
    }
    return 0;
}
