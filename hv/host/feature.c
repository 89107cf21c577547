#include "hv/host/feature.h"

#include "hv/host/instructions.h"

enum { EAX, EBX, ECX, EDX };

bool cpu_has(uint32_t leaf, uint32_t subleaf, unsigned reg, unsigned bit)
{
    uint32_t regs[4];

    cpuid(leaf & 0x80000000, 0, &regs[EAX], &regs[EBX], &regs[ECX], &regs[EDX]);
    if (regs[EAX] < leaf)
        return false;
    cpuid(leaf, subleaf, &regs[EAX], &regs[EBX], &regs[ECX], &regs[EDX]);
    return regs[reg] >> bit & 1;
}
