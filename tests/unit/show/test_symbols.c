#include "tests/unit/fake.h"

#include "hv/show/symbols.h"

/* A small image: code of 0x100 bytes whose first function begins at offset 0x10, and the table of it. */
__asm__(".pushsection .rodata\n"
        ".globl image_start, text_end, symbol_count, symbol_table, symbol_names\n"
        ".balign 16\n"
        "image_start: .skip 0x100\n"
        "text_end: .skip 0x10\n"
        ".balign 4\n"
        "symbol_count: .long 4\n"
        "symbol_table: .long 0x10, 0x20, 0x21, 0xf0\n"
        "symbol_names: .asciz \"start\", \"one_byte\", \"middle\", \"last\"\n"
        ".popsection");

extern const char image_start[];

static void each_address_belongs_to_the_symbol_at_or_before_it(void **state)
{
    static const struct {
        unsigned at;
        const char *name;
        unsigned offset;
    } rows[] = {
        {0x10, "start", 0},  {0x1f, "start", 15},    {0x20, "one_byte", 0}, {0x21, "middle", 0},
        {0x22, "middle", 1}, {0xef, "middle", 0xce}, {0xf0, "last", 0},     {0xff, "last", 15},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(rows); i++) {
        uint64_t offset;
        const char *name = symbol_at((uint64_t)image_start + rows[i].at, &offset);

        assert_non_null(name);
        assert_string_equal(name, rows[i].name);
        assert_int_equal(offset, rows[i].offset);
    }
}

static void other_addresses_have_no_symbol(void **state)
{
    const uint64_t start = (uint64_t)image_start,
                   others[] = {0, start - 1, start, start + 0xf, start + 0x100, UINT64_MAX};
    uint64_t offset;

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(others); i++)
        assert_null(symbol_at(others[i], &offset));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_address_belongs_to_the_symbol_at_or_before_it),
        cmocka_unit_test(other_addresses_have_no_symbol),
    };
    return cmocka_run_group_tests_name("symbols", tests, NULL, NULL);
}
