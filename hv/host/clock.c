#include "hv/host/clock.h"

#include "hv/host/calibrate.h"
#include "hv/host/cpu.h"
#include "hv/host/instructions.h"
#include "hv/host/wait.h"
#include "hv/lib/arith.h"

static uint64_t hz = 1000000000, boot_ticks, boot_seconds;

static uint64_t held; /* on the boot core; 0: nowhere */

uint64_t clock_now(void)
{
    if (unlikely(held) && !this_cpu()->index)
        return held;
    return rdtsc();
}

void clock_hold(uint64_t now)
{
    held = now;
}

uint64_t clock_hz(void)
{
    return hz;
}

uint64_t clock_wall_seconds(void)
{
    return boot_seconds + (clock_now() - boot_ticks) / hz;
}

/* So many turns take longer than any wait, should the TSC stand still. */
#define WAITS_MOST 1000000000

void clock_wait(uint64_t ticks)
{
    uint64_t begin = rdtsc();

    for (unsigned i = 0; i < WAITS_MOST && rdtsc() - begin < ticks; i++)
        cpu_pause();
}

/*
 * Reads the counter, and the TSC just before. The closest of a few pairs: in between a busy host may take the
 * core of a virtual machine away, or the firmware an SMI.
 */
#define PAIRS 5

static uint32_t read_pair(const struct counter *counter, uint64_t *tick)
{
    uint64_t closest = UINT64_MAX;
    uint32_t count = 0;

    for (unsigned i = 0; i < PAIRS; i++) {
        uint64_t before = rdtsc();
        uint32_t now = counter->read();
        uint64_t apart = rdtsc() - before;

        if (apart < closest) {
            closest = apart;
            *tick = before;
            count = now;
        }
    }
    return count;
}

/* A sample is a fiftieth of a second. What has not changed by so many reads stands still. */
#define SAMPLES_A_SECOND 50
#define STILL            20000
#define READS_MOST       2000000

static uint64_t sample(const struct counter *counter)
{
    uint64_t from = 0, to = 0;
    uint32_t first = read_pair(counter, &from), passed = 0;
    bool enough = false;

    for (unsigned i = 0; !enough && i < (passed ? READS_MOST : STILL); i++) {
        passed = (read_pair(counter, &to) - first) & counter->mask;
        enough = counter->hz ? passed >= counter->hz / SAMPLES_A_SECOND : to - from >= hz / SAMPLES_A_SECOND;
    }
    if (!enough)
        return 0;
    return counter->hz ? mul_div(to - from, counter->hz, passed) : mul_div(passed, hz, to - from);
}

uint64_t clock_compare(const struct counter *counter)
{
    uint64_t a = sample(counter), b = a ? sample(counter) : 0, c = b ? sample(counter) : 0;

    return c ? median(a, b, c) : 0;
}

static uint16_t pm_timer_port;

static uint32_t read_pm_timer(void)
{
    return inl(pm_timer_port);
}

static uint64_t by_pm_timer(void)
{
    static const struct counter pm_timer = {read_pm_timer, 0xffffff, 3579545};

    return pm_timer_port ? clock_compare(&pm_timer) : 0;
}

/* Channel 2, latched; it counts down. */
static uint32_t read_pit(void)
{
    uint32_t low;

    outb(0x43, 0x80);
    low = inb(0x42);
    return -(low | (uint32_t)inb(0x42) << 8);
}

static uint64_t by_pit(void)
{
    static const struct counter pit = {read_pit, 0xffff, 1193182};
    uint8_t gate = inb(0x61) & ~3;
    uint64_t measured;

    outb(0x61, gate | 1);
    outb(0x43, 0xb0); /* both bytes, mode 0: down from 65536, and on */
    outb(0x42, 0);
    outb(0x42, 0);
    measured = clock_compare(&pit);
    outb(0x61, gate);
    return measured;
}

/* SDM, "Determining the Processor Base Frequency": crystal times ratio. Emulators state it and do not keep
 * it. */
static uint64_t by_crystal(void)
{
    uint32_t a, b, c, d;

    cpuid(0, 0, &a, &b, &c, &d);
    if (a < 0x15)
        return 0;
    cpuid(0x15, 0, &a, &b, &c, &d);
    return a && b && c ? mul_div(c, b, a) : 0;
}

/* The base frequency in MHz, which the TSC has at least roughly where the crystal's is not told. */
static uint64_t by_base_frequency(void)
{
    uint32_t a, b, c, d;

    cpuid(0, 0, &a, &b, &c, &d);
    if (a < 0x16)
        return 0;
    cpuid(0x16, 0, &a, &b, &c, &d);
    return (a & 0xffff) * UINT64_C(1000000);
}

/* Slower or faster than any TSC: what was measured is no clock. */
#define HZ_LEAST 1000000
#define HZ_MOST  UINT64_C(100000000000)

const char *clock_calibrate(uint16_t pm_timer)
{
    static const struct {
        uint64_t (*measure)(void);
        const char *by;
    } ways[] = {{by_pm_timer, "the ACPI PM timer"},
                {by_pit, "the PIT"},
                {by_crystal, "CPUID leaf 0x15"},
                {by_base_frequency, "CPUID leaf 0x16"}};

    pm_timer_port = pm_timer;
    for (unsigned i = 0; i < ARRAY_LENGTH(ways); i++) {
        uint64_t measured = ways[i].measure();

        if (measured >= HZ_LEAST && measured <= HZ_MOST) {
            hz = measured;
            return ways[i].by;
        }
    }
    return NULL;
}

static unsigned cmos(unsigned reg)
{
    outb(0x70, (uint8_t)reg);
    return inb(0x71);
}

static unsigned from_bcd(unsigned value)
{
    return (value >> 4) * 10 + (value & 15);
}

/* Days from 1970-01-01 to the first of March of `year`, less what March begins with: the era arithmetic of
 * calendars. */
static uint64_t days_since_1970(unsigned year, unsigned month, unsigned day)
{
    static const uint16_t before[12] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    uint64_t leaps = (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400 - 477;
    bool leap = (year % 4 == 0 && year % 100) || year % 400 == 0;

    return (year - 1970) * UINT64_C(365) + leaps + before[month - 1] + (leap && month > 2) + day - 1;
}

/* Second, minute, hour, day, month, year as the RTC holds them (MC146818). */
static const uint8_t rtc_registers[6] = {0, 2, 4, 7, 8, 9};

void clock_read_rtc(void)
{
    unsigned field[6], again[6], mode = cmos(0x0b);
    bool same;

    for (unsigned tries = 0; tries < 10; tries++) {
        for (unsigned i = 0; i < 6; i++)
            field[i] = cmos(rtc_registers[i]);
        same = !(cmos(0x0a) & 0x80);
        for (unsigned i = 0; i < 6; i++) {
            again[i] = cmos(rtc_registers[i]);
            same = same && again[i] == field[i];
        }
        if (same)
            break;
    }
    bool afternoon = !(mode & 2) && (field[2] & 0x80);
    field[2] &= 0x7f;
    for (unsigned i = 0; i < 6 && !(mode & 4); i++)
        field[i] = from_bcd(field[i]);
    if (!(mode & 2))
        field[2] = field[2] % 12 + (afternoon ? 12 : 0);
    if (field[4] < 1 || field[4] > 12 || field[3] < 1)
        return; /* no RTC: time begins in 1970 */
    boot_ticks = rdtsc();
    boot_seconds =
        ((days_since_1970(2000 + field[5], field[4], field[3]) * 24 + field[2]) * 60 + field[1]) * 60 +
        field[0];
}
