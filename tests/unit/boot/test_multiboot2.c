#include "boot/multiboot2.h"
#include "hv/load/multiboot_abi.h"
#include "tests/unit/fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct boot_info info;

/* An information structure under construction. */
static uint8_t blob[65536];
static uint32_t used;

static void put(const void *bytes, size_t length)
{
    memcpy(blob + used, bytes, length);
    used += (uint32_t)length;
}

static void put32(uint32_t value)
{
    put(&value, sizeof(value));
}

static void put64(uint64_t value)
{
    put(&value, sizeof(value));
}

static uint32_t tag_at;

static void begin_tag(uint32_t type)
{
    used = (uint32_t)ALIGN_UP(used, 8);
    tag_at = used;
    put32(type);
    put32(0);
}

static void end_tag(void)
{
    uint32_t size = used - tag_at;

    memcpy(blob + tag_at + 4, &size, sizeof(size));
}

static void put_string_tag(uint32_t type, const char *text)
{
    begin_tag(type);
    put(text, strlen(text) + 1);
    end_tag();
}

static void put_module(uint32_t first, uint32_t end, const char *text)
{
    begin_tag(MB2_TAG_MODULE);
    put32(first);
    put32(end);
    put(text, strlen(text) + 1);
    end_tag();
}

static void put_pointer_tag(uint32_t type, uint64_t value, size_t size)
{
    begin_tag(type);
    put(&value, size);
    end_tag();
}

static int begin(void **state)
{
    (void)state;
    fake_reset();
    memset(blob, 0, sizeof(blob));
    used = 8;
    return 0;
}

/* Parses a copy with nothing behind its last byte, of which `total` is the size that it claims. */
static bool parse_claiming(uint32_t total)
{
    uint8_t *copy = malloc(used);
    bool good;

    memcpy(blob, &total, sizeof(total));
    memcpy(copy, blob, used);
    good = multiboot2_parse(copy, used, &info);
    free(copy);
    return good;
}

static bool parse(void)
{
    put_string_tag(MB2_TAG_END, "");
    used = tag_at + 8;
    memcpy(blob + tag_at + 4, &(uint32_t){8}, 4);
    return parse_claiming(used);
}

#define assert_said(text)                                                                                    \
    do {                                                                                                     \
        if (!strstr(fake_log, text))                                                                         \
            fail_msg("not said: %s\nbut: %s", text, fake_log);                                               \
    } while (0)

static void strings_and_modules_are_copied(void **state)
{
    (void)state;
    put_string_tag(MB2_TAG_CMDLINE, "console=com1 debug");
    put_string_tag(MB2_TAG_LOADER_NAME, "GRUB 2.06");
    put_module(0x200000, 0x200123, "keel.conf");
    put_module(0x300000, 0x300000, "  vmlinuz \t console=ttyS0  quiet ");
    put_module(0x400000, 0x500000, "");
    assert_true(parse());
    memset(blob, 0xaa, sizeof(blob));
    assert_string_equal(fake_log, "");
    assert_int_equal(info.left_out, 0);
    assert_string_equal(info.cmdline, "console=com1 debug");
    assert_string_equal(info.loader_name, "GRUB 2.06");
    assert_int_equal(info.module_count, 3);
    assert_int_equal(info.modules[0].first, 0x200000);
    assert_int_equal(info.modules[0].size, 0x123);
    assert_string_equal(info.modules[0].name, "keel.conf");
    assert_string_equal(info.modules[0].arguments, "");
    assert_int_equal(info.modules[1].size, 0);
    assert_string_equal(info.modules[1].name, "vmlinuz");
    assert_string_equal(info.modules[1].arguments, "console=ttyS0  quiet ");
    assert_string_equal(info.modules[2].name, "");
    assert_string_equal(info.modules[2].arguments, "");
}

static void nothing_said_is_empty(void **state)
{
    (void)state;
    assert_true(parse());
    assert_string_equal(info.cmdline, "");
    assert_string_equal(info.loader_name, "");
    assert_int_equal(info.module_count + info.memory_count + info.section_count + info.rsdp_length, 0);
    assert_int_equal(info.framebuffer.address, 0);
    assert_int_equal(info.efi_system_table, 0);
}

static void begin_mmap(uint32_t entry_size)
{
    begin_tag(MB2_TAG_MMAP);
    put32(entry_size);
    put32(0);
}

static void put_mmap_entry(uint64_t first, uint64_t size, uint32_t type)
{
    put64(first);
    put64(size);
    put32(type);
    put32(0);
}

static void the_memory_map_is_read_with_its_entry_size(void **state)
{
    (void)state;
    begin_mmap(32); /* larger than today's */
    put_mmap_entry(0, 0x9fc00, 1);
    put64(0);
    put_mmap_entry(0xf0000, 0x10000, 2);
    put64(0);
    put_mmap_entry(0x100000, 0, 1); /* empty */
    put64(0);
    put_mmap_entry(0x200000, 0x1000, 99);
    put64(0);
    end_tag();
    assert_true(parse());
    assert_int_equal(info.memory_count, 3);
    assert_int_equal(info.memory[0].first, 0);
    assert_int_equal(info.memory[0].size, 0x9fc00);
    assert_int_equal(info.memory[0].type, MEMORY_RAM);
    assert_int_equal(info.memory[1].type, MEMORY_RESERVED);
    assert_int_equal(info.memory[2].first, 0x200000);
    assert_int_equal(info.memory[2].type, MEMORY_RESERVED);
}

static void ranges_that_wrap_are_left_out(void **state)
{
    (void)state;
    begin_mmap(24);
    put_mmap_entry(UINT64_MAX - 0xfff, 0x1001, 1);
    put_mmap_entry(UINT64_MAX - 0xfff, 0xfff, 1);
    end_tag();
    assert_true(parse());
    assert_int_equal(info.memory_count, 1);
    assert_int_equal(info.memory[0].size, 0xfff);
    assert_said("pass the end of memory");
    assert_int_equal(info.left_out, 1);
}

static void entries_that_are_too_small_are_left_out(void **state)
{
    (void)state;
    for (uint32_t size = 0; size < 24; size += 8) {
        begin(NULL);
        begin_mmap(size);
        put_mmap_entry(0, 0x1000, 1);
        end_tag();
        assert_true(parse());
        assert_int_equal(info.memory_count, 0);
        assert_said("the entries of the memory map have");
    }
}

static void half_an_entry_is_none(void **state)
{
    (void)state;
    begin_mmap(24);
    put_mmap_entry(0, 0x1000, 1);
    put64(0x1000);
    put64(0x1000);
    end_tag();
    assert_true(parse());
    assert_int_equal(info.memory_count, 1);
}

static void overlong_lists_are_cut_and_said(void **state)
{
    (void)state;
    begin_mmap(24);
    for (unsigned i = 0; i < 300; i++)
        put_mmap_entry(i * 0x1000, 0x1000, 1);
    end_tag();
    for (unsigned i = 0; i < 66; i++)
        put_module(0x1000 * i, 0x1000 * i + 1, "m");
    assert_true(parse());
    assert_int_equal(info.memory_count, ARRAY_LENGTH(info.memory));
    assert_said("more than 256 ranges of memory: the rest is left out");
    assert_int_equal(info.module_count, 64);
    assert_said("more than 64 modules");
    assert_int_equal(info.left_out, 3);
}

static void overlong_strings_are_cut_and_said(void **state)
{
    static char text[6000];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    put_string_tag(MB2_TAG_CMDLINE, text);
    for (unsigned i = 0; i < 5; i++)
        put_module(0, 1, text);
    put_module(0, 1, "last");
    assert_true(parse());
    assert_int_equal(strlen(info.cmdline), 4096);
    assert_said("the command line is cut after 4096 bytes");
    assert_said("a module's string is cut after");
    assert_int_equal(info.module_count, 6);
    assert_string_equal(info.modules[5].name, "");
    assert_string_equal(info.modules[5].arguments, "");
}

static void a_string_without_an_end_stops_at_its_tag(void **state)
{
    (void)state;
    begin_tag(MB2_TAG_CMDLINE);
    put("abcdefgh", 8);
    end_tag();
    put_string_tag(MB2_TAG_LOADER_NAME, "GRUB");
    begin_tag(MB2_TAG_MODULE);
    put32(1);
    put32(2);
    end_tag(); /* no string at all */
    assert_true(parse());
    assert_string_equal(info.cmdline, "abcdefgh");
    assert_string_equal(info.loader_name, "GRUB");
    assert_string_equal(info.modules[0].name, "");
}

static void a_module_that_ends_before_it_begins_is_left_out(void **state)
{
    (void)state;
    put_module(0x2000, 0x1fff, "bad");
    put_module(0x3000, 0x4000, "good");
    assert_true(parse());
    assert_int_equal(info.module_count, 1);
    assert_string_equal(info.modules[0].name, "good");
    assert_said("a module ends at 0x1fff before it begins at 0x2000");
}

static void put_rsdp(uint32_t type, size_t length, char byte)
{
    char rsdp[64];

    memset(rsdp, byte, sizeof(rsdp));
    begin_tag(type);
    put(rsdp, length);
    end_tag();
}

static void the_longer_rsdp_wins_in_either_order(void **state)
{
    (void)state;
    put_rsdp(MB2_TAG_ACPI_OLD, 20, 'o');
    put_rsdp(MB2_TAG_ACPI_NEW, 36, 'n');
    assert_true(parse());
    assert_int_equal(info.rsdp_length, 36);
    assert_int_equal(info.rsdp[0], 'n');
    begin(NULL);
    put_rsdp(MB2_TAG_ACPI_NEW, 50, 'n');
    put_rsdp(MB2_TAG_ACPI_OLD, 20, 'o');
    assert_true(parse());
    assert_int_equal(info.rsdp_length, 36);
    assert_int_equal(info.rsdp[35], 'n');
    begin(NULL);
    put_rsdp(MB2_TAG_ACPI_OLD, 20, 'o');
    assert_true(parse());
    assert_int_equal(info.rsdp_length, 20);
    begin(NULL);
    put_rsdp(MB2_TAG_ACPI_OLD, 19, 'o');
    assert_true(parse());
    assert_int_equal(info.rsdp_length, 0);
    assert_said("tag 14 has 27 bytes, needed 28");
}

static void what_efi_left_is_read(void **state)
{
    (void)state;
    put_pointer_tag(MB2_TAG_EFI64_SYSTEM, 0x123456789abc, 8);
    put_pointer_tag(MB2_TAG_EFI64_IMAGE, 0xfedcba98, 8);
    put_pointer_tag(MB2_TAG_EFI_SERVICES, 0, 0);
    put_pointer_tag(MB2_TAG_LOAD_BASE, 0x400000, 4);
    begin_tag(MB2_TAG_EFI_MMAP);
    put32(48);
    put32(1);
    for (unsigned i = 0; i < 3; i++) {
        put64(7); /* type and padding */
        put64(i == 2 ? UINT64_MAX - 0xfff : 0x1000 * i);
        put64(0);
        put64(i + 1); /* pages */
        put64(0xf);
        put64(0);
    }
    end_tag();
    assert_true(parse());
    assert_int_equal(info.efi_system_table, 0x123456789abc);
    assert_int_equal(info.efi_image_handle, 0xfedcba98);
    assert_true(info.efi_is_64);
    assert_true(info.efi_services);
    assert_int_equal(info.load_base, 0x400000);
    assert_int_equal(info.efi_memory_count, 2);
    assert_int_equal(info.efi_memory[1].first, 0x1000);
    assert_int_equal(info.efi_memory[1].size, 0x2000);
    assert_int_equal(info.efi_memory[1].type, 7);
    assert_int_equal(info.efi_memory[1].attributes, 0xf);
    assert_int_equal(info.left_out, 1);
    begin(NULL);
    put_pointer_tag(MB2_TAG_EFI32_SYSTEM, 0x12345678, 4);
    put_pointer_tag(MB2_TAG_EFI32_IMAGE, 0x9abcdef0, 4);
    assert_true(parse());
    assert_int_equal(info.efi_system_table, 0x12345678);
    assert_int_equal(info.efi_image_handle, 0x9abcdef0);
    assert_false(info.efi_is_64);
}

static void put_framebuffer(uint8_t type)
{
    begin_tag(MB2_TAG_FRAMEBUFFER);
    put64(0xe0000000);
    put32(4096);
    put32(1024);
    put32(768);
    put(&(uint8_t[]){32, type, 0, 0}, 4);
    put(&(uint8_t[]){16, 8, 8, 8, 0, 8}, 6);
    end_tag();
}

static void the_framebuffer_has_colours_if_it_is_rgb(void **state)
{
    (void)state;
    put_framebuffer(1);
    assert_true(parse());
    assert_int_equal(info.framebuffer.address, 0xe0000000);
    assert_int_equal(info.framebuffer.pitch, 4096);
    assert_int_equal(info.framebuffer.width, 1024);
    assert_int_equal(info.framebuffer.height, 768);
    assert_int_equal(info.framebuffer.bits_per_pixel, 32);
    assert_int_equal(info.framebuffer.red_position, 16);
    assert_int_equal(info.framebuffer.green_position, 8);
    assert_int_equal(info.framebuffer.blue_size, 8);
    begin(NULL);
    put_framebuffer(2);
    assert_true(parse());
    assert_int_equal(info.framebuffer.type, 2);
    assert_int_equal(info.framebuffer.red_position, 0);
}

static void put_section(uint32_t name, uint32_t type, uint64_t address)
{
    put32(name);
    put32(type);
    put64(2);
    put64(address);
    put64(0);
    put64(0x100);
    put32(5);
    put32(0);
    put64(8);
    put64(24);
}

static void elf_sections_are_read_as_far_as_the_tag_has_them(void **state)
{
    (void)state;
    begin_tag(MB2_TAG_ELF_SECTIONS);
    put32(100); /* claims more than there are */
    put32(64);
    put32(1);
    put_section(0, 0, 0);
    put_section(7, 3, 0x123000);
    end_tag();
    assert_true(parse());
    assert_int_equal(info.section_count, 2);
    assert_int_equal(info.section_names, 1);
    assert_int_equal(info.sections[1].name, 7);
    assert_int_equal(info.sections[1].type, 3);
    assert_int_equal(info.sections[1].address, 0x123000);
    assert_int_equal(info.sections[1].size, 0x100);
    assert_int_equal(info.sections[1].link, 5);
    assert_int_equal(info.sections[1].entry_size, 24);
}

static void unknown_tags_are_passed_over(void **state)
{
    (void)state;
    put_string_tag(0x4711, "what is this");
    put_string_tag(MB2_TAG_VBE, "ignored");
    put_string_tag(MB2_TAG_CMDLINE, "x");
    assert_true(parse());
    assert_string_equal(info.cmdline, "x");
    assert_int_equal(info.left_out, 0);
}

static void garbage_is_no_information_structure(void **state)
{
    (void)state;
    put32(0);
    assert_false(parse_claiming(0));
    assert_false(parse_claiming(7));
    assert_false(parse_claiming(used + 1));
    assert_false(parse_claiming(UINT32_MAX));
    assert_said("Was Keel started by a multiboot2 boot loader?");
    assert_false(multiboot2_parse(blob, 4, &info));
    assert_string_equal(info.cmdline, "");
}

static void a_tag_that_does_not_fit_ends_the_reading(void **state)
{
    static const uint32_t sizes[] = {0, 7, 17, 0x80000000, UINT32_MAX};

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(sizes); i++) {
        begin(NULL);
        put_string_tag(MB2_TAG_CMDLINE, "kept");
        begin_tag(MB2_TAG_LOADER_NAME);
        put64(0);
        memcpy(blob + tag_at + 4, &sizes[i], 4);
        assert_true(parse_claiming(used));
        assert_string_equal(info.cmdline, "kept");
        assert_string_equal(info.loader_name, "");
        assert_said("the rest is left out");
        assert_int_equal(info.left_out, 1);
    }
}

static void a_missing_end_tag_is_said(void **state)
{
    (void)state;
    put_string_tag(MB2_TAG_CMDLINE, "abc"); /* 12 bytes: its padding is beyond the end */
    assert_true(parse_claiming(used));
    assert_string_equal(info.cmdline, "abc");
    assert_said("no end tag");
}

static void every_truncation_is_survived(void **state)
{
    uint32_t whole;

    (void)state;
    put_string_tag(MB2_TAG_CMDLINE, "x");
    put_module(1, 2, "a b");
    begin_mmap(24);
    put_mmap_entry(0, 0x1000, 1);
    end_tag();
    put_framebuffer(1);
    put_rsdp(MB2_TAG_ACPI_NEW, 36, 'n');
    whole = used;
    for (used = 8; used < whole; used++)
        assert_true(parse_claiming(used));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(strings_and_modules_are_copied, begin),
        cmocka_unit_test_setup(nothing_said_is_empty, begin),
        cmocka_unit_test_setup(the_memory_map_is_read_with_its_entry_size, begin),
        cmocka_unit_test_setup(ranges_that_wrap_are_left_out, begin),
        cmocka_unit_test_setup(entries_that_are_too_small_are_left_out, begin),
        cmocka_unit_test_setup(half_an_entry_is_none, begin),
        cmocka_unit_test_setup(overlong_lists_are_cut_and_said, begin),
        cmocka_unit_test_setup(overlong_strings_are_cut_and_said, begin),
        cmocka_unit_test_setup(a_string_without_an_end_stops_at_its_tag, begin),
        cmocka_unit_test_setup(a_module_that_ends_before_it_begins_is_left_out, begin),
        cmocka_unit_test_setup(the_longer_rsdp_wins_in_either_order, begin),
        cmocka_unit_test_setup(what_efi_left_is_read, begin),
        cmocka_unit_test_setup(the_framebuffer_has_colours_if_it_is_rgb, begin),
        cmocka_unit_test_setup(elf_sections_are_read_as_far_as_the_tag_has_them, begin),
        cmocka_unit_test_setup(unknown_tags_are_passed_over, begin),
        cmocka_unit_test_setup(garbage_is_no_information_structure, begin),
        cmocka_unit_test_setup(a_tag_that_does_not_fit_ends_the_reading, begin),
        cmocka_unit_test_setup(a_missing_end_tag_is_said, begin),
        cmocka_unit_test_setup(every_truncation_is_survived, begin),
    };
    return cmocka_run_group_tests_name("multiboot2", tests, NULL, NULL);
}
