/*
 * One instruction of a guest's, executed by Keel: the CPU has the guest's x87 and vector state meanwhile. Its
 * code lies in a page of the core's own that is mapped for it alone and for no longer: to execute, not to
 * write. The operand lies in another page of the core, which is never executable.
 */
#pragma once

#include "hv/lib/base.h"

struct cpu;
struct trap_frame;

#define STUB_CODE_MOST    31   /* bytes of an instruction */
#define STUB_OPERAND_MOST 4096 /* and of its operand, which begins at a page */

/* In the order of their encoding; RSP is not loaded. Of the flags, those of arithmetic. */
struct stub_registers {
    uint64_t general[16], flags;
};

/* The pages of a new core. false: no memory. */
bool stub_create(struct cpu *cpu, uint64_t base);

/* Where the calling core's copy of an operand is, and how far behind an instruction of `length` bytes. */
uint8_t *stub_operand(void);
int32_t stub_distance(unsigned length);

/*
 * Executes one instruction on the calling core, with interrupts off. Returns the vector of the exception that
 * it raised, with the registers as they were, or EXC_NONE of hv/vm/vcpu.h with what it left in them.
 */
uint8_t stub_run(const uint8_t *code, unsigned length, struct stub_registers *registers);

/* stub_call.c: calls `entry` with these registers, and takes what is in them when it returns. */
void stub_call(struct stub_registers *registers, uint64_t entry);

/* Whether a trap is of such an instruction; then stub_run goes on. For trap_dispatch. */
bool stub_trapped(struct trap_frame *frame);
