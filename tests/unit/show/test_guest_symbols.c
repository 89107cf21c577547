/* Names of a guest's functions, from whatever text the module is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hv/load/load.h"
#include "hv/show/guest_symbols.h"
#include "hv/vm/vm.h"

/* The file is as long as it is: a byte behind it is ASan's. */
static void expect(const char *file, size_t size, uint64_t address, const char *said)
{
    uint8_t *bytes = malloc(size ? size : 1);
    struct module module = {.bytes = bytes, .size = size};
    struct vm vm = {.symbols = &module};
    struct text_buffer out;
    char text[256] = "";

    memcpy(bytes, file, size);
    text_buffer_init(&out, text, sizeof(text));
    guest_symbol_print(&vm, address, &out.writer);
    assert_string_equal(text, said);
    free(bytes);
}

static void look(const char *file, uint64_t address, const char *said)
{
    expect(file, strlen(file), address, said);
}

static void the_function_before_an_address_is_named(void **state)
{
    static const char map[] = "0000000000008000 T start\n"
                              "0000000000008010 t inner\n"
                              "0000000000008020 D data\n"
                              "                 U elsewhere\n"
                              "0000000000008030 W weak\n"
                              "ffffffff81000000 T _text\r\n";

    (void)state;
    look(map, 0x7fff, "");
    look(map, 0x8000, " (start+0x0)");
    look(map, 0x800f, " (start+0xf)");
    look(map, 0x8025, " (inner+0x15)"); /* data is no place for code */
    look(map, 0x8031, " (weak+0x1)");
    look(map, 0xffffffff81000123, " (_text+0x123)");
}

static void lines_need_no_order_and_no_end(void **state)
{
    (void)state;
    look("9000 T b\n8000 T a\na000 T c", 0x8fff, " (a+0xfff)");
    look("9000 T b\n8000 T a\na000 T c", 0xa001, " (c+0x1)");
}

static void what_is_no_line_names_nothing(void **state)
{
    static const char *const files[] = {
        "",           "\n\n",      "8000",          "8000 ",       "8000 T",      "8000 T ",   "8000 T\n",
        "8000 T \nx", "T start\n", "8000  start\n", " 8000 T x\n", "8000 \0 x\n", "8000 X x\n"};

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(files); i++)
        look(files[i], 0x8000, "");
    expect("\x7f"
           "ELF\0\0\0\0\1",
           9, 0x8000, "");
    expect("8000 \0 x\n", 9, 0x8000, "");
}

static void a_long_name_is_cut(void **state)
{
    char file[300], said[300];

    (void)state;
    memset(file, 'n', sizeof(file));
    memcpy(file, "8000 T ", 7);
    format_text(said, sizeof(said), " (%.80s+0x2)", file + 7);
    expect(file, sizeof(file), 0x8002, said);
}

static void a_vm_without_names_says_nothing(void **state)
{
    struct vm vm = {0};

    (void)state;
    guest_symbol_print(&vm, 0x8000, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_function_before_an_address_is_named),
        cmocka_unit_test(lines_need_no_order_and_no_end),
        cmocka_unit_test(what_is_no_line_names_nothing),
        cmocka_unit_test(a_long_name_is_cut),
        cmocka_unit_test(a_vm_without_names_says_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
