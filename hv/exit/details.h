/* An exit taken apart, for those who observe: what it is about, and what is read or written there. */
#pragma once

#include "hv/vm/vcpu.h"

/* What an exit's operand is. */
enum exit_about {
    ABOUT_NOTHING,
    ABOUT_PORT,
    ABOUT_MEMORY, /* a guest-physical address */
    ABOUT_MSR,
    ABOUT_LEAF,
    ABOUT_CALL,
    ABOUT_VECTOR,
};

struct exit_details {
    uint32_t reason; /* as vcpu_note_exit was given it */
    uint8_t about;   /* enum exit_about */
    uint8_t size;    /* of what a port is read or written with */
    bool reads;      /* a port or an MSR */
    bool string;     /* INS and OUTS */
    uint64_t rip;
    uint64_t qualification; /* SVM: EXITINFO1 */
    uint64_t operand;
    uint64_t value; /* what a port or an MSR is written with, and CPUID's subleaf; after it was served, what
                       was read, and a hypercall's result */
};

/* The latest exit, before anything is done about it. */
void exit_take_apart(struct vcpu *vcpu, struct exit_details *details);

/* The same exit when it has been served: its `value` then. */
void exit_note_result(const struct vcpu *vcpu, struct exit_details *details);
