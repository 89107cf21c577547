#include "tests/unit/fake.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "hv/lib/format.h"

/* The formats are put together at run time, so the compilers cannot check them. */
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
#pragma GCC diagnostic ignored "-Wformat"

#define TEXT_MOST 256

#define SAME_AS_LIBRARY(format, ...)                                                                         \
    do {                                                                                                     \
        char expected[TEXT_MOST], ours[TEXT_MOST];                                                           \
        int length = snprintf(expected, sizeof(expected), format, __VA_ARGS__);                              \
        size_t whole = format_text(ours, sizeof(ours), format, __VA_ARGS__);                                 \
        if (strcmp(ours, expected) || whole != (size_t)length)                                               \
            fail_msg("\"%s\": \"%s\" (%zu) where the C library has \"%s\" (%d)", format, ours, whole,        \
                     expected, length);                                                                      \
    } while (0)

static const char *const widths[] = {"", "1", "7", "24", "40"};
static const char *const precisions[] = {"", ".", ".0", ".1", ".5", ".30"};

/* Every subset of the flags. */
static void flags_of(unsigned subset, char flags[8])
{
    static const char all[] = "-0#+ ";
    unsigned length = 0;

    for (unsigned i = 0; i < 5; i++)
        if (subset >> i & 1)
            flags[length++] = all[i];
    flags[length] = 0;
}

static void compare_integers(const char *format, const char *size, int64_t value)
{
    if (size[0] == 'l' || size[0] == 'z' || size[0] == 'j' || size[0] == 't')
        SAME_AS_LIBRARY(format, value);
    else
        SAME_AS_LIBRARY(format, (int)value);
}

static void integers_match_the_c_library_in_every_combination(void **state)
{
    static const char *const sizes[] = {"", "hh", "h", "l", "ll", "z", "j", "t"};
    static const int64_t values[] = {0,
                                     1,
                                     -1,
                                     9,
                                     10,
                                     127,
                                     128,
                                     255,
                                     -128,
                                     32767,
                                     -32768,
                                     65536,
                                     INT_MAX,
                                     INT_MIN,
                                     UINT_MAX,
                                     INT64_C(1) << 40,
                                     INT64_MAX,
                                     INT64_MIN,
                                     0x123456789abcdef};

    (void)state;
    for (unsigned subset = 0; subset < 32; subset++)
        for (unsigned w = 0; w < ARRAY_LENGTH(widths); w++)
            for (unsigned p = 0; p < ARRAY_LENGTH(precisions); p++)
                for (unsigned s = 0; s < ARRAY_LENGTH(sizes); s++)
                    for (const char *letter = "diuxX"; *letter; letter++) {
                        char flags[8], format[64];

                        flags_of(subset, flags);
                        snprintf(format, sizeof(format), "<%%%s%s%s%s%c>", flags, widths[w], precisions[p],
                                 sizes[s], *letter);
                        for (unsigned v = 0; v < ARRAY_LENGTH(values); v++)
                            compare_integers(format, sizes[s], values[v]);
                    }
}

static void texts_and_characters_match_the_c_library(void **state)
{
    static const char *const texts[] = {"", "k", "vmlinuz",
                                        "a longer text, of more than forty characters, really"};

    (void)state;
    for (unsigned w = 0; w < ARRAY_LENGTH(widths); w++)
        for (unsigned left = 0; left < 2; left++) {
            char format[64];

            for (unsigned p = 0; p < ARRAY_LENGTH(precisions); p++)
                for (unsigned t = 0; t < ARRAY_LENGTH(texts); t++) {
                    snprintf(format, sizeof(format), "[%%%s%s%ss]", left ? "-" : "", widths[w],
                             precisions[p]);
                    SAME_AS_LIBRARY(format, texts[t]);
                }
            snprintf(format, sizeof(format), "[%%%s%sc]", left ? "-" : "", widths[w]);
            SAME_AS_LIBRARY(format, 'x');
        }
}

static void star_takes_width_and_precision_from_the_arguments(void **state)
{
    (void)state;
    for (int width = -20; width <= 20; width++)
        for (int precision = -2; precision <= 15; precision++) {
            SAME_AS_LIBRARY("%*.*d|", width, precision, -42);
            SAME_AS_LIBRARY("%0*.*x|", width, precision, 0x42u);
            SAME_AS_LIBRARY("%*.*s|", width, precision, "hypervisor");
        }
}

static void a_text_with_a_precision_needs_no_terminator(void **state)
{
    const char unterminated[3] = {'a', 'b', 'c'};
    char text[8];

    (void)state;
    assert_int_equal(format_text(text, sizeof(text), "%.3s", unterminated), 3);
    assert_string_equal(text, "abc");
}

static void pointers_and_null_and_percent_print(void **state)
{
    char text[64];
    const char *volatile nothing = NULL;

    (void)state;
    SAME_AS_LIBRARY("%p|%20p|%-20p|", (void *)0xfee00000, (void *)UINTPTR_MAX, (void *)1);
    SAME_AS_LIBRARY("%d%% %s", 7, "of it");
    format_text(text, sizeof(text), "%s|%8s|", nothing, nothing);
    assert_string_equal(text, "(null)|  (null)|");
    format_text(text, sizeof(text), "%p", (void *)NULL);
    assert_string_equal(text, "0");
}

static void what_does_not_fit_is_cut_and_terminated(void **state)
{
    (void)state;
    for (size_t size = 0; size < 40; size++) {
        char text[48], expected[48];

        memset(text, '#', sizeof(text));
        memset(expected, '#', sizeof(expected));
        assert_int_equal(snprintf(expected, size, "vm %s: %08x, %-6d.", "debian", 0x1234, 5),
                         format_text(text, size, "vm %s: %08x, %-6d.", "debian", 0x1234, 5));
        assert_memory_equal(text, expected, size);
        for (size_t i = size; i < sizeof(text); i++)
            assert_int_equal(text[i], '#');
    }
    assert_int_equal(format_text(NULL, 0, "%d", 12345), 5);
}

static void a_text_buffer_keeps_what_fits_over_several_prints(void **state)
{
    char text[12];
    struct text_buffer buffer;

    (void)state;
    text_buffer_init(&buffer, text, sizeof(text));
    assert_string_equal(text, "");
    print_to(&buffer.writer, "%d-", 123);
    print_to(&buffer.writer, "%s", "");
    print_to(&buffer.writer, "%x", 0xabcdu);
    assert_string_equal(text, "123-abcd");
    assert_int_equal(buffer.length, 8);
    print_to(&buffer.writer, "%s", "efghij");
    assert_string_equal(text, "123-abcdefg");
    assert_int_equal(buffer.length, 11);
    print_to(&buffer.writer, "%s", "k");
    assert_int_equal(buffer.length, 11);
}

static void an_unknown_conversion_is_shown_as_it_stands(void **state)
{
    char text[64];
    const char *volatile unknown = "eax %08x then %5q and %d", *volatile cut = "90%";

    (void)state;
    format_text(text, sizeof(text), unknown, 0x10u, 1, 2);
    assert_string_equal(text, "eax 00000010 then %5q and %d");
    format_text(text, sizeof(text), cut);
    assert_string_equal(text, "90%");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_match_the_c_library_in_every_combination),
        cmocka_unit_test(texts_and_characters_match_the_c_library),
        cmocka_unit_test(star_takes_width_and_precision_from_the_arguments),
        cmocka_unit_test(a_text_with_a_precision_needs_no_terminator),
        cmocka_unit_test(pointers_and_null_and_percent_print),
        cmocka_unit_test(what_does_not_fit_is_cut_and_terminated),
        cmocka_unit_test(a_text_buffer_keeps_what_fits_over_several_prints),
        cmocka_unit_test(an_unknown_conversion_is_shown_as_it_stands),
    };
    return cmocka_run_group_tests_name("format", tests, NULL, NULL);
}
