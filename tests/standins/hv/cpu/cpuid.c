/* Each leaf of CPUID answers what the test says. */
#include "hv/cpu/cpuid.h"

#include <string.h>

#include "tests/unit/fake.h"

const struct cpuid_regs *cpuid_lookup(const struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf)
{
    (void)vcpu;
    fake_cpuid.leaf = leaf, fake_cpuid.subleaf = subleaf;
    return &fake_cpuid.regs;
}

const struct cpuid_regs *cpuid_search(struct cpuid_table *table, uint32_t leaf, uint32_t subleaf)
{
    (void)table;
    return cpuid_lookup(NULL, leaf, subleaf);
}

bool cpuid_hides(const struct vcpu *vcpu, const char *name)
{
    (void)vcpu;
    return fake_cpuid.hides && strcmp(name, fake_cpuid.hides) == 0;
}
