/* What multiboot kernels may ask for beyond being loaded: modules, their own sections, another place. */
#include "tests/unit/boot/multiboot_fixture.h"

static uint8_t contents[3][0x1800];
static const struct module files[3] = {
    {"a", "from grub", contents[0], 0x1800}, {"b", "", contents[1], 0x10}, {"c", "", contents[2], 0x1000}};
static const struct load_module modules[3] = {
    {&files[0], "first of all"}, {&files[1], ""}, {&files[2], "last"}};

static void give_modules(void)
{
    for (unsigned i = 0; i < 3; i++)
        memset(contents[i], (int)(0xa0 + i), sizeof(contents[i]));
    ramdisk = (struct module){"r", "the ramdisk", contents[2], 0x20};
    request.ramdisk = &ramdisk;
    request.modules = modules;
    request.module_count = 3;
}

static void a_multiboot_kernel_gets_its_modules_in_order_behind_the_ramdisk(void **state)
{
    static const char *const words[] = {"the ramdisk", "first of all", "", "last"};
    const struct module *expected[] = {&ramdisk, &files[0], &files[1], &files[2]};
    gpa_t list, before = 0x103000;

    (void)state;
    give_modules();
    assert_loaded(load_elf());
    assert_int_equal(get(entry.rbx + 20, 4), 4);
    list = get(entry.rbx + 24, 4);
    for (unsigned i = 0; i < 4; i++, list += 16) {
        gpa_t first = get(list, 4);

        assert_int_equal(first, before);
        assert_int_equal(get(list + 4, 4) - first, expected[i]->size);
        assert_memory_equal(ram + first, expected[i]->bytes, expected[i]->size);
        assert_string_equal((char *)ram + get(list + 8, 4), words[i]);
        before = first + ALIGN_UP(expected[i]->size, 0x1000);
    }
}

static void a_multiboot2_kernel_gets_a_tag_for_each(void **state)
{
    gpa_t at, end;
    unsigned found = 0;

    (void)state;
    end_header();
    give_modules();
    request.ramdisk = NULL;
    assert_loaded(load_elf());
    end = entry.rbx + get(entry.rbx, 4);
    for (at = entry.rbx + 8; at < end; at += ALIGN_UP(get(at + 4, 4), 8))
        if (get(at, 4) == 3) {
            assert_string_equal((char *)ram + at + 16, modules[found].arguments);
            assert_memory_equal(ram + get(at + 8, 4), files[found].bytes, files[found].size);
            found++;
        }
    assert_int_equal(found, 3);
}

static void modules_must_fit(void **state)
{
    static const struct module files_of[] = {{"l", "", contents[0], 0x1800}, {"e", "", contents[0], 0}};
    static const struct load_module large = {&files_of[0], ""}, empty = {&files_of[1], ""};

    (void)state;
    give_memory(0x104000);
    request.modules = &large;
    request.module_count = 1;
    assert_refused(load_elf(), "its module l needs 8 KiB");
    request.modules = &empty;
    assert_refused(load_elf(), "its module e is an empty file");
}

static void only_multiboot_kernels_take_modules(void **state)
{
    (void)state;
    request.modules = modules;
    request.module_count = 3;
    request.format = FORMAT_FLAT;
    request.flat_mode = ENTRY_PROTECTED;
    request.flat_load = request.flat_entry = 0x100000;
    assert_refused(load_bytes("flat", 4), "takes no `module`, only a multiboot one does");
    request.module_count = 0;
    assert_loaded(load_bytes("flat", 4));
}

/* Four sections: none, one of the segment, symbols in no segment, and bss. Returns the table's size. */
static unsigned put_sections(bool is_64)
{
    static const uint64_t sections[4][5] = {/* type, flags, address, offset, size */
                                            {0, 0, 0, 0, 0},
                                            {1, 2, 0x100000, 0x400, 0x1000},
                                            {2, 0, 0, 0x1403, 0x35},
                                            {8, 3, 0x101000, 0x1400, 0x2000}};
    unsigned word = is_64 ? 8 : 4, size = is_64 ? 64 : 40;
    uint8_t *at = elf + 0x1800;

    put(elf + (is_64 ? 40 : 32), 0x1800, word);
    put(elf + (is_64 ? 58 : 46), size, 2);
    put(elf + (is_64 ? 60 : 48), 4, 2);
    put(elf + (is_64 ? 62 : 50), 2, 2);
    memset(at, 0, 4 * size);
    for (unsigned i = 0; i < 4; i++, at += size) {
        put(at + 4, sections[i][0], 4);
        for (unsigned j = 1; j < 5; j++)
            put(at + 8 + (j - 1) * word, sections[i][j], word);
    }
    return 4 * size;
}

static void a_multiboot_kernel_finds_its_symbols(void **state)
{
    gpa_t table, symbols;

    (void)state;
    put_sections(false);
    assert_loaded(load_elf());
    assert_int_equal(get(entry.rbx, 4) & BIT(5), BIT(5));
    assert_int_equal(get(entry.rbx + 28, 4), 4);
    assert_int_equal(get(entry.rbx + 32, 4), 40);
    assert_int_equal(get(entry.rbx + 40, 4), 2);
    table = get(entry.rbx + 36, 4);
    assert_int_equal(get(table + 12, 4), 0);
    assert_int_equal(get(table + 40 + 12, 4), 0x100000);
    assert_int_equal(get(table + 120 + 12, 4), 0x101000);
    symbols = get(table + 80 + 12, 4);
    assert_int_equal(symbols, 0x103000);
    assert_memory_equal(ram + symbols, elf + 0x1403, 0x35);
}

static void a_multiboot2_kernel_finds_them_too(void **state)
{
    unsigned size;
    gpa_t tag;

    (void)state;
    end_header();
    size = put_sections(true);
    assert_loaded(load_elf());
    tag = find_tag(9);
    assert_true(tag);
    assert_int_equal(get(tag + 4, 4), 20 + size);
    assert_int_equal(get(tag + 8, 4), 4);
    assert_int_equal(get(tag + 12, 4), 64);
    assert_int_equal(get(tag + 16, 4), 2);
    assert_memory_equal(ram + tag + 20 + 64, elf + 0x1800 + 64, 64);
    assert_memory_equal(ram + get(tag + 20 + 128 + 16, 8), elf + 0x1403, 0x35);
    assert_true(find_tag(0));
}

static void sections_that_are_not_whole_or_have_no_room_keep_no_kernel_from_starting(void **state)
{
    (void)state;
    put_sections(false);
    put(elf + 32, sizeof(elf) - 8, 4);
    assert_loaded(load_elf());
    assert_int_equal(get(entry.rbx, 4) & BIT(5), 0);
    put_sections(false);
    put(elf + 46, 44, 2);
    assert_loaded(load_elf());
    assert_int_equal(get(entry.rbx, 4) & BIT(5), 0);
    put_sections(false);
    give_memory(0x103000);
    assert_loaded(load_elf());
    assert_int_equal(get(get(entry.rbx + 36, 4) + 80 + 12, 4), 0);
    give_memory(MIB(64));
    put_sections(false);
    put(elf + 0x1800 + 80 + 16, sizeof(elf) - 0x10, 4); /* the symbols reach beyond the file */
    assert_loaded(load_elf());
    assert_int_equal(get(get(entry.rbx + 36, 4) + 80 + 12, 4), 0);
}

/* A kernel of 0x3000 bytes, linked for 1 MiB. */
static bool load_relocatable(uint32_t least, uint32_t most, uint32_t align, uint32_t preference)
{
    begin_header();
    put_tag(10, 0, (const uint32_t[]){least, most, align, preference}, 4);
    end_header();
    return load_elf();
}

static void assert_loaded_at(gpa_t base)
{
    assert_int_equal(entry.rip, base + 0x10);
    assert_memory_equal(ram + base, elf + 0x400, 0x1000);
    assert_int_equal(get(base + 0x2fff, 1), 0);
    assert_int_equal(get(find_tag(21) + 4, 4), 12);
    assert_int_equal(get(find_tag(21) + 8, 4), base);
}

static void a_relocatable_kernel_goes_where_it_may(void **state)
{
    (void)state;
    assert_loaded(load_relocatable(0, UINT32_MAX, 0x1000, 0));
    assert_loaded_at(0x100000); /* where it was linked for */
    assert_loaded(load_relocatable(0x200001, UINT32_MAX, 0x10000, 0));
    assert_loaded_at(0x210000);
    assert_loaded(load_relocatable(0x300000, 0x4fffff, 0x1000, 1));
    assert_loaded_at(0x300000);
    assert_loaded(load_relocatable(0x300000, 0x4fffff, 0x1000, 2));
    assert_loaded_at(0x4fd000);
    assert_loaded(load_relocatable(0, UINT32_MAX, 0x200000, 2));
    assert_loaded_at(MIB(62));
    assert_loaded(load_relocatable(0x300000, 0x302fff, 0, 1));
    assert_loaded_at(0x300000);
}

static void modules_of_a_kernel_at_the_top_lie_below_it(void **state)
{
    (void)state;
    give_modules();
    assert_loaded(load_relocatable(0, UINT32_MAX, 0x1000, 2));
    assert_loaded_at(MIB(64) - 0x3000);
    assert_int_equal(get(find_tag(3) + 8, 4), MIB(1));
}

static void its_sections_and_entry_tag_move_with_it(void **state)
{
    gpa_t table;

    (void)state;
    begin_header();
    put_tag(10, 0, (const uint32_t[]){0x400000, UINT32_MAX, 0x1000, 1}, 4);
    put_tag(3, 0, (const uint32_t[]){0x100020}, 1);
    end_header();
    put_sections(true);
    assert_loaded(load_elf());
    assert_int_equal(entry.rip, 0x400020);
    table = find_tag(9) + 20;
    assert_int_equal(get(table + 64 + 16, 8), 0x400000);
    assert_int_equal(get(table + 192 + 16, 8), 0x401000);
}

static void a_relocatable_kernel_without_a_place_is_refused(void **state)
{
    (void)state;
    assert_refused(load_relocatable(0x300000, 0x302ffe, 0x1000, 0), "wants its 12288 bytes between 0x300000");
    assert_refused(load_relocatable(MIB(64), UINT32_MAX, 0x1000, 1), "give it more memory");
    assert_refused(load_relocatable(0x300000, 0x200000, 0x1000, 0), "wants its 12288 bytes");
    assert_refused(load_relocatable(0, UINT32_MAX, 0x3000, 0), "a boundary of 0x3000 with preference 0");
    assert_refused(load_relocatable(0, UINT32_MAX, 0x1000, 3), "with preference 3");
    begin_header();
    put_tag(10, 0, (const uint32_t[]){0}, 1);
    end_header();
    assert_refused(load_elf(), "the relocatable tag of its multiboot2 header has 12 bytes, needed 24");
}

static void a_header_with_addresses_can_be_relocatable_as_well(void **state)
{
    (void)state;
    begin_header();
    put_tag(2, 0, (const uint32_t[]){0x100408, 0x100000, 0, 0x110000}, 4);
    put_tag(3, 0, (const uint32_t[]){0x100500}, 1);
    put_tag(10, 0, (const uint32_t[]){0x600000, 0x6fffff, 0x1000, 1}, 4);
    end_header();
    assert_loaded(load_elf());
    assert_int_equal(entry.rip, 0x600500);
    assert_memory_equal(ram + 0x600000, elf, sizeof(elf));
    assert_int_equal(get(find_tag(21) + 8, 4), 0x600000);
    assert_false(find_tag(9)); /* it was not loaded as an ELF file */
}

static void a_kernel_that_can_do_with_a_text_screen_needs_none(void **state)
{
    (void)state;
    begin_header();
    put_tag(4, 0, (const uint32_t[]){2}, 1);
    end_header();
    assert_loaded(load_elf());
    begin_header();
    put_tag(4, 0, (const uint32_t[]){3}, 1);
    end_header();
    assert_refused(load_elf(), "demands a text console or a framebuffer");
    begin_header();
    put_tag(4, 0, NULL, 0);
    end_header();
    assert_refused(load_elf(), "the console tag of its multiboot2 header has 8 bytes, needed 12");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_multiboot_kernel_gets_its_modules_in_order_behind_the_ramdisk,
                                        begin_mb1, end),
        cmocka_unit_test_setup_teardown(a_multiboot2_kernel_gets_a_tag_for_each, begin_mb2, end),
        cmocka_unit_test_setup_teardown(modules_must_fit, begin_mb1, end),
        cmocka_unit_test_setup_teardown(only_multiboot_kernels_take_modules, begin_mb1, end),
        cmocka_unit_test_setup_teardown(a_multiboot_kernel_finds_its_symbols, begin_mb1, end),
        cmocka_unit_test_setup_teardown(a_multiboot2_kernel_finds_them_too, begin_mb2, end),
        cmocka_unit_test_setup_teardown(
            sections_that_are_not_whole_or_have_no_room_keep_no_kernel_from_starting, begin_mb1, end),
        cmocka_unit_test_setup_teardown(a_relocatable_kernel_goes_where_it_may, begin_mb2, end),
        cmocka_unit_test_setup_teardown(modules_of_a_kernel_at_the_top_lie_below_it, begin_mb2, end),
        cmocka_unit_test_setup_teardown(its_sections_and_entry_tag_move_with_it, begin_mb2, end),
        cmocka_unit_test_setup_teardown(a_relocatable_kernel_without_a_place_is_refused, begin_mb2, end),
        cmocka_unit_test_setup_teardown(a_header_with_addresses_can_be_relocatable_as_well, begin_mb2, end),
        cmocka_unit_test_setup_teardown(a_kernel_that_can_do_with_a_text_screen_needs_none, begin_mb2, end),
    };
    return cmocka_run_group_tests_name("load_modules", tests, NULL, NULL);
}
