/*
 * In the replay's way to hv/host/instructions.h: the instructions that a user program may not execute, or
 * that would tell of the wrong machine, become functions, which tests/replay/machine.c plays.
 */
#pragma once

#define rdmsr      machines_rdmsr
#define wrmsr      machines_wrmsr
#define rdmsr_safe machines_rdmsr_safe
#define wrmsr_safe machines_wrmsr_safe
#define rdtsc      machines_rdtsc
#define cpuid      machines_cpuid
#define read_cr0   machines_read_cr0
#define read_cr2   machines_read_cr2
#define read_cr3   machines_read_cr3
#define read_cr4   machines_read_cr4
#define read_dr0   machines_read_dr0
#define read_dr1   machines_read_dr1
#define read_dr2   machines_read_dr2
#define read_dr3   machines_read_dr3
#define read_dr6   machines_read_dr6
#define read_dr7   machines_read_dr7
#define write_cr0  machines_write_cr0
#define write_cr2  machines_write_cr2
#define write_cr3  machines_write_cr3
#define write_cr4  machines_write_cr4
#define write_dr0  machines_write_dr0
#define write_dr1  machines_write_dr1
#define write_dr2  machines_write_dr2
#define write_dr3  machines_write_dr3
#define write_dr6  machines_write_dr6
#define write_dr7  machines_write_dr7
#define xgetbv     machines_xgetbv
#define xsetbv     machines_xsetbv
#define rdpkru     machines_rdpkru
#include "../../../../../hv/host/instructions.h"
#undef rdmsr
#undef wrmsr
#undef rdmsr_safe
#undef wrmsr_safe
#undef rdtsc
#undef cpuid
#undef read_cr0
#undef read_cr2
#undef read_cr3
#undef read_cr4
#undef read_dr0
#undef read_dr1
#undef read_dr2
#undef read_dr3
#undef read_dr6
#undef read_dr7
#undef write_cr0
#undef write_cr2
#undef write_cr3
#undef write_cr4
#undef write_dr0
#undef write_dr1
#undef write_dr2
#undef write_dr3
#undef write_dr6
#undef write_dr7
#undef xgetbv
#undef xsetbv
#undef rdpkru

uint64_t rdmsr(uint32_t msr);
void wrmsr(uint32_t msr, uint64_t value);
bool rdmsr_safe(uint32_t msr, uint64_t *value);
bool wrmsr_safe(uint32_t msr, uint64_t value);
uint64_t rdtsc(void);
void cpuid(uint32_t leaf, uint32_t subleaf, uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d);
uint64_t xgetbv(uint32_t index);
void xsetbv(uint32_t index, uint64_t value);
uint32_t rdpkru(void);

/* The registers of the CPU that is played. */
struct played {
    uint64_t cr[9], dr[8], xcr0;
    uint64_t vmcs[0x8000];
};
extern struct played played;

#define PLAYED_REGISTER(name, place)                                                                         \
    static inline UNUSED uint64_t read_##name(void)                                                          \
    {                                                                                                        \
        return played.place;                                                                                 \
    }                                                                                                        \
    static inline UNUSED void write_##name(uint64_t value)                                                   \
    {                                                                                                        \
        played.place = value;                                                                                \
    }

PLAYED_REGISTER(cr0, cr[0])
PLAYED_REGISTER(cr2, cr[2])
PLAYED_REGISTER(cr3, cr[3])
PLAYED_REGISTER(cr4, cr[4])
PLAYED_REGISTER(dr0, dr[0])
PLAYED_REGISTER(dr1, dr[1])
PLAYED_REGISTER(dr2, dr[2])
PLAYED_REGISTER(dr3, dr[3])
PLAYED_REGISTER(dr6, dr[6])
PLAYED_REGISTER(dr7, dr[7])

#undef PLAYED_REGISTER
