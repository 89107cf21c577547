/* Which vCPU a core runs. */
#pragma once

#include "hv/lib/base.h"

struct vcpu;

/* Gives the vCPU to its core (vcpu->core), which runs it from now on. */
void sched_add(struct vcpu *vcpu);

/* Wakes a core that idles, and takes one that runs a guest out of it. */
void sched_kick(unsigned core);

/*
 * The life of a core: runs its vCPUs in turn, sleeps when none has anything to do. `stopped` is called, with
 * the vCPU still loaded, when its VM has ended; the vCPU is no longer the core's then.
 */
_Noreturn void sched_loop(void (*stopped)(struct vcpu *vcpu));
