/*
 * One-shot timers. A timer fires on the core that armed it, from that core's timer interrupt, between two
 * entries of a guest or while the core idles: never in the middle of a device's code.
 */
#pragma once

#include "hv/lib/base.h"
#include "hv/lib/spinlock.h"

struct timer_queue;
struct runner;

struct timer {
    uint64_t deadline;                    /* in ticks of clock_now() */
    void (*expired)(struct timer *timer); /* may arm the timer again */
    struct spinlock *lock;                /* taken around `expired` if not NULL */
    struct runner *payer;                 /* whose time `expired` takes; NULL: Keel's own */
    struct timer_queue *queue; /* where it is armed; NULL when it is not. Written under that queue's lock,
                                * read atomically, as other cores look without it */
    struct timer *next;
};

/* Arms the timer, or moves it if it is armed. A deadline in the past fires as soon as possible. */
void timer_arm(struct timer *timer, uint64_t deadline);

/* Harmless on a timer that is not armed. The callback may still be on its way on another core. */
void timer_cancel(struct timer *timer);

/*
 * Cancels for good: when it returns, no core is in the callback, and the timer is not armed, though the
 * callback may have armed it again. Not to be called with timer->lock held, nor from a callback.
 */
void timer_stop(struct timer *timer);

static inline bool timer_armed(const struct timer *timer)
{
    return __atomic_load_n(&timer->queue, __ATOMIC_RELAXED) != NULL;
}

/* Told from when until when a payer's timer has had the calling core, with no lock held. Set once. */
extern void (*timer_paid)(struct runner *payer, uint64_t from, uint64_t until);

/* The handler of the core's timer interrupt: fires what is due. */
void timer_interrupt(void);
