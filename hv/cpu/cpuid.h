/* CPUID as a guest sees it: computed once from the machine's and a table of what is shown, looked up at each
 * exit. */
#pragma once

#include "hv/cpu/cpuid_features.h"
#include "hv/lib/base.h"
#include "hv/lib/format.h"

struct vcpu;
struct cpuid_table;

struct cpuid_regs {
    uint32_t eax, ebx, ecx, edx;
};

/* What of the vendor's controls decides what may be shown: a feature whose control is off is hidden. */
struct cpuid_limits {
    bool rdtscp, invpcid, xsaves, waitpkg, pku; /* the vendor lets a guest execute it natively */
    bool tsc_deadline, x2apic;                  /* the local APIC offers them */
    uint64_t xcr0, xss;                         /* state components a guest may enable */
    uint64_t tsc_hz;                            /* calibrated */
    uint8_t physical_bits;                      /* of guest-physical addresses */
    struct cpuid_choice choice; /* what the VM is not to have of all that, and is to have besides */
};

/* Takes from the limits what the choice in them hides. */
void cpuid_limit(struct cpuid_limits *limits);

/* Runs CPUID on the machine (a parameter, so that host tests can supply another machine's). */
typedef void cpuid_source(uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out);

/* Bytes that a vCPU's table needs. */
size_t cpuid_table_size(void);

/* Fills the table at vcpu->arch.cpuid. `vcpu_count` is the VM's, for the topology leaves. */
void cpuid_init(struct vcpu *vcpu, unsigned vcpu_count, const struct cpuid_limits *limits,
                cpuid_source *machine);

/*
 * Brings the dynamic bits up to date: CR4.OSXSAVE and CR4.PKE, the APIC-enabled bit (1:EDX[9]), the APIC id,
 * and leaf 0xD's sizes under XCR0 and IA32_XSS.
 */
void cpuid_refresh(struct vcpu *vcpu, uint64_t cr4, bool apic_enabled, uint64_t xcr0, uint64_t xss);

/* What CPUID returns for EAX = leaf, ECX = subleaf (SDM, "CPUID": unknown leaves answer as the highest basic
 * leaf). */
const struct cpuid_regs *cpuid_lookup(const struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf);

#define CPUID_BASIC_MOST    0x1fu /* the highest leaves that Keel knows */
#define CPUID_EXTENDED      0x80000000u
#define CPUID_EXTENDED_MOST 0x80000021u

/* A table begins so. By leaf: where its answer is, or NULL if that takes a search. */
struct cpuid_leaves {
    const struct cpuid_regs *basic[CPUID_BASIC_MOST + 1], *extended[CPUID_EXTENDED_MOST - CPUID_EXTENDED + 1];
};

const struct cpuid_regs *cpuid_search(struct cpuid_table *table, uint32_t leaf, uint32_t subleaf);

/* cpuid_lookup in few instructions. */
static inline const struct cpuid_regs *cpuid_answer(struct cpuid_table *table, uint32_t leaf,
                                                    uint32_t subleaf)
{
    const struct cpuid_leaves *leaves = (const struct cpuid_leaves *)table;
    const struct cpuid_regs *regs = NULL;

    if (likely(leaf <= CPUID_BASIC_MOST))
        regs = leaves->basic[leaf];
    else if (leaf - CPUID_EXTENDED <= CPUID_EXTENDED_MOST - CPUID_EXTENDED)
        regs = leaves->extended[leaf - CPUID_EXTENDED];
    return likely(regs) ? regs : cpuid_search(table, leaf, subleaf);
}

/* Whether the VM's `cpuid` hides the feature of that name: for what is behind a control of the vendor's. */
bool cpuid_hides(const struct vcpu *vcpu, const char *name);

/* The name of a feature that is wanted and that the vCPU is not shown, or NULL. */
const char *cpuid_wanted_missing(const struct cpuid_choice *choice, const struct vcpu *vcpu);

/* Prints a line for each group of bits that the machine has and the guest is not shown, with the reason. */
void cpuid_describe(const struct vcpu *vcpu, cpuid_source *machine, struct writer *out);

/* A register of the vCPU changed what its CPUID shows (CR4.OSXSAVE, APIC enabled, XCR0, IA32_XSS). */
void vcpu_cpuid_changed(struct vcpu *vcpu);
