/* The machine's time: the TSC, calibrated once. */
#pragma once

#include "hv/lib/base.h"

/* TSC ticks now. All times in Keel are such ticks. */
uint64_t clock_now(void);

/* On the boot core it is `now` until clock_hold(0): what is recorded happens at one moment. */
void clock_hold(uint64_t now);

/* TSC ticks in a second. */
uint64_t clock_hz(void);

/* Spins for so many ticks. */
void clock_wait(uint64_t ticks);

/* Seconds since 1970-01-01 00:00 UTC, from the machine's RTC at boot and the TSC since. */
uint64_t clock_wall_seconds(void);
