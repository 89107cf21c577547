/* What a vendor supplies of the processor that a guest sees: the part of struct virt_ops that another
 * architecture has otherwise. */
#pragma once

#include "hv/vm/vcpu.h"

/*
 * What decides how the code at RIP is read: what the emulator asks at each of its exits. Base and attributes
 * are those of CS; of the attributes only bits 0-7 need be where struct segment has them. Above them is which
 * breakpoints DR7 enables: what is quick does not look for any.
 */
struct code_state {
    uint64_t rip, cr3, base;
    uint32_t attributes; /* code_attributes */
};

#define CODE_BREAKPOINTS_SHIFT 20

static inline uint32_t code_attributes(uint64_t segment, uint64_t dr7)
{
    return (uint32_t)segment | (uint32_t)(uint8_t)dr7 << CODE_BREAKPOINTS_SHIFT;
}

/* What the control structure holds of a vCPU that is loaded. */
struct virt_state {
    /* Registers that are not in vcpu->arch.gpr, and segments. RSP is among the first. */
    uint64_t (*get)(struct vcpu *vcpu, enum vcpu_reg reg);
    void (*set)(struct vcpu *vcpu, enum vcpu_reg reg, uint64_t value);
    void (*get_segment)(struct vcpu *vcpu, enum vcpu_segment segment, struct segment *value);
    void (*set_segment)(struct vcpu *vcpu, enum vcpu_segment segment, const struct segment *value);

    /* All of it in one call; may be NULL, then `get` and `get_segment` are asked. */
    void (*get_code)(struct vcpu *vcpu, struct code_state *code);

    /*
     * The bytes of the instruction that caused the latest exit, as the CPU has read them. Returns how many: 0
     * where it has not kept them. May be NULL.
     */
    unsigned (*get_bytes)(struct vcpu *vcpu, uint8_t bytes[15]);

    /* An MSR that it holds or that stays in the CPU; false: not one of them. */
    bool (*get_msr)(struct vcpu *vcpu, uint32_t msr, uint64_t *value);
    bool (*set_msr)(struct vcpu *vcpu, uint32_t msr, uint64_t value);

    /* Puts the event into the next entry. */
    void (*inject)(struct vcpu *vcpu, const struct event *event);

    /* The end of an instruction: vcpu_advance of hv/cpu/registers.h. */
    void (*advance)(struct vcpu *vcpu, unsigned length);

    /* PAE paging's four top entries are loaded with CR3, and checked then (SDM, "PDPTE Registers"). */
    bool loads_pdptes;
};

/* That of the vendor in use: virt->state, set once by boot/main.c. */
extern const struct virt_state *virt_state;
