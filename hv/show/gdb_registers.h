/* The registers of a vCPU as GDB names, orders and sizes them, for 64-bit and for 32- and 16-bit guests. */
#pragma once

#include "hv/lib/base.h"
#include "hv/lib/format.h"

/* Every register, in the widest form that it has. */
struct gdb_registers {
    uint64_t general[16]; /* in the order of enum vcpu_reg */
    uint64_t rip, rflags;
    uint32_t segments[6]; /* selectors: CS SS DS ES FS GS */
    uint8_t st[8][16];    /* ten bytes of each count */
    uint32_t fpu[8];      /* fctrl fstat ftag fiseg fioff foseg fooff fop */
    uint8_t xmm[16][16];
    uint32_t mxcsr;
    uint64_t fs_base, gs_base, kernel_gs_base;
    uint64_t cr0, cr2, cr3, cr4, cr8, efer;
};

/* How many there are; wide: as a 64-bit guest has them. They are numbered from 0. */
unsigned gdb_register_count(bool wide);

/* Bytes of one, little-endian, within *registers; NULL if there is no such. *size: how many. */
uint8_t *gdb_register(struct gdb_registers *registers, bool wide, unsigned number, unsigned *size);

/* The target description (GDB manual, "Target Description Format"). */
void gdb_describe_registers(struct writer *out, bool wide);

/* x87 and SSE state from, and into, an area as XSAVE or FXSAVE has it (SDM, "FXSAVE Area"). */
void gdb_take_fpu(struct gdb_registers *registers, const uint8_t *area);
void gdb_give_fpu(const struct gdb_registers *registers, uint8_t *area);
