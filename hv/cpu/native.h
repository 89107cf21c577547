/*
 * State of a vCPU that stays in the CPU while the vCPU is loaded, because Keel itself never touches it: x87,
 * SSE, AVX and what else XSAVE knows, XCR0, DR0 to DR3, and MSRs that the vendor names. It moves when a core
 * changes vCPUs.
 */
#pragma once

#include "hv/cpu/registers.h"

/* `msrs` ends with 0; those that the CPU does not have are passed over. `xsaves`: IA32_XSS moves too. */
struct native_policy {
    uint32_t msrs[NATIVE_MSRS_MOST + 1];
    bool xsaves;
};

/* false: no memory. The state is that after RESET. */
bool native_create(struct vcpu *vcpu);
void native_destroy(struct vcpu *vcpu);
void native_reset(struct vcpu *vcpu);

void native_load(struct vcpu *vcpu, const struct native_policy *policy);
void native_put(struct vcpu *vcpu, const struct native_policy *policy);

/* XCR0 as the guest has it now, into vcpu->arch.xcr0: XSETBV may not have exited (docs/emulators.md). */
void native_take_xcr0(struct vcpu *vcpu);

/* The machine's CPUID, less what it shows and gets wrong. */
struct cpuid_regs;
void native_cpuid(uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out);

/* The state components that a guest may enable, in `limits`: those of them that move with the vCPU. */
struct cpuid_limits;
void native_limits(struct cpuid_limits *limits);

/* One of the policy's MSRs, wherever it is now. false: none of them. */
bool native_get_msr(const struct vcpu *vcpu, const struct native_policy *policy, uint32_t msr,
                    uint64_t *value);

/* DR0 to DR3 of the vCPU that is loaded on this core. */
uint64_t native_dr(unsigned number);
void native_set_dr(unsigned number, uint64_t value);

/* x87, MMX and SSE state of the vCPU that is loaded on this core, as FXSAVE64 has it, or, not
 * `wide`, FXSAVE: 512 bytes, aligned to 16. */
void native_save_fpu(uint8_t *image, bool wide);
void native_load_fpu(const uint8_t *image, bool wide);

/*
 * Around an instruction of the loaded vCPU that Keel executes and that restores state, of code that has not
 * all of the vector registers: those of 64-bit code alone are then what they were. `scratch`: AREA_MOST bytes
 * of hv/cpu/state_area.h, aligned to 64.
 */
void native_keep(struct vcpu *vcpu);
void native_return_upper(struct vcpu *vcpu, uint8_t *scratch);

/* An MSR of the state that stays in the CPU; false: not one of them. */
bool native_set_msr(struct vcpu *vcpu, uint32_t msr, uint64_t value);

/* Registers and segments after RESET (SDM, "Processor State After Reset"), through the vendor's operations.
 */
void reset_registers(struct vcpu *vcpu);

/* PKRU of the vCPU. Supplied beside vcpu_get; asked only where CR4.PKE is set and a user page is accessed. */
uint32_t vcpu_pkru(struct vcpu *vcpu);
