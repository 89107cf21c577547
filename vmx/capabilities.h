/* What this CPU's VMX can do: the VMX capability MSRs (SDM, appendix "VMX Capability Reporting Facility"). */
#pragma once

#include "vmx/control_bits.h"

enum vmx_capability_msr {
    MSR_VMX_BASIC = 0x480,
    MSR_VMX_PINBASED_CTLS = 0x481,
    MSR_VMX_PROCBASED_CTLS = 0x482,
    MSR_VMX_EXIT_CTLS = 0x483,
    MSR_VMX_ENTRY_CTLS = 0x484,
    MSR_VMX_MISC = 0x485,
    MSR_VMX_CR0_FIXED0 = 0x486,
    MSR_VMX_CR0_FIXED1 = 0x487,
    MSR_VMX_CR4_FIXED0 = 0x488,
    MSR_VMX_CR4_FIXED1 = 0x489,
    MSR_VMX_VMCS_ENUM = 0x48a,
    MSR_VMX_PROCBASED_CTLS2 = 0x48b,
    MSR_VMX_EPT_VPID_CAP = 0x48c,
    MSR_VMX_TRUE_PINBASED_CTLS = 0x48d,
    MSR_VMX_TRUE_PROCBASED_CTLS = 0x48e,
    MSR_VMX_TRUE_EXIT_CTLS = 0x48f,
    MSR_VMX_TRUE_ENTRY_CTLS = 0x490,
    MSR_VMX_VMFUNC = 0x491,
    MSR_VMX_PROCBASED_CTLS3 = 0x492,
    MSR_VMX_EXIT_CTLS2 = 0x493,
};

/* IA32_VMX_BASIC */
#define VMX_BASIC_32_BIT_ADDRESSES   BIT(48)
#define VMX_BASIC_IO_INFORMATION     BIT(54) /* instruction information for INS and OUTS */
#define VMX_BASIC_TRUE_CONTROLS      BIT(55)
#define VMX_BASIC_ANY_ERROR_CODE     BIT(56) /* any hardware exception may be injected with or without one */
#define VMX_BASIC_NESTED_EXCEPTION   BIT(58)

/* IA32_VMX_MISC */
#define VMX_MISC_STORE_LMA           BIT(5) /* exits store EFER.LMA into "IA-32e mode guest" */
#define VMX_MISC_ACTIVITY_HLT        BIT(6)
#define VMX_MISC_ACTIVITY_SHUTDOWN   BIT(7)
#define VMX_MISC_ACTIVITY_SIPI       BIT(8)
#define VMX_MISC_ZERO_LENGTH         BIT(30) /* software events may be injected with instruction length 0 */

/* IA32_VMX_EPT_VPID_CAP */
#define VMX_EPT_EXECUTE_ONLY         BIT(0)
#define VMX_EPT_4_LEVELS             BIT(6)
#define VMX_EPT_5_LEVELS             BIT(7)
#define VMX_EPT_UC                   BIT(8)
#define VMX_EPT_WB                   BIT(14)
#define VMX_EPT_2M                   BIT(16)
#define VMX_EPT_1G                   BIT(17)
#define VMX_EPT_INVEPT               BIT(20)
#define VMX_EPT_ACCESSED_DIRTY       BIT(21)
#define VMX_EPT_ADVANCED_INFORMATION BIT(22)
#define VMX_EPT_SHADOW_STACK         BIT(23)
#define VMX_EPT_INVEPT_SINGLE        BIT(25)
#define VMX_EPT_INVEPT_ALL           BIT(26)
#define VMX_VPID_INVVPID             BIT(32)
#define VMX_VPID_ADDRESS             BIT(40)
#define VMX_VPID_SINGLE              BIT(41)
#define VMX_VPID_ALL                 BIT(42)
#define VMX_VPID_SINGLE_GLOBALS      BIT(43)

struct vmx_capabilities {
    uint64_t basic, misc, ept_vpid, vmfunc; /* 0 where the CPU has no such MSR */
    uint64_t cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
    uint64_t must_be_1[VMX_WORDS], may_be_1[VMX_WORDS];

    /* From CPUID, for the checks that a VM entry makes. */
    unsigned physical_bits, linear_bits;
    uint64_t perf_global_ctrl; /* bits that IA32_PERF_GLOBAL_CTRL has */
    bool lam, sgx, rtm, bus_lock_detect;
};

extern struct vmx_capabilities vmx_cpu; /* the boot core's */

/* Results of CPUID, in the order of the registers. */
struct vmx_cpuid {
    uint32_t eax, ebx, ecx, edx;
};

/*
 * Fills `cpu` from a CPU that has VMX (CPUID.1:ECX.VMX). Only MSRs that the CPU has, by what the others say,
 * are read.
 */
void vmx_read_capabilities(struct vmx_capabilities *cpu, uint64_t (*rdmsr)(uint32_t msr),
                           struct vmx_cpuid (*cpuid)(uint32_t leaf, uint32_t subleaf));

/* Whether every one of these control bits may be 1. */
static inline bool vmx_allowed(const struct vmx_capabilities *cpu, enum vmx_control_word word, uint64_t bits)
{
    return (cpu->may_be_1[word] & bits) == bits;
}

/* The first 31 bits of every VMCS and VMXON region. */
static inline uint32_t vmx_revision(const struct vmx_capabilities *cpu)
{
    return cpu->basic & 0x7fffffff;
}

/* The VMX-preemption timer counts down by 1 each time bit `shift` of the TSC changes. */
static inline unsigned vmx_preemption_shift(const struct vmx_capabilities *cpu)
{
    return cpu->misc & 0x1f;
}

/* CR3-target values that the CPU has. */
static inline unsigned vmx_cr3_targets(const struct vmx_capabilities *cpu)
{
    return cpu->misc >> 16 & 0x1ff;
}
