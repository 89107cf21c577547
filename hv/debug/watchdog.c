#include "hv/debug/watchdog.h"

#include "hv/debug/panic.h"
#include "hv/host/apic.h"
#include "hv/host/clock.h"
#include "hv/host/cpu.h"
#include "hv/host/log.h"
#include "hv/host/timer.h"

static struct watched {
    struct timer timer;
    uint64_t ticks;     /* its own; 0: it has not begun */
    struct watch watch; /* the next one's on it */
    bool stuck;
    struct trap_frame where; /* at its latest NMI */
} watched[CPUS_MOST];

static bool off;

enum watch_verdict watch_judge(struct watch *watch, uint64_t ticks)
{
    if (ticks != watch->ticks)
        *watch = (struct watch){.ticks = ticks};
    else if (++watch->quiet == STUCK_SECONDS)
        return WATCH_ASK;
    else if (watch->quiet == STUCK_SECONDS + 1)
        return WATCH_STUCK;
    return WATCH_WELL;
}

static void look_at(unsigned core)
{
    struct watched *other = &watched[core];
    enum watch_verdict verdict = watch_judge(&other->watch, __atomic_load_n(&other->ticks, __ATOMIC_RELAXED));

    if (verdict == WATCH_ASK)
        host_apic_send_nmi(cpus[core]->apic_id);
    if (verdict != WATCH_STUCK || off)
        return;
    other->stuck = true;
    log_line("watchdog: cpu %u makes no progress in Keel since %u s, a fault of Keel: its VMs stand still",
             core, STUCK_SECONDS);
    panic_print_core(cpus[core], other->where.rip ? &other->where : NULL);
}

static void tick(struct timer *timer)
{
    unsigned me = this_cpu()->index, core = me;

    watched[me].ticks++;
    if (watched[me].stuck)
        log_line("watchdog: cpu %u goes on", me);
    watched[me].stuck = false;
    do /* those behind a core that is stuck are watched as well */
        core = (core + 1) % cpu_count;
    while (core != me && (!watched[core].ticks || watched[core].stuck));
    if (core != me)
        look_at(core);
    timer_arm(timer, timer->deadline + clock_hz());
}

void watchdog_start(void)
{
    struct timer *timer = &watched[this_cpu()->index].timer;

    if (cpu_count == 1) {
        log_line("watchdog: none: one core has nobody to watch it");
        return;
    }
    timer->expired = tick;
    timer_arm(timer, clock_now() + clock_hz());
}

void watchdog_stop(void)
{
    off = true;
}

void watchdog_nmi(const struct trap_frame *frame)
{
    watched[this_cpu()->index].where = *frame;
}
