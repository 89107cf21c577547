/* Breakpoints on data and ports that an instruction meets which Keel does in the CPU's place. */
#pragma once

#include "hv/lib/base.h"

struct vcpu;

/* R/W bits of DR7, as a set of them: what stops at each kind of access. */
#define BREAKPOINTS_ON_WRITE (BIT(1) | BIT(3))
#define BREAKPOINTS_ON_READ  BIT(3)
#define BREAKPOINTS_ON_PORT  BIT(2)

/*
 * Which of the breakpoints that `dr7` enables, of these kinds, [address, address + size) meets: bits 0 to 3,
 * as in DR6. The vCPU is loaded.
 */
uint64_t breakpoints_hit(uint64_t dr7, unsigned kinds, uint64_t address, unsigned size);

/* Of a port; 0 while CR4.DE is off. */
uint64_t port_breakpoints_hit(struct vcpu *vcpu, uint64_t dr7, uint16_t port, unsigned size);
