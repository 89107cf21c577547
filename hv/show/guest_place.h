/* Where a vCPU is in its guest's code. */
#pragma once

#include "hv/show/state.h"

/*
 * The bytes around RIP, and the callers by the chain of frame pointers, with names if there are some. The
 * vCPU must be loaded on this core.
 */
void guest_place_print(struct vcpu *vcpu, const struct cpu_state *state, struct writer *out);
