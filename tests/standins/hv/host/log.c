/* The log is a text that a test can read, and a panic is the end of the test. */
#include "hv/host/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake.h"

static void append(struct writer *self, const char *text, size_t length)
{
    (void)self;
    strncat(fake_log, text, MIN(length, sizeof(fake_log) - 1 - strlen(fake_log)));
}

static struct writer log_writer = {append};

void log_line(const char *format, ...)
{
    size_t used = strlen(fake_log);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(fake_log + used, sizeof(fake_log) - used, format, arguments);
    va_end(arguments);
    append(&log_writer, "\n", 1);
}

void log_lines_init(struct log_lines *lines)
{
    lines->writer.write = append;
}

struct writer *report_begin(void)
{
    return fake_report ? fake_report : &log_writer;
}

void report_end(void)
{
}

void log_stamp(struct writer *out)
{
    (void)out;
}

void panic(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    abort();
}
