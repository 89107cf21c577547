/* Events on their way into a vCPU: exceptions, NMIs, INIT and SIPI, and what ends HLT. */
#pragma once

#include "hv/cpu/registers.h"

/* Raises an exception in the guest at the next entry, combined with one already on its way (SDM, "Interrupt
 * 8"). */
void vcpu_raise(struct vcpu *vcpu, const struct fault *fault);

/*
 * Debug traps behind an instruction that Keel did in the CPU's place, as bits of DR6, not 0: first a
 * debugger's, then the guest's. They go before NMIs and interrupts, and end HLT. Those of one instruction are
 * one #DB.
 */
void vcpu_trap(struct vcpu *vcpu, uint64_t causes);

/*
 * An event whose delivery an exit cut short goes in again with the next entry. VMX and SVM describe one
 * alike: vector in bits 7:0, type in 10:8, bit 11 if it has an error code.
 */
void vcpu_deliver_again(struct vcpu *vcpu, uint32_t delivery, uint32_t error, unsigned length);

void vcpu_raise_gp(struct vcpu *vcpu); /* #GP(0) */
void vcpu_raise_ud(struct vcpu *vcpu);

/* An NMI has arrived. Of two that arrive before either is looked at, none is lost; no one arrives twice. */
void vcpu_request_nmi(struct vcpu *vcpu);

/*
 * Does the work that vcpu->requests asks for: INIT, SIPI, and the choice of what to inject. Returns whether
 * the vCPU goes on to enter the guest; false when it must leave its run loop.
 */
bool vcpu_serve_requests(struct vcpu *vcpu);

/*
 * At the begin of a run: returns whether the vCPU enters the guest. One that halts, waits for SIPI or is off
 * does not for nothing: what it was queued for may have been served, or taken back, since.
 */
static inline bool vcpu_begins(struct vcpu *vcpu)
{
    return likely(!vcpu->requests && vcpu->activity == VCPU_RUNNABLE) || vcpu_serve_requests(vcpu);
}

/* Whether something would wake the vCPU from HLT now. */
bool vcpu_wakes(struct vcpu *vcpu);

/* HLT: returns whether the vCPU goes on at once, because an event is waiting. */
bool vcpu_halt(struct vcpu *vcpu);
