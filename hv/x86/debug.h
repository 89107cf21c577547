/* A debugger's hold on one processor: its debug registers, and how far a single step is. */
#pragma once

#include "hv/lib/base.h"

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

#define DEBUG_POINTS 4

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
