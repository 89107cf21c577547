/* The bits of CR0 and CR4 that Keel owns: the guest reads them from the shadow, and a write that changes one
 * exits. */
#pragma once

#include "vmx/capabilities.h"
#include "vmx/vendor.h"

#define CR0_OWNED   (CR0_NE | CR0_CD | CR0_NW)
#define CR4_DYNAMIC (CR4_MCE | CR4_OSXSAVE | CR4_PKE) /* the guest's to set, but not unseen */

static inline uint64_t vmx_cr4_owned(const struct vcpu *vcpu)
{
    return ~vmx_of(vcpu)->cr4_allowed | CR4_DYNAMIC;
}

/* What the CPU gets where the guest wants `guest`. Unrestricted guest lifts the fixed PE and PG. Caches are
 * the machine's: CD and NW stay off. */
static inline uint64_t vmx_cr0_real(uint64_t guest)
{
    return (guest & ~(CR0_CD | CR0_NW)) | (vmx_cpu.cr0_fixed0 & ~(CR0_PE | CR0_PG));
}

/* A machine check must reach Keel, not shut the guest down: MCE is always on. */
static inline uint64_t vmx_cr4_real(uint64_t guest)
{
    return guest | vmx_cpu.cr4_fixed0 | CR4_MCE;
}
