#include "hv/host/log.h"

#include "hv/host/clock.h"
#include "hv/host/cpu.h"
#include "hv/host/instructions.h"
#include "hv/host/log_ring.h"
#include "hv/host/wait.h"
#include "hv/lib/arith.h"
#include "hv/lib/format.h"
#include "hv/lib/spinlock.h"
#include "hv/lib/string.h"

#define LINE_MOST 320

struct log_ring log_ring;
void (*log_screen)(const char *text, size_t length);
static log_sink *console; /* NULL: nobody hears it yet */

uint64_t log_begin;
static bool cores_known;
static struct spinlock lock; /* of the log, whose lines are whole */

static struct {
    struct spinlock lock;
    struct text_buffer buffer;
    char text[REPORT_MOST];
} report;

/* The lock is held. */
static void keep(const char *text, size_t length)
{
    if (log_screen)
        log_screen(text, length);
    for (size_t i = 0; i < length; i++)
        log_ring.text[log_ring.written++ % sizeof(log_ring.text)] = text[i];
}

/* Whole lines: in the same order everywhere. */
static void say(const char *text, size_t length)
{
    spin_lock(&lock);
    keep(text, length);
    if (console)
        console(text, length);
    spin_unlock(&lock);
}

static void write_to_log(struct writer *self, const char *text, size_t length)
{
    (void)self;
    say(text, length);
}

struct writer log_writer = {write_to_log};

void log_panic(void)
{
    spin_break(&lock);
}

void log_start(log_sink *sink)
{
    /* In two parts, at run time: the whole of it is nowhere else, in the image's file or in memory. */
    memcpy(log_ring.signature, "KEEL-LOG", 8);
    memcpy(log_ring.signature + 8, "-RING-1", 8);
    log_begin = clock_now();
    console = sink;
}

void log_repeat(void)
{
    console(log_ring.text, MIN(log_ring.written, sizeof(log_ring.text)));
}

void log_cores_known(void)
{
    cores_known = true;
}

void log_stamp(struct writer *out)
{
    uint64_t microseconds = mul_div(clock_now() - log_begin, 1000000, clock_hz());

    print_to(out, "[%4lu.%06lu cpu%u] ", microseconds / 1000000, microseconds % 1000000,
             cores_known ? this_cpu()->index : 0);
}

static void log_v(const char *format, va_list arguments)
{
    char line[LINE_MOST];
    struct text_buffer buffer;

    text_buffer_init(&buffer, line, sizeof(line) - 1);
    log_stamp(&buffer.writer);
    vprint_to(&buffer.writer, format, arguments);
    line[buffer.length] = '\n';
    say(line, buffer.length + 1);
}

struct writer *report_begin(void)
{
    spin_lock(&report.lock);
    text_buffer_init(&report.buffer, report.text, sizeof(report.text));
    return &report.buffer.writer;
}

void report_end(void)
{
    static const char cut[] = "\nthe report is longer: the rest is cut\n";

    if (report.buffer.length == sizeof(report.text) - 1)
        memcpy(report.text + sizeof(report.text) - sizeof(cut), cut, sizeof(cut));
    if (report.buffer.length)
        say(report.text, report.buffer.length);
    spin_unlock(&report.lock);
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

static panic_reporter *reporter;

void panic_report_by(panic_reporter *by)
{
    reporter = by;
}

_Noreturn void panic(const char *format, ...)
{
    char reason[200];
    struct text_buffer buffer;
    va_list arguments;
    uint64_t rsp;

    interrupts_off();
    text_buffer_init(&buffer, reason, sizeof(reason));
    va_start(arguments, format);
    vprint_to(&buffer.writer, format, arguments);
    va_end(arguments);
    __asm__ volatile("mov %%rsp, %0" : "=r"(rsp));
    if (reporter)
        reporter(reason, (uint64_t)__builtin_return_address(0), rsp);
    else
        log_line("KEEL PANIC: %s", reason);
    halt_for_ever();
}
