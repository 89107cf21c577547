/*
 * Which vCPU a core runs. Each core has a queue (hv/run/runqueue.h); a vCPU that can run waits in one of
 * those of the cores that its VM may use, and moves when another core would serve it better.
 */
#pragma once

#include "hv/lib/base.h"
#include "hv/vm/vcpu.h"

struct vm;

/* Once, when the clock is known and before any other call. */
void sched_init(void);

/* A VM's share: `weight` against other VMs, at most `cap` percent of a core (0: no limit). Once, before its
 * vCPUs are added. vm->cores has been set. false: Keel has no memory left for it. */
bool sched_add_vm(struct vm *vm, unsigned weight, unsigned cap);

/* The VM is gone; or sched_add_vm was never called for it, or failed. A line says what it had and was due, if
 * sched_report_shares. */
void sched_remove_vm(struct vm *vm);

/* Keep account of what each VM is due. Set before the first VM is added. */
extern bool sched_report_shares;

/* Whether the machine has a core that the VM may use. */
bool sched_may_run(const struct vm *vm);

/* Gives the vCPU, which is loaded nowhere, to a core, which runs it from now on. */
void sched_add(struct vcpu *vcpu);

/*
 * Takes the vCPU off its core, which is the calling one and is not to run it: it is another's until it is
 * added again. Requests to it wait.
 */
void sched_remove(struct vcpu *vcpu);

/* Whether the calling core has more than one vCPU to run. */
bool sched_others_wait(void);

/* Wakes a core that idles, and takes one that runs a guest out of it. */
void sched_kick(unsigned core);

/* What a core has to run, for people: as it was a moment ago. Who runs there is charged the time until now.
 */
#define SCHED_VIEW_MOST 16
struct sched_view {
    bool serving;   /* it runs guests */
    unsigned count; /* vCPUs in its queue, of which the first ones are: */
    uint64_t slept; /* ticks that it had nothing to do */
    struct {
        const struct vm *vm;
        unsigned id;
        bool runs, throttled;
    } vcpus[SCHED_VIEW_MOST];
};
void sched_look(unsigned core, struct sched_view *view);

/*
 * The life of a core: runs its vCPUs in turn, sleeps when none has anything to do. `stopped` is called, with
 * the vCPU still loaded, when it has left its run loop and REQUEST_STOP stands in its requests. It may remove
 * the vCPU, which may then be gone; as long as it does neither that nor take the request back, the vCPU has
 * its turns and is handed to `stopped` in each: what is done there is done on its time.
 */
_Noreturn void sched_loop(void (*stopped)(struct vcpu *vcpu));
