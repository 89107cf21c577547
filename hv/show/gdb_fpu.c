/* x87 and SSE state between XSAVE's area and GDB's registers. */
#include "hv/show/gdb_registers.h"

#include "hv/lib/string.h"

/* Where the FXSAVE area, in the form of 64-bit mode, has what GDB calls by these names. */
enum {
    AT_FCTRL = 0,
    AT_FSTAT = 2,
    AT_FTAG = 4, /* a bit for each register: not empty */
    AT_FOP = 6,
    AT_FIP = 8, /* 8 bytes: GDB has the upper half as fiseg */
    AT_FDP = 16,
    AT_MXCSR = 24,
    AT_ST = 32,
    AT_XMM = 160,
    AT_XSTATE_BV = 512, /* of XSAVE's header: what is not at its initial value */
};

enum { FCTRL, FSTAT, FTAG, FISEG, FIOFF, FOSEG, FOOFF, FOP };

#define TAG_EMPTY 3u
#define X87_SSE   3

/* Each register's place and size but the tags, which GDB wants two bits wide. */
static const struct {
    uint8_t index, at, size;
} places[] = {{FCTRL, AT_FCTRL, 2},   {FSTAT, AT_FSTAT, 2}, {FOP, AT_FOP, 2},      {FIOFF, AT_FIP, 4},
              {FISEG, AT_FIP + 4, 4}, {FOOFF, AT_FDP, 4},   {FOSEG, AT_FDP + 4, 4}};

void gdb_take_fpu(struct gdb_registers *registers, const uint8_t *area)
{
    for (unsigned i = 0; i < ARRAY_LENGTH(places); i++)
        memcpy(&registers->fpu[places[i].index], area + places[i].at, places[i].size);
    registers->fpu[FTAG] = 0;
    for (unsigned i = 0; i < 8; i++)
        registers->fpu[FTAG] |= area[AT_FTAG] & 1 << i ? 0 : TAG_EMPTY << 2 * i;
    memcpy(&registers->mxcsr, area + AT_MXCSR, sizeof(registers->mxcsr));
    memcpy(registers->st, area + AT_ST, sizeof(registers->st));
    memcpy(registers->xmm, area + AT_XMM, sizeof(registers->xmm));
}

/* What MXCSR may have without a #GP at FXRSTOR. */
#define MXCSR_WRITABLE 0xffff

void gdb_give_fpu(const struct gdb_registers *registers, uint8_t *area)
{
    uint32_t mxcsr = registers->mxcsr & MXCSR_WRITABLE;

    for (unsigned i = 0; i < ARRAY_LENGTH(places); i++)
        memcpy(area + places[i].at, &registers->fpu[places[i].index], places[i].size);
    area[AT_FTAG] = 0;
    for (unsigned i = 0; i < 8; i++)
        area[AT_FTAG] |= (registers->fpu[FTAG] >> 2 * i & 3) == TAG_EMPTY ? 0 : (uint8_t)(1 << i);
    memcpy(area + AT_MXCSR, &mxcsr, sizeof(mxcsr));
    memcpy(area + AT_ST, registers->st, sizeof(registers->st));
    memcpy(area + AT_XMM, registers->xmm, sizeof(registers->xmm));
    area[AT_XSTATE_BV] |= X87_SSE;
}
