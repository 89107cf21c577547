/* The table of CPUID's leaves that a vCPU is shown: cpuid_build.c makes it, cpuid.c answers from it. Nobody
 * else looks in. */
#pragma once

#include "hv/cpu/cpuid.h"

#define HYPERVISOR           0x40000000u
#define HYPERVISOR_MOST      0x40000010u
#define SUBLEAVES_MOST       16  /* of cache and TLB leaves: more than any processor has */
#define COMPONENTS           63  /* of XSAVE's state */
#define ENTRIES_MOST         192 /* every leaf and subleaf that is built, with room to spare */

#define LEAF1_EDX_APIC       BIT(9)
#define LEAF1_ECX_XSAVE      BIT(26)
#define LEAF1_ECX_OSXSAVE    BIT(27)
#define LEAF7_ECX_PKU        BIT(3)
#define LEAF7_ECX_OSPKE      BIT(4)
#define LEAFD_EAX_XSAVEC     BIT(1)
#define LEAFD_EAX_XSAVES     BIT(3)
#define LEAFD_ECX_SUPERVISOR BIT(0)
#define LEAFD_ECX_ALIGN64    BIT(1)

#define XSAVE_HEADER_END     576u /* the legacy region and the header */

struct cpuid_entry {
    struct cpuid_regs regs;
    uint32_t leaf, subleaf;
};

struct cpuid_table {
    struct cpuid_leaves leaves;
    struct cpuid_entry entries[ENTRIES_MOST]; /* sorted by leaf and subleaf */
    unsigned count;
    uint32_t basic_most, extended_most, apic_id;
    bool amd;
    uint64_t xcr0, xss; /* components that are shown */
    struct cpuid_choice choice;
    struct cpuid_regs *dynamic1, *dynamic7, *dynamic_d0, *dynamic_d1, *dynamic_extended1; /* may be NULL */
    struct cpuid_regs zero, end; /* end: of a topology leaf, for the subleaf that was asked last */
};

/* Register 0 to 3 is EAX to EDX. */
uint32_t *cpuid_register(struct cpuid_regs *regs, unsigned reg);

const struct cpuid_regs *cpuid_find(const struct cpuid_table *table, uint32_t leaf, uint32_t subleaf);
