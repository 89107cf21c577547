/*
 * What each VM is due: the ideal division of the machine's time, in which all that can run do so at once,
 * each at the rate of its share (generalized processor sharing, Parekh and Gallager, 1993). The scheduler is
 * measured by it. Arithmetic only: time comes as an argument, in ticks.
 */
#pragma once

#include "hv/lib/base.h"
#include "hv/lib/spinlock.h"
#include "hv/run/runqueue.h"

#define SHARES_MOST 32

struct shares {
    struct spinlock lock;
    unsigned cores; /* that run guests now */
    unsigned count;
    struct share *members[SHARES_MOST];
    uint64_t since;
};

/* false: there are too many. */
bool share_add(struct shares *shares, struct share *share, struct run_group *group, unsigned most,
               uint64_t now);
void share_remove(struct shares *shares, struct share *share, uint64_t now);

/* One core more, or one less, runs guests from now on. */
void share_count_core(struct shares *shares, int by, uint64_t now);

/*
 * Brings what is due up to date if the last time was so many ticks ago, and nobody else is at it. Who could
 * run in between, and for how long, the groups know by themselves.
 */
void share_pass(struct shares *shares, uint64_t now, uint64_t ticks);
