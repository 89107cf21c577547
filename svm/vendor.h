/* A vCPU's SVM state: what vcpu->arch.vendor points to. */
#pragma once

#include "hv/vm/vcpu.h"
#include "svm/fields.h"

/*
 * Whether the guest serves an NMI: without virtual NMIs software has to know (APM, "NMI Support"). With them
 * it is VMCB_V_NMI_MASK, and this stays NMI_OPEN.
 */
enum svm_nmi {
    NMI_OPEN,
    NMI_BLOCKED,   /* one was injected: IRET is intercepted */
    NMI_RETURNING, /* its IRET, at iret_rip, is about to run */
};

struct svm_vcpu {
    union vmcb vmcb;  /* entry.asm knows these three */
    hpa_t physical;   /* of the VMCB */
    hpa_t host_state; /* what VMLOAD brings back on the core that runs the vCPU */
    uint64_t cr4;     /* as the guest sees it */
    int core;         /* that the VMCB ran on last; -1: none yet */
    enum svm_nmi nmi;
    uint64_t iret_rip;
    bool stepping;       /* RFLAGS.TF is set for Keel */
    bool guest_tf;       /* and this is the guest's own */
    uint64_t shadow_rip; /* svm/quirks.c: where the guest was in one, plus 1; 0: nowhere */
};

static inline struct svm_vcpu *svm_of(const struct vcpu *vcpu)
{
    return vcpu->arch.vendor;
}

static inline union vmcb *vmcb_of(const struct vcpu *vcpu)
{
    return &svm_of(vcpu)->vmcb;
}

/* Makes the CPU read these parts of the VMCB again: VMCB_CLEAN_*. */
static inline void vmcb_changed(union vmcb *vmcb, uint32_t parts)
{
    vmcb->clean &= ~parts;
}

/* Turns the intercept with this exit code on or off. */
static inline void svm_intercept(union vmcb *vmcb, unsigned code, bool on)
{
    uint8_t *byte = &vmcb->bytes[code / 8], bit = (uint8_t)(1 << code % 8);

    *byte = on ? *byte | bit : *byte & (uint8_t)~bit;
    vmcb_changed(vmcb, VMCB_CLEAN_INTERCEPTS);
}
