/*
 * What a debugger does to a guest: breakpoints, watchpoints and single steps, out of the guest's sight. The
 * guest's own debug registers, INT3 and single steps go on working.
 *
 * Nothing here costs a guest without a debugger an instruction: what is watched exits because an intercept
 * is on, and intercepts are on only while somebody has attached.
 */
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

/* Begins and ends debugging of a VM. Its vCPUs learn of it before their next entry. */
void debug_attach(struct vm *vm, struct vm_debug *debug);
void debug_detach(struct vm *vm);

/* The VM is off. */
void debug_end(struct vm *vm);

/* Whether a crash is shown to the debugger, and that it has come to one. */
bool debug_wants_crash(const struct vm *vm);
void debug_on_crash(struct vcpu *vcpu);

/* A hardware point. false: there is none left, or the length is no power of two up to 8. */
bool debug_insert(struct vm *vm, enum debug_access access, uint64_t address, unsigned length);
bool debug_remove(struct vm *vm, enum debug_access access, uint64_t address, unsigned length);

/*
 * An INT3 at a linear address of this vCPU, which is loaded. false: too many, or nothing is mapped there; or,
 * to clear, there was none, or the guest has other code in its place by now. To clear, any vCPU of the VM
 * will do: the byte is put back where it was taken.
 */
bool debug_set_breakpoint(struct vcpu *vcpu, uint64_t address);
bool debug_clear_breakpoint(struct vcpu *vcpu, uint64_t address);
void debug_clear_breakpoints(struct vcpu *vcpu);

/* The VM's memory has been loaded anew: its breakpoints are gone. */
void debug_forget_breakpoints(struct vm *vm);

/* Guest-linear memory, past every protection; the vCPU is loaded. Returns how many bytes were moved. */
size_t debug_read(struct vcpu *vcpu, uint64_t address, void *to, size_t count);
size_t debug_write(struct vcpu *vcpu, uint64_t address, const void *from, size_t count);

/* The vCPU has been reset, and with it its debug registers. */
void debug_reset(struct vcpu *vcpu);

/* The linear address of the next instruction. */
uint64_t debug_linear_rip(struct vcpu *vcpu);

/* REQUEST_DEBUG: what the debugger wants is made so, on the vCPU's core before an entry. */
void debug_apply(struct vcpu *vcpu);

/* At exits. #BP: whether it was the debugger's. */
bool debug_on_breakpoint(struct vcpu *vcpu);

/* #DB, with its causes as bits of DR6: those that are left for the guest. */
uint64_t debug_on_trap(struct vcpu *vcpu, uint64_t causes);

/* MOV of DR0-3 and DR7 while they exit. `number` is 0 to 3 or 7. */
uint64_t debug_get_register(const struct vcpu *vcpu, unsigned number);
void debug_set_register(struct vcpu *vcpu, unsigned number, uint64_t value);

/* Steps: guest_step.c. */

/* Asks for one instruction before the next stop. The vCPU does not run now. */
void debug_step(struct vcpu *vcpu);

/* Takes that back, if the step has not ended: another vCPU stopped the VM before. */
void debug_give_up_step(struct vcpu *vcpu);

/* Whether interrupts and NMIs have to wait: they would carry the step away. */
static inline bool debug_steps(const struct vcpu_debug *debug)
{
    return debug->step;
}

/* An exception is about to be raised in the guest, while it is stepped. */
void debug_on_exception(struct vcpu *vcpu);

/* Begins a step that was asked for. Ends the one under way, also where it comes to HLT, and returns whether
 * its trap is not the guest's. */
void debug_begin_step(struct vcpu *vcpu);
bool debug_end_step(struct vcpu *vcpu);
