/* Emulation of one instruction at RIP: MMIO, string I/O, and what hardware hands back undone. */
#pragma once

#include "hv/cpu/virt_state.h"
#include "hv/vm/vcpu.h"

enum emulate_result {
    EMULATE_DONE,    /* executed: RIP has moved on (or stays, for a REP that goes on at the next entry) */
    EMULATE_FAULT,   /* an exception was raised in the guest by vcpu_raise */
    EMULATE_UNKNOWN, /* not an instruction that Keel emulates: nothing has changed */
};

/*
 * Fetches, decodes and executes the instruction at the vCPU's RIP. `gpa` is the guest-physical address that
 * the exit reported for the instruction's memory operand, or EMULATE_NO_GPA if the exit reported none.
 */
#define EMULATE_NO_GPA UINT64_MAX
enum emulate_result emulate(struct vcpu *vcpu, gpa_t gpa);

/*
 * The length of the instruction at RIP, with what struct code_state has, for a processor that does not say
 * it. 0: it cannot be fetched (any more), which has been raised in the guest as the fetch's exception, or it
 * is no instruction that leaves a guest: the code has changed since, and what is there now runs without Keel.
 */
unsigned emulate_length(struct vcpu *vcpu, uint64_t rip, uint64_t cr3, uint64_t cs_base,
                        uint32_t cs_attributes);

/* The bytes of the instruction that emulate() last failed on, for the crash line. Returns how many (0 to 15).
 */
unsigned emulate_bytes(struct vcpu *vcpu, uint8_t bytes[15]);

/*
 * MOV between general register `reg` and control register `number`, 4 or 8, for a processor that says which.
 * Whether it is done; false: #GP raised.
 */
bool emulate_move_control(struct vcpu *vcpu, unsigned number, enum vcpu_reg reg, bool to_control);

/* A cache of decoded instructions for one vCPU; the size is what the caller must allocate, zeroed. */
size_t decode_cache_size(void);

/* Lets a recording see the guest memory that a remembered instruction at RIP will be compared with. */
void decode_cache_visit(struct vcpu *vcpu);
