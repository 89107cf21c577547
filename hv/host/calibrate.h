/* Sets the clock of hv/host/clock.h, once, on the boot core. */
#pragma once

#include "hv/lib/base.h"

/*
 * Measures the TSC's frequency. `pm_timer` is the port of the ACPI PM timer; 0: there is none. Returns by
 * what, in words, or NULL if nothing on this machine tells it (1 GHz is assumed).
 */
const char *clock_calibrate(uint16_t pm_timer);

/* What counts up at a steady rate. */
struct counter {
    uint32_t (*read)(void);
    uint32_t mask; /* the bits that count */
    uint64_t hz;   /* its rate, or 0: unknown */
};

/*
 * The TSC's frequency by a counter of known rate, or the rate of another by the TSC: the median of three
 * samples, so that one that was disturbed does no harm. 0: it does not count.
 */
uint64_t clock_compare(const struct counter *counter);

/* Reads the date from the machine's RTC. */
void clock_read_rtc(void);
