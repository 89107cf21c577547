/* Multiboot kernels. Numbers are read from the specifications here, not from Keel's own header. */
#include "tests/unit/boot/multiboot_fixture.h"

static void a_multiboot_kernel_starts_as_the_specification_says(void **state)
{
    (void)state;
    assert_loaded(load_elf());
    assert_int_equal(entry.mode, ENTRY_PROTECTED);
    assert_int_equal(entry.rip, 0x100010);
    assert_int_equal(entry.rax, 0x2badb002);
    assert_memory_equal(ram + 0x100000, elf + 0x400, 0x1000);
    assert_flat_gdt(CODE32);
}

static void its_information_has_memory_command_line_and_name(void **state)
{
    gpa_t at;

    (void)state;
    request.cmdline = "a=b c";
    assert_loaded(load_elf());
    at = entry.rbx;
    assert_int_equal(get(at, 4), BIT(0) | BIT(2) | BIT(3) | BIT(6) | BIT(9));
    assert_int_equal(get(at + 4, 4), 639);
    assert_int_equal(get(at + 8, 4), 63 * 1024);
    assert_string_equal((char *)ram + get(at + 16, 4), "a=b c");
    assert_string_equal((char *)ram + get(at + 64, 4), "Keel");
    assert_int_equal(get(at + 20, 4), 0); /* modules */
}

static void its_memory_map_is_the_vms(void **state)
{
    struct guest_map map;
    gpa_t at, end_of_map;

    (void)state;
    assert_loaded(load_elf());
    guest_map_build(&memory, &map);
    at = get(entry.rbx + 48, 4);
    end_of_map = at + get(entry.rbx + 44, 4);
    for (unsigned i = 0; i < map.count; i++) {
        assert_int_equal(get(at, 4), 20);
        assert_int_equal(get(at + 4, 8), map.ranges[i].first);
        assert_int_equal(get(at + 12, 8), map.ranges[i].size);
        assert_int_equal(get(at + 20, 4), map.ranges[i].type);
        at += get(at, 4) + 4;
    }
    assert_int_equal(at, end_of_map);
}

static void its_module_lies_on_the_next_page_behind_its_bss(void **state)
{
    gpa_t modules;

    (void)state;
    give_ramdisk();
    assert_loaded(load_elf());
    assert_int_equal(get(entry.rbx + 20, 4), 1);
    modules = get(entry.rbx + 24, 4);
    assert_int_equal(get(modules, 4), 0x103000);
    assert_int_equal(get(modules + 4, 4), 0x103000 + 5000);
    assert_string_equal((char *)ram + get(modules + 8, 4), "some arguments");
    assert_memory_equal(ram + 0x103000, ramdisk.bytes, 5000);
}

static void demands_that_a_vm_cannot_meet_are_refused(void **state)
{
    (void)state;
    put_mb1_header(elf + 0x404, 7); /* a video mode is a preference */
    assert_loaded(load_elf());
    put_mb1_header(elf + 0x404, 0x8001);
    assert_refused(load_elf(), "demands features 0x8000");
    put_mb1_header(elf + 0x404, 0xfffe0000); /* what is not demanded may be ignored */
    assert_loaded(load_elf());
}

static void a_header_counts_only_with_its_checksum_in_the_first_8_kib(void **state)
{
    static uint8_t file[0x3000];

    (void)state;
    elf[0x404 + 8] ^= 1;
    assert_refused(load_elf(), "a 32-bit ELF file without a multiboot header");
    put_mb1_header(file + 0x2000 - 16, 0);
    assert_refused(load_bytes(file, sizeof(file)), "gives no addresses, and it is no ELF file");
    memset(file, 0, sizeof(file));
    put_mb1_header(file + 0x2000, 0);
    assert_refused(load_bytes(file, sizeof(file)), "no format that Keel knows");
}

/* A file that is no ELF file: 0x100 bytes, the header at 0x20, the rest loaded by its addresses. */
static uint8_t raw[0x100];

static void make_raw(uint32_t header, uint32_t load, uint32_t load_end, uint32_t bss_end, uint32_t start)
{
    for (unsigned i = 0; i < sizeof(raw); i++)
        raw[i] = (uint8_t)(i + 1);
    put_mb1_header(raw + 0x20, 0x10000);
    put(raw + 0x2c, header, 4);
    put(raw + 0x30, load, 4);
    put(raw + 0x34, load_end, 4);
    put(raw + 0x38, bss_end, 4);
    put(raw + 0x3c, start, 4);
}

static void the_headers_addresses_replace_those_of_elf(void **state)
{
    (void)state;
    make_raw(0x100010, 0x100000, 0x100080, 0x100200, 0x100042);
    memset(ram + 0x100000, 0xee, 0x300);
    assert_loaded(load_bytes(raw, sizeof(raw)));
    assert_int_equal(entry.rip, 0x100042);
    assert_memory_equal(ram + 0x100000, raw + 0x10, 0x80);
    for (unsigned i = 0x80; i < 0x200; i++)
        assert_int_equal(ram[0x100000 + i], 0);
    assert_int_equal(ram[0x100200], 0xee);
}

static void without_an_end_the_whole_file_is_loaded(void **state)
{
    (void)state;
    make_raw(0x100020, 0x100000, 0, 0, 0x1000ff);
    assert_loaded(load_bytes(raw, sizeof(raw)));
    assert_memory_equal(ram + 0x100000, raw, sizeof(raw));
}

static void addresses_must_agree_with_the_file(void **state)
{
    static const struct {
        uint32_t header, load, load_end, bss_end, start;
        const char *words;
    } cases[] = {
        {0x100021, 0x100000, 0, 0, 0x100040, "which the file does not have"},
        {0x100000, 0x100001, 0, 0, 0x100040, "which the file does not have"},
        {0x100020, 0x100000, 0x100101, 0, 0x100040, "a truncated kernel"},
        {0x100020, 0x100000, 0xfffff, 0, 0x100040, "a truncated kernel"},
        {0x100020, 0x100000, 0x100000, 0, 0x100040, "a truncated kernel"},
        {0x100020, 0x100000, 0, 0, 0x100100, "its entry point 0x100100 is outside"},
        {0x100020, 0x100000, 0, 0, 0xfffff, "its entry point 0xfffff is outside"},
        {0x100020, 0x100000, 0, 0x4000001, 0x100040, "give it memory = 65M"},
        {0xffffffff, 0xffffffff, 0, 0, 0xffffffff, "which is not RAM"},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(cases); i++) {
        make_raw(cases[i].header, cases[i].load, cases[i].load_end, cases[i].bss_end, cases[i].start);
        assert_refused(load_bytes(raw, sizeof(raw)), cases[i].words);
    }
    make_raw(0x100020, 0x100000, 0, 0, 0x100040);
    assert_refused(load_bytes(raw, 0x3c), "the file ends within its multiboot header");
}

static void a_multiboot2_kernel_of_either_class_starts(void **state)
{
    (void)state;
    end_header();
    assert_loaded(load_elf());
    assert_int_equal(entry.mode, ENTRY_PROTECTED);
    assert_int_equal(entry.rip, 0x100010);
    assert_int_equal(entry.rax, 0x36d76289);
    assert_int_equal(entry.rbx % 8, 0);
    make_elf32(0x100020, &piece, 1);
    begin_header();
    end_header();
    assert_loaded(load_elf());
    assert_int_equal(entry.rip, 0x100020);
}

static void its_information_is_a_list_of_tags_with_an_end(void **state)
{
    struct guest_map map;
    gpa_t tag;

    (void)state;
    end_header();
    request.cmdline = "x=y";
    memcpy(ram + 0xe0000, "RSD PTR and its other fields, to 36.", 36);
    request.acpi_rsdp = 0xe0000;
    give_ramdisk();
    assert_loaded(load_elf());
    assert_true(find_tag(0));
    assert_string_equal((char *)ram + find_tag(1) + 8, "x=y");
    assert_int_equal(get(find_tag(1) + 4, 4), 12);
    assert_string_equal((char *)ram + find_tag(2) + 8, "Keel");
    tag = find_tag(3);
    assert_int_equal(get(tag + 8, 4), 0x103000);
    assert_int_equal(get(tag + 12, 4), 0x103000 + 5000);
    assert_string_equal((char *)ram + tag + 16, "some arguments");
    tag = find_tag(4);
    assert_int_equal(get(tag + 8, 4), 639);
    assert_int_equal(get(tag + 12, 4), 63 * 1024);
    tag = find_tag(6);
    guest_map_build(&memory, &map);
    assert_int_equal(get(tag + 8, 4), 24);
    assert_int_equal(get(tag + 4, 4), 16 + 24 * map.count);
    for (unsigned i = 0; i < map.count; i++) {
        assert_int_equal(get(tag + 16 + 24 * i, 8), map.ranges[i].first);
        assert_int_equal(get(tag + 24 + 24 * i, 8), map.ranges[i].size);
        assert_int_equal(get(tag + 32 + 24 * i, 4), map.ranges[i].type);
    }
    assert_memory_equal(ram + find_tag(14) + 8, ram + 0xe0000, 20);
    assert_memory_equal(ram + find_tag(15) + 8, ram + 0xe0000, 36);
}

static void information_that_is_unknown_is_refused_unless_optional(void **state)
{
    static const uint32_t known[] = {1, 3, 6, 14, 21}, unknown[] = {6, 22};

    (void)state;
    put_tag(1, 0, known, 5);
    put_tag(1, 1, unknown, 2);
    end_header();
    assert_loaded(load_elf());
    begin_header();
    put_tag(1, 0, unknown, 2);
    end_header();
    assert_refused(load_elf(), "demands boot information of type 22");
}

static void what_a_vm_has_not_is_refused_unless_optional(void **state)
{
    static const struct {
        uint16_t type;
        const char *words;
    } cases[] = {{4, "demands a text console"}, {7, "(EFI boot services)"}, {99, "tag 99 (unknown)"}};
    static const uint32_t zeros[4], one[1] = {1}, mode[3] = {1024, 768, 32};

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(cases); i++) {
        begin_header();
        put_tag(cases[i].type, 1, one, 1);
        end_header();
        assert_loaded(load_elf());
        begin_header();
        put_tag(cases[i].type, 0, one, 1);
        end_header();
        assert_refused(load_elf(), cases[i].words);
    }
    begin_header();
    for (uint16_t type = 6; type <= 9; type++)
        if (type != 7)
            put_tag(type, 0, zeros, 4);
    put_tag(5, 0, mode, 3); /* a preference */
    end_header();
    assert_loaded(load_elf());
}

static void an_address_tag_needs_an_entry_tag(void **state)
{
    static const uint32_t addresses[] = {0x100408, 0x100000, 0, 0x110000}, start[] = {0x100500};

    (void)state;
    put_tag(2, 0, addresses, 4);
    end_header();
    assert_refused(load_elf(), "an address tag and no entry address tag");
    begin_header();
    put_tag(2, 0, addresses, 4);
    put_tag(3, 0, start, 1);
    end_header();
    assert_loaded(load_elf());
    assert_int_equal(entry.rip, 0x100500);
    assert_memory_equal(ram + 0x100000, elf, sizeof(elf));
}

static void load_address_minus_1_means_the_files_first_byte(void **state)
{
    static const uint32_t addresses[] = {0x200408, 0xffffffff, 0, 0}, start[] = {0x200500};

    (void)state;
    put_tag(2, 0, addresses, 4);
    put_tag(3, 0, start, 1);
    end_header();
    assert_loaded(load_elf());
    assert_memory_equal(ram + 0x200000, elf, sizeof(elf));
}

static void the_entry_tag_replaces_the_elf_files_entry(void **state)
{
    static const uint32_t start[] = {0x100020};

    (void)state;
    put_tag(3, 0, start, 1);
    end_header();
    assert_loaded(load_elf());
    assert_int_equal(entry.rip, 0x100020);
    begin_header();
    put_tag(3, 0, (const uint32_t[]){0x9fc00}, 1);
    end_header();
    assert_refused(load_elf(), "its entry point 0x9fc00 is not in the VM's RAM");
}

static void damaged_headers_are_refused(void **state)
{
    static const uint32_t word[] = {0};

    (void)state;
    end_header();
    put(mb2 + 4, 4, 4); /* MIPS */
    put(mb2 + 12, -(0xe85250d6 + 4 + mb2_length), 4);
    assert_refused(load_elf(), "is for architecture 4");
    begin_header();
    put_tag(6, 0, NULL, 0);
    finish_mb2();
    assert_refused(load_elf(), "no end tag in its 24 bytes");
    mb2_length = 0;
    finish_mb2();
    assert_refused(load_elf(), "no end tag in its 0 bytes");
    mb2_length = UINT32_MAX;
    memset(mb2 + 16, 0, 0x1000);
    put(mb2 + 16, 6, 2);
    put(mb2 + 20, 0x10000, 4);
    finish_mb2();
    assert_refused(load_elf(), "the tag at 0x418 in the file is not whole");
    put(mb2 + 20, 7, 4);
    assert_refused(load_elf(), "the tag at 0x418 in the file is not whole");
    begin_header();
    put_tag(2, 0, word, 1);
    end_header();
    assert_refused(load_elf(), "the address tag of its multiboot2 header has 12 bytes, needed 24");
    begin_header();
    put_tag(3, 0, NULL, 0);
    end_header();
    assert_refused(load_elf(), "the entry tag of its multiboot2 header has 8 bytes, needed 12");
}

static void an_entry_above_4_gib_is_refused(void **state)
{
    struct elf_piece high = {0x400, 0, GIB(4), 0x1000, 0x1000};

    (void)state;
    make_elf64(GIB(4), &high, 1);
    begin_header();
    end_header();
    memory.regions[memory.count++] = (struct guest_region){GIB(4), MIB(1), ram};
    assert_refused(load_elf(), "its entry point 0x100000000 is above 4 GiB");
}

static void command_lines_that_do_not_fit_are_refused(void **state)
{
    static char text[0x9000];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    request.cmdline = text;
    end_header();
    assert_refused(load_elf(), "its command line (36863 bytes)");
    make_elf32(0x100010, &piece, 1);
    put_mb1_header(elf + 0x404, 3);
    assert_refused(load_elf(), "its command line (36863 bytes)");
    text[0x7000] = 0;
    assert_loaded(load_elf());
    give_ramdisk();
    ramdisk.arguments = text + 0x4000;
    assert_refused(load_elf(), "and its modules' (12288)");
}

static void any_cut_of_the_file_is_refused_or_loaded(void **state)
{
    static const uint32_t words[] = {1, 2, 3, 4};

    (void)state;
    put_tag(1, 0, words, 4);
    put_tag(3, 0, words, 1);
    end_header();
    for (uint64_t size = 0; size < 0x480; size++)
        assert_false(load_bytes(elf, size));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_multiboot_kernel_starts_as_the_specification_says, begin_mb1, end),
        cmocka_unit_test_setup_teardown(its_information_has_memory_command_line_and_name, begin_mb1, end),
        cmocka_unit_test_setup_teardown(its_memory_map_is_the_vms, begin_mb1, end),
        cmocka_unit_test_setup_teardown(its_module_lies_on_the_next_page_behind_its_bss, begin_mb1, end),
        cmocka_unit_test_setup_teardown(demands_that_a_vm_cannot_meet_are_refused, begin_mb1, end),
        cmocka_unit_test_setup_teardown(a_header_counts_only_with_its_checksum_in_the_first_8_kib, begin_mb1,
                                        end),
        cmocka_unit_test_setup_teardown(the_headers_addresses_replace_those_of_elf, begin_mb1, end),
        cmocka_unit_test_setup_teardown(without_an_end_the_whole_file_is_loaded, begin_mb1, end),
        cmocka_unit_test_setup_teardown(addresses_must_agree_with_the_file, begin_mb1, end),
        cmocka_unit_test_setup_teardown(a_multiboot2_kernel_of_either_class_starts, begin_mb2, end),
        cmocka_unit_test_setup_teardown(its_information_is_a_list_of_tags_with_an_end, begin_mb2, end),
        cmocka_unit_test_setup_teardown(information_that_is_unknown_is_refused_unless_optional, begin_mb2,
                                        end),
        cmocka_unit_test_setup_teardown(what_a_vm_has_not_is_refused_unless_optional, begin_mb2, end),
        cmocka_unit_test_setup_teardown(an_address_tag_needs_an_entry_tag, begin_mb2, end),
        cmocka_unit_test_setup_teardown(load_address_minus_1_means_the_files_first_byte, begin_mb2, end),
        cmocka_unit_test_setup_teardown(the_entry_tag_replaces_the_elf_files_entry, begin_mb2, end),
        cmocka_unit_test_setup_teardown(damaged_headers_are_refused, begin_mb2, end),
        cmocka_unit_test_setup_teardown(an_entry_above_4_gib_is_refused, begin_mb2, end),
        cmocka_unit_test_setup_teardown(command_lines_that_do_not_fit_are_refused, begin_mb2, end),
        cmocka_unit_test_setup_teardown(any_cut_of_the_file_is_refused_or_loaded, begin_mb2, end),
    };
    return cmocka_run_group_tests_name("load_multiboot", tests, NULL, NULL);
}
