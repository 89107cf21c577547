/* A VM to load kernels into, for the tests of hv/load/. */
#pragma once

#include "hv/load/guest_map.h"
#include "hv/load/load.h"
#include "tests/unit/fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct guest_mem memory;
static uint8_t *ram;
static struct entry_state entry;
static char reason[512];

/* The request, which tests change before they load; each begins with an empty command line and no ramdisk. */
static struct load_request request;
static struct module kernel, ramdisk;
static uint8_t *kernel_bytes;

static void give_memory(uint64_t bytes)
{
    free(ram);
    ram = calloc(1, bytes);
    memset(&memory, 0, sizeof(memory));
    memory.count = guest_map_split(bytes, memory.regions);
    for (unsigned i = 0; i < memory.count; i++)
        memory.regions[i].host = ram + memory.regions[i].first;
}

static int begin(void **state)
{
    (void)state;
    fake_reset();
    give_memory(MIB(64));
    kernel = (struct module){.name = "k", .arguments = ""};
    ramdisk = (struct module){.name = "r", .arguments = ""};
    request = (struct load_request){.kernel = &kernel, .cmdline = "", .vcpus = 1};
    return 0;
}

static int end(void **state)
{
    (void)state;
    free(ram);
    free(kernel_bytes);
    ram = kernel_bytes = NULL;
    return 0;
}

/* Loads a copy of the kernel's first `size` bytes that has nothing behind it. */
static bool load_bytes(const void *bytes, uint64_t size)
{
    free(kernel_bytes);
    kernel_bytes = malloc(size ? size : 1);
    memcpy(kernel_bytes, bytes, size);
    kernel.bytes = kernel_bytes;
    kernel.size = size;
    reason[0] = 0;
    return load_guest(&memory, &request, &entry, reason, sizeof(reason));
}

static void assert_refused(bool loaded, const char *words)
{
    assert_false(loaded);
    assert_memory_equal(reason, "kernel k: ", 10);
    if (!strstr(reason, words))
        fail_msg("not said: %s\nbut: %s", words, reason);
}

static void assert_loaded(bool loaded)
{
    if (!loaded)
        fail_msg("%s", reason);
}

static uint64_t get(gpa_t at, unsigned size)
{
    uint64_t value = 0;

    memcpy(&value, ram + at, size);
    return value;
}

static inline void put(uint8_t *to, uint64_t value, unsigned size)
{
    memcpy(to, &value, size);
}

static inline void assert_flat_gdt(uint64_t code)
{
    assert_int_equal(entry.cs, 0x10);
    assert_int_equal(entry.ds, 0x18);
    assert_int_equal(entry.ss, 0x18);
    assert_int_equal(entry.gdt_limit, 31);
    assert_int_equal(get(entry.gdt, 8), 0);
    assert_int_equal(get(entry.gdt + 0x10, 8), code);
    assert_int_equal(get(entry.gdt + 0x18, 8), 0x00cf93000000ffff);
}

#define CODE32 0x00cf9b000000ffff
#define CODE64 0x00af9b000000ffff

/* A small ELF file: a header, `count` program headers, then `size` bytes at 0x400. */
struct elf_piece {
    uint64_t offset, virtual_address, address, file_size, size;
};

static uint8_t elf[0x2000];

static inline void make_elf64(uint64_t start, const struct elf_piece *pieces, unsigned count)
{
    memset(elf, 0, sizeof(elf));
    memcpy(elf, "\177ELF\2\1\1", 7);
    put(elf + 16, 2, 2);
    put(elf + 18, 62, 2);
    put(elf + 20, 1, 4);
    put(elf + 24, start, 8);
    put(elf + 32, 64, 8);
    put(elf + 54, 56, 2);
    put(elf + 56, count, 2);
    for (unsigned i = 0; i < count; i++) {
        uint8_t *head = elf + 64 + 56 * i;

        put(head, 1, 4);
        put(head + 8, pieces[i].offset, 8);
        put(head + 16, pieces[i].virtual_address, 8);
        put(head + 24, pieces[i].address, 8);
        put(head + 32, pieces[i].file_size, 8);
        put(head + 40, pieces[i].size, 8);
    }
    for (unsigned i = 0x400; i < sizeof(elf); i++)
        elf[i] = (uint8_t)(i * 7 + 1);
}

static inline void make_elf32(uint32_t start, const struct elf_piece *pieces, unsigned count)
{
    make_elf64(0, NULL, 0);
    elf[4] = 1;
    put(elf + 18, 3, 2);
    put(elf + 24, start, 4);
    put(elf + 28, 52, 4);
    put(elf + 32, 0, 8);
    put(elf + 42, 32, 2);
    put(elf + 44, count, 2);
    put(elf + 54, 0, 4);
    for (unsigned i = 0; i < count; i++) {
        uint8_t *head = elf + 52 + 32 * i;

        put(head, 1, 4);
        put(head + 4, pieces[i].offset, 4);
        put(head + 8, pieces[i].virtual_address, 4);
        put(head + 12, pieces[i].address, 4);
        put(head + 16, pieces[i].file_size, 4);
        put(head + 20, pieces[i].size, 4);
    }
}
