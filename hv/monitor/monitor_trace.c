/* The monitor's command `trace`. */
#include "hv/host/clock.h"
#include "hv/lib/number.h"
#include "hv/lib/string.h"
#include "hv/monitor/monitor_internal.h"
#include "hv/observe/trace.h"

#define LINES_FOR_GDB  300 /* it has one answer, of so many at most */
#define LINES_AT_ONCE  16
#define LOOKS_A_SECOND 1000

static struct trace_dump dump;

static bool go_on(struct monitor_call *call, int key)
{
    dump.out = call->out;
    for (unsigned i = 0; key < 0 && i < LINES_AT_ONCE; i++)
        if (!trace_dump_line(&dump))
            return false;
    if (key >= 0)
        trace_dump_end(&dump);
    return key < 0;
}

static void begin_dump(struct monitor_call *call, const char *count)
{
    uint64_t most = UINT64_MAX;
    const char *end = *count ? read_number(count, 10, &most) : count;

    if (!end || *end) {
        print_to(call->out, "COUNT: \"%s\" is no number of records\n", count);
        return;
    }
    if (trace_frozen) {
        print_to(call->out, "A dump is being printed\n");
        return;
    }
    if (!call->console) {
        trace_print(MIN(most, (uint64_t)LINES_FOR_GDB), call->out);
        return;
    }
    trace_dump_begin(&dump, most, call->out);
    call->again = go_on;
    call->ticks = clock_hz() / LOOKS_A_SECOND;
}

void monitor_trace(struct monitor_call *call)
{
    static const char *const words[] = {"on", "off", "clear", "dump"};
    const char *at = call->words, *end;
    unsigned i = 0;

    while (*at == ' ')
        at++;
    for (end = at; *end && *end != ' '; end++)
        ;
    while (i < ARRAY_LENGTH(words) &&
           (strlen(words[i]) != (size_t)(end - at) || strncmp(at, words[i], (size_t)(end - at)) != 0))
        i++;
    while (*end == ' ')
        end++;
    if (*at && i == ARRAY_LENGTH(words)) {
        print_to(call->out, "trace: on, off, clear or dump, not \"%s\"\n", at);
        return;
    }
    if (i == 3) {
        begin_dump(call, end);
        return;
    }
    if (i == 0)
        trace_on(end, call->out);
    else if (i == 1)
        trace_off();
    else if (i == 2)
        trace_clear();
    trace_describe(call->out);
}
