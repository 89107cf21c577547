#include "hv/host/log.h"

#include "hv/debug/console.h"
#include "hv/debug/log_ring.h"
#include "hv/host/clock.h"
#include "hv/host/cpu.h"
#include "hv/lib/arith.h"
#include "hv/lib/format.h"
#include "hv/lib/string.h"

#define LINE_MOST 320

struct log_ring log_ring;
void (*log_screen)(const char *text, size_t length);

uint64_t log_begin;
static bool cores_known;

static void keep(const char *text, size_t length)
{
    if (log_screen)
        log_screen(text, length);
    for (size_t i = 0; i < length; i++)
        log_ring.text[__atomic_fetch_add(&log_ring.written, 1, __ATOMIC_RELAXED) % sizeof(log_ring.text)] =
            text[i];
}

void log_text(const char *text, size_t length)
{
    keep(text, length);
    console_write(text, length);
}

static void write_to_log(struct writer *self, const char *text, size_t length)
{
    (void)self;
    keep(text, length);
    console_writer.write(&console_writer, text, length);
}

struct writer log_writer = {write_to_log};

void log_start(void)
{
    memcpy(log_ring.signature, "KEEL-LOG-RING-1",
           sizeof(log_ring.signature)); /* at run time: it stays out of the image file */
    log_begin = clock_now();
}

void log_repeat(void)
{
    console_write(log_ring.text, MIN(log_ring.written, sizeof(log_ring.text)));
}

void log_cores_known(void)
{
    cores_known = true;
}

static void log_v(const char *format, va_list arguments)
{
    char line[LINE_MOST];
    struct text_buffer buffer;
    uint64_t microseconds = mul_div(clock_now() - log_begin, 1000000, clock_hz());

    text_buffer_init(&buffer, line, sizeof(line) - 1);
    print_to(&buffer.writer, "[%4lu.%06lu cpu%u] ", microseconds / 1000000, microseconds % 1000000,
             cores_known ? this_cpu()->index : 0);
    vprint_to(&buffer.writer, format, arguments);
    line[buffer.length] = '\n';
    log_text(line, buffer.length + 1);
}

void log_line(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    log_v(format, arguments);
    va_end(arguments);
}

static void write_lines(struct writer *self, const char *text, size_t length)
{
    struct log_lines *lines = container_of(self, struct log_lines, writer);

    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\n' || lines->length == sizeof(lines->line) - 1) {
            lines->line[lines->length] = 0;
            log_line("%s", lines->line);
            lines->length = 0;
        }
        if (text[i] != '\n')
            lines->line[lines->length++] = text[i];
    }
}

void log_lines_init(struct log_lines *lines)
{
    lines->writer.write = write_lines;
    lines->length = 0;
}
