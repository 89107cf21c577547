/* Between the files that run instructions outside the integer core. */
#pragma once

#include "hv/emulate/emulation.h"

/*
 * emulate_code.c: stub_run, whose outcome a recording has: a replay has no such CPU. `stored`: so many bytes
 * at `at` of the copy too.
 */
struct stub_registers;
uint8_t run_code(const uint8_t *code, unsigned length, struct stub_registers *registers, unsigned at,
                 unsigned stored);

/*
 * Executes `in`, the guest's instruction or another that a table has, on the copy. false: its fault.
 * run_instruction_at: at `at` of the copy's page, where it stores `stored` bytes at most.
 */
bool run_instruction(struct emulation *e, const struct instruction *in);
bool run_instruction_at(struct emulation *e, const struct instruction *in, unsigned at, unsigned stored);

/* emulate_vector.c: masks as registers have them, one bit for an element, and gathers and scatters. */
uint64_t run_mask(struct emulation *e);
uint64_t run_vector_mask(struct emulation *e);
enum outcome run_gather(struct emulation *e);
enum outcome run_masked_store(struct emulation *e);

/* emulate_area.c: FXSAVE and the XSAVE family. */
enum outcome run_area(struct emulation *e);

/* XCR0 as the guest has it, for emulators that let XSETBV pass. */
void run_take_xcr0(struct emulation *e);

/* emulate_x87.c: makes the pointers to the latest x87 instruction and its operand the guest's. */
bool run_waits(struct emulation *e); /* false: #MF */
void run_note_x87(struct emulation *e);
