#include "tests/unit/fake.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "devices/rtc.h"

enum {
    SECONDS,
    SECONDS_ALARM,
    MINUTES,
    MINUTES_ALARM,
    HOURS,
    HOURS_ALARM,
    WEEKDAY,
    DAY,
    MONTH,
    YEAR,
    A,
    B,
    C,
    D
};

#define CENTURY 0x32
#define SECOND  1000000000ull
#define MS      1000000ull

static struct rtc rtc;
static struct spinlock lock;
static unsigned rises;
static bool line;

static void set_line(void *owner, unsigned pin, bool asserted)
{
    (void)owner;
    assert_int_equal(pin, 8);
    rises += asserted && !line;
    line = asserted;
}

static uint8_t get(uint8_t index)
{
    uint64_t value = 0xdead;

    assert_true(rtc.device.ops->write(&rtc.device, 0, 1, index));
    assert_true(rtc.device.ops->read(&rtc.device, 1, 1, &value));
    assert_in_range(value, 0, 0xff);
    return (uint8_t)value;
}

static void set(uint8_t index, uint8_t value)
{
    assert_true(rtc.device.ops->write(&rtc.device, 0, 1, index));
    assert_true(rtc.device.ops->write(&rtc.device, 1, 1, value));
}

static void power_on(uint64_t wall)
{
    fake_reset();
    fake_wall = wall;
    rtc_init(&rtc, &lock, MIB(64), 0);
    rtc.irq = (struct irq_line){set_line, NULL, 8};
    rises = 0, line = false;
}

static int setup(void **state)
{
    (void)state;
    power_on(1700000000); /* Tuesday, 2023-11-14 22:13:20 */
    return 0;
}

static void run(uint64_t time)
{
    fake_run_until(fake_now + time);
}

/* The clock as text, whatever the format of its registers: the bytes in hexadecimal. */
static const char *now(void)
{
    static char text[40];

    snprintf(text, sizeof(text), "%02x%02x-%02x-%02x %x %02x:%02x:%02x", get(CENTURY), get(YEAR), get(MONTH),
             get(DAY), get(WEEKDAY), get(HOURS), get(MINUTES), get(SECONDS));
    return text;
}

/* Sets the clock as an operating system does, in the registers' own format. */
static void set_clock(const uint8_t bytes[8])
{
    static const uint8_t order[] = {CENTURY, YEAR, MONTH, DAY, WEEKDAY, HOURS, MINUTES, SECONDS};
    uint8_t b = get(B);

    set(B, b | 0x80);
    for (unsigned i = 0; i < 8; i++)
        set(order[i], bytes[i]);
    set(B, b & 0x7f);
}

static void shows_the_wall_clock(void **state)
{
    (void)state;
    assert_string_equal(now(), "2023-11-14 3 22:13:20");
    assert_int_equal(get(A), 0x26);
    assert_int_equal(get(B), 0x02);
    assert_int_equal(get(D), 0x80);
    run(40 * SECOND);
    assert_string_equal(now(), "2023-11-14 3 22:14:00");
    run(3600 * 24 * SECOND);
    assert_string_equal(now(), "2023-11-15 4 22:14:00");
}

/* The C library knows the calendar too. */
static void agrees_with_the_c_library_over_centuries(void **state)
{
    (void)state;
    for (uint64_t wall = 0; wall < 25000000000; wall += 7654321) {
        time_t seconds = wall;
        struct tm tm;
        char text[40];

        power_on(wall);
        gmtime_r(&seconds, &tm);
        snprintf(text, sizeof(text), "%04d-%02d-%02d %d %02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1,
                 tm.tm_mday, tm.tm_wday + 1, tm.tm_hour, tm.tm_min, tm.tm_sec);
        assert_string_equal(now(), text);
    }
}

static void rolls_over_at_the_ends_of_months_years_and_centuries(void **state)
{
    static const struct {
        uint8_t from[8];
        const char *to;
    } cases[] = {
        {{0x20, 0x23, 0x12, 0x31, 1, 0x23, 0x59, 0x59}, "2024-01-01 2 00:00:00"},
        {{0x20, 0x24, 0x02, 0x28, 4, 0x23, 0x59, 0x59}, "2024-02-29 5 00:00:00"},
        {{0x20, 0x24, 0x02, 0x29, 5, 0x23, 0x59, 0x59}, "2024-03-01 6 00:00:00"},
        {{0x20, 0x23, 0x02, 0x28, 3, 0x23, 0x59, 0x59}, "2023-03-01 4 00:00:00"},
        {{0x20, 0x00, 0x02, 0x28, 2, 0x23, 0x59, 0x59}, "2000-02-29 3 00:00:00"},
        {{0x21, 0x00, 0x02, 0x28, 1, 0x23, 0x59, 0x59}, "2100-03-01 2 00:00:00"},
        {{0x19, 0x99, 0x12, 0x31, 6, 0x23, 0x59, 0x59}, "2000-01-01 7 00:00:00"},
        {{0x20, 0x99, 0x12, 0x31, 5, 0x23, 0x59, 0x59}, "2100-01-01 6 00:00:00"},
        {{0x20, 0x23, 0x04, 0x30, 7, 0x23, 0x59, 0x59}, "2023-05-01 1 00:00:00"},
        {{0x20, 0x23, 0x07, 0x31, 2, 0x23, 0x59, 0x59}, "2023-08-01 3 00:00:00"},
        {{0x20, 0x23, 0x08, 0x31, 2, 0x09, 0x59, 0x59}, "2023-08-31 2 10:00:00"},
        {{0x20, 0x23, 0x08, 0x31, 2, 0x19, 0x09, 0x59}, "2023-08-31 2 19:10:00"},
        {{0x99, 0x99, 0x12, 0x31, 2, 0x23, 0x59, 0x59}, "0000-01-01 3 00:00:00"},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        set_clock(cases[i].from);
        run(SECOND);
        assert_string_equal(now(), cases[i].to);
    }
}

static void keeps_a_time_of_its_own_that_the_guest_set(void **state)
{
    (void)state;
    set_clock((uint8_t[]){0x19, 0x85, 0x10, 0x26, 7, 0x01, 0x20, 0x00});
    run(400 * 86400 * SECOND);
    assert_string_equal(now(), "1986-11-30 1 01:20:00");
    rtc.device.ops->reset(&rtc.device); /* a battery keeps it */
    assert_string_equal(now(), "1986-11-30 1 01:20:00");
}

static void counts_in_binary_and_in_twelve_hours(void **state)
{
    static const struct {
        uint8_t b, hour;
        const char *next;
    } cases[] = {
        {0x06, 11, "1409-05-06 4 0c:00:00"},   {0x06, 23, "1409-05-07 5 00:00:00"},
        {0x04, 11, "1409-05-06 4 8c:00:00"},   {0x04, 0x8b, "1409-05-07 5 0c:00:00"},
        {0x04, 0x8c, "1409-05-06 4 81:00:00"}, {0x04, 12, "1409-05-06 4 01:00:00"},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        set(B, cases[i].b);
        set_clock((uint8_t[]){20, 9, 5, 6, 4, cases[i].hour, 59, 59});
        run(SECOND);
        assert_string_equal(now(), cases[i].next);
    }
    set(B, 0x00);
    set_clock((uint8_t[]){0x20, 0x09, 0x05, 0x06, 4, 0x91, 0x59, 0x59});
    run(SECOND);
    assert_string_equal(now(), "2009-05-07 5 12:00:00");
    run(3600 * SECOND);
    assert_int_equal(get(HOURS), 0x01);
    run(12 * 3600 * SECOND);
    assert_int_equal(get(HOURS), 0x81);
}

static void set_freezes_the_time_but_not_the_divider(void **state)
{
    (void)state;
    run(SECOND / 4);
    set(B, 0x92); /* SET clears UIE as well */
    assert_int_equal(get(B), 0x82);
    run(10 * SECOND);
    assert_int_equal(get(SECONDS), 0x20);
    assert_int_equal(get(C), 0x40); /* periods go on, updates do not */
    set(B, 0x02);
    run(SECOND / 2);
    assert_int_equal(get(SECONDS), 0x20);
    run(SECOND / 4);
    assert_int_equal(get(SECONDS), 0x21);
}

static void the_first_update_after_a_divider_reset_takes_half_a_second(void **state)
{
    (void)state;
    run(SECOND / 10);
    set(A, 0x76);
    run(5 * SECOND);
    assert_int_equal(get(SECONDS), 0x20);
    assert_int_equal(get(A), 0x76); /* no update is near */
    assert_int_equal(get(C), 0x40); /* from before the reset */
    set(A, 0x26);
    run(SECOND / 2 - 1);
    assert_int_equal(get(SECONDS), 0x20);
    run(1);
    assert_int_equal(get(SECONDS), 0x21);
    run(SECOND);
    assert_int_equal(get(SECONDS), 0x22);
}

static void update_in_progress_shows_before_each_update(void **state)
{
    (void)state;
    for (unsigned second = 1; second < 5; second++) {
        fake_run_until(second * SECOND - 2228001);
        assert_int_equal(get(A), 0x26);
        run(1);
        assert_int_equal(get(A), 0xa6);
        fake_run_until(second * SECOND - 1);
        assert_int_equal(get(A), 0xa6);
        assert_int_equal(get(SECONDS), 0x20 + second - 1);
        run(1);
        assert_int_equal(get(A), 0x26);
        assert_int_equal(get(SECONDS), 0x20 + second);
    }
    set(B, 0x82);
    fake_run_until(6 * SECOND - 1);
    assert_int_equal(get(A), 0x26);
}

static void the_update_interrupt_holds_until_c_is_read(void **state)
{
    (void)state;
    get(C);
    set(B, 0x12);
    fake_run_until(SECOND - 1);
    assert_false(line);
    run(1);
    assert_true(line);
    assert_int_equal(fake_next_deadline(), UINT64_MAX); /* nothing more to say until C is read */
    run(10 * SECOND);
    assert_int_equal(rises, 1);
    assert_int_equal(get(C), 0xd0);
    assert_false(line);
    assert_int_equal(get(C), 0x00);
    run(SECOND);
    assert_int_equal(rises, 2);
}

static void flags_show_without_interrupts_and_raise_when_enabled(void **state)
{
    (void)state;
    assert_int_equal(fake_next_deadline(), UINT64_MAX);
    run(3 * SECOND);
    assert_int_equal(get(C), 0x50);
    assert_int_equal(get(C), 0x00);
    run(2 * SECOND);
    assert_false(line);
    set(B, 0x12);
    assert_true(line);
    set(B, 0x02);
    assert_false(line);
    assert_int_equal(fake_next_deadline(), UINT64_MAX);
    assert_int_equal(get(C), 0x50);
    set(C, 0xff); /* not writable, like D */
    set(D, 0x00);
    assert_int_equal(get(C), 0x00);
    assert_int_equal(get(D), 0x80);
}

/* Sets the alarm and says after how many seconds it comes, or 0 if not within two days. */
static unsigned alarm_after(uint8_t hour, uint8_t minute, uint8_t second)
{
    uint64_t start = fake_now;

    set(HOURS_ALARM, hour);
    set(MINUTES_ALARM, minute);
    set(SECONDS_ALARM, second);
    set(B, get(B) | 0x20);
    get(C);
    if (fake_next_deadline() > fake_now + 2 * 86400 * SECOND)
        return 0;
    fake_run_until(fake_next_deadline());
    assert_true(line);
    assert_int_equal(get(C) & 0xa0, 0xa0);
    assert_false(line);
    set(B, get(B) & ~0x20);
    assert_int_equal(fake_next_deadline(), UINT64_MAX);
    return (fake_now - start) / SECOND;
}

static void the_alarm_comes_at_its_time(void **state)
{
    static const struct {
        uint8_t hour, minute, second;
        unsigned after; /* from 22:13:20 */
    } cases[] = {
        {0x22, 0x13, 0x21, 1},     {0x22, 0x13, 0x20, 86400}, {0x22, 0x13, 0x19, 86399},
        {0x22, 0x14, 0x00, 40},    {0x23, 0x00, 0x00, 2800},  {0x00, 0x00, 0x00, 6400},
        {0x21, 0x59, 0x59, 85599}, {0xff, 0xff, 0xff, 1},     {0xc0, 0xc0, 0x20, 60},
        {0xff, 0xff, 0x19, 59},    {0xff, 0x13, 0xff, 1},     {0xff, 0x12, 0xff, 3520},
        {0xff, 0x13, 0x10, 3590},  {0x22, 0xff, 0xff, 1},     {0x21, 0xff, 0xff, 82000},
        {0x22, 0x00, 0xff, 85600}, {0x23, 0xff, 0x05, 2805},  {0x22, 0xff, 0x05, 45},
        {0x24, 0x00, 0x00, 0},     {0x22, 0x60, 0x00, 0},     {0x22, 0x14, 0x7f, 0},
        {0x22, 0x0f, 0x00, 0},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned after;

        setup(NULL);
        after = alarm_after(cases[i].hour, cases[i].minute, cases[i].second);
        if (after != cases[i].after)
            fail_msg("alarm %02x:%02x:%02x came after %u s, not %u", cases[i].hour, cases[i].minute,
                     cases[i].second, after, cases[i].after);
    }
}

static void the_alarm_knows_other_formats(void **state)
{
    (void)state;
    set(B, 0x00);
    set_clock((uint8_t[]){0x20, 0x09, 0x05, 0x06, 4, 0x91, 0x59, 0x50});
    assert_int_equal(alarm_after(0x12, 0x00, 0x00), 10);
    assert_int_equal(alarm_after(0x92, 0x00, 0x00), 43200);
    assert_int_equal(alarm_after(0x13, 0x00, 0x00), 0);
    set(B, 0x06);
    set_clock((uint8_t[]){20, 9, 5, 6, 4, 23, 59, 50});
    assert_int_equal(alarm_after(0, 0, 10), 20);
}

static void an_alarm_that_passed_unseen_shows_in_c(void **state)
{
    (void)state;
    set(HOURS_ALARM, 0x22);
    set(MINUTES_ALARM, 0x15);
    set(SECONDS_ALARM, 0x00);
    run(99 * SECOND);
    assert_int_equal(get(C), 0x50);
    run(3 * SECOND);
    assert_int_equal(get(C), 0x70);
    run(86000 * SECOND);
    assert_int_equal(get(C), 0x50);
}

static void an_alarm_every_second_comes_every_second(void **state)
{
    (void)state;
    set(SECONDS_ALARM, 0xff);
    set(MINUTES_ALARM, 0xff);
    set(HOURS_ALARM, 0xff);
    set(B, 0x22);
    get(C);
    for (unsigned i = 1; i <= 100; i++) {
        run(SECOND);
        assert_int_equal(rises, i);
        get(C);
    }
}

/* The data sheet's table of rates, in periods of 1/32768 s. */
static void periodic_rates_are_exact_over_an_hour(void **state)
{
    static const unsigned cycles[] = {0,   128, 256, 4,    8,    16,   32,   64,
                                      128, 256, 512, 1024, 2048, 4096, 8192, 16384};

    (void)state;
    for (unsigned rate = 1; rate < 16; rate++) {
        uint64_t seconds = cycles[rate] < 128 ? 60 : 3600, count = 0; /* the fast ones for a minute */

        setup(NULL);
        fake_hz = 999999937; /* nothing divides it */
        set(A, 0x20 | rate);
        set(B, 0x42);
        get(C);
        while (fake_next_deadline() <= seconds * fake_hz) {
            fake_run_until(fake_next_deadline());
            assert_true(line);
            assert_int_equal(get(C) & 0xc0, 0xc0);
            count++;
        }
        assert_int_equal(count, seconds * 32768 / cycles[rate]);
        assert_int_equal(rises, count);
    }
}

static void rate_zero_makes_no_periods(void **state)
{
    (void)state;
    set(A, 0x20);
    set(B, 0x42);
    get(C);
    assert_int_equal(fake_next_deadline(), UINT64_MAX);
    run(SECOND / 2);
    assert_int_equal(get(C), 0x00);
    set(A, 0x2f); /* twice a second */
    run(SECOND / 4);
    assert_false(line);
    run(SECOND / 4);
    assert_true(line);
}

static void late_periods_show_once(void **state)
{
    (void)state;
    set(B, 0x42);
    fake_now += 100 * MS; /* nobody looked */
    fake_run_until(fake_now);
    assert_int_equal(rises, 1);
    assert_int_equal(get(C), 0xc0);
    assert_false(line);
    assert_in_range(fake_next_deadline() - fake_now, 1, SECOND / 1024);
    fake_now += 100 * MS;
    assert_int_equal(get(C), 0xc0); /* the guest looks before the timer comes round */
    assert_false(line);
}

static void all_three_interrupts_share_the_line(void **state)
{
    (void)state;
    set(SECONDS_ALARM, 0x21);
    set(MINUTES_ALARM, 0xff);
    set(HOURS_ALARM, 0xff);
    set(A, 0x2f);
    set(B, 0x72);
    get(C);
    run(SECOND);
    assert_int_equal(rises, 1);
    assert_int_equal(get(C), 0xf0);
    assert_false(line);
}

static void nonsense_in_the_registers_does_no_harm(void **state)
{
    (void)state;
    for (unsigned b = 0; b < 8; b += 2) {
        set(B, b);
        for (unsigned byte = 0; byte < 256; byte++) {
            set_clock((uint8_t[]){byte, byte, byte, byte, byte, byte, byte, byte});
            run(SECOND);
            run(400 * 86400 * SECOND);
            assert_in_range(get(WEEKDAY), 1, 7);
            assert_in_range(get(DAY), 1, 0x31);
            assert_in_range(get(MONTH), 1, 0x12);
            alarm_after(byte, byte, byte);
        }
    }
}

static void the_index_port_keeps_the_nmi_mask_and_reads_as_ones(void **state)
{
    uint64_t value;

    (void)state;
    rtc.device.ops->write(&rtc.device, 0, 1, 0x80 | D);
    assert_true(rtc.nmi_masked);
    assert_true(rtc.device.ops->read(&rtc.device, 1, 1, &value));
    assert_int_equal(value, 0x80);
    assert_true(rtc.device.ops->read(&rtc.device, 0, 1, &value));
    assert_int_equal(value, 0xff);
    rtc.device.ops->write(&rtc.device, 0, 1, D);
    assert_false(rtc.nmi_masked);
}

static void cmos_says_what_a_bios_would(void **state)
{
    static const struct {
        uint64_t low, high;
        unsigned base, extended, above_16m, above_4g;
    } cases[] = {
        {MIB(64), 0, 640, 63 * 1024, 768, 0},
        {MIB(16), 0, 640, 15 * 1024, 0, 0},
        {KIB(512), 0, 512, 0, 0, 0},
        {GIB(3), GIB(5), 640, 0xffff, (3072 - 16) * 16, 81920},
        {GIB(4), GIB(4096), 640, 0xffff, (4096 - 16) * 16, 0xffffff},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned sum = 0;

        rtc_init(&rtc, &lock, cases[i].low, cases[i].high);
        assert_int_equal(get(0x15) | get(0x16) << 8, cases[i].base);
        assert_int_equal(get(0x17) | get(0x18) << 8, cases[i].extended);
        assert_int_equal(get(0x30) | get(0x31) << 8, cases[i].extended);
        assert_int_equal(get(0x34) | get(0x35) << 8, cases[i].above_16m);
        assert_int_equal(get(0x5b) | get(0x5c) << 8 | get(0x5d) << 16, cases[i].above_4g);
        for (unsigned at = 0x10; at <= 0x2d; at++)
            sum += get(at);
        assert_int_equal(get(0x2e) << 8 | get(0x2f), sum);
        assert_int_equal(get(0x0e), 0);
        assert_int_equal(get(0x0f), 0);
        assert_int_equal(get(0x10), 0);
        assert_int_equal(get(0x14) & 0x02, 0x02);
    }
}

static void cmos_memory_survives_a_reset_and_interrupts_do_not(void **state)
{
    (void)state;
    for (unsigned at = 0x33; at < 128; at++)
        set(at, 255 - at);
    set(0x0f, 0x0a);
    set(B, 0x5a);
    run(SECOND);
    assert_true(line);
    rtc.device.ops->reset(&rtc.device);
    assert_false(line);
    assert_int_equal(get(B), 0x02);
    assert_int_equal(get(C), 0x00);
    assert_int_equal(fake_next_deadline(), UINT64_MAX);
    for (unsigned at = 0x33; at < 128; at++)
        assert_int_equal(get(at), 255 - at);
    assert_int_equal(get(0x0f), 0x0a);
}

static void describes_the_time(void **state)
{
    char text[512];
    struct text_buffer buffer;

    (void)state;
    text_buffer_init(&buffer, text, sizeof(text));
    run(2 * SECOND);
    rtc.device.ops->describe(&rtc.device, &buffer.writer);
    assert_non_null(strstr(text, "2023-11-14 weekday 03 22:13:22"));
    assert_non_null(strstr(text, "a 26 b 02"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(shows_the_wall_clock, setup),
        cmocka_unit_test_setup(agrees_with_the_c_library_over_centuries, setup),
        cmocka_unit_test_setup(rolls_over_at_the_ends_of_months_years_and_centuries, setup),
        cmocka_unit_test_setup(keeps_a_time_of_its_own_that_the_guest_set, setup),
        cmocka_unit_test_setup(counts_in_binary_and_in_twelve_hours, setup),
        cmocka_unit_test_setup(set_freezes_the_time_but_not_the_divider, setup),
        cmocka_unit_test_setup(the_first_update_after_a_divider_reset_takes_half_a_second, setup),
        cmocka_unit_test_setup(update_in_progress_shows_before_each_update, setup),
        cmocka_unit_test_setup(the_update_interrupt_holds_until_c_is_read, setup),
        cmocka_unit_test_setup(flags_show_without_interrupts_and_raise_when_enabled, setup),
        cmocka_unit_test_setup(the_alarm_comes_at_its_time, setup),
        cmocka_unit_test_setup(the_alarm_knows_other_formats, setup),
        cmocka_unit_test_setup(an_alarm_that_passed_unseen_shows_in_c, setup),
        cmocka_unit_test_setup(an_alarm_every_second_comes_every_second, setup),
        cmocka_unit_test_setup(periodic_rates_are_exact_over_an_hour, setup),
        cmocka_unit_test_setup(rate_zero_makes_no_periods, setup),
        cmocka_unit_test_setup(late_periods_show_once, setup),
        cmocka_unit_test_setup(all_three_interrupts_share_the_line, setup),
        cmocka_unit_test_setup(nonsense_in_the_registers_does_no_harm, setup),
        cmocka_unit_test_setup(the_index_port_keeps_the_nmi_mask_and_reads_as_ones, setup),
        cmocka_unit_test_setup(cmos_says_what_a_bios_would, setup),
        cmocka_unit_test_setup(cmos_memory_survives_a_reset_and_interrupts_do_not, setup),
        cmocka_unit_test_setup(describes_the_time, setup),
    };
    return cmocka_run_group_tests_name("rtc", tests, NULL, NULL);
}
