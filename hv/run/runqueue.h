/*
 * Proportional share of a core, with a weight and a cap for groups of runners. In a queue the groups take
 * turns by weight, and in a group its runners, evenly (hv/lib/fair.h). What a group has received of a core
 * and what it is due there is kept for the group, not for its runners: whoever of them sleeps, wakes, comes
 * or goes, their group gets no more of that core than its weight says. Arithmetic only: time comes as an
 * argument, in ticks, and the caller holds the queue's lock. docs/scheduling.md says why.
 */
#pragma once

#include "hv/lib/base.h"
#include "hv/lib/fair.h"
#include "hv/lib/list.h"
#include "hv/lib/spinlock.h"
#include "hv/lib/tree.h"
#include "hv/vm/runner.h"

#define RUN_NEVER UINT64_MAX

/* What the queues of a machine have in common, in ticks. */
struct run_times {
    uint64_t slice;  /* a runner's request: what it gets at a time */
    uint64_t period; /* in which a cap is kept */
};

/* Those that can run on one core. */
struct run_queue {
    const struct run_times *times;
    unsigned index;
    struct fair parts;           /* that have not used up their cap */
    struct tree_node *throttled; /* those that have, by the time when they may go on */
    struct list_link runners;    /* all, in the order in which they came */
    struct list_link hurried;    /* those that are urgent */
    struct runner *running;      /* one of them, or NULL */
    unsigned count;
    uint64_t charged; /* until when `running` has been charged */
};

/* `index` is the queue's number, which a group's part in it has in `parts`. */
void runqueue_init(struct run_queue *queue, const struct run_times *times, unsigned index);

/* `quota` is in ticks of each period, 0: none. `parts`, all zero, one for each queue, belong to the group. */
void run_group_init(struct run_group *group, struct run_part *parts, unsigned weight, uint64_t quota,
                    uint64_t now);

/* Brings `shared` and `busy` up to date. With no lock held. */
void run_group_pass(struct run_group *group, uint64_t now);

/* Puts a runner in. Where it and its group stood against the others counts, within bounds: no sleeper hoards
 * or starves. */
void runqueue_insert(struct run_queue *queue, struct runner *runner, uint64_t now);

/* Takes it out: it sleeps or has ended. If it was running, nobody is then. */
void runqueue_remove(struct run_queue *queue, struct runner *runner, uint64_t now);

/*
 * Moves one that waits to the queue of another core. It brings no claim: its group is owed nothing there by
 * its coming. What it owes comes along if the group has nobody there.
 */
void runqueue_move(struct run_queue *from, struct run_queue *to, struct runner *runner, uint64_t now);

/* A runner of this queue is to be picked next, once, even if it runs now or its group has used up its cap. */
void runqueue_hurry(struct run_queue *queue, struct runner *runner);

/*
 * Decides who runs from now on. `aside`, if not NULL, has run last, and runs only if nobody else can. *until
 * is when to decide again: the end of a request, of a cap, or its refilling; or RUN_NEVER. NULL: nobody.
 */
struct runner *runqueue_pick(struct run_queue *queue, struct runner *aside, uint64_t now, uint64_t *until);

/* Whether this one, just inserted, is to run before the one that is running. */
bool runqueue_preempts(struct run_queue *queue, const struct runner *runner);

/* Brings the one that runs up to date: its time, and what it has used of weight and cap. */
void runqueue_charge(struct run_queue *queue, uint64_t now);

/*
 * From `from` until now this core has served not the one that runs but a timer of the payer's, which may be
 * in any queue or in none: its group's weight and cap are charged for it.
 */
void runqueue_charge_other(struct run_queue *queue, struct runner *payer, uint64_t from, uint64_t now);

/* The sum of the weights of those that can run, and what of it one of them has: in the same unit. Both may be
 * read without the lock, as a guess. */
uint64_t runqueue_load(const struct run_queue *queue);
uint64_t runner_load(const struct runner *runner);

/* Whether somebody waits, who could run. */
bool runqueue_contended(const struct run_queue *queue);
