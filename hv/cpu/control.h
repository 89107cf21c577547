/* Which values a guest may give its control registers. */
#pragma once

#include "hv/cpu/cpuid.h"
#include "hv/cpu/registers.h"

/* CR4 bits that Keel knows how to serve, under these limits; what the CPU itself allows is the vendor's to
 * add. */
uint64_t cr4_offered(const struct cpuid_limits *limits);

/* Likewise under what CPUID shows the vCPU: all others are reserved. */
uint64_t cr4_shown(struct vcpu *vcpu);

/* Whether MOV to CR0 or CR4 of this value is legal now; #GP otherwise. `allowed`: bits of CR4 that may be 1.
 */
bool cr0_valid(struct vcpu *vcpu, uint64_t value);
bool cr4_valid(struct vcpu *vcpu, uint64_t value, uint64_t allowed);
