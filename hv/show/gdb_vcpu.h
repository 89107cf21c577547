/* The registers of a vCPU in GDB's numbers and sizes, taken from it and given to it. */
#pragma once

#include "hv/show/gdb_registers.h"
#include "hv/vm/vcpu.h"

/* Whether it runs a 64-bit guest. The vCPU is loaded on this core, as for all but the two of the FPU. */
bool gdb_registers_are_wide(struct vcpu *vcpu);

void gdb_registers_take(struct vcpu *vcpu, struct gdb_registers *out);

/* false: RIP is where nothing could be fetched, and nothing is set. */
bool gdb_registers_give(struct vcpu *vcpu, const struct gdb_registers *in);

/* x87 and SSE state, of a vCPU that is not loaded. */
void gdb_registers_take_fpu(const struct vcpu *vcpu, struct gdb_registers *out);
void gdb_registers_give_fpu(struct vcpu *vcpu, const struct gdb_registers *in);
