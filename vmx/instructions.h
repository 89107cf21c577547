/* VMREAD and VMWRITE of the current VMCS. The replay has others (tests/replay/shadow). */
#pragma once

#include "hv/lib/base.h"

static inline uint64_t vmread(uint32_t field)
{
    uint64_t value;

    __asm__ volatile("vmread %1, %0" : "=r"(value) : "r"((uint64_t)field) : "cc");
    return value;
}

static inline void vmwrite(uint32_t field, uint64_t value)
{
    __asm__ volatile("vmwrite %0, %1" : : "r"(value), "r"((uint64_t)field) : "cc");
}
