/* What a debugger has of a VM and of each of its vCPUs: hv/event/guest_debug.h works with it. */
#pragma once

#include "hv/lib/base.h"

struct vm;
struct vcpu;

/* What has to leave the guest: arguments of virt->set_debug. */
#define DEBUG_BREAKPOINTS BIT(0) /* #BP */
#define DEBUG_REGISTERS   BIT(1) /* MOV of debug registers */
#define DEBUG_EXCEPTIONS  BIT(2) /* every exception, and no interrupt shadow: one instruction is stepped */

/* R/W bits of DR7 (SDM, "Debug Control Register (DR7)"). */
enum debug_access { DEBUG_ON_EXECUTION = 0, DEBUG_ON_WRITE = 1, DEBUG_ON_ACCESS = 3 };

struct debug_point {
    bool used;
    uint8_t access; /* enum debug_access */
    uint8_t length; /* 1, 2, 4 or 8 */
    uint64_t address;
};

/* An INT3 in the place of the guest's byte. */
struct debug_breakpoint {
    bool used;
    uint8_t byte;
    uint64_t address;
    gpa_t gpa; /* where that was when it was set: the tables may say otherwise since */
};

enum debug_why { DEBUG_STEPPED, DEBUG_BREAKPOINT, DEBUG_POINT };

#define DEBUG_POINTS           4
#define DEBUG_BREAKPOINTS_MOST 64

/* A debugger's part of a VM; the owner keeps it until debug_detach. */
struct vm_debug {
    struct debug_point points[DEBUG_POINTS];
    struct debug_breakpoint breakpoints[DEBUG_BREAKPOINTS_MOST];
    /* A vCPU has come to what was asked for: called at its exit, on its core. `point`: of DEBUG_POINT. */
    void (*stopped)(struct vcpu *vcpu, enum debug_why why, const struct debug_point *point);
    /* The VM has crashed: called once, for one of its vCPUs. It stands still from then on and ends when it is
     * to go on. NULL: it ends at once. */
    void (*crashed)(struct vcpu *vcpu);
    void (*ended)(struct vm *vm); /* the VM is off, and forgets its debugger */
};

enum debug_step {
    STEP_NONE,
    STEP_ASKED,
    STEP_TRAP,     /* RFLAGS.TF is set */
    STEP_GIVEN_UP, /* RFLAGS.TF is set, and nobody wants that any more */
    STEP_LANDING,  /* a debug register waits where a handler begins */
};

/* Of each vCPU: zeroes while nobody debugs it. */
struct vcpu_debug {
    uint64_t dr[4], dr7;                 /* the guest's own, while MOV to them exits */
    const struct debug_point *holder[4]; /* whose address the register holds; NULL: the guest's */
    struct debug_point landing;          /* where the handler begins that a step leads to */
    uint8_t intercepts;                  /* DEBUG_..., as the vendor has been told */
    uint8_t step;                        /* enum debug_step */
    uint16_t opcode;                     /* of the instruction that is stepped */
    bool guest_tf;                       /* RFLAGS.TF as the guest has it, while it is stepped */
};
