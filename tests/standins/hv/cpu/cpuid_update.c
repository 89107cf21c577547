/* Changes of what CPUID shows are counted. */
#include "hv/cpu/cpuid.h"

#include "tests/unit/fake.h"

void vcpu_cpuid_changed(struct vcpu *vcpu)
{
    (void)vcpu;
    __atomic_fetch_add(&fake_asked.cpuid_changes, 1, __ATOMIC_RELAXED);
}
