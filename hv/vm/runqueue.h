/*
 * Proportional share of a core: earliest eligible virtual deadline first (Stoica and Abdel-Wahab, 1995), with
 * a weight and a cap for groups of runners. Arithmetic only: time comes as an argument, in ticks, and the
 * caller holds the queue's lock. docs/scheduling.md says why.
 */
#pragma once

#include "hv/lib/base.h"
#include "hv/lib/list.h"
#include "hv/lib/spinlock.h"

#define RUN_WEIGHT_MOST 10000
#define RUN_NEVER       UINT64_MAX

/* What the queues of a machine have in common, in ticks. */
struct run_times {
    uint64_t slice;  /* a runner's request: what it gets at a time */
    uint64_t period; /* in which a cap is kept */
};

/* Those that share a weight and a cap: the vCPUs of a VM. Its own lock is for what several cores change. */
struct run_group {
    struct spinlock lock;
    unsigned weight;   /* 1 to RUN_WEIGHT_MOST; divided evenly among those of its runners that can run */
    unsigned runnable; /* runners in queues */
    uint64_t shared; /* `runnable` summed over time until `since`: what dividing the weight costs a runner */
    uint64_t since;
    uint64_t quota; /* ticks a period; 0: no cap */
    int64_t budget; /* left of it; negative: overdrawn, taken off the next */
    uint64_t refilled;
    uint64_t ran; /* ticks, all runners */
};

/* One that runs on one core at a time: a vCPU. */
struct runner {
    struct list_link link;
    struct run_group *group;
    uint64_t virtual,
        deadline;    /* service received, and at the end of its request, both by weight; they wrap */
    uint64_t shared; /* the group's when it was last charged */
    uint64_t ran;    /* ticks */
    uint64_t owes;   /* ticks that its timers took of others, not yet in `virtual`; atomic */
    bool throttled;  /* its group has used up its cap */
    bool urgent;     /* runs all the same: it is to be ended */
};

/* Those that can run on one core. */
struct run_queue {
    const struct run_times *times;
    struct list_link runners;
    struct runner *running; /* one of them, or NULL */
    unsigned count;
    uint64_t charged; /* until when `running` has been charged */
    uint64_t virtual; /* the virtual time when last asked for: others may read it without the lock */
};

void runqueue_init(struct run_queue *queue, const struct run_times *times);

/* `quota` is in ticks of each period, 0: none. */
void run_group_init(struct run_group *group, unsigned weight, uint64_t quota, uint64_t now);

/* Puts a runner in. Where it stood against the others counts, within bounds: no sleeper hoards or starves. */
void runqueue_insert(struct run_queue *queue, struct runner *runner, uint64_t now);

/* Takes it out: it sleeps or has ended. If it was running, nobody is then. */
void runqueue_remove(struct run_queue *queue, struct runner *runner, uint64_t now);

/* Moves one that waits to the queue of another core. */
void runqueue_move(struct run_queue *from, struct run_queue *to, struct runner *runner, uint64_t now);

/*
 * Decides who runs from now on. `aside`, if not NULL, runs only if nobody else can. *until is when to decide
 * again: the end of a request, of a cap, or its refilling; or RUN_NEVER. NULL: nobody.
 */
struct runner *runqueue_pick(struct run_queue *queue, struct runner *aside, uint64_t now, uint64_t *until);

/* Whether this one, just inserted, is to run before the one that is running. */
bool runqueue_preempts(struct run_queue *queue, const struct runner *runner);

/* Brings the one that runs up to date: its time, and what it has used of weight and cap. */
void runqueue_charge(struct run_queue *queue, uint64_t now);

/*
 * From `from` until now this core has served not the one that runs but a timer of the payer's, which may be
 * in any queue or in none: the payer's weight and cap are charged for it.
 */
void runqueue_charge_other(struct run_queue *queue, struct runner *payer, uint64_t from, uint64_t now);

/* The virtual time: the mean of all that can run, by weight. */
uint64_t runqueue_virtual(struct run_queue *queue, uint64_t now);

/* Ticks that a runner would be owed where the virtual time is this; negative: that it owes. */
int64_t runner_lag(const struct runner *runner, uint64_t virtual);

/* Moves the queue's virtual time forward to this: claims on other cores are forgotten, those within it stay.
 */
void runqueue_lift(struct run_queue *queue, uint64_t virtual);

/* Whether somebody waits, who could run. */
bool runqueue_contended(const struct run_queue *queue);
