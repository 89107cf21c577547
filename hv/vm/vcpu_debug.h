/* What a debugger has of a VM: hv/event/guest_debug.h works with it. */
#pragma once

#include "hv/lib/base.h"
#include "hv/x86/debug.h"

struct vm;
struct vcpu;

/* An INT3 in the place of the guest's byte. */
struct debug_breakpoint {
    bool used;
    uint8_t byte;
    uint64_t address;
    gpa_t gpa; /* where that was when it was set: the tables may say otherwise since */
};

enum debug_why { DEBUG_STEPPED, DEBUG_BREAKPOINT, DEBUG_POINT };

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
