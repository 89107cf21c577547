#include "tests/unit/fake.h"

#include <string.h>

/* Keel's functions beside the C library's, under names of their own. */
#define memcpy  keel_memcpy
#define memmove keel_memmove
#define memset  keel_memset
#define memcmp  keel_memcmp
#define strlen  keel_strlen
#define strnlen keel_strnlen
#define strcmp  keel_strcmp
#define strncmp keel_strncmp
#define strchr  keel_strchr
#include "hv/lib/string.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef strlen
#undef strnlen
#undef strcmp
#undef strncmp
#undef strchr

#define LONGEST 200
#define AREA    512

/* Keel's function works on `area`, the C library's on `expected`: the whole of both is compared. */
static char area[AREA], expected[AREA];

static void fill_both(void)
{
    for (unsigned i = 0; i < AREA; i++)
        area[i] = expected[i] = (char)(i * 7 + i / 256);
}

static void memcpy_copies_every_length_and_nothing_beside(void **state)
{
    (void)state;
    for (size_t length = 0; length <= LONGEST; length++)
        for (size_t offset = 0; offset < 9; offset++) {
            fill_both();
            memcpy(expected + offset, expected + 256 + offset / 2, length);
            assert_ptr_equal(keel_memcpy(area + offset, area + 256 + offset / 2, length), area + offset);
            assert_memory_equal(area, expected, AREA);
        }
}

static void memmove_survives_every_overlap(void **state)
{
    (void)state;
    for (size_t length = 0; length <= LONGEST; length++)
        for (size_t to = 0; to <= 2 * 40; to++) {
            fill_both();
            memmove(expected + to, expected + 40, length);
            assert_ptr_equal(keel_memmove(area + to, area + 40, length), area + to);
            assert_memory_equal(area, expected, AREA);
        }
}

static void memset_fills_every_length_and_nothing_beside(void **state)
{
    static const int bytes[] = {0, 0x5a, 0xff, 0x1234, -1};

    (void)state;
    for (size_t length = 0; length <= LONGEST; length++)
        for (size_t i = 0; i < ARRAY_LENGTH(bytes); i++) {
            fill_both();
            memset(expected + i, bytes[i], length);
            assert_ptr_equal(keel_memset(area + i, bytes[i], length), area + i);
            assert_memory_equal(area, expected, AREA);
        }
}

static int sign(int value)
{
    return (value > 0) - (value < 0);
}

static void memcmp_finds_the_first_difference_as_unsigned_bytes(void **state)
{
    (void)state;
    fill_both();
    for (size_t length = 0; length < 40; length++) {
        assert_int_equal(keel_memcmp(area, expected, length), 0);
        for (size_t at = 0; at < length; at++) {
            area[at] ^= (char)0x80;
            area[length] ^= 1; /* behind the end: must not matter */
            assert_int_equal(sign(keel_memcmp(area, expected, length)), sign(memcmp(area, expected, length)));
            area[at] ^= (char)0x80;
            area[length] ^= 1;
        }
    }
}

static void lengths_stop_at_the_terminator_or_at_the_limit(void **state)
{
    const char unterminated[3] = {'a', 'b', 'c'};

    (void)state;
    assert_int_equal(keel_strlen(""), 0);
    assert_int_equal(keel_strlen("vmlinuz"), 7);
    assert_int_equal(keel_strnlen("vmlinuz", 3), 3);
    assert_int_equal(keel_strnlen("vm", 30), 2);
    assert_int_equal(keel_strnlen(unterminated, 3), 3);
    assert_int_equal(keel_strnlen(unterminated, 0), 0);
}

static void texts_compare_as_the_c_library_does(void **state)
{
    static const char *const texts[] = {"", "a", "ab", "b", "abc", "ab\xff", "ab\x01", "abcdefghij"};
    const char unterminated[3] = {'a', 'b', 'c'};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        for (size_t j = 0; j < ARRAY_LENGTH(texts); j++) {
            assert_int_equal(sign(keel_strcmp(texts[i], texts[j])), sign(strcmp(texts[i], texts[j])));
            for (size_t most = 0; most < 12; most++)
                assert_int_equal(sign(keel_strncmp(texts[i], texts[j], most)),
                                 sign(strncmp(texts[i], texts[j], most)));
        }
    assert_int_equal(keel_strncmp(unterminated, "abcd", 3), 0);
}

static void strchr_finds_the_first_and_the_terminator(void **state)
{
    const char *text = "console=ttyS0=";

    (void)state;
    assert_ptr_equal(keel_strchr(text, '='), text + 7);
    assert_ptr_equal(keel_strchr(text, 0), text + 14);
    assert_ptr_equal(keel_strchr(text, 'c'), text);
    assert_null(keel_strchr(text, 'z'));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memcpy_copies_every_length_and_nothing_beside),
        cmocka_unit_test(memmove_survives_every_overlap),
        cmocka_unit_test(memset_fills_every_length_and_nothing_beside),
        cmocka_unit_test(memcmp_finds_the_first_difference_as_unsigned_bytes),
        cmocka_unit_test(lengths_stop_at_the_terminator_or_at_the_limit),
        cmocka_unit_test(texts_compare_as_the_c_library_does),
        cmocka_unit_test(strchr_finds_the_first_and_the_terminator),
    };
    return cmocka_run_group_tests_name("string", tests, NULL, NULL);
}
