/* Between the files of far transfers of control: jumps and calls, and returns. */
#pragma once

#include "hv/emulate/emulation.h"

/* A fault with a selector in its error code. false, for callers to return. */
bool far_fault(struct emulation *e, uint8_t vector, uint16_t selector);

/* Real and virtual-8086 mode: segments without descriptors. */
static inline bool far_is_real(const struct emulation *e)
{
    return e->mode == CODE_REAL || e->mode == CODE_V86;
}

static inline bool far_long_mode(struct emulation *e)
{
    return vcpu_get(e->vcpu, REG_EFER) & EFER_LMA;
}

/*
 * What `selector` makes of CS: in protected mode the rules of a return to its RPL, which must not be higher
 * than CPL. false: the fault.
 */
bool far_load_code(struct emulation *e, uint16_t selector, struct segment *cs);

/* Whether the code segment has the target: by its limit, or canonical in 64-bit code. false: #GP(0). */
bool far_check_target(struct emulation *e, const struct segment *cs, uint64_t target);

/* Goes on there. */
enum outcome far_go(struct emulation *e, const struct segment *cs, uint64_t target);

/* Hands over to another task (hv/emulate/task_switch.h), by the selector of its TSS. */
struct task_switch;
enum outcome far_switch(struct emulation *e, struct task_switch *request);

/* RSP with the part that this stack segment uses replaced. */
uint64_t far_stack(struct emulation *e, const struct segment *ss, bool to_64, uint64_t value);
