/* Keel's own voice: whole lines on the console, kept in memory as well. */
#pragma once

#include "hv/lib/format.h"

/* Prints one line, `[   1.234567 cpu0] ` before it and a line end after it. */
void log_line(const char *format, ...) PRINTF_LIKE(1, 2);

/*
 * A report: lines that no other comes between, on the console, in memory and on the screen. What is printed
 * to the writer is kept until report_end says it all at once; more than REPORT_MOST bytes are cut, which is
 * said. Reports of other cores wait meanwhile, lines do not.
 */
#define REPORT_MOST 16384
struct writer *report_begin(void);
void report_end(void);

/* Time and core, as each of log_line's lines begins. */
void log_stamp(struct writer *out);

/* A writer each of whose whole lines is logged; a line longer than LOG_LINE is broken. */
#define LOG_LINE 256

struct log_lines {
    struct writer writer;
    char line[LOG_LINE];
    size_t length;
};

void log_lines_init(struct log_lines *lines);

/* The tick from which its lines count time. */
extern uint64_t log_begin;

/*
 * Keel itself is at fault, or cannot go on: prints the reason, registers and backtrace, and stops every core.
 * Who prints them says so with panic_report_by; before, there is the reason alone.
 */
_Noreturn void panic(const char *format, ...) PRINTF_LIKE(1, 2);

typedef void panic_reporter(const char *reason, uint64_t rip, uint64_t rsp);
void panic_report_by(panic_reporter *reporter);
