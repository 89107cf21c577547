/*
 * Where the timers of a VM's devices fire. One that repeats runs on the core that serves the vCPU it is for,
 * and so on that vCPU's time. Without it the first tick is latched, as a PC's interrupt controllers do, and
 * those behind it would change nothing: the timer waits until the vCPU is served again.
 */
#pragma once

#include "hv/lib/base.h"

struct vm;
struct vcpu;

/*
 * A timer that repeats has fired: whether the calling core serves the vCPU, or one of the VM's where `vcpu`
 * is NULL. If not, each of them that goes on to its guest has its interrupt controller's `resumed` called
 * first, on the core where it does, so that it takes the timer along.
 */
bool vm_timer_at_home(struct vm *vm, struct vcpu *vcpu);
