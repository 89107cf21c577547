/* The trace in text: a line a record, of all cores in the order of time. tools/trace_dump.py reads it. */
#include "hv/console/console.h"
#include "hv/host/clock.h"
#include "hv/host/cpu.h"
#include "hv/host/log.h"
#include "hv/host/timer.h"
#include "hv/lib/arith.h"
#include "hv/life/life.h"
#include "hv/observe/trace.h"
#include "hv/run/work.h"
#include "hv/vm/observe.h"

#define LOOKS_A_SECOND 1000
#define LINE_MOST      256
#define LINES_AT_ONCE  16 /* so that no core stands still for a dump, however quick the port */

bool trace_reported;

static bool read_record(unsigned core, uint64_t number, struct trace_record *record)
{
    const struct trace_record *at = &trace_rings[core].records[number & (trace_size - 1)];

    if (__atomic_load_n(&at->number, __ATOMIC_ACQUIRE) != number)
        return false;
    *record = *at;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return __atomic_load_n(&at->number, __ATOMIC_RELAXED) == number;
}

static uint64_t oldest(const struct trace_ring *ring)
{
    return ring->next > ring->first + trace_size ? ring->next - trace_size : ring->first;
}

/* Steps back to the latest record of all cores that is not yet within the dump. */
static bool step_back(struct trace_dump *dump)
{
    unsigned found = CPUS_MOST;
    uint64_t latest = 0;

    for (unsigned i = 0; i < cpu_count; i++) {
        const struct trace_ring *ring = &trace_rings[i];
        uint64_t when;

        if (!ring->records || dump->at[i] <= oldest(ring))
            continue;
        when = ring->records[(dump->at[i] - 1) & (trace_size - 1)].when;
        if (found == CPUS_MOST || when > latest) {
            found = i;
            latest = when;
        }
    }
    if (found == CPUS_MOST)
        return false;
    dump->at[found]--;
    return true;
}

void trace_dump_begin(struct trace_dump *dump, uint64_t most, struct writer *out)
{
    uint64_t lost = 0, all = 0;

    __atomic_store_n(&trace_frozen, true, __ATOMIC_SEQ_CST);
    dump->out = out;
    dump->left = 0;
    for (unsigned i = 0; i < cpu_count; i++) {
        dump->at[i] = trace_rings[i].next;
        lost += trace_rings[i].lost;
        all += dump->at[i] - oldest(&trace_rings[i]);
    }
    if (most >= all) {
        for (unsigned i = 0; i < cpu_count; i++)
            dump->at[i] = oldest(&trace_rings[i]);
        dump->left = all;
    }
    while (dump->left < MIN(most, all) && step_back(dump))
        dump->left++;
    print_to(out, "trace: %lu records, %lu lost, %lu ticks a second\n", dump->left, lost, clock_hz());
}

void trace_dump_end(struct trace_dump *dump)
{
    print_to(dump->out, "trace: end\n");
    __atomic_store_n(&trace_frozen, false, __ATOMIC_RELEASE);
}

static void print_injection(struct writer *out, const struct trace_record *record)
{
    static const char *const types[8] = {"interrupt", "1", "nmi", "exception", "int", "int1", "int3", "7"};

    if (record->injects)
        print_to(out, " inject=%s.%u", types[record->type], record->vector);
}

/* What the exit was about: " port=3f8 size=1 out=41". */
static void print_operand(struct writer *out, const struct trace_record *record)
{
    static const char *const names[] = {"", "port", "mem", "msr", "leaf", "call", "vector"};
    static const char *const values[] = {"", "out", "", "write", "sub", "result", ""};
    const char *name = values[record->about];

    if (!record->about)
        return;
    print_to(out, " %s=%lx", names[record->about], record->operand);
    if (record->about == ABOUT_PORT)
        print_to(out, " size=%u", record->size);
    if (record->reads)
        name = record->about == ABOUT_PORT ? "in" : "read";
    if (record->string)
        print_to(out, " string=%s", name);
    else if (*name)
        print_to(out, " %s=%lx", name, record->value);
}

static void print_exit(struct writer *out, const struct trace_record *record)
{
    static const char *const then[] = {"?", "on", "leave", "end"};

    print_to(out, "exit ip=%lx q=%lx", record->rip, record->qualification);
    print_operand(out, record);
    print_to(out, " cost=%u then=%s", record->cost, then[record->then]);
    print_injection(out, record);
    print_to(out, " : %s", virt->show.exit_name(record->reason));
}

static void print_event(struct writer *out, const struct trace_record *record)
{
    static const char *const names[] = {"event", "run", "left", "wake", "init", "sipi", "starts", "ends"};
    static const char *const ends[] = {"?", "poweroff", "reset", "exit", "crash", "stop"};

    print_to(out, "%s", names[record->kind & 7]);
    if (record->kind == OBSERVED_SIPI)
        print_to(out, " vector=%lx", record->value);
    if (record->kind == OBSERVED_VM_ENDS && record->value < ARRAY_LENGTH(ends))
        print_to(out, " how=%s", ends[record->value]);
    print_injection(out, record);
}

static void print_record(struct writer *out, unsigned core, const struct trace_record *record)
{
    uint64_t ns = mul_div(record->when - log_begin, 1000000000, clock_hz());
    struct life_info info;

    print_to(out, "@%lu.%09lu cpu%u %s.%u ", ns / 1000000000, ns % 1000000000, core,
             life_info(record->vm, &info) ? info.name : "?", record->vcpu);
    if (record->kind == TRACE_EXIT)
        print_exit(out, record);
    else
        print_event(out, record);
    print_to(out, "\n");
}

bool trace_dump_line(struct trace_dump *dump)
{
    unsigned core = CPUS_MOST;
    uint64_t first = UINT64_MAX;
    struct trace_record record;

    if (!dump->left) {
        trace_dump_end(dump);
        return false;
    }
    dump->left--;
    for (unsigned i = 0; i < cpu_count; i++) {
        const struct trace_ring *ring = &trace_rings[i];

        if (dump->at[i] < ring->next && ring->records[dump->at[i] & (trace_size - 1)].when < first) {
            core = i;
            first = ring->records[dump->at[i] & (trace_size - 1)].when;
        }
    }
    if (core < CPUS_MOST && read_record(core, dump->at[core]++, &record))
        print_record(dump->out, core, &record);
    return true;
}

void trace_print(uint64_t most, struct writer *out)
{
    static struct trace_dump dump;

    trace_dump_begin(&dump, most, out);
    while (trace_dump_line(&dump))
        ;
}

/* The dump at a VM's end goes to the console as that has room, and the machine stays on for it. */
static struct report {
    struct work work;
    struct timer timer;
    struct trace_dump dump;
    bool active, begun;
} report;

static void look_again(struct timer *timer)
{
    (void)timer;
    work_post(0, &report.work);
}

static void go_on(struct work *work)
{
    char line[2 * LINE_MOST];
    struct text_buffer text;
    bool more = true;

    (void)work;
    text_buffer_init(&text, line, sizeof(line));
    if (trace_frozen && !report.begun) { /* somebody else prints one */
        timer_arm(&report.timer, clock_now() + clock_hz() / LOOKS_A_SECOND);
        return;
    }
    if (!report.begun)
        trace_dump_begin(&report.dump, UINT64_MAX, &text.writer);
    report.begun = true;
    report.dump.out = &text.writer;
    for (unsigned i = 0; more && i < LINES_AT_ONCE && console_is_idle(); i++) {
        more = trace_dump_line(&report.dump);
        console_write(line, text.length);
        text_buffer_init(&text, line, sizeof(line));
    }
    if (more) {
        timer_arm(&report.timer, clock_now() + clock_hz() / LOOKS_A_SECOND);
        return;
    }
    report.begun = false;
    __atomic_store_n(&report.active, false, __ATOMIC_RELEASE);
    vm_release();
}

void trace_report(void)
{
    if (!trace_reported || __atomic_exchange_n(&report.active, true, __ATOMIC_ACQ_REL))
        return;
    vm_hold();
    report.work.run = go_on;
    report.timer.expired = look_again;
    work_post(0, &report.work);
}
