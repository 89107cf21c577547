/* The other cores of the machine. */
#pragma once

#include "hv/lib/base.h"

struct cpu;

/*
 * The code that a core begins with in real mode, copied to a page below 1 MiB. It leaves for the image, on
 * whose displacement (32 bits: how far it lies above its link address) it is told, then for cpu_start_here
 * with CR3, RSP and RDI from ap_cr3, ap_stack and ap_cpu; it takes ap_cpu away in one atomic step, and stops
 * where that is NULL.
 */
struct smp_trampoline {
    const char *start, *displacement, *end;
};
extern uint64_t ap_cr3, ap_stack;
extern struct cpu *ap_cpu;
void cpu_start_here(struct cpu *cpu);

/*
 * Starts every core that ACPI names, by INIT-SIPI-SIPI, one after the other; each calls `begin` on its own
 * stack and never returns from it. One that does not come up within a tenth of a second is named in a log
 * line and left alone.
 */
void smp_start(const struct smp_trampoline *trampoline, void (*begin)(void));
