/* Sets the clock of hv/host/clock.h, once, on the boot core. */
#pragma once

/* Measures the TSC's frequency. Returns by what, in words, or NULL if nothing on this machine tells it (1 GHz
 * is assumed). */
const char *clock_calibrate(void);

/* Reads the date from the machine's RTC. */
void clock_read_rtc(void);
