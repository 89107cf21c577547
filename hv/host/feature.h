/* What CPUID shows of this core. */
#pragma once

#include "hv/lib/base.h"

/* Whether the calling core's CPUID shows the bit: register 0 to 3 is EAX to EDX. */
bool cpu_has(uint32_t leaf, uint32_t subleaf, unsigned reg, unsigned bit);
