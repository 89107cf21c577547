/*
 * CR0 and CR4. Keel owns the bits that VMX fixes or that a guest may not have as it likes; the guest reads
 * them from the shadow. When a write would change an owned bit, Keel checks the whole value, brings shadow
 * and real bits in line with it, and lets the same MOV run again (vcpu_again): it then finds nothing owned to
 * change, and the CPU does all else there is to do.
 */
#pragma once

#include "hv/vm/vcpu.h"

struct cpuid_limits;

/* The bits of CR4 that a guest may set at all, by what its CPUID may show: once, at preflight. */
void vmx_cr_init(const struct cpuid_limits *limits);

/* Those that this guest may set by its CPUID: for its vcpu_create. */
uint64_t vmx_cr4_allowed(struct vcpu *vcpu);

/* virt->watch_paging. */
void vmx_watch_paging(struct vcpu *vcpu);

/* The exit of a MOV to or from a control register. */
void vmx_handle_cr_access(struct vcpu *vcpu);
