#include "hv/lib/inflate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/fake.h"

#define MOST 200000

static uint8_t plain[MOST], packed[MOST * 2], expanded[MOST];

/* What gzip makes of the first `size` bytes of `plain`: its length. */
static size_t pack(size_t size, int level)
{
    char name[] = "/tmp/keel-inflate-XXXXXX", command[100];
    int file = mkstemp(name);
    FILE *pipe;
    size_t length;

    assert_true(file >= 0);
    assert_int_equal(write(file, plain, size), size);
    close(file);
    snprintf(command, sizeof(command), "gzip -%dnc %s", level, name);
    pipe = popen(command, "r");
    assert_non_null(pipe);
    length = fread(packed, 1, sizeof(packed), pipe);
    assert_int_equal(pclose(pipe), 0);
    unlink(name);
    return length;
}

/* Exact copies: ASan sees each access beside them. */
static bool expand(const uint8_t *from, size_t from_size, size_t to_size)
{
    uint8_t *source = malloc(from_size ? from_size : 1), *target = malloc(to_size ? to_size : 1);
    bool good;

    memcpy(source, from, from_size);
    good = inflate(source, from_size, target, to_size);
    memcpy(expanded, target, to_size);
    free(source);
    free(target);
    return good;
}

static void comes_back(size_t size, int level)
{
    size_t length = pack(size, level);

    assert_true(expand(packed, length, size));
    assert_memory_equal(plain, expanded, size);
}

static void fill_with_noise(void)
{
    uint32_t state = 1;

    for (unsigned i = 0; i < MOST; i++) {
        state = state * 1664525 + 1013904223;
        plain[i] = (uint8_t)(state >> 24);
    }
}

/* Words in an order that does not repeat: codes of many lengths, and matches near and far. */
static void fill_with_words(void)
{
    static const char *const words[] = {"guest", " ",  "the", "control",  "must be 0",
                                        "\n",    "0x", "ü",   "interrupt"};
    uint32_t state = 1;

    for (size_t i = 0; i < MOST; state = state * 1664525 + 1013904223) {
        const char *word = words[(state >> 20) % ARRAY_LENGTH(words)];
        size_t length = MIN(strlen(word), MOST - i);

        memcpy(plain + i, word, length);
        i += length;
    }
}

static void nothing_expands_to_nothing(void **state)
{
    (void)state;
    comes_back(0, 9);
    assert_false(expand(packed, pack(0, 9), 1));
}

static void noise_comes_back_from_stored_blocks(void **state)
{
    (void)state;
    fill_with_noise();
    comes_back(MOST, 9);
    assert_int_equal(packed[10] & 6, 0);
}

static void a_short_text_comes_back_from_a_fixed_code(void **state)
{
    (void)state;
    memcpy(plain, "a text, a text, a text \xff\xfe\x8f\x90", 27);
    comes_back(27, 9);
    assert_int_equal(packed[10] & 6, 1 << 1);
}

static void long_texts_come_back_from_codes_of_their_own(void **state)
{
    (void)state;
    fill_with_words();
    for (int level = 1; level <= 9; level += 4) {
        comes_back(MOST, level);
        assert_int_equal(packed[10] & 6, 2 << 1);
    }
}

static void a_match_may_overlap_itself_and_be_of_any_length(void **state)
{
    (void)state;
    for (unsigned size = 1; size < 600; size++) {
        memset(plain, 'a', size);
        plain[0] = 'b';
        comes_back(size, 9);
    }
    memset(plain, 0, MOST);
    comes_back(MOST, 9);
}

static void matches_reach_back_32768_bytes(void **state)
{
    (void)state;
    fill_with_noise();
    for (unsigned distance = 32768 - 300; distance <= 32768 + 300; distance += 100) {
        memcpy(plain + distance, plain, 258);
        comes_back(distance + 258, 9);
        fill_with_noise();
    }
}

static void a_stream_that_is_cut_off_anywhere_is_refused(void **state)
{
    size_t length;

    (void)state;
    fill_with_words();
    length = pack(2000, 9);
    for (size_t cut = 0; cut < length; cut++)
        assert_false(expand(packed, cut, 2000));
}

static void another_size_than_asked_for_is_refused(void **state)
{
    size_t length;

    (void)state;
    fill_with_words();
    length = pack(2000, 9);
    assert_false(expand(packed, length, 1999));
    assert_false(expand(packed, length, 2001));
    assert_false(expand(packed, length, 0));
    fill_with_noise();
    length = pack(2000, 9);
    assert_false(expand(packed, length, 1999));
}

static void what_is_not_gzip_is_refused(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        size_t length = pack(20, 9);

        packed[i] ^= 8;
        assert_false(expand(packed, length, 20));
    }
}

/* A member of these blocks, whose CRC is that of "x". */
static bool expand_blocks(const uint8_t *blocks, size_t size, size_t to_size)
{
    static const uint8_t header[10] = {0x1f, 0x8b, 8}, trailer[8] = {0x83, 0x16, 0xdc, 0x8c, 1};

    memcpy(packed, header, 10);
    memcpy(packed + 10, blocks, size);
    memcpy(packed + 10 + size, trailer, 8);
    return expand(packed, 10 + size + 8, to_size);
}

static void wrong_blocks_are_refused(void **state)
{
    static const uint8_t kind_3[] = {7, 0, 0};
    static const uint8_t stored[] = {1, 1, 0, 0xfe, 0xff, 'x'}, stored_wrong[] = {1, 1, 0, 0xff, 0xff, 'x'};
    static const uint8_t from_before[] = {3, 2, 0};             /* fixed: length 3 from distance 1, end */
    static const uint8_t length_287[] = {0x1b, 3, 0, 0};        /* fixed: 11000111 */
    static const uint8_t repeat_nothing[] = {5, 0, 2, 0, 0, 0}; /* dynamic: the first length is "as before" */

    (void)state;
    assert_true(expand_blocks(stored, sizeof(stored), 1));
    assert_int_equal(expanded[0], 'x');
    packed[10 + sizeof(stored)] ^= 1;
    assert_false(expand(packed, 10 + sizeof(stored) + 8, 1));
    assert_false(expand_blocks(stored_wrong, sizeof(stored_wrong), 1));
    assert_false(expand_blocks(kind_3, sizeof(kind_3), 0));
    assert_false(expand_blocks(from_before, sizeof(from_before), 3));
    assert_false(expand_blocks(length_287, sizeof(length_287), 258));
    assert_false(expand_blocks(repeat_nothing, sizeof(repeat_nothing), 0));
}

static void any_wrong_bit_is_refused(void **state)
{
    size_t length;
    uint8_t *good;

    (void)state;
    fill_with_words();
    length = pack(3000, 9);
    good = malloc(length);
    memcpy(good, packed, length);
    for (size_t bit = 10 * 8; bit < (length - 4) * 8; bit++) {
        memcpy(packed, good, length);
        packed[bit / 8] ^= (uint8_t)(1 << bit % 8);
        /* What comes out the same all the same: bits behind the last block. */
        assert_true(!expand(packed, length, 3000) || memcmp(expanded, plain, 3000) == 0);
    }
    free(good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_expands_to_nothing),
        cmocka_unit_test(noise_comes_back_from_stored_blocks),
        cmocka_unit_test(a_short_text_comes_back_from_a_fixed_code),
        cmocka_unit_test(long_texts_come_back_from_codes_of_their_own),
        cmocka_unit_test(a_match_may_overlap_itself_and_be_of_any_length),
        cmocka_unit_test(matches_reach_back_32768_bytes),
        cmocka_unit_test(a_stream_that_is_cut_off_anywhere_is_refused),
        cmocka_unit_test(another_size_than_asked_for_is_refused),
        cmocka_unit_test(what_is_not_gzip_is_refused),
        cmocka_unit_test(wrong_blocks_are_refused),
        cmocka_unit_test(any_wrong_bit_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
