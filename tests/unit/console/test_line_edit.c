#include "tests/unit/fake.h"

#include <string.h>

#include "hv/console/line_edit.h"

static char screen[4096];
static struct text_buffer out;
static struct line_edit edit;

static const char *candidate(unsigned place, unsigned n)
{
    static const char *const words[2][5] = {{"pause", "pmem", "poweroff", "regs", NULL}, {"web", "db", NULL}};

    return place < 2 ? words[place][n] : NULL;
}

static int begin(void **state)
{
    (void)state;
    memset(&edit, 0, sizeof(edit));
    text_buffer_init(&out, screen, sizeof(screen));
    edit.out = &out.writer;
    edit.prompt = "> ";
    edit.candidate = candidate;
    return 0;
}

/* Types, and returns what the last byte came to. */
static enum edit_result type(const char *text)
{
    enum edit_result result = EDIT_GOES_ON;

    out.length = 0;
    screen[0] = 0;
    for (; *text; text++)
        result = line_edit_byte(&edit, (uint8_t)*text);
    return result;
}

static void expect(const char *keys, const char *shown, const char *line)
{
    type(keys);
    assert_string_equal(screen, shown);
    assert_string_equal(edit.line, line);
}

/* The line that comes of these keys. */
static void gives(const char *keys, const char *line)
{
    begin(NULL);
    type(keys);
    assert_int_equal(type("\r"), EDIT_DONE);
    assert_string_equal(edit.line, line);
    assert_int_equal(strlen(edit.line), edit.length);
}

static void what_is_typed_is_shown(void **state)
{
    (void)state;
    line_edit_show(&edit);
    assert_string_equal(screen, "\r> \x1b[K");
    expect("ab", "ab", "ab");
    expect("\x1b[D", "\r> ab\x1b[K\x1b[1D", "ab");
    expect("x", "\r> axb\x1b[K\x1b[1D", "axb");
    expect("\x7f", "\r> ab\x1b[K\x1b[1D", "ab");
    assert_int_equal(type("\r"), EDIT_DONE);
    assert_string_equal(screen, "\n");
    assert_int_equal(type("\n"), EDIT_GOES_ON); /* belongs to the CR */
    out.length = 0;
    line_edit_show(&edit);
    assert_string_equal(screen, "\r> \x1b[K");
}

static void keys_edit_the_line(void **state)
{
    (void)state;
    gives("bc\x01"
          "a",
          "abc");
    gives("ab\x01\x05"
          "c",
          "abc");
    gives("abc\x1b[D\x1b[D\x0b", "a");
    gives("abc\x1b[D\x15", "c");
    gives("one two  \x17", "one ");
    gives("one two\x17\x17\x17", "");
    gives("abc\x01\x04", "bc");
    gives("abc\x01\x7f\x08", "abc");
    gives("abc\x1b[C\x1b[D\x1b[D\x1b[Cx", "abxc");
    gives("abc\x1b[Hx\x1b[Fy", "xabcy");
    gives("abc\x1b[3~\x1bOD\x1b[1;5Cd", "abcd");
    gives("a\x01\x02\x06\x06"
          "b",
          "ab");
    gives("a\x1c\x80\xff"
          "b",
          "ab");
}

static void a_line_that_is_too_long_takes_no_more(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2 * EDIT_MOST; i++)
        type("x");
    assert_int_equal(edit.length, EDIT_MOST);
    type("\x1b[Dy");
    assert_int_equal(strlen(edit.line), EDIT_MOST);
    assert_null(strchr(edit.line, 'y'));
}

static void the_history_keeps_eight_lines(void **state)
{
    char line[8];

    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        format_text(line, sizeof(line), "%u\r", i);
        type(line);
        line_edit_show(&edit);
    }
    type("draft");
    expect("\x1b[A", "\r> 9\x1b[K", "9");
    expect("\x10", "\r> 8\x1b[K", "8");
    expect("\x1b[B\x0e", "\r> 9\x1b[K\r> draft\x1b[K", "draft");
    expect("\x1b[B", "", "draft");
    type("\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A");
    assert_string_equal(edit.line, "2");
}

static void a_line_twice_is_kept_once(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        type(i == 2 ? "\r" : "same\r");
        line_edit_show(&edit);
    }
    assert_int_equal(edit.kept, 1);
}

static void words_are_completed(void **state)
{
    (void)state;
    expect("r\t", "regs ", "regs ");
    expect("w\t", "web ", "regs web ");
    expect("\t", "", "regs web ");
    expect("\x15", "\r> \x1b[K", "");
    expect("p\t", "p\npause; pmem; poweroff\n\r> p\x1b[K", "p");
    expect("x\t", "x", "px");
    expect("\x17po\t", "\r> \x1b[Kpoweroff ", "poweroff ");
    expect("\t", "\nweb; db\n\r> poweroff \x1b[K", "poweroff ");
}

static void control_c_gives_up_and_control_d_ends(void **state)
{
    (void)state;
    expect("abc\x03", "abc^C\n\r> \x1b[K", "");
    assert_int_equal(type("\x04"), EDIT_END);
    type("a\x01");
    assert_int_equal(type("\x04"), EDIT_GOES_ON);
    assert_int_equal(type("\x04"), EDIT_END);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_typed_is_shown, begin),
        cmocka_unit_test_setup(keys_edit_the_line, begin),
        cmocka_unit_test_setup(a_line_that_is_too_long_takes_no_more, begin),
        cmocka_unit_test_setup(the_history_keeps_eight_lines, begin),
        cmocka_unit_test_setup(a_line_twice_is_kept_once, begin),
        cmocka_unit_test_setup(words_are_completed, begin),
        cmocka_unit_test_setup(control_c_gives_up_and_control_d_ends, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
