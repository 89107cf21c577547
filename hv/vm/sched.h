/* Which vCPU a core runs. */
#pragma once

#include "hv/lib/base.h"

struct vcpu;

/* Gives the vCPU to its core (vcpu->core), which runs it from now on. */
void sched_add(struct vcpu *vcpu);

/*
 * Takes the vCPU off its core, which is the calling one and is not to run it: it is another's until it is
 * added again. Requests to it wait.
 */
void sched_remove(struct vcpu *vcpu);

/* Wakes a core that idles, and takes one that runs a guest out of it. */
void sched_kick(unsigned core);

/*
 * The life of a core: runs its vCPUs in turn, sleeps when none has anything to do. `stopped` is called, with
 * the vCPU still loaded, when it has left its run loop and REQUEST_STOP stands in its requests. It may remove
 * the vCPU, which may then be gone; as long as it does neither that nor take the request back, the vCPU has
 * its turns and is handed to `stopped` in each: what is done there is done on its time.
 */
_Noreturn void sched_loop(void (*stopped)(struct vcpu *vcpu));
