#include "hv/host/clock.h"

#include "hv/host/acpi.h"
#include "hv/host/calibrate.h"
#include "hv/host/cpu.h"
#include "hv/host/x86.h"
#include "hv/lib/arith.h"

static uint64_t hz = 1000000000, boot_ticks, boot_seconds;

uint64_t clock_now(void)
{
    return rdtsc();
}

uint64_t clock_hz(void)
{
    return hz;
}

uint64_t clock_wall_seconds(void)
{
    return boot_seconds + (rdtsc() - boot_ticks) / hz;
}

#define PIT_HZ    1193182
#define PIT_TICKS (PIT_HZ / 50) /* 20 ms */
#define PM_HZ     3579545
#define PM_TICKS  (PM_HZ / 50)
#define PM_MASK   0xffffff

/* TSC ticks while the PIT's channel 2 counts 20 ms down, or 0 if it does not count. */
static uint64_t ticks_by_pit(void)
{
    uint8_t gate = inb(0x61) & ~3;
    uint64_t begin, ticks;

    outb(0x61, gate | 1);
    outb(0x43, 0xb0); /* channel 2, both bytes, mode 0: OUT rises at the end */
    outb(0x42, PIT_TICKS & 0xff);
    outb(0x42, PIT_TICKS >> 8);
    begin = rdtsc();
    for (unsigned i = 0; !(inb(0x61) & 0x20); i++)
        if (i == 10000000)
            return 0;
    ticks = rdtsc() - begin;
    outb(0x61, gate);
    return mul_div(ticks, PIT_HZ, PIT_TICKS);
}

static uint64_t ticks_by_pm_timer(void)
{
    uint32_t begin, now, last;
    uint64_t ticks;

    if (!machine.pm_timer)
        return 0;
    begin = inl(machine.pm_timer) & PM_MASK;
    for (unsigned i = 0; (last = inl(machine.pm_timer) & PM_MASK) == begin; i++)
        if (i == 100000)
            return 0;
    ticks = rdtsc();
    do
        now = inl(machine.pm_timer) & PM_MASK;
    while (((now - last) & PM_MASK) < PM_TICKS);
    return mul_div(rdtsc() - ticks, PM_HZ, (now - last) & PM_MASK);
}

/* SDM, "Determining the Processor Base Frequency": crystal times ratio. Emulators state it and do not keep
 * it. */
static uint64_t ticks_by_cpuid(void)
{
    uint32_t a, b, c, d;

    cpuid(0, 0, &a, &b, &c, &d);
    if (a < 0x15)
        return 0;
    cpuid(0x15, 0, &a, &b, &c, &d);
    return a && b && c ? mul_div(c, b, a) : 0;
}

const char *clock_calibrate(void)
{
    static const struct {
        uint64_t (*measure)(void);
        const char *by;
    } ways[] = {{ticks_by_pm_timer, "the ACPI PM timer"},
                {ticks_by_pit, "the PIT"},
                {ticks_by_cpuid, "CPUID leaf 0x15"}};

    for (unsigned i = 0; i < ARRAY_LENGTH(ways); i++) {
        uint64_t measured = ways[i].measure();

        if (measured) {
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
