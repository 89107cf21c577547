/*
 * Who observes a vCPU: the trace, the recorder. Where nobody does, an exit costs two instructions more for
 * it, at its begin; its end then costs none, as REQUEST_OBSERVE, set at the begin, leads there.
 */
#pragma once

#include "hv/vm/vcpu.h"

/* Bits of vcpu->observed, by their numbers. */
enum observer_number { OBSERVER_TRACE, OBSERVER_RECORD, OBSERVERS };

#define OBSERVE_TRACE  BIT(OBSERVER_TRACE)
#define OBSERVE_RECORD BIT(OBSERVER_RECORD)

/* What is no exit. */
enum observed {
    OBSERVED_INJECTION, /* goes in with the next entry; the value is as in VMX's interruption information, and
                           the error code above it */
    OBSERVED_RUN,       /* the scheduler lets it run on this core */
    OBSERVED_LEFT,      /* and has the core back */
    OBSERVED_WAKE,      /* from HLT */
    OBSERVED_INIT,
    OBSERVED_SIPI,    /* the value is its vector */
    OBSERVED_VM_RUNS, /* of a VM's first vCPU: it starts, again after a reset */
    OBSERVED_VM_ENDS, /* the value is enum vm_end */
};

/* On the core where it happens, the vCPU loaded but for the last two of enum observed. Any may be NULL. */
struct observer {
    /* An exit, before anything is done about it; exit_take_apart of hv/exit/details.h tells what it is. */
    void (*begins)(struct vcpu *vcpu);
    /*
     * The end of an exit for which `begins` was called, everything done and requests served: the guest is
     * entered next if it `goes_on`, else the run loop is left.
     */
    void (*ends)(struct vcpu *vcpu, bool goes_on);
    void (*happens)(struct vcpu *vcpu, enum observed what, uint64_t value);
    /* Requests are about to be served: returns those that count; and they were. */
    uint64_t (*serves)(struct vcpu *vcpu, uint64_t requests);
    void (*served)(struct vcpu *vcpu, bool goes_on);
};

/* Set once, before any vCPU's bit is. */
extern const struct observer *observers[OBSERVERS];

/* From any core; an exit that is under way is not begun or ended by it. */
void observe_begin(struct vcpu *vcpu, uint8_t who);
void observe_end(struct vcpu *vcpu, uint8_t who);

void observe_exit(struct vcpu *vcpu);
void observe_exit_end(struct vcpu *vcpu, bool goes_on);
uint64_t observe_requests(struct vcpu *vcpu, uint64_t requests);
void observe_served(struct vcpu *vcpu, bool goes_on);
void observe_event(struct vcpu *vcpu, enum observed what, uint64_t value);

static inline void observe(struct vcpu *vcpu, enum observed what, uint64_t value)
{
    if (unlikely(vcpu->observed))
        observe_event(vcpu, what, value);
}
