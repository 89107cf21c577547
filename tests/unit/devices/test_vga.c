#include "devices/vga.h"

#include "tests/unit/fake.h"

#include <string.h>

/* Registers are those of IBM's VGA, by their numbers. */
static struct vga vga;
static struct spinlock lock;
static struct bus bus;
static struct bus_range ranges[3];

static uint8_t in(uint16_t port)
{
    uint64_t value = 0;

    bus_read(&bus, port, 1, &value);
    return (uint8_t)value;
}

static void out(uint16_t port, unsigned size, uint32_t value)
{
    bus_write(&bus, port, size, value);
}

static uint8_t get(uint16_t index_port, uint8_t index)
{
    out(index_port, 1, index);
    return in(index_port + 1);
}

static void set(uint16_t index_port, uint8_t index, uint8_t value)
{
    out(index_port, 2, index | (uint32_t)value << 8);
}

static int begin(void **state)
{
    (void)state;
    fake_reset();
    memset(&vga, 0xa5, sizeof(vga));
    vga_init(&vga, &lock);
    ranges[0] = (struct bus_range){0x3b4, 0x3bb, &vga.mono};
    ranges[1] = (struct bus_range){0x3c0, 0x3cf, &vga.registers};
    ranges[2] = (struct bus_range){0x3d4, 0x3db, &vga.color};
    assert_true(bus_init(&bus, "port", ranges, 3));
    bus_reset(&bus);
    return 0;
}

static void the_cursor_is_where_it_was_put(void **state)
{
    (void)state;
    assert_int_equal(get(0x3d4, 0x0e) << 8 | get(0x3d4, 0x0f), 0);
    set(0x3d4, 0x0e, 0x07);
    set(0x3d4, 0x0f, 0xcf);
    assert_int_equal(get(0x3d4, 0x0e), 0x07);
    assert_int_equal(get(0x3d4, 0x0f), 0xcf);
    assert_int_equal(in(0x3d4), 0x0f);
    assert_int_equal(bus.misses.count, 0);
    assert_false(spin_is_held(&lock));
}

static void it_begins_with_80_columns_of_text(void **state)
{
    (void)state;
    assert_int_equal(in(0x3cc) & 1, 1);
    assert_int_equal(get(0x3d4, 0x01), 79);
    assert_int_equal(get(0x3d4, 0x13) * 2, 80);
    assert_int_equal(get(0x3d4, 0x09) & 0x1f, 15);
    assert_int_equal(((get(0x3d4, 7) & 0x02) << 7 | (get(0x3d4, 7) & 0x40) << 3 | get(0x3d4, 0x12)) + 1, 400);
    assert_int_equal(get(0x3ce, 6) & 1, 0);      /* text */
    assert_int_equal(get(0x3ce, 6) >> 2 & 3, 3); /* at 0xB8000 */
    assert_int_equal(get(0x3d4, 0x0c) | get(0x3d4, 0x0d), 0);
    assert_int_equal(in(0x3c6), 0xff);
}

static void each_bank_remembers(void **state)
{
    static const struct {
        uint16_t port;
        uint8_t count;
    } banks[] = {{0x3c4, 5}, {0x3ce, 9}, {0x3d4, 25}};

    (void)state;
    set(0x3d4, 0x11, 0); /* unprotected */
    for (unsigned i = 0; i < ARRAY_LENGTH(banks); i++) {
        for (unsigned index = 0; index < banks[i].count; index++)
            if (banks[i].port != 0x3d4 || index != 0x11)
                set(banks[i].port, (uint8_t)index, (uint8_t)(0x80 + index));
        for (unsigned index = 0; index < banks[i].count; index++)
            if (banks[i].port != 0x3d4 || index != 0x11)
                assert_int_equal(get(banks[i].port, (uint8_t)index), 0x80 + index);
        for (unsigned index = banks[i].count; index < 256; index++) {
            set(banks[i].port, (uint8_t)index, 0x55);
            assert_int_equal(get(banks[i].port, (uint8_t)index), 0);
        }
    }
}

static void the_timings_can_be_protected(void **state)
{
    (void)state;
    assert_int_equal(get(0x3d4, 0x11) & 0x80, 0x80);
    set(0x3d4, 0, 0x12);
    assert_int_equal(get(0x3d4, 0), 0x5f);
    set(0x3d4, 7, 0x00); /* but for the line compare bit */
    assert_int_equal(get(0x3d4, 7), 0x0f);
    set(0x3d4, 7, 0xff);
    assert_int_equal(get(0x3d4, 7), 0x1f);
    set(0x3d4, 0x11, 0x0e);
    set(0x3d4, 0, 0x12);
    assert_int_equal(get(0x3d4, 0), 0x12);
}

static void attributes_take_index_and_data_in_turn(void **state)
{
    (void)state;
    in(0x3da);
    out(0x3c0, 1, 0x10);
    out(0x3c0, 1, 0x41);
    out(0x3c0, 1, 0x30);
    assert_int_equal(in(0x3c0), 0x30);
    assert_int_equal(in(0x3c1), 0x41);
    in(0x3da); /* an index is next, whatever came */
    out(0x3c0, 1, 0x14);
    out(0x3c0, 1, 0x05);
    in(0x3da);
    out(0x3c0, 1, 0x14);
    assert_int_equal(in(0x3c1), 0x05);
    out(0x3c0, 1, 0x77);
    in(0x3da);
    out(0x3c0, 1, 0x1f); /* there is none */
    out(0x3c0, 1, 0x77);
    assert_int_equal(in(0x3c1), 0);
}

static void the_palette_goes_on_by_itself(void **state)
{
    (void)state;
    out(0x3c7, 1, 7); /* light gray */
    for (unsigned part = 0; part < 3; part++)
        assert_int_equal(in(0x3c9), 42);
    out(0x3c7, 1, 0x3f);
    for (unsigned part = 0; part < 3; part++)
        assert_int_equal(in(0x3c9), 63);
    out(0x3c8, 1, 0xff);
    assert_int_equal(in(0x3c7), 0);
    for (unsigned i = 1; i <= 6; i++)
        out(0x3c9, 1, 0xc0 + i);
    assert_int_equal(in(0x3c8), 1);
    out(0x3c7, 1, 0xff);
    assert_int_equal(in(0x3c7), 3);
    for (unsigned i = 1; i <= 6; i++) /* 255, then 0 again */
        assert_int_equal(in(0x3c9), i);
    out(0x3c8, 1, 9);
    out(0x3c9, 1, 0x3f); /* not a whole color */
    out(0x3c7, 1, 9);
    assert_int_equal(in(0x3c9), 0);
}

static void the_crt_controller_moves_with_the_misc_register(void **state)
{
    (void)state;
    set(0x3d4, 0x0f, 0x11);
    assert_int_equal(in(0x3b5), 0xff);
    out(0x3c2, 1, 0x66);
    assert_int_equal(in(0x3cc), 0x66);
    set(0x3d4, 0x0f, 0x22); /* to nobody */
    assert_int_equal(in(0x3d5), 0xff);
    assert_int_equal(in(0x3da), 0xff);
    assert_int_equal(get(0x3b4, 0x0f), 0x11);
    assert_int_not_equal(in(0x3ba), 0xff);
}

/* 70 frames a second, each with a retrace; 31469 lines, each with an end. */
static void the_retrace_comes_and_goes_with_time(void **state)
{
    unsigned frames = 0, lines = 0, shown = 0;
    uint8_t before = 0;

    (void)state;
    for (unsigned i = 0; i < 1000000; i++) {
        uint8_t now;

        fake_now = i * fake_hz / 1000000;
        now = in(0x3da);
        frames += now & 8 && !(before & 8);
        lines += now & 1 && !(before & 1);
        shown += !(now & 1);
        assert_true(!(now & 8) || now & 1);
        before = now;
    }
    assert_in_range(frames, 69, 71);
    assert_in_range(lines, 400 * 69, 401 * 71);
    assert_in_range(shown, 600000, 800000);
}

static void random_accesses_are_survived(void **state)
{
    uint32_t seed = 1;

    (void)state;
    for (unsigned i = 0; i < 200000; i++) {
        seed = seed * 1664525 + 1013904223;
        if (seed >> 30 & 1)
            in((uint16_t)(0x3b0 + (seed >> 8 & 0x3f)));
        else
            out((uint16_t)(0x3b0 + (seed >> 8 & 0x3f)), 1u << (seed >> 20 & 1), seed >> 16);
    }
    fake_log[0] = 0;
}

static void it_can_describe_itself(void **state)
{
    char text[256];
    struct text_buffer buffer;

    (void)state;
    set(0x3d4, 0x0e, 0x01);
    text_buffer_init(&buffer, text, sizeof(text));
    vga.registers.ops->describe(&vga.registers, &buffer.writer);
    assert_non_null(strstr(text, "crtc at 3d4 start 0000 cursor 0100 misc 67"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_cursor_is_where_it_was_put, begin),
        cmocka_unit_test_setup(it_begins_with_80_columns_of_text, begin),
        cmocka_unit_test_setup(each_bank_remembers, begin),
        cmocka_unit_test_setup(the_timings_can_be_protected, begin),
        cmocka_unit_test_setup(attributes_take_index_and_data_in_turn, begin),
        cmocka_unit_test_setup(the_palette_goes_on_by_itself, begin),
        cmocka_unit_test_setup(the_crt_controller_moves_with_the_misc_register, begin),
        cmocka_unit_test_setup(the_retrace_comes_and_goes_with_time, begin),
        cmocka_unit_test_setup(random_accesses_are_survived, begin),
        cmocka_unit_test_setup(it_can_describe_itself, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
