/* The MSRs of a vCPU: one table row is one device on its MSR bus. What the guest may touch natively is not
 * here. */
#pragma once

#include "hv/cpu/cpuid.h"
#include "hv/cpu/registers.h"
#include "hv/lib/base.h"

#define MTRR_VARIABLE 8

/* The state behind the MSRs that exist in Keel only. */
struct msr_state {
    uint64_t tsc_adjust;
    uint64_t misc_enable;
    uint64_t mcg_status;
    uint64_t mtrr_default;
    uint64_t mtrr_base[MTRR_VARIABLE], mtrr_mask[MTRR_VARIABLE];
    uint64_t mtrr_fixed[11];
    uint64_t xss;
    uint64_t xss_allowed, xcr0_allowed;
    uint8_t physical_bits;
};

/* How many ranges msr_ranges() writes, and the bytes that its devices need. */
unsigned msr_range_count(void);
size_t msr_devices_size(void);

/* Fills `ranges` and the devices behind them, for `vcpu` with its `msrs` set. */
void msr_ranges(struct vcpu *vcpu, void *devices, struct bus_range *ranges);

/* The state after RESET. `low_memory_end` is where the hole for devices begins below 4 GiB. */
void msr_reset(struct vcpu *vcpu, const struct cpuid_limits *limits, gpa_t low_memory_end);

/* RDMSR and WRMSR of the guest: false means #GP. */
bool msr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value);
bool msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value);

/* XSETBV: false means #GP. On success vcpu->arch.xcr0 is set. */
bool xcr0_write(struct vcpu *vcpu, uint32_t index, uint64_t value);

/* MSRs that a guest reads and writes without an exit; the vendor switches them with the vCPU. 0 ends the
 * list. */
extern const uint32_t msr_native[];
