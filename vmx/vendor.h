/* A vCPU's VMX state: what vcpu->arch.vendor points to. */
#pragma once

#include "hv/vm/vcpu.h"

struct vmx_vcpu {
    hpa_t vmcs;
    bool launched;
    uint16_t vpid;
    int core;                /* whose host state is in the VMCS; -1: none yet */
    bool watches_paging;     /* the masks of CR0 and CR4 have more than what Keel owns for good */
    bool x2apic;             /* which controls and MSR bitmap are in the VMCS */
    uint32_t hidden;         /* secondary controls whose instructions CPUID hides */
    uint64_t cr4_allowed;    /* bits that the guest may set */
    uint32_t primary, entry; /* control words as they are in the VMCS */
    uint64_t eoi_exits[4];   /* likewise */
};

/* RIP, from each exit to the next entry: it is in the VMCS too. */
static inline uint64_t *vmx_rip(struct vcpu *vcpu)
{
    return &vcpu->arch.vendor_word;
}

static inline struct vmx_vcpu *vmx_of(const struct vcpu *vcpu)
{
    return vcpu->arch.vendor;
}
