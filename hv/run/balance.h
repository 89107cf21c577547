/*
 * Which vCPUs change cores so that the loads of two cores get more even. Arithmetic only: who may move at
 * all, and who gets what is decided here, is hv/run/sched_balance.c's. docs/scheduling.md says why.
 */
#pragma once

#include "hv/lib/base.h"

#define BALANCE_MOST   8 /* vCPUs of a core that are looked at */
#define BALANCE_NOBODY BALANCE_MOST

/* One core as the other sees it. Loads are in runqueue_load's unit, and that of all includes whoever runs. */
struct balance_side {
    uint64_t load;                /* of all that can run there */
    bool empty;                   /* nobody is in its queue */
    unsigned count;               /* of those that wait and may go to the other core: */
    uint64_t loads[BALANCE_MOST]; /* what each has of its load, who has been in the queue longest first */
};

/* Places in `loads` of those that go, from the one side and from the other; or BALANCE_NOBODY. */
struct balance_moves {
    unsigned given, taken;
};

/* For an empty core: the place of the one with the most load, or BALANCE_NOBODY. */
unsigned balance_heaviest(const struct balance_side *side);

/*
 * What `from` gives `to`, and gets for it: always such that their loads differ by less than before, so that
 * whatever cores decide by it one after another comes to an end. Where nothing does that, and the two have
 * been as they are for long (`stale`), one goes that makes them differ by at most a quarter more.
 */
struct balance_moves balance_choose(const struct balance_side *from, const struct balance_side *to,
                                    bool stale);
