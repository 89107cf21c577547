/*
 * MC146818 (Motorola's data sheet) at 32.768 kHz, and CMOS memory as the IBM AT lays it out. The registers
 * are the clock: when somebody looks, the seconds that the divider chain has counted since the last look are
 * added to them. So a guest that changes the format, or writes a date of its own, finds what the chip would
 * show. The one timer is armed only for an enabled interrupt whose flag is not set yet, and that somebody
 * hears.
 */
#include "devices/rtc.h"

#include "hv/host/clock.h"
#include "hv/lib/arith.h"

enum rtc_register {
    RTC_SECONDS,
    RTC_SECONDS_ALARM,
    RTC_MINUTES,
    RTC_MINUTES_ALARM,
    RTC_HOURS,
    RTC_HOURS_ALARM,
    RTC_WEEKDAY,
    RTC_DAY,
    RTC_MONTH,
    RTC_YEAR,
    RTC_A,
    RTC_B,
    RTC_C,
    RTC_D,
    CMOS_EQUIPMENT = 0x14,
    CMOS_BASE_KIB = 0x15,
    CMOS_EXTENDED_KIB = 0x17,
    CMOS_CHECKED_FIRST = 0x10, /* the checksum covers these */
    CMOS_CHECKED_LAST = 0x2d,
    CMOS_CHECKSUM = 0x2e,
    CMOS_EXTENDED_KIB_FOUND = 0x30,
    CMOS_CENTURY = 0x32,
    CMOS_ABOVE_16M = 0x34, /* in units of 64 KiB */
    CMOS_ABOVE_4G = 0x5b,  /* likewise, three bytes */
};

#define A_UPDATING        BIT(7)
#define A_DIVIDER(a)      ((a) >> 4 & 7)
#define A_RATE(a)         ((a)&0xf)
#define DIVIDER_32768     2 /* the only setting in which the chain counts right with a PC's crystal */

#define B_SET             BIT(7)
#define B_UPDATE_ENABLE   BIT(4)
#define B_SQUARE_WAVE     BIT(3)
#define B_BINARY          BIT(2)
#define B_24_HOURS        BIT(1)

#define FLAG_IRQ          BIT(7)
#define FLAG_PERIODIC     BIT(6) /* in C; their enables are the same bits of B */
#define FLAG_ALARM        BIT(5)
#define FLAG_UPDATED      BIT(4)
#define FLAGS             (FLAG_PERIODIC | FLAG_ALARM | FLAG_UPDATED)

#define D_VALID           BIT(7)

#define HOUR_PM           BIT(7)
#define ALARM_ANY(byte)   (((byte)&0xc0) == 0xc0)

#define CRYSTAL_HZ        32768
#define UPDATE_WARNING_US 2228 /* UIP rises 244 us before an update, which takes 1984 us */

#define EQUIPMENT         0x06 /* coprocessor and keyboard; no diskettes, no display adapter of the old kinds */

#define DAY_SECONDS       86400
#define NEVER             UINT64_MAX

static bool is_running(const struct rtc *rtc)
{
    return A_DIVIDER(rtc->cmos[RTC_A]) == DIVIDER_32768;
}

static bool is_updating_allowed(const struct rtc *rtc)
{
    return is_running(rtc) && !(rtc->cmos[RTC_B] & B_SET);
}

/* Number <-> register byte in the format that register B names. */
static unsigned decode(const struct rtc *rtc, uint8_t byte)
{
    return rtc->cmos[RTC_B] & B_BINARY ? byte : (byte >> 4) * 10 + (byte & 0xf);
}

static uint8_t encode(const struct rtc *rtc, unsigned number)
{
    return rtc->cmos[RTC_B] & B_BINARY ? number : (number / 10 % 10) << 4 | number % 10;
}

static unsigned decode_hour(const struct rtc *rtc, uint8_t byte)
{
    if (rtc->cmos[RTC_B] & B_24_HOURS)
        return decode(rtc, byte) % 24;
    return decode(rtc, byte & ~HOUR_PM) % 12 + (byte & HOUR_PM ? 12 : 0);
}

static uint8_t encode_hour(const struct rtc *rtc, unsigned hour)
{
    if (rtc->cmos[RTC_B] & B_24_HOURS)
        return encode(rtc, hour);
    return encode(rtc, hour % 12 ? hour % 12 : 12) | (hour < 12 ? 0 : HOUR_PM);
}

static bool is_leap(unsigned year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* month is 1 to 12 */
static unsigned month_length(unsigned year, unsigned month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return days[month - 1] + (month == 2 && is_leap(year));
}

/* Days from 1 January of year 0 to that of `year`. */
static uint64_t days_before_year(uint64_t year)
{
    return year ? year * 365 + (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400 + 1 : 0;
}

static unsigned get_year(const struct rtc *rtc)
{
    return decode(rtc, rtc->cmos[CMOS_CENTURY]) * 100 + decode(rtc, rtc->cmos[RTC_YEAR]);
}

/* Puts the day that is `days` after 1 January of year 0 into day, month, year and century. */
static void set_date(struct rtc *rtc, uint64_t days)
{
    uint64_t year = days * 400 / 146097; /* the mean length: right, or off by one */
    unsigned month = 1;

    if (days_before_year(year) > days)
        year--;
    else if (days_before_year(year + 1) <= days)
        year++;
    days -= days_before_year(year);
    for (; days >= month_length(year, month); month++)
        days -= month_length(year, month);
    rtc->cmos[RTC_DAY] = encode(rtc, days + 1);
    rtc->cmos[RTC_MONTH] = encode(rtc, month);
    rtc->cmos[RTC_YEAR] = encode(rtc, year % 100);
    rtc->cmos[CMOS_CENTURY] = encode(rtc, year / 100 % 100);
}

/* Whatever the guest left in the date registers is read as a day count, carrying what is too large. */
static void add_days(struct rtc *rtc, uint64_t days)
{
    unsigned year = get_year(rtc), month = decode(rtc, rtc->cmos[RTC_MONTH]);
    uint64_t total;

    month = month < 1 ? 1 : MIN(month, 12);
    total = days_before_year(year) + days + MAX(decode(rtc, rtc->cmos[RTC_DAY]), 1) - 1;
    for (unsigned before = 1; before < month; before++)
        total += month_length(year, before);
    set_date(rtc, total);
    rtc->cmos[RTC_WEEKDAY] = (rtc->cmos[RTC_WEEKDAY] + 6 + days) % 7 + 1;
}

static unsigned second_of_day(const struct rtc *rtc)
{
    return decode_hour(rtc, rtc->cmos[RTC_HOURS]) * 3600 + decode(rtc, rtc->cmos[RTC_MINUTES]) % 60 * 60 +
           decode(rtc, rtc->cmos[RTC_SECONDS]) % 60;
}

static void add_seconds(struct rtc *rtc, uint64_t seconds)
{
    uint64_t total = second_of_day(rtc) + seconds;
    unsigned of_day = total % DAY_SECONDS;

    rtc->cmos[RTC_SECONDS] = encode(rtc, of_day % 60);
    rtc->cmos[RTC_MINUTES] = encode(rtc, of_day / 60 % 60);
    rtc->cmos[RTC_HOURS] = encode_hour(rtc, of_day / 3600);
    if (total >= DAY_SECONDS)
        add_days(rtc, total / DAY_SECONDS);
}

/* Seconds until the time of day next matches the alarm: 1 to 86400, or 0 for never (no such time). */
static unsigned seconds_to_alarm(const struct rtc *rtc)
{
    const uint8_t *alarm = rtc->cmos;
    bool any_second = ALARM_ANY(alarm[RTC_SECONDS_ALARM]), any_minute = ALARM_ANY(alarm[RTC_MINUTES_ALARM]);
    bool any_hour = ALARM_ANY(alarm[RTC_HOURS_ALARM]);
    unsigned second = any_second ? 0 : decode(rtc, alarm[RTC_SECONDS_ALARM]);
    unsigned minute = any_minute ? 0 : decode(rtc, alarm[RTC_MINUTES_ALARM]);
    unsigned hour = decode_hour(rtc, alarm[RTC_HOURS_ALARM]);
    unsigned from = second_of_day(rtc), to = from + 1;

    if (second > 59 || (!any_second && encode(rtc, second) != alarm[RTC_SECONDS_ALARM]) || minute > 59 ||
        (!any_minute && encode(rtc, minute) != alarm[RTC_MINUTES_ALARM]) ||
        (!any_hour && encode_hour(rtc, hour) != alarm[RTC_HOURS_ALARM]))
        return 0;
    if (!any_second)
        to += (second + 60 - to % 60) % 60;
    if (!any_minute && to / 60 % 60 != minute)
        to = (to / 60 + (minute + 60 - to / 60 % 60) % 60) * 60 + second;
    if (!any_hour && to / 3600 % 24 != hour)
        to = (to / 3600 + (hour + 24 - to / 3600 % 24) % 24) * 3600 + minute * 60 + second;
    return to - from;
}

/* Cycles of the crystal in a period of the periodic interrupt, or 0 for none. */
static unsigned period_cycles(const struct rtc *rtc)
{
    unsigned rate = A_RATE(rtc->cmos[RTC_A]);

    if (rate == 0)
        return 0;
    return rate < 3 ? 64u << rate : 1u << (rate - 1); /* 1 and 2 are 8 and 9 again */
}

static uint64_t periods_until(const struct rtc *rtc, uint64_t now)
{
    unsigned cycles = period_cycles(rtc);

    return cycles ? mul_div(now - rtc->origin, CRYSTAL_HZ, clock_hz()) / cycles : 0;
}

/* How long after the origin period number `period` ends, rounded up to a tick. */
static uint64_t period_end(const struct rtc *rtc, uint64_t period)
{
    uint64_t cycles = period * period_cycles(rtc), time = mul_div(cycles, clock_hz(), CRYSTAL_HZ);

    return mul_div(time, CRYSTAL_HZ, clock_hz()) < cycles ? time + 1 : time;
}

/* Brings the registers up to `now`. */
static void synchronize(struct rtc *rtc, uint64_t now)
{
    uint64_t seconds, periods;

    if (!is_running(rtc))
        return;
    periods = periods_until(rtc, now);
    if (periods > rtc->periods)
        rtc->cmos[RTC_C] |= FLAG_PERIODIC;
    rtc->periods = periods;
    seconds = (now - rtc->origin) / clock_hz() - rtc->seconds;
    rtc->seconds += seconds;
    if (seconds && !(rtc->cmos[RTC_B] & B_SET)) {
        unsigned alarm = seconds_to_alarm(rtc);

        rtc->cmos[RTC_C] |= FLAG_UPDATED | (alarm && alarm <= seconds ? FLAG_ALARM : 0);
        add_seconds(rtc, seconds);
    }
}

/* The next moment at which an enabled interrupt's flag will be set, or NEVER. */
static uint64_t next_interrupt(const struct rtc *rtc)
{
    uint8_t waiting = rtc->cmos[RTC_B] & ~rtc->cmos[RTC_C] & FLAGS;
    uint64_t after = NEVER; /* the origin */
    unsigned alarm;

    if (is_running(rtc) && (waiting & FLAG_PERIODIC) && period_cycles(rtc))
        after = period_end(rtc, rtc->periods + 1);
    if (is_updating_allowed(rtc) && (waiting & FLAG_UPDATED))
        after = MIN(after, (rtc->seconds + 1) * clock_hz());
    if (is_updating_allowed(rtc) && (waiting & FLAG_ALARM) && (alarm = seconds_to_alarm(rtc)))
        after = MIN(after, (rtc->seconds + alarm) * clock_hz());
    return after == NEVER ? NEVER : rtc->origin + after;
}

/* After anything that may have changed flags, enables or times. */
static void update_irq(struct rtc *rtc)
{
    uint8_t flags = rtc->cmos[RTC_C] & FLAGS;
    bool level = flags & rtc->cmos[RTC_B];
    uint64_t next = next_interrupt(rtc);

    rtc->cmos[RTC_C] = flags | (level ? FLAG_IRQ : 0);
    irq_line_set(&rtc->irq, level);
    if (next == NEVER || !irq_line_heard(&rtc->irq))
        timer_cancel(&rtc->timer);
    else
        timer_arm(&rtc->timer, next);
}

void rtc_update(struct rtc *rtc)
{
    synchronize(rtc, clock_now());
    update_irq(rtc);
}

static void interrupt_due(struct timer *timer)
{
    rtc_update(container_of(timer, struct rtc, timer));
}

static bool is_update_near(const struct rtc *rtc, uint64_t now)
{
    uint64_t left = rtc->origin + (rtc->seconds + 1) * clock_hz() - now;

    return is_updating_allowed(rtc) && left <= mul_div(UPDATE_WARNING_US, clock_hz(), 1000000);
}

static uint8_t read_register(struct rtc *rtc)
{
    uint64_t now = clock_now();
    uint8_t value;

    synchronize(rtc, now);
    value = rtc->cmos[rtc->index];
    if (rtc->index == RTC_A && is_update_near(rtc, now))
        value |= A_UPDATING;
    if (rtc->index == RTC_C) {
        update_irq(rtc); /* IRQF of what has just been found */
        value = rtc->cmos[RTC_C];
        rtc->cmos[RTC_C] = 0;
        update_irq(rtc);
    }
    return value;
}

/* A chain that is let go makes its first update half a second later. */
static void write_a(struct rtc *rtc, uint8_t value, uint64_t now)
{
    bool was_running = is_running(rtc);

    rtc->cmos[RTC_A] = value & ~A_UPDATING;
    if (!was_running && is_running(rtc)) {
        rtc->origin = now - clock_hz() / 2;
        rtc->seconds = 0;
    }
    rtc->periods = periods_until(rtc, now);
}

static void write_b(struct rtc *rtc, uint8_t value)
{
    if (value & B_SET)
        value &= ~B_UPDATE_ENABLE;
    rtc->cmos[RTC_B] = value;
}

static void write_register(struct rtc *rtc, uint8_t value)
{
    uint64_t now = clock_now();

    synchronize(rtc, now);
    if (rtc->index == RTC_A)
        write_a(rtc, value, now);
    else if (rtc->index == RTC_B)
        write_b(rtc, value);
    else if (rtc->index != RTC_C && rtc->index != RTC_D)
        rtc->cmos[rtc->index] = value;
    update_irq(rtc);
}

/* The index port is write-only: chipsets show all ones. */
static bool rtc_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    struct rtc *rtc = device->state;

    (void)size;
    *value = offset == 0 ? 0xff : read_register(rtc);
    return true;
}

static bool rtc_write(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct rtc *rtc = device->state;

    (void)size;
    if (offset == 0) {
        rtc->index = value % RTC_CMOS_SIZE;
        rtc->nmi_masked = value & 0x80;
    } else {
        write_register(rtc, (uint8_t)value);
    }
    return true;
}

static void rtc_reset(struct device *device)
{
    struct rtc *rtc = device->state;

    synchronize(rtc, clock_now());
    rtc->cmos[RTC_B] &= ~(FLAGS | B_SQUARE_WAVE);
    rtc->cmos[RTC_C] = 0;
    rtc->index = 0;
    rtc->nmi_masked = false;
    update_irq(rtc);
}

static void rtc_describe(struct device *device, struct writer *out)
{
    struct rtc *rtc = device->state;
    const uint8_t *cmos = rtc->cmos;

    synchronize(rtc, clock_now());
    print_to(out, "registers %02x%02x-%02x-%02x weekday %02x %02x:%02x:%02x alarm %02x:%02x:%02x\n",
             cmos[CMOS_CENTURY], cmos[RTC_YEAR], cmos[RTC_MONTH], cmos[RTC_DAY], cmos[RTC_WEEKDAY],
             cmos[RTC_HOURS], cmos[RTC_MINUTES], cmos[RTC_SECONDS], cmos[RTC_HOURS_ALARM],
             cmos[RTC_MINUTES_ALARM], cmos[RTC_SECONDS_ALARM]);
    print_to(out, "a %02x b %02x c %02x index %02x nmi %s\n", cmos[RTC_A], cmos[RTC_B], cmos[RTC_C],
             rtc->index, rtc->nmi_masked ? "masked" : "open");
}

static const struct device_ops rtc_ops = {
    .read = rtc_read,
    .write = rtc_write,
    .reset = rtc_reset,
    .describe = rtc_describe,
    .width = 1,
};

static void put_16(struct rtc *rtc, unsigned at, uint64_t value)
{
    value = MIN(value, 0xffff);
    rtc->cmos[at] = value & 0xff;
    rtc->cmos[at + 1] = value >> 8;
}

/* Diagnostic status, reset code and drive types are 0: nothing wrong, a normal start, no drives. */
static void describe_machine(struct rtc *rtc, uint64_t low_end, uint64_t high_size)
{
    uint64_t extended_kib = low_end > MIB(1) ? (low_end - MIB(1)) >> 10 : 0;
    uint64_t above_4g = MIN(high_size >> 16, 0xffffff);
    unsigned sum = 0;

    rtc->cmos[CMOS_EQUIPMENT] = EQUIPMENT;
    put_16(rtc, CMOS_BASE_KIB, MIN(low_end >> 10, 640));
    put_16(rtc, CMOS_EXTENDED_KIB, extended_kib);
    put_16(rtc, CMOS_EXTENDED_KIB_FOUND, extended_kib);
    put_16(rtc, CMOS_ABOVE_16M, low_end > MIB(16) ? (low_end - MIB(16)) >> 16 : 0);
    put_16(rtc, CMOS_ABOVE_4G, above_4g & 0xffff);
    rtc->cmos[CMOS_ABOVE_4G + 2] = above_4g >> 16;
    for (unsigned at = CMOS_CHECKED_FIRST; at <= CMOS_CHECKED_LAST; at++)
        sum += rtc->cmos[at];
    rtc->cmos[CMOS_CHECKSUM] = sum >> 8;
    rtc->cmos[CMOS_CHECKSUM + 1] = sum & 0xff;
}

void rtc_init(struct rtc *rtc, struct spinlock *lock, uint64_t low_end, uint64_t high_size)
{
    uint64_t wall = clock_wall_seconds();

    *rtc = (struct rtc){
        .device = {.name = "rtc", .ops = &rtc_ops, .state = rtc, .lock = lock},
        .timer = {.expired = interrupt_due, .lock = lock},
        .origin = clock_now(),
    };
    rtc->cmos[RTC_A] = DIVIDER_32768 << 4 | 6; /* 1024 Hz, as firmware sets it */
    rtc->cmos[RTC_B] = B_24_HOURS;
    rtc->cmos[RTC_D] = D_VALID;
    set_date(rtc, days_before_year(1970) + wall / DAY_SECONDS);
    rtc->cmos[RTC_WEEKDAY] = (wall / DAY_SECONDS + 4) % 7 + 1; /* 1970 began on a Thursday; Sunday is 1 */
    add_seconds(rtc, wall % DAY_SECONDS);
    describe_machine(rtc, low_end, high_size);
}

bool rtc_may_raise(const void *state)
{
    const struct rtc *rtc = state;

    return is_running(rtc) && rtc->cmos[RTC_B] & FLAGS;
}
