/* A machine whose processors a test makes, and whose CPUID shows what the test says. */
#include "hv/host/cpu.h"

#include "tests/unit/fake.h"

struct cpu *cpus[CPUS_MOST];
unsigned cpu_count;

bool cpu_has(uint32_t leaf, uint32_t subleaf, unsigned reg, unsigned bit)
{
    return fake_has && fake_has(leaf, subleaf, reg, bit);
}
