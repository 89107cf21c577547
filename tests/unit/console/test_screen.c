/* The log on a screen: text, pixels of each size, scrolling, and framebuffers that are none. */
#include "tests/unit/fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hv/console/font.h"
#include "hv/console/screen.h"
#include "hv/host/log_ring.h"
#include "hv/host/paging.h"

struct log_ring log_ring;
void (*log_screen)(const char *text, size_t length);

#define COLUMNS 30
#define ROWS    4
#define WIDTH   (COLUMNS * 8 + 5) /* a part of a letter is left over */
#define HEIGHT  (ROWS * 16 + 3)

/* Sizes of what a test shows on; the memory ends where the framebuffer does, for the sanitizer. */
static uint8_t *memory;
static struct boot_info info;
static struct boot_framebuffer *const frame = &info.framebuffer;

/* The address of a framebuffer above 4 GiB, which is what this stands for. */
#define ADDRESS GIB(5)

void *host_map(hpa_t physical, uint64_t size, enum host_mapping mapping)
{
    assert_int_equal(physical, ADDRESS);
    assert_int_equal(size, (uint64_t)frame->pitch * frame->height);
    assert_int_equal(mapping, HOST_DEVICE);
    return memory;
}

static void begin(unsigned depth)
{
    memset(&info, 0, sizeof(info));
    *frame = (struct boot_framebuffer){.address = ADDRESS,
                                       .type = depth ? 1 : 2,
                                       .width = depth ? WIDTH : COLUMNS,
                                       .height = depth ? HEIGHT : ROWS,
                                       .bits_per_pixel = (uint8_t)(depth * 8)};
    frame->pitch = depth ? frame->width * depth + 12 : COLUMNS * 2;
    memory = realloc(memory, (size_t)frame->pitch * frame->height);
    memset(memory, 0x33, (size_t)frame->pitch * frame->height);
    memset(&log_ring, 0, sizeof(log_ring));
    log_screen = NULL;
}

static void start(void)
{
    screen_start(&info);
    assert_null(log_screen); /* it is above 4 GiB: nothing is mapped yet */
    screen_move();
}

static void say(const char *text)
{
    assert_non_null(log_screen);
    log_screen(text, strlen(text));
}

/* What a person reads in a row: each letter is looked up by its shape. */
static const char *row(unsigned number)
{
    static char text[COLUMNS + 1];
    unsigned depth = frame->bits_per_pixel / 8;

    for (unsigned column = 0; column < COLUMNS; column++) {
        const uint8_t *at = memory + (size_t)number * frame->pitch + 2 * column;
        uint8_t shape[8] = {0};

        text[column] = depth ? '#' : at[0] ? (char)at[0] : ' ';
        for (unsigned y = 0; depth && y < 16; y++)
            for (unsigned x = 0; x < 8; x++) {
                const uint8_t *point =
                    memory + (size_t)(number * 16 + y) * frame->pitch + (column * 8 + x) * depth;

                assert_true(point[0] == 0 || point[0] == 0xff);
                assert_memory_equal(point, point + depth - 1, 1);
                shape[x] |= (uint8_t)((point[0] & 1) << (y / 2));
            }
        assert_true(!depth || (shape[0] == 0 && shape[6] == 0 && shape[7] == 0));
        for (unsigned i = 0; depth && i <= FONT_LAST - FONT_FIRST; i++)
            if (memcmp(font[i], shape + 1, FONT_WIDTH) == 0)
                text[column] = (char)(FONT_FIRST + i);
    }
    for (unsigned end = COLUMNS; end && text[end - 1] == ' '; end--)
        text[end - 1] = 0;
    return text;
}

#define FOR_EACH_DEPTH(depth) for (unsigned depth = 0; depth <= 4; depth += depth ? 1 : 2)

static void each_kind_of_screen_shows_text(void **state)
{
    (void)state;
    FOR_EACH_DEPTH(depth)
    {
        begin(depth);
        start();
        say("[   0.1 cpu0] Ready? {~}\nnext\n");
        assert_string_equal(row(0), "[   0.1 cpu0] Ready? {~}");
        assert_string_equal(row(1), "next");
        assert_string_equal(row(2), "");
    }
}

static void what_was_logged_before_is_shown_first(void **state)
{
    (void)state;
    begin(4);
    strcpy(log_ring.text, "early\n");
    log_ring.written = 6;
    start();
    say("late\n");
    assert_string_equal(row(0), "early");
    assert_string_equal(row(1), "late");
}

static void it_scrolls(void **state)
{
    char line[16];

    (void)state;
    FOR_EACH_DEPTH(depth)
    {
        begin(depth);
        start();
        for (unsigned i = 0; i < 50; i++) {
            snprintf(line, sizeof(line), "%.*s%u\n", i % 4, "....", i);
            say(line);
        }
        assert_string_equal(row(0), "...47");
        assert_string_equal(row(1), "48");
        assert_string_equal(row(2), ".49");
        assert_string_equal(row(3), "");
    }
}

static void a_long_line_goes_on_in_the_next(void **state)
{
    (void)state;
    begin(4);
    start();
    say("123456789012345678901234567890");
    assert_string_equal(row(1), "");
    say("abc\n");
    assert_string_equal(row(0), "123456789012345678901234567890");
    assert_string_equal(row(1), "abc");
}

static void bytes_that_are_no_letters_show_as_question_marks(void **state)
{
    (void)state;
    begin(0);
    start();
    say("a\tb\x80\x1b\x7f\n");
    assert_string_equal(row(0), "a?b???");
}

static void a_large_screen_is_used_in_part(void **state)
{
    (void)state;
    begin(4);
    frame->width = 8 * 1000;
    frame->pitch = frame->width * 4;
    frame->height = 16 * 200;
    memory = realloc(memory, (size_t)frame->pitch * frame->height);
    start();
    for (unsigned i = 0; i < 1000; i++)
        say("line\n");
    assert_string_equal(row(0), "line");
    assert_string_equal(row(62), "line");
    assert_string_equal(row(63), "");
    assert_string_equal(row(199), "");
}

static void what_is_no_framebuffer_is_not_used(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 9; i++) {
        begin(4);
        switch (i) {
        case 0:
            frame->type = 0;
            break; /* palette */
        case 1:
            frame->bits_per_pixel = 0;
            break;
        case 2:
            frame->bits_per_pixel = 64;
            break;
        case 3:
            frame->pitch = WIDTH * 4 - 1;
            break;
        case 4:
            frame->width = 7;
            break;
        case 5:
            frame->height = 15;
            break;
        case 6:
            frame->address = UINT64_MAX - 100;
            break;
        case 7:
            frame->type = 99;
            break;
        default:
            frame->address = 0, info.efi_system_table = 0x1000;
            break;
        }
        screen_start(&info);
        screen_move();
        assert_null(log_screen);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_screen_shows_text),
        cmocka_unit_test(what_was_logged_before_is_shown_first),
        cmocka_unit_test(it_scrolls),
        cmocka_unit_test(a_long_line_goes_on_in_the_next),
        cmocka_unit_test(bytes_that_are_no_letters_show_as_question_marks),
        cmocka_unit_test(a_large_screen_is_used_in_part),
        cmocka_unit_test(what_is_no_framebuffer_is_not_used),
    };
    int failed = cmocka_run_group_tests_name("screen", tests, NULL, NULL);

    free(memory);
    return failed;
}
