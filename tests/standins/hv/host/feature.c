/* CPUID of the machine shows what the test says. */
#include "hv/host/feature.h"

#include "tests/unit/fake.h"

bool cpu_has(uint32_t leaf, uint32_t subleaf, unsigned reg, unsigned bit)
{
    return fake_has && fake_has(leaf, subleaf, reg, bit);
}
