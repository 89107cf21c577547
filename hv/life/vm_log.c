#include "hv/life/vm_log.h"

#include "hv/host/clock.h"
#include "hv/host/log.h"
#include "hv/life/create.h"

/* With the lock held. */
static void sum_up(struct vm_log *log)
{
    uint64_t seconds;
    unsigned left_out = line_budget_sum(&log->budget, clock_now(), clock_hz(), &seconds);

    if (left_out)
        log_line("vm %s: %u more lines and reports in %lu s were left out: it causes more than one in %u s",
                 log->name, left_out, seconds, LINE_SECONDS);
}

static void time_to_sum_up(struct timer *timer)
{
    sum_up(container_of(timer, struct vm_log, timer));
}

void vm_log_init(struct vm_log *log, const char *name, bool restarts)
{
    *log = (struct vm_log){.name = name, .restarts = restarts};
    log->timer.expired = time_to_sum_up;
    log->timer.lock = &log->lock;
}

void vm_log_free(struct vm_log *log, bool free)
{
    spin_lock(&log->lock);
    log->free = free;
    if (free) {
        timer_cancel(&log->timer);
        sum_up(log);
    }
    spin_unlock(&log->lock);
}

static bool may_say(struct vm *vm, unsigned tokens, bool crash)
{
    struct vm_log *log = &((struct life *)vm->life)->log;
    uint64_t now = clock_now();
    bool said, waits;

    spin_lock(&log->lock);
    waits = log->budget.left_out;
    said = log->free || (crash && !log->restarts) ||
           line_budget_take(&log->budget, tokens, crash, now, clock_hz());
    if (!said && !waits)
        timer_arm(&log->timer, now + LINE_SUM_SECONDS * clock_hz());
    spin_unlock(&log->lock);
    return said;
}

static void say(const struct vm *vm, const char *format, va_list arguments)
{
    char text[LOG_LINE];
    struct text_buffer buffer;

    text_buffer_init(&buffer, text, sizeof(text));
    vprint_to(&buffer.writer, format, arguments);
    log_line("vm %s: %s", vm->name, text);
}

bool vm_log(struct vm *vm, const char *format, ...)
{
    va_list arguments;

    if (!may_say(vm, 1, false))
        return false;
    va_start(arguments, format);
    say(vm, format, arguments);
    va_end(arguments);
    return true;
}

bool vm_log_crash(struct vm *vm, const char *format, ...)
{
    va_list arguments;

    if (!may_say(vm, 1, true))
        return false;
    va_start(arguments, format);
    say(vm, format, arguments);
    va_end(arguments);
    return true;
}

bool vm_may_report(struct vm *vm)
{
    return may_say(vm, LINES_OF_REPORT, false);
}

bool vm_may_report_crash(struct vm *vm)
{
    return may_say(vm, LINES_OF_REPORT, true);
}
