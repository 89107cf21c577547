/* What the scheduler keeps of a VM and of each of its vCPUs: hv/run/runqueue.h and hv/run/share.h work with
 * it.
 */
#pragma once

#include "hv/lib/base.h"
#include "hv/lib/fair.h"
#include "hv/lib/list.h"
#include "hv/lib/spinlock.h"

#define RUN_WEIGHT_MOST 10000

struct run_group;

/* Those of a group that are in one queue, and what the group has received there. All zero: nothing yet. */
struct run_part {
    struct fair_member member; /* among the parts in the queue; or among those that have used up their cap:
                                  its node's key is then when it may go on */
    struct fair runners;
    struct run_group *group;
    uint64_t shared; /* the group's when this part was last charged */
    uint64_t owes; /* ticks that its group's timers took of this core's others, not yet in its virtual time */
    bool throttled;
};

/* Those that share a weight and a cap: the vCPUs of a VM. Its own lock is for what several cores change. */
struct run_group {
    struct spinlock lock;
    unsigned weight;   /* 1 to RUN_WEIGHT_MOST; divided evenly among those of its runners that can run */
    unsigned runnable; /* runners in queues */
    uint64_t shared; /* `runnable` summed over time until `since`: what dividing the weight costs a runner */
    uint64_t busy;   /* ticks until `since` in which a runner was in a queue */
    uint64_t since;
    uint64_t quota; /* ticks a period; 0: no cap */
    int64_t budget; /* left of it; negative: overdrawn, taken off the next */
    uint64_t refilled;
    uint64_t ran;           /* ticks, all runners */
    struct run_part *parts; /* one for each queue, by its index */
};

/* One that runs on one core at a time: a vCPU. All zero but for `group`: it has never run. */
struct runner {
    struct list_link link, hurried;
    struct fair_member member;
    struct run_group *group;
    struct run_part *part; /* it is in, or was in last */
    int64_t lag;           /* ticks that it was owed by the others of that one when it left it */
    uint64_t ran;          /* ticks */
    bool urgent;           /* it is next, whatever the weights and caps */
};

/* What a VM is due. */
struct share {
    struct run_group *group;
    unsigned most;  /* percent of a core: what its cap and its cores let it have */
    uint64_t width; /* of its runners, how many could run: the mean since they were last looked at, by CORE */
    bool awake;     /* some could since then */
    uint64_t shared, busy; /* the group's, when it was last looked at */
    uint64_t rate;
    uint64_t begin;
    uint64_t due; /* ticks */
};
