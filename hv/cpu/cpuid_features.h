/* Features of CPUID by the names that Linux's /proc/cpuinfo has for them, for the key `cpuid` of a VM. */
#pragma once

#include "hv/lib/base.h"
#include "hv/lib/format.h"

#define CPUID_FEATURES_MOST 192

struct cpuid_feature {
    const char *name,
        *needs; /* what it is hidden with: NULL: nothing; "": no VM can be without the feature */
    uint32_t leaf;
    uint8_t subleaf, reg, bit;
    uint64_t xcr0; /* state components that are not to be enabled without it */
};

/* Sets of them, by their place in the table. */
struct cpuid_choice {
    uint64_t hidden[CPUID_FEATURES_MOST / 64];
    uint64_t wanted[CPUID_FEATURES_MOST / 64];
};

struct cpuid_regs;

/*
 * Reads "-x2apic, -avx512f, +hle": what depends on a hidden feature is hidden as well. Returns false with the
 * reason in words if a name is unknown, cannot be hidden, or is wanted and hidden.
 */
bool cpuid_choice_read(const char *text, struct cpuid_choice *choice, struct writer *reason);

/* Whether the feature of that name, which must be one, is hidden. */
bool cpuid_is_hidden(const struct cpuid_choice *choice, const char *name);

/* State components of XCR0 that go with what is hidden. */
uint64_t cpuid_hidden_xcr0(const struct cpuid_choice *choice);

/*
 * What of a leaf is hidden or wanted. `amd`: leaf 8000_0001H repeats bits of leaf 1.
 */
struct cpuid_regs cpuid_hidden_bits(const struct cpuid_choice *choice, uint32_t leaf, uint32_t subleaf,
                                    bool amd);
struct cpuid_regs cpuid_wanted_bits(const struct cpuid_choice *choice, uint32_t leaf, uint32_t subleaf);

/* The wanted features one after the other: the first for NULL, NULL behind the last. */
const struct cpuid_feature *cpuid_next_wanted(const struct cpuid_choice *choice,
                                              const struct cpuid_feature *after);
