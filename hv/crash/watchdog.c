#include "hv/crash/watchdog.h"

#include "hv/crash/core_report.h"
#include "hv/host/apic.h"
#include "hv/host/clock.h"
#include "hv/host/cpu.h"
#include "hv/host/log.h"
#include "hv/host/timer.h"
#include "hv/lib/spinlock.h"

static struct watched {
    struct timer timer;
    bool begun;
    uint64_t ticked;      /* when it did last, by its own clock */
    struct spinlock lock; /* of `watch`: several may look at it at once */
    struct watch watch;
    struct trap_frame where; /* at its latest NMI */
} watched[CPUS_MOST];

static bool off;

enum watch_verdict watch_judge(struct watch *watch, uint64_t ticked, uint64_t now)
{
    int64_t quiet = (int64_t)(now - ticked), second = (int64_t)clock_hz();

    if (quiet < STUCK_SECONDS * second) {
        *watch = (struct watch){0};
        return WATCH_WELL;
    }
    if (!watch->asked) {
        watch->asked = true;
        watch->when = now;
        return WATCH_ASK;
    }
    if (watch->stuck || (int64_t)(now - watch->when) < second)
        return WATCH_WELL;
    watch->stuck = true;
    return WATCH_STUCK;
}

static void look_at(unsigned core)
{
    struct watched *other = &watched[core];
    uint64_t ticked = __atomic_load_n(&other->ticked, __ATOMIC_ACQUIRE), now = clock_now();
    enum watch_verdict verdict;
    struct writer *out;

    if (!spin_try_lock(&other->lock)) /* somebody else looks */
        return;
    verdict = watch_judge(&other->watch, ticked, now);
    spin_unlock(&other->lock);
    if (verdict == WATCH_ASK)
        host_apic_send_nmi(cpus[core]->apic_id);
    if (verdict != WATCH_STUCK || off)
        return;
    out = report_begin();
    log_stamp(out);
    print_to(out,
             "watchdog: cpu %u makes no progress in Keel since %lu s, a fault of Keel: its VMs stand still\n",
             core, (now - ticked) / clock_hz());
    core_report(cpus[core], other->where.rip ? &other->where : NULL, out);
    report_end();
}

/* It has ticked: it is well from now on. Returns whether it was not. */
static bool was_stuck(struct watched *mine)
{
    bool stuck;

    __atomic_store_n(&mine->ticked, clock_now(), __ATOMIC_RELEASE);
    spin_lock(&mine->lock);
    stuck = mine->watch.stuck;
    mine->watch = (struct watch){0};
    spin_unlock(&mine->lock);
    return stuck;
}

static bool is_watched(unsigned core)
{
    return __atomic_load_n(&watched[core].begun, __ATOMIC_ACQUIRE) &&
           !__atomic_load_n(&watched[core].watch.stuck, __ATOMIC_RELAXED);
}

static void tick(struct timer *timer)
{
    unsigned me = this_cpu()->index, core = me;

    if (was_stuck(&watched[me]))
        log_line("watchdog: cpu %u goes on", me);
    do /* those behind a core that is stuck are watched as well */
        core = (core + 1) % cpu_count;
    while (core != me && !is_watched(core));
    if (core != me)
        look_at(core);
    timer_arm(timer, clock_now() + clock_hz());
}

void watchdog_start(void)
{
    struct watched *mine = &watched[this_cpu()->index];

    if (cpu_count == 1) {
        log_line("watchdog: none: one core has nobody to watch it");
        return;
    }
    mine->timer.expired = tick;
    mine->ticked = clock_now();
    __atomic_store_n(&mine->begun, true, __ATOMIC_RELEASE);
    timer_arm(&mine->timer, clock_now() + clock_hz());
}

void watchdog_stop(void)
{
    off = true;
}

void watchdog_nmi(const struct trap_frame *frame)
{
    watched[this_cpu()->index].where = *frame;
    host_apic_look_again(); /* its timer's interrupt may wait there without a signal */
}
