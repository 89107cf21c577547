/* The registers of a vCPU by name, wherever they are kept: in memory, in the control structure or in the CPU.
 */
#pragma once

#include "hv/vm/vcpu.h"

/* Any register by number, RSP included. 8-, 16- and 32-bit semantics are the caller's. */
uint64_t vcpu_get(struct vcpu *vcpu, enum vcpu_reg reg);
void vcpu_set(struct vcpu *vcpu, enum vcpu_reg reg, uint64_t value);

/* Whether a linear address has its unused upper bits alike: of 48 bits in use, or 57 with CR4.LA57. */
static inline bool vcpu_is_canonical(struct vcpu *vcpu, uint64_t address)
{
    unsigned unused = vcpu_get(vcpu, REG_CR4) & CR4_LA57 ? 7 : 16;

    return (uint64_t)((int64_t)(address << unused) >> unused) == address;
}

struct segment vcpu_get_segment(struct vcpu *vcpu, enum vcpu_segment segment);
void vcpu_set_segment(struct vcpu *vcpu, enum vcpu_segment segment, const struct segment *value);

/* Current privilege level, 0 to 3 (DPL of SS; 3 in virtual-8086 mode, 0 in real mode). */
unsigned vcpu_cpl(struct vcpu *vcpu);

/*
 * An instruction that left the guest ends in one of three ways, as in a CPU that had executed it (SDM,
 * "Instruction-Breakpoint Exception Condition", "Single-Step Exception Condition", "Priority Among
 * Concurrent Events"):
 *   vcpu_advance  it is done: RIP moves on by `length` (wrapping at 32 bits outside 64-bit code), RFLAGS.RF
 *                 and the STI or MOV SS shadow end, and what traps behind it does: a single step, and
 *                 breakpoints on data that MOV SS has held back
 *   vcpu_again    RIP stays, for the next element of a string or because the CPU is to execute it after all:
 *                 breakpoints on the instruction are behind it, which RFLAGS.RF says
 *   vcpu_raise    it has faulted: RFLAGS.RF is set where the exception is a fault
 */
void vcpu_advance(struct vcpu *vcpu, unsigned length);
void vcpu_again(struct vcpu *vcpu);
