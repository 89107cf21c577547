/* Registers that the VMCS holds, by the names that the core gives them, and the end of an instruction. */
#pragma once

#include "hv/cpu/native.h"
#include "hv/cpu/virt_state.h"
#include "vmx/fields.h"
#include "vmx/instructions.h"
#include "vmx/vendor.h"

/* MSRs that stay in the CPU while the vCPU is loaded. */
extern struct native_policy vmx_native;

/* The vendor table's rows. */
uint64_t vmx_get(struct vcpu *vcpu, enum vcpu_reg reg);
void vmx_set(struct vcpu *vcpu, enum vcpu_reg reg, uint64_t value);
void vmx_get_segment(struct vcpu *vcpu, enum vcpu_segment segment, struct segment *value);
void vmx_set_segment(struct vcpu *vcpu, enum vcpu_segment segment, const struct segment *value);
void vmx_get_code(struct vcpu *vcpu, struct code_state *code);
bool vmx_get_msr(struct vcpu *vcpu, uint32_t msr, uint64_t *value);
bool vmx_set_msr(struct vcpu *vcpu, uint32_t msr, uint64_t value);
void vmx_advance(struct vcpu *vcpu, unsigned length);

#define BLOCKING_BY_STI_OR_MOV_SS 3

/*
 * What an instruction seldom leaves: RIP where its lower half overflowed; a shadow that ends,
 * RFLAGS.RF, and debug traps.
 */
uint64_t vmx_wrapped(uint64_t rip);
void vmx_end_instruction(struct vcpu *vcpu);

/* Debug traps that came with an exit behind an instruction that the CPU has completed. */
void vmx_trap_pending(struct vcpu *vcpu);

/* What the CPU clears in IA32_DEBUGCTL as it delivers #DB, which an exit and an injection do
 * not. */
void vmx_begin_debug(void);

/* virt->advance. */
static inline void vmx_move_on(struct vcpu *vcpu, uint32_t length)
{
    uint64_t rip = *vmx_rip(vcpu) + length;

    if (unlikely((uint32_t)rip < length))
        rip = vmx_wrapped(rip);
    *vmx_rip(vcpu) = rip;
    vmwrite(VMCS_GUEST_RIP, rip);
    if (unlikely(vmread(VMCS_GUEST_INTERRUPTIBILITY) & BLOCKING_BY_STI_OR_MOV_SS) ||
        unlikely(vmread(VMCS_GUEST_RFLAGS) & (RFLAGS_TF | RFLAGS_RF)))
        vmx_end_instruction(vcpu);
}
