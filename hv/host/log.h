/* Keel's own voice: whole lines on the console, kept in memory as well. */
#pragma once

#include "hv/lib/base.h"

/* Prints one line, `[   1.234567 cpu0] ` before it and a line end after it. */
void log_line(const char *format, ...) PRINTF_LIKE(1, 2);

/* Keel itself is at fault, or cannot go on: prints the reason, registers and backtrace, and stops every core.
 */
_Noreturn void panic(const char *format, ...) PRINTF_LIKE(1, 2);
