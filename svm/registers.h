/* Registers that the VMCB holds, by the names that the core gives them, and the end of an instruction. */
#pragma once

#include "hv/cpu/native.h"
#include "hv/cpu/virt_state.h"
#include "svm/vendor.h"

/* MSRs that stay in the CPU while the vCPU is loaded. */
extern struct native_policy svm_native;

/* The vendor table's rows. */
uint64_t svm_get(struct vcpu *vcpu, enum vcpu_reg reg);
void svm_set(struct vcpu *vcpu, enum vcpu_reg reg, uint64_t value);
void svm_get_segment(struct vcpu *vcpu, enum vcpu_segment segment, struct segment *value);
void svm_set_segment(struct vcpu *vcpu, enum vcpu_segment segment, const struct segment *value);
void svm_get_code(struct vcpu *vcpu, struct code_state *code);
unsigned svm_get_bytes(struct vcpu *vcpu, uint8_t bytes[15]);
bool svm_get_msr(struct vcpu *vcpu, uint32_t msr, uint64_t *value);
bool svm_set_msr(struct vcpu *vcpu, uint32_t msr, uint64_t value);
void svm_advance(struct vcpu *vcpu, unsigned length);

/* What an instruction seldom leaves: a shadow that ends, RFLAGS.RF, and debug traps. */
void svm_end_instruction(struct vcpu *vcpu);

#define VMCB_LONG_CODE BIT(9) /* CS.L, as the VMCB packs attributes */

/* RIP is here now, of which 32 bits count outside 64-bit code. */
static inline void svm_move_to(union vmcb *vmcb, uint64_t rip)
{
    if (unlikely((vmcb->rip ^ rip) >> 32) && !(vmcb->cs.attributes & VMCB_LONG_CODE))
        rip = (uint32_t)rip;
    vmcb->rip = rip;
}

/* virt_state->advance, to `rip`. A shadow, RFLAGS.RF and debug traps are rare. */
static inline void svm_advance_to(struct vcpu *vcpu, union vmcb *vmcb, uint64_t rip)
{
    svm_move_to(vmcb, rip);
    if (unlikely(vmcb->interrupt_shadow & VMCB_SHADOW) || unlikely(vmcb->rflags & (RFLAGS_TF | RFLAGS_RF)))
        svm_end_instruction(vcpu);
}
