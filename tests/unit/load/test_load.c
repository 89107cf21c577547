/* Linux and flat kernels. Offsets are read from the boot protocol here, not from Keel's own structures. */
#include "tests/unit/load/load_fixture.h"

#define ZERO_PAGE     entry.rsi

/* A bzImage with 3 setup sectors and 8 KiB of kernel, as a relocatable 64-bit one of protocol 2.15 is. */
#define KERNEL_OFFSET (4 * 512)
#define KERNEL_SIZE   8192
static uint8_t image[KERNEL_OFFSET + KERNEL_SIZE];

static void make_bzimage(void)
{
    memset(image, 0, sizeof(image));
    for (unsigned i = 0; i < KERNEL_SIZE; i++)
        image[KERNEL_OFFSET + i] = (uint8_t)(i * 13 + 5);
    image[0x1f1] = 3;
    put(image + 0x1f4, KERNEL_SIZE / 16, 4);
    put(image + 0x1fe, 0xaa55, 2);
    put(image + 0x200, 0x6aeb, 2); /* the header ends at 0x26c */
    memcpy(image + 0x202, "HdrS", 4);
    put(image + 0x206, 0x20f, 2);
    image[0x211] = 1;
    put(image + 0x214, 0x100000, 4);
    put(image + 0x22c, 0x7fffffff, 4);
    put(image + 0x230, 0x200000, 4);
    image[0x234] = 1;
    put(image + 0x236, 3, 2);
    put(image + 0x238, 2047, 4);
    put(image + 0x258, 0x1000000, 8);
    put(image + 0x260, 0x300000, 4);
    put(image + 0x250, 0xdead, 8); /* setup_data: the loader's to set */
}

static bool load_bzimage(void)
{
    return load_bytes(image, sizeof(image));
}

static int begin_bzimage(void **state)
{
    make_bzimage();
    return begin(state);
}

static void a_64_bit_kernel_starts_at_its_64_bit_entry(void **state)
{
    (void)state;
    assert_loaded(load_bzimage());
    assert_int_equal(entry.mode, ENTRY_LONG);
    assert_int_equal(entry.rip, 0x1000200);
    assert_int_equal(entry.rbx | entry.rdi | entry.rax, 0);
    assert_memory_equal(ram + 0x1000000, image + KERNEL_OFFSET, KERNEL_SIZE);
    assert_flat_gdt(CODE64);
}

static void without_one_it_starts_at_its_32_bit_entry(void **state)
{
    (void)state;
    put(image + 0x236, 2, 2);
    assert_loaded(load_bzimage());
    assert_int_equal(entry.mode, ENTRY_PROTECTED);
    assert_int_equal(entry.rip, 0x1000000);
    assert_int_equal(entry.rbx | entry.rdi | entry.cr3, 0);
    assert_flat_gdt(CODE32);
    put(image + 0x236, 1, 2); /* before 2.12 these bits meant nothing */
    put(image + 0x206, 0x20b, 2);
    assert_loaded(load_bzimage());
    assert_int_equal(entry.mode, ENTRY_PROTECTED);
}

static void the_low_4_gib_are_mapped_to_themselves(void **state)
{
    static const uint64_t probes[] = {0,          0x1fffff,   0x200000,   0x12345678,
                                      0xbfffffff, 0xc0000000, 0xfee00000, 0xffffffff};

    (void)state;
    assert_loaded(load_bzimage());
    for (unsigned i = 0; i < ARRAY_LENGTH(probes); i++) {
        uint64_t at = probes[i], e4 = get(entry.cr3 + (at >> 39) * 8, 8), e3, e2;

        assert_int_equal(e4 & 0xfff & ~0x20, 3);
        e3 = get((e4 & ~0xfffull) + (at >> 30 & 511) * 8, 8);
        assert_int_equal(e3 & 0xfff & ~0x20, 3);
        e2 = get((e3 & ~0xfffull) + (at >> 21 & 511) * 8, 8);
        assert_int_equal(e2 & 0x83, 0x83);
        assert_int_equal((e2 & ~0x1fffffull) | (at & 0x1fffff), at);
    }
    for (unsigned i = 1; i < 512; i++)
        assert_int_equal(get(entry.cr3 + 8 * i, 8), 0);
}

static void the_zero_page_has_the_header_and_nothing_else_of_the_file(void **state)
{
    (void)state;
    memset(image, 0xcc, 0x1f1);
    memset(image + 0x26c, 0xcc, 0x400 - 0x26c);
    assert_loaded(load_bzimage());
    for (unsigned i = 0; i < 0x1f1; i++)
        if (i != 0x1e8 && (i < 0x70 || i >= 0x78))
            assert_int_equal(get(ZERO_PAGE + i, 1), 0);
    for (unsigned i = 0x26c; i < 0x2d0; i++)
        assert_int_equal(get(ZERO_PAGE + i, 1), 0);
    assert_memory_equal(ram + ZERO_PAGE + 0x1f1, image + 0x1f1, 0x210 - 0x1f1);
    assert_int_equal(get(ZERO_PAGE + 0x210, 1), 0xff);
    assert_int_equal(get(ZERO_PAGE + 0x211, 1), 1);
    assert_int_equal(get(ZERO_PAGE + 0x214, 4), 0x1000000);
    assert_int_equal(get(ZERO_PAGE + 0x218, 8), 0);
    assert_int_equal(get(ZERO_PAGE + 0x250, 8), 0);
    assert_int_equal(get(ZERO_PAGE + 0x258, 8), 0x1000000);
}

static void the_e820_map_is_the_vms(void **state)
{
    struct guest_map map;

    (void)state;
    give_memory(MIB(32));
    guest_map_build(&memory, &map);
    assert_loaded(load_bzimage());
    assert_int_equal(get(ZERO_PAGE + 0x1e8, 1), map.count);
    for (unsigned i = 0; i < map.count; i++) {
        assert_int_equal(get(ZERO_PAGE + 0x2d0 + 20 * i, 8), map.ranges[i].first);
        assert_int_equal(get(ZERO_PAGE + 0x2d8 + 20 * i, 8), map.ranges[i].size);
        assert_int_equal(get(ZERO_PAGE + 0x2e0 + 20 * i, 4), map.ranges[i].type);
    }
}

static void the_command_line_is_passed_to_its_last_byte(void **state)
{
    char text[2100];

    (void)state;
    memset(text, 'x', sizeof(text));
    text[2047] = 0;
    request.cmdline = text;
    assert_loaded(load_bzimage());
    assert_string_equal((char *)ram + get(ZERO_PAGE + 0x228, 4), text);
    text[2047] = 'x';
    text[2048] = 0;
    assert_refused(load_bzimage(), "its command line has 2048 bytes; this kernel takes at most 2047");
    put(image + 0x238, 0xffffffff, 4); /* what the header allows is bounded by the room */
    assert_loaded(load_bzimage());
}

static void the_rsdp_is_passed_from_protocol_2_14_on(void **state)
{
    (void)state;
    request.acpi_rsdp = 0xe0000;
    assert_loaded(load_bzimage());
    assert_int_equal(get(ZERO_PAGE + 0x70, 8), 0xe0000);
    put(image + 0x206, 0x20d, 2);
    assert_loaded(load_bzimage());
    assert_int_equal(get(ZERO_PAGE + 0x70, 8), 0);
}

static void give_ramdisk(uint64_t size)
{
    static uint8_t bytes[MIB(1)];

    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 3 + 1);
    assert_true(size <= sizeof(bytes));
    ramdisk.bytes = bytes;
    ramdisk.size = size;
    request.ramdisk = &ramdisk;
}

static void the_ramdisk_lies_at_the_top_of_low_memory(void **state)
{
    (void)state;
    give_ramdisk(5000);
    assert_loaded(load_bzimage());
    assert_int_equal(get(ZERO_PAGE + 0x218, 4), MIB(64) - 8192);
    assert_int_equal(get(ZERO_PAGE + 0x21c, 4), 5000);
    assert_memory_equal(ram + MIB(64) - 8192, ramdisk.bytes, 5000);
    put(image + 0x22c, MIB(48) - 1, 4); /* initrd_addr_max */
    assert_loaded(load_bzimage());
    assert_int_equal(get(ZERO_PAGE + 0x218, 4), MIB(48) - 8192);
}

static void the_ramdisk_goes_below_a_kernel_that_fills_the_top(void **state)
{
    (void)state;
    give_memory(MIB(20));
    put(image + 0x260, MIB(4), 4); /* init_size: to the end of RAM */
    give_ramdisk(MIB(1));
    assert_loaded(load_bzimage());
    assert_int_equal(get(ZERO_PAGE + 0x218, 4), MIB(15));
}

static void a_ramdisk_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    give_ramdisk(MIB(1));
    put(image + 0x22c, MIB(2) - 2, 4);
    assert_refused(load_bzimage(), "its ramdisk r needs 1024 KiB");
    put(image + 0x22c, 0, 4);
    assert_refused(load_bzimage(), "its ramdisk r needs 1024 KiB");
    put(image + 0x22c, MIB(2) - 1, 4);
    assert_loaded(load_bzimage());
    assert_int_equal(get(ZERO_PAGE + 0x218, 4), MIB(1));
    ramdisk.size = 0;
    assert_refused(load_bzimage(), "its ramdisk r is an empty file");
    ramdisk.size = UINT64_MAX - 5;
    assert_refused(load_bzimage(), "its ramdisk r needs");
    ramdisk.size = GIB(4);
    assert_refused(load_bzimage(), "its ramdisk r needs 4194304 KiB");
}

static void a_relocatable_kernel_is_aligned(void **state)
{
    (void)state;
    put(image + 0x258, 0x1000001, 8);
    assert_loaded(load_bzimage());
    assert_int_equal(entry.rip, 0x1200200);
    assert_int_equal(get(ZERO_PAGE + 0x214, 4), 0x1200000);
}

static void one_that_is_not_is_loaded_where_it_says_and_moves_itself(void **state)
{
    (void)state;
    image[0x234] = 0;
    assert_loaded(load_bzimage());
    assert_int_equal(entry.rip, 0x100200);
    assert_memory_equal(ram + 0x100000, image + KERNEL_OFFSET, KERNEL_SIZE);
    give_ramdisk(MIB(1));
    give_memory(MIB(20)); /* 0x100000 to 0x1300000 is the kernel's: 1 MiB is left above it */
    assert_loaded(load_bzimage());
    assert_int_equal(get(ZERO_PAGE + 0x218, 4), MIB(19));
}

static void too_little_memory_is_said_with_what_suffices(void **state)
{
    (void)state;
    give_memory(MIB(16));
    assert_refused(load_bzimage(), "give it memory = 19M");
    give_memory(MIB(19));
    assert_loaded(load_bzimage());
}

static void a_truncated_kernel_is_named_with_found_and_needed_bytes(void **state)
{
    char words[64];

    (void)state;
    for (uint64_t size = 0x300; size <= sizeof(image) - 16; size += 123) {
        snprintf(words, sizeof(words), "truncated Linux bzImage: found %u bytes, needed %zu", (unsigned)size,
                 sizeof(image));
        assert_refused(load_bytes(image, size), words);
    }
    for (uint64_t size = 0; size < 0x300; size++)
        assert_false(load_bytes(image, size));
    assert_refused(load_bytes(image, sizeof(image) - 16), "truncated Linux bzImage");
    for (uint64_t size = sizeof(image) - 15; size <= sizeof(image); size++) /* its size is in paragraphs */
        assert_loaded(load_bytes(image, size));
}

static void setup_sects_0_means_4(void **state)
{
    (void)state;
    image[0x1f1] = 0;
    assert_refused(load_bzimage(), "needed 10752"); /* 5 * 512 + 8192 */
}

static void damaged_headers_are_refused(void **state)
{
    static const struct {
        unsigned offset, size;
        uint64_t value;
        const char *words;
    } damages[] = {
        {0x1fe, 2, 0x55aa, "boot_flag is 0x55aa, needed 0xaa55"},
        {0x206, 2, 0x209, "Linux boot protocol 2.09; needed is 2.10 or later"},
        {0x206, 2, 0x000, "Linux boot protocol 0.00"},
        {0x201, 1, 0x20, "a damaged header: 49 bytes long"},
        {0x201, 1, 0x00, "setup header ends in the middle (17 bytes"},
        {0x211, 1, 0x00, "a Linux zImage"},
        {0x230, 4, 0x300000, "kernel_alignment is 0x300000"},
        {0x230, 4, 0, "kernel_alignment is 0x0"},
        {0x1f4, 4, 0, "syssize 0x0"},
        {0x1f4, 4, 0x20, "says the kernel has 512 bytes"},
        {0x1f4, 4, 0xffffffff, "truncated Linux bzImage"},
        {0x258, 8, 0xffffffffffffffff, "the kernel needs"},
        {0x258, 8, 0xffffffffffe00000, "the kernel needs"},
        {0x258, 8, 0xc0000000, "which is not RAM in a VM"},
        {0x258, 8, 0, "which is not RAM in a VM"},
        {0x260, 4, 0xffffffff, "which is not RAM in a VM"},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(damages); i++) {
        make_bzimage();
        put(image + damages[i].offset, damages[i].value, damages[i].size);
        assert_refused(load_bzimage(), damages[i].words);
    }
}

static void any_byte_of_the_header_may_be_anything(void **state)
{
    (void)state;
    give_memory(MIB(20));
    for (unsigned at = 0x1f1; at < 0x270; at++)
        for (unsigned value = 0; value < 256; value += 51) {
            make_bzimage();
            image[at] = (uint8_t)value;
            load_bzimage();
        }
}

static const struct elf_piece vmlinux[] = {
    {0x400, 0xffffffff81000000, 0x1000000, 0x800, 0x1000},
    {0xc00, 0, 0x1200000, 0x300, 0x300},
    {0xf00, 0xffffffff81300000, 0x1300000, 0x100, 0x100000},
};

static bool load_elf(void)
{
    return load_bytes(elf, sizeof(elf));
}

static void a_vmlinux_starts_where_it_was_linked(void **state)
{
    (void)state;
    make_elf64(0x1000123, vmlinux, 3);
    memset(ram + 0x1000800, 0xee, 0x800);
    request.cmdline = "quiet";
    request.acpi_rsdp = 0xe0000;
    assert_loaded(load_elf());
    assert_int_equal(entry.mode, ENTRY_LONG);
    assert_int_equal(entry.rip, 0x1000123);
    assert_memory_equal(ram + 0x1000000, elf + 0x400, 0x800);
    assert_memory_equal(ram + 0x1200000, elf + 0xc00, 0x300);
    assert_memory_equal(ram + 0x1300000, elf + 0xf00, 0x100);
    for (unsigned i = 0x800; i < 0x1000; i++)
        assert_int_equal(ram[0x1000000 + i], 0);
    assert_memory_equal(ram + ZERO_PAGE + 0x202, "HdrS", 4);
    assert_int_equal(get(ZERO_PAGE + 0x1fe, 2), 0xaa55);
    assert_true(get(ZERO_PAGE + 0x206, 2) >= 0x20c);
    assert_int_equal(get(ZERO_PAGE + 0x210, 1), 0xff);
    assert_string_equal((char *)ram + get(ZERO_PAGE + 0x228, 4), "quiet");
    assert_int_equal(get(ZERO_PAGE + 0x70, 8), 0xe0000);
    assert_flat_gdt(CODE64);
}

static void its_ramdisk_keeps_clear_of_its_bss(void **state)
{
    (void)state;
    make_elf64(0x1000000, vmlinux, 3);
    give_memory(MIB(20));
    give_ramdisk(KIB(64));
    assert_loaded(load_elf());
    assert_int_equal(get(ZERO_PAGE + 0x218, 4), 0x12f0000); /* the third segment reaches the end of RAM */
}

static void a_virtual_entry_point_is_translated(void **state)
{
    (void)state;
    make_elf64(0xffffffff81000123, vmlinux, 3);
    assert_loaded(load_elf());
    assert_int_equal(entry.rip, 0x1000123);
    make_elf64(0x5000000, vmlinux, 3);
    assert_refused(load_elf(), "its entry point 0x5000000 is in none of the segments");
}

static void segments_must_be_ram(void **state)
{
    struct elf_piece pieces[2] = {vmlinux[0], {0xc00, 0, 0x1001000, 0x10, 0x10}};

    (void)state;
    make_elf64(0x1000000, pieces, 2);
    assert_loaded(load_elf());
    pieces[1].address = 0x4000000 - 0xf;
    make_elf64(0x1000000, pieces, 2);
    assert_refused(load_elf(), "give it memory = 65M");
    pieces[1].address = 0x9fbff;
    make_elf64(0x1000000, pieces, 2);
    assert_refused(load_elf(), "which is not RAM in a VM");
    pieces[1].address = UINT64_MAX - 5;
    make_elf64(0x1000000, pieces, 2);
    assert_refused(load_elf(), "which is not RAM in a VM");
    pieces[1] = (struct elf_piece){0xc00, 0, 0x1100000, 0, UINT64_MAX};
    make_elf64(0x1000000, pieces, 2);
    assert_refused(load_elf(), "which is not RAM in a VM");
}

/* As GRUB does it: in the file's order, what an earlier one left beneath is written over, zeros too. */
static void of_overlapping_segments_the_later_one_stays(void **state)
{
    const struct elf_piece pieces[] = {
        {0x400, 0, 0x1000000, 0x300, 0x300},
        {0x800, 0, 0x1000800, 0x100, 0x100},
        {0xc00, 0, 0x1000200, 0x40, 0x700}, /* reaches into both, and its zeros over the second's start */
        {0xe00, 0, 0x1000210, 0x08, 0x08},
    };
    static const uint8_t zeros[0x700 - 0x40];

    (void)state;
    make_elf64(0x1000000, pieces, 4);
    memset(ram + 0x1000000, 0xcc, 0x1000);
    assert_loaded(load_elf());
    assert_memory_equal(ram + 0x1000000, elf + 0x400, 0x200);
    assert_memory_equal(ram + 0x1000200, elf + 0xc00, 0x10);
    assert_memory_equal(ram + 0x1000210, elf + 0xe00, 8);
    assert_memory_equal(ram + 0x1000218, elf + 0xc18, 0x28);
    assert_memory_equal(ram + 0x1000240, zeros, sizeof(zeros));
    assert_int_equal(get(0x1000900, 8), 0xcccccccccccccccc);
}

static bool within(gpa_t at, gpa_t first, uint64_t size)
{
    return at >= first && at - first < size;
}

/* What Keel starts it with then lies below it, and nothing of it within it. */
static void kernels_at_the_end_of_base_memory_load(void **state)
{
    static const gpa_t places[] = {0x90000, 0x97000, 0x9e000, 0x9fbf0, 0x80000, 0x12345};

    (void)state;
    request.cmdline = "a command line";
    for (unsigned i = 0; i < ARRAY_LENGTH(places); i++) {
        struct elf_piece piece = {0x400, 0, places[i], 0x10, MIN(0x9fc00 - places[i], UINT64_C(0x50000))};
        gpa_t low;

        make_elf64(places[i], &piece, 1);
        assert_loaded(load_elf());
        assert_int_equal(entry.rip, places[i]);
        assert_memory_equal(ram + places[i], elf + 0x400, 0x10);
        low = MIN(MIN(entry.gdt, entry.cr3), entry.rsi);
        assert_true(low >= 0x1000 && entry.rsp <= 0x9fc00 && entry.rsp > low);
        assert_false(within(low, places[i], piece.size) || within(places[i], low, entry.rsp - low));
        assert_string_equal((char *)ram + get(ZERO_PAGE + 0x228, 4), "a command line");
        for (unsigned byte = 0x10; byte < piece.size; byte++)
            assert_int_equal(ram[places[i] + byte], 0);
    }
}

static void a_kernel_that_fills_base_memory_is_refused(void **state)
{
    const struct elf_piece piece = {0x400, 0, 0x10000, 0x10, 0x9fc00 - 0x10000};

    (void)state;
    make_elf64(0x10000, &piece, 1);
    assert_refused(load_elf(), "what Keel starts it with needs 63 KiB in one piece below 0x9fc00");
}

static void damaged_elf_files_are_refused(void **state)
{
    static const struct {
        unsigned offset, size;
        uint64_t value;
        const char *words;
    } damages[] = {
        {4, 1, 3, "an ELF file of class 3"},
        {5, 1, 2, "byte order 2"},
        {18, 2, 183, "machine 183"},
        {16, 2, 1, "an ELF file of type 1; needed is an executable"},
        {54, 2, 32, "program headers of 32 bytes"},
        {32, 8, 0x2000, "program headers are at 0x2000"},
        {32, 8, UINT64_MAX, "program headers are at"},
        {56, 2, 0xffff, "65535 program headers"},
        {56, 2, 0, "without a segment to load"},
        {64 + 8, 8, 0x1f00, "a truncated ELF file"},
        {64 + 8, 8, UINT64_MAX, "a truncated ELF file"},
        {64 + 32, 8, 0x1001, "4097 bytes in the file and 4096 in memory"},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(damages); i++) {
        make_elf64(0x1000000, vmlinux, 3);
        put(elf + damages[i].offset, damages[i].value, damages[i].size);
        assert_refused(load_elf(), damages[i].words);
    }
    make_elf64(0x1000000, vmlinux, 3);
    for (uint64_t size = 0; size < 0x1000; size += 7)
        assert_false(load_bytes(elf, size));
}

static void a_32_bit_elf_file_needs_a_multiboot_header(void **state)
{
    const struct elf_piece piece = {0x400, 0x100000, 0x100000, 0x100, 0x100};

    (void)state;
    make_elf32(0x100000, &piece, 1);
    assert_refused(load_elf(), "a 32-bit ELF file without a multiboot header");
}

static void more_segments_than_keel_keeps_track_of_are_refused(void **state)
{
    struct elf_piece pieces[14];

    (void)state;
    for (unsigned i = 0; i < 14; i++)
        pieces[i] = (struct elf_piece){0x400, 0, 0x1000000 + 0x1000 * i, 1, 1};
    make_elf64(0x1000000, pieces, 14);
    assert_loaded(load_elf());
    put(elf + 56, 40, 2);
    for (unsigned i = 0; i < 40; i++) {
        put(elf + 64 + 56 * i, 1, 4);
        put(elf + 64 + 56 * i + 8, 0, 8);
        put(elf + 64 + 56 * i + 24, 0x1000000 + 0x1000 * i, 8);
        put(elf + 64 + 56 * i + 32, 1, 8);
        put(elf + 64 + 56 * i + 40, 1, 8);
    }
    assert_refused(load_elf(), "more than 32 segments");
}

static void what_is_no_kernel_is_refused_with_what_would_be_one(void **state)
{
    static const uint8_t text[] = "#!/bin/sh\nexit 0\n";

    (void)state;
    assert_refused(load_bytes(text, sizeof(text)), "it begins with 23 21 2f 62");
    assert_non_null(strstr(reason, "Linux bzImage (\"HdrS\" at 0x202)"));
    assert_non_null(strstr(reason, "format = flat"));
    assert_refused(load_bytes(text, 0), "it has 0 bytes: that is no kernel");
    assert_refused(load_bytes(text, 3), "it has 3 bytes");
}

static bool load_flat(gpa_t at, enum entry_mode mode, uint64_t size)
{
    request.format = FORMAT_FLAT;
    request.flat_load = request.flat_entry = at;
    request.flat_mode = mode;
    return load_bytes(elf + 0x400, size);
}

static void a_flat_image_starts_in_the_mode_asked_for(void **state)
{
    (void)state;
    make_elf64(0, NULL, 0);
    request.cmdline = "hello";
    request.acpi_rsdp = 0xe0000;
    assert_loaded(load_flat(0x200000, ENTRY_LONG, 0x1000));
    assert_int_equal(entry.mode, ENTRY_LONG);
    assert_int_equal(entry.rip, 0x200000);
    assert_memory_equal(ram + 0x200000, elf + 0x400, 0x1000);
    assert_string_equal((char *)ram + entry.rsi, "hello");
    assert_int_equal(entry.rdi, 0xe0000);
    assert_flat_gdt(CODE64);
    assert_loaded(load_flat(0x200000, ENTRY_PROTECTED, 0x1000));
    assert_int_equal(entry.mode, ENTRY_PROTECTED);
    assert_int_equal(entry.cr3, 0);
    assert_flat_gdt(CODE32);
}

static void a_real_mode_image_starts_with_its_segments(void **state)
{
    (void)state;
    make_elf64(0, NULL, 0);
    assert_loaded(load_flat(0x7c00, ENTRY_REAL, 512));
    assert_int_equal(entry.mode, ENTRY_REAL);
    assert_int_equal(entry.cs * 16 + entry.rip, 0x7c00);
    assert_int_equal(entry.cs, 0);
    assert_int_equal(entry.ds, 0);
    assert_true(entry.ss * 16u + entry.rsp <= 0x9fc00);
    assert_loaded(load_flat(0x54321, ENTRY_REAL, 512));
    assert_int_equal(entry.cs, 0x5000);
    assert_int_equal(entry.rip, 0x4321);
    assert_refused(load_flat(0x100000, ENTRY_REAL, 512), "real mode reaches no entry at 0x100000");
}

static void flat_images_must_fit(void **state)
{
    (void)state;
    make_elf64(0, NULL, 0);
    assert_refused(load_flat(MIB(64) - 0xfff, ENTRY_LONG, 0x1000), "give it memory = 65M");
    assert_loaded(load_flat(0x8f001, ENTRY_PROTECTED, 0x1000));
    assert_true(entry.rsp <= 0x8f001);
    assert_loaded(load_flat(0x8f000, ENTRY_PROTECTED, 0x1000));
    assert_int_equal(entry.rsp, 0x9fc00);
    assert_loaded(load_flat(0x90000, ENTRY_REAL, 0x1000));
    assert_true(entry.ss * 16u + entry.rsp <= 0x90000);
    assert_refused(load_flat(0x200000, ENTRY_LONG, 0), "the file is empty");
    request.flat_entry = 0x201000;
    request.flat_load = 0x200000;
    assert_refused(load_bytes(elf + 0x400, 0x1000), "its entry 0x201000 is not within its 4096 bytes");
    give_ramdisk(10);
    assert_refused(load_flat(0x200000, ENTRY_LONG, 0x1000), "no place for a ramdisk");
}

static void a_vm_without_base_memory_is_refused(void **state)
{
    (void)state;
    memory.count = 0;
    assert_refused(load_bzimage(), "no RAM below 640 KiB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_64_bit_kernel_starts_at_its_64_bit_entry, begin_bzimage, end),
        cmocka_unit_test_setup_teardown(without_one_it_starts_at_its_32_bit_entry, begin_bzimage, end),
        cmocka_unit_test_setup_teardown(the_low_4_gib_are_mapped_to_themselves, begin_bzimage, end),
        cmocka_unit_test_setup_teardown(the_zero_page_has_the_header_and_nothing_else_of_the_file,
                                        begin_bzimage, end),
        cmocka_unit_test_setup_teardown(the_e820_map_is_the_vms, begin_bzimage, end),
        cmocka_unit_test_setup_teardown(the_command_line_is_passed_to_its_last_byte, begin_bzimage, end),
        cmocka_unit_test_setup_teardown(the_rsdp_is_passed_from_protocol_2_14_on, begin_bzimage, end),
        cmocka_unit_test_setup_teardown(the_ramdisk_lies_at_the_top_of_low_memory, begin_bzimage, end),
        cmocka_unit_test_setup_teardown(the_ramdisk_goes_below_a_kernel_that_fills_the_top, begin_bzimage,
                                        end),
        cmocka_unit_test_setup_teardown(a_ramdisk_that_does_not_fit_is_refused, begin_bzimage, end),
        cmocka_unit_test_setup_teardown(a_relocatable_kernel_is_aligned, begin_bzimage, end),
        cmocka_unit_test_setup_teardown(one_that_is_not_is_loaded_where_it_says_and_moves_itself,
                                        begin_bzimage, end),
        cmocka_unit_test_setup_teardown(too_little_memory_is_said_with_what_suffices, begin_bzimage, end),
        cmocka_unit_test_setup_teardown(a_truncated_kernel_is_named_with_found_and_needed_bytes,
                                        begin_bzimage, end),
        cmocka_unit_test_setup_teardown(setup_sects_0_means_4, begin_bzimage, end),
        cmocka_unit_test_setup_teardown(damaged_headers_are_refused, begin_bzimage, end),
        cmocka_unit_test_setup_teardown(any_byte_of_the_header_may_be_anything, begin_bzimage, end),
        cmocka_unit_test_setup_teardown(a_vmlinux_starts_where_it_was_linked, begin, end),
        cmocka_unit_test_setup_teardown(its_ramdisk_keeps_clear_of_its_bss, begin, end),
        cmocka_unit_test_setup_teardown(a_virtual_entry_point_is_translated, begin, end),
        cmocka_unit_test_setup_teardown(segments_must_be_ram, begin, end),
        cmocka_unit_test_setup_teardown(of_overlapping_segments_the_later_one_stays, begin, end),
        cmocka_unit_test_setup_teardown(kernels_at_the_end_of_base_memory_load, begin, end),
        cmocka_unit_test_setup_teardown(a_kernel_that_fills_base_memory_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(damaged_elf_files_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(a_32_bit_elf_file_needs_a_multiboot_header, begin, end),
        cmocka_unit_test_setup_teardown(more_segments_than_keel_keeps_track_of_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(what_is_no_kernel_is_refused_with_what_would_be_one, begin, end),
        cmocka_unit_test_setup_teardown(a_flat_image_starts_in_the_mode_asked_for, begin, end),
        cmocka_unit_test_setup_teardown(a_real_mode_image_starts_with_its_segments, begin, end),
        cmocka_unit_test_setup_teardown(flat_images_must_fit, begin, end),
        cmocka_unit_test_setup_teardown(a_vm_without_base_memory_is_refused, begin, end),
    };
    return cmocka_run_group_tests_name("load", tests, NULL, NULL);
}
