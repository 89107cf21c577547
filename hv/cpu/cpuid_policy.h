/* What a guest's CPUID shows of the machine's, as a table: a bit that no row names is 0. */
#pragma once

#include "hv/lib/base.h"

enum cpuid_register { CPUID_EAX, CPUID_EBX, CPUID_ECX, CPUID_EDX, CPUID_ALL };

/* When a row's bits are shown. */
enum cpuid_condition {
    ALWAYS,
    NEVER,     /* for people: why the bits are hidden */
    IF_WANTED, /* the VM's `cpuid` names it */
    IF_XSAVE,
    IF_AVX,
    IF_AVX512,
    IF_AMX,
    IF_PKU,
    IF_RDTSCP,
    IF_INVPCID,
    IF_WAITPKG,
    IF_TSC_DEADLINE,
    IF_X2APIC,
    IF_MANY,     /* the VM has several vCPUs */
    IF_MANY_AMD, /* and is one of AMD's processors */
};

enum cpuid_origin {
    PASS, /* as the machine has them */
    GIVE, /* Keel has it, whether or not the machine does */
};

struct cpuid_policy {
    uint32_t leaf;
    uint8_t subleaf; /* or CPUID_ANY */
    uint8_t reg;
    uint8_t origin;
    uint8_t when;
    uint32_t bits;
    const char *what; /* which bits, and why */
};

#define CPUID_ANY 0xff

extern const struct cpuid_policy cpuid_policies[];
extern const unsigned cpuid_policy_count;
