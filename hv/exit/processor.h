/* The processor of a vCPU, made, reset and given back: all of it that hardware does not hold. */
#pragma once

#include "hv/cpu/cpuid.h"
#include "hv/vm/vcpu.h"

/* Takes hardware's part, the clock and the choice in `limits` into account. */
void processor_limits(struct cpuid_limits *limits);

struct processor_plan {
    unsigned vcpus; /* of the VM */
    const struct cpuid_limits *limits;
    void (*cpuid)(uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out); /* the machine's */
    bool alone; /* hardware gives it no interrupt by itself: a recorder would not know when */
};

/* vm->vcpus[id] with the control structure of the vendor. false: there is not enough memory; what was made of
 * it is processor_destroy's to give back. */
bool processor_create(struct vm *vm, unsigned id, const struct processor_plan *plan);
void processor_destroy(struct vcpu *vcpu);

/* How many ranges a board has on a vCPU's MSR bus, at most; and its function that fills them in. */
#define PROCESSOR_BOARD_RANGES 3
typedef unsigned processor_board_ranges(struct vcpu *vcpu, struct bus_range ranges[PROCESSOR_BOARD_RANGES]);

/* Its buses of MSRs and hypercalls, when the board is there. false: two ranges of a table overlap. */
bool processor_connect(struct vcpu *vcpu, processor_board_ranges *board);

/*
 * The state after RESET (SDM, "Processor State After Reset"), at `now` of the machine's clock. The vCPU is
 * loaded on this core from here on, until processor_settle: what starts it may set its registers between.
 */
void processor_reset(struct vcpu *vcpu, const struct cpuid_limits *limits, uint64_t now);
void processor_settle(struct vcpu *vcpu);
