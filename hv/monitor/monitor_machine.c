/* The monitor's commands about the machine. */
#include "hv/console/console.h"
#include "hv/crash/watchdog.h"
#include "hv/gdb/gdb_stub.h"
#include "hv/host/acpi.h"
#include "hv/host/clock.h"
#include "hv/host/cpu.h"
#include "hv/host/frames.h"
#include "hv/host/log.h"
#include "hv/host/log_ring.h"
#include "hv/host/paging.h"
#include "hv/host/timer.h"
#include "hv/lib/arith.h"
#include "hv/monitor/monitor_internal.h"
#include "hv/run/sched.h"
#include "hv/show/symbols.h"
#include "hv/vm/exit_stat.h"
#include "hv/vm/virt.h"

#define TIMERS_MOST 16
#define TOP_VMS     32
#define TOP_CORES   64
#define TOP_REASONS 3

static void print_timer(struct writer *out, unsigned core, uint64_t deadline, uintptr_t expired,
                        const char *owner)
{
    int64_t left = (int64_t)(deadline - clock_now());
    uint64_t us = mul_div((uint64_t)(left < 0 ? -left : left), 1000000, clock_hz()), offset;
    const char *name = symbol_at(expired, &offset);

    print_to(out, "core %3u  %s%6lu.%06lu s  %s%s%s\n", core, left < 0 ? "-" : " ", us / 1000000,
             us % 1000000, name ? name : "?", owner ? " of " : "", owner ? owner : "");
}

void monitor_timers(struct monitor_call *call)
{
    for (unsigned i = 0; i < cpu_count; i++) {
        struct timer_queue *queue = &cpus[i]->timers;
        struct {
            const struct timer *timer; /* by now it may be none any more */
            uint64_t deadline;
            uintptr_t expired;
        } found[TIMERS_MOST];
        unsigned count = 0, more = 0;

        spin_lock(&queue->lock);
        for (const struct timer *timer = queue->first; timer; timer = timer->next) {
            if (count == TIMERS_MOST) {
                more++;
                continue;
            }
            found[count].deadline = timer->deadline;
            found[count].timer = timer;
            found[count++].expired = (uintptr_t)timer->expired;
        }
        spin_unlock(&queue->lock);
        for (unsigned j = 0; j < count; j++)
            print_timer(call->out, i, found[j].deadline, found[j].expired, life_owner(found[j].timer));
        if (more)
            print_to(call->out, "core %3u  and %u more\n", i, more);
    }
}

void monitor_queues(struct monitor_call *call)
{
    struct sched_view view;

    for (unsigned i = 0; i < cpu_count; i++) {
        sched_look(i, &view);
        print_to(call->out, "core %3u: ", i);
        if (!view.serving)
            print_to(call->out, "runs no guests");
        else if (!view.count)
            print_to(call->out, "idle");
        for (unsigned j = 0; j < MIN(view.count, (unsigned)ARRAY_LENGTH(view.vcpus)); j++)
            print_to(call->out, "%s%s.%u%s", j ? ", " : "", view.vcpus[j].vm->name, view.vcpus[j].id,
                     view.vcpus[j].runs        ? " (runs)"
                     : view.vcpus[j].throttled ? " (at its cap)"
                                               : "");
        if (view.count > ARRAY_LENGTH(view.vcpus))
            print_to(call->out, ", and %u more", view.count - (unsigned)ARRAY_LENGTH(view.vcpus));
        print_to(call->out, "\n");
    }
}

void monitor_memory(struct monitor_call *call)
{
    struct memory_counts counts = memory_count(host_frames());
    struct life_info info;

    print_to(call->out,
             "guests: %lu MiB, %lu MiB free, the largest piece %lu MiB\nKeel: %lu KiB, %lu KiB used\n",
             counts.guest_total / MIB(1), counts.guest_free / MIB(1), counts.largest_free / MIB(1),
             counts.pool_total / KIB(1), counts.pool_used / KIB(1));
    for (unsigned i = 1; life_info(i, &info); i++) {
        const struct vm *vm = life_look(i);

        if (!vm)
            continue;
        print_to(call->out, "%s: %lu MiB\n", info.name, info.memory / MIB(1));
        for (unsigned j = 0; j < vm->backing_count; j++) {
            const struct vm_backing *piece = &vm->backing[j];

            print_to(call->out, "    0x%lx-0x%lx at 0x%lx\n", piece->gpa, piece->gpa + piece->size - 1,
                     piece->physical);
        }
        life_looked(i);
    }
}

void monitor_log(struct monitor_call *call)
{
    uint64_t end = log_ring.written, size = sizeof(log_ring.text), at = end, lines = 0;

    while (at && end - at < size && lines <= call->values[0])
        lines += log_ring.text[--at % size] == '\n';
    at += lines > call->values[0];
    for (uint64_t part; at < end; at += part) {
        part = MIN(end - at, size - at % size);
        call->out->write(call->out, log_ring.text + at % size, part);
    }
}

/* What `top` saw last: the time, that VMs had run and cores had slept. */
static struct {
    uint64_t when, ran[TOP_VMS], slept[TOP_CORES], exits[TOP_VMS][STAT_ROWS];
} last;

/* Per mille of the time since the last look. */
static unsigned share_of(uint64_t now, uint64_t before, uint64_t passed)
{
    return passed && now > before ? (unsigned)mul_div(now - before, 1000, passed) : 0;
}

/* How many there were a second since the last look, and of which reasons the most. */
static void show_exits(struct writer *out, const struct vm *vm, uint64_t before[STAT_ROWS], uint64_t passed)
{
    uint64_t counts[STAT_ROWS] = {0}, all = 0;

    for (unsigned reason = 0; reason < STAT_ROWS; reason++) {
        uint64_t now = stats_count(vm, NULL, reason);

        if (passed && now > before[reason])
            all += counts[reason] = mul_div(now - before[reason], clock_hz(), passed);
        before[reason] = now;
    }
    print_to(out, " %8lu", all);
    for (unsigned shown = 0; shown < TOP_REASONS; shown++) {
        unsigned most = 0;

        for (unsigned reason = 1; reason < STAT_ROWS; reason++)
            if (counts[reason] > counts[most])
                most = reason;
        if (counts[most])
            print_to(out, "%s %lu %s", shown ? "," : " ", counts[most], stats_row_name(most));
        counts[most] = 0;
    }
}

static void show_top(struct writer *out)
{
    uint64_t now = clock_now(), passed = last.when ? now - last.when : 0;
    struct sched_view view;
    struct life_info info;

    print_to(out, "\x1b[Hcore  busy  vcpus\x1b[K\n");
    for (unsigned i = 0; i < MIN(cpu_count, (unsigned)TOP_CORES); i++) {
        unsigned idle;

        sched_look(i, &view);
        idle = MIN(share_of(view.slept, last.slept[i], passed), 1000u);
        last.slept[i] = view.slept;
        print_to(out, "%4u %4u%% %6u\x1b[K\n", i, passed ? 100 - idle / 10 : 0, view.count);
    }
    print_to(out, "\x1b[K\nvm               state      cores  exits/s\x1b[K\n");
    for (unsigned i = 0; i < TOP_VMS && life_info(i + 1, &info); i++) {
        const struct vm *vm = life_look(i + 1);
        uint64_t ran = vm ? vm->group.ran : 0;
        unsigned share = share_of(ran, last.ran[i], passed);

        print_to(out, "%-16s %-9s %3u.%02u", info.name, life_state_name(info.state), share / 1000,
                 share % 1000 / 10);
        if (vm) {
            show_exits(out, vm, last.exits[i], passed);
            life_looked(i + 1);
        }
        print_to(out, "\x1b[K\n");
        last.ran[i] = ran;
    }
    print_to(out, "\x1b[J");
    last.when = now;
}

static bool go_on(struct monitor_call *call, int key)
{
    if (key >= 0) {
        print_to(call->out, "\n");
        return false;
    }
    show_top(call->out);
    return true;
}

void monitor_top(struct monitor_call *call)
{
    last.when = 0;
    if (call->console)
        print_to(call->out, "\x1b[2J");
    show_top(call->out);
    call->again = go_on;
    call->ticks = clock_hz();
}

static void end_machine(const char *how)
{
    log_line("monitor: %s the machine", how);
    gdb_finish();
    watchdog_stop();
    console_finish();
}

void monitor_poweroff(struct monitor_call *call)
{
    (void)call;
    end_machine("powering off");
    machine_power_off();
}

void monitor_reboot(struct monitor_call *call)
{
    (void)call;
    end_machine("restarting");
    machine_reboot();
}
