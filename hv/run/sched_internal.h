/*
 * What sched.c (a core's life), sched_balance.c (who moves to another core) and sched_wake.c (each core's
 * queue, and who comes into it by waking) know of each other.
 */
#pragma once

#include "hv/host/cpu.h"
#include "hv/host/timer.h"
#include "hv/lib/spinlock.h"
#include "hv/run/runqueue.h"
#include "hv/run/sched.h"

/* A core's queue. Whoever holds one lock may only try another. */
struct sched_core {
    struct spinlock lock;
    struct run_queue queue;
    struct timer slice;
    uint64_t until;    /* when to decide again */
    uint64_t balanced; /* when this core last looked at others */
    uint64_t moved;    /* when a vCPU last came or went, but by waking */
    unsigned homes;    /* vCPUs that were added here or moved here */
    bool serving;      /* the core is in sched_loop */
    bool due;          /* who runs is asked to leave for another */
    bool sleeps;       /* it halts */
    uint64_t slept;    /* ticks; while it sleeps, less the time since when */
};

extern struct sched_core sched_cores[CPUS_MOST];
extern struct run_times sched_times;

static inline struct vcpu *sched_vcpu_at(struct runner *runner)
{
    return runner ? container_of(runner, struct vcpu, runner) : NULL;
}

static inline bool sched_has_work(const struct vcpu *vcpu)
{
    return vcpu->activity == VCPU_RUNNABLE || __atomic_load_n(&vcpu->requests, __ATOMIC_ACQUIRE);
}

/* sched_wake.c */

/* All of them empty, and no core idles. */
void sched_init_queues(const struct run_times *times);

/* Whether the core counts as one that idles, which who wakes may be sent to. */
void sched_set_idle(unsigned core, bool idle);

/* Whether it runs guests, and the VM's. */
bool sched_usable(const struct vm *vm, unsigned core);

/* A runner has come to the core, whose lock is held: who runs there leaves if it is this one's turn, and also
 * if nothing would end its slice. */
void sched_announce(unsigned core, struct runner *runner, uint64_t now);

/*
 * The core whose queue the vCPU is or was in, locked. Until then it may change: others wake it, and it may
 * have run and slept elsewhere since. Whoever changes it holds the lock of the old one.
 */
struct sched_core *sched_lock_home(const struct vcpu *vcpu);

/* If it sleeps, and what it is woken for was not served since, on another core. One that is urgent does not
 * wait until its VM's weight and cap allow that. */
void sched_wake(struct vcpu *vcpu, bool urgent);

/* sched_balance.c */

/*
 * For a core that would idle: takes a vCPU that waits elsewhere. Returns whether to choose again: also for
 * one that turns out to have used up its cap, since somebody must be there when that is over.
 */
bool sched_steal(unsigned core);

/* Once a slice, on a core on which somebody waits. The one that is to run has been loaded. */
void sched_balance(unsigned core);
