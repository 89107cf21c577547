/* The end of Keel itself: what happened, registers, backtrace, the latest exits. */
#pragma once

#include "hv/host/interrupts.h"
#include "hv/lib/base.h"

/* An exception in Keel. */
_Noreturn void panic_trap(const struct trap_frame *frame);

/* For a report on the console: where a core is (NULL: it does not answer), which vCPU it has and what that
 * did.
 */
struct cpu;
struct writer;
void panic_print_core(const struct cpu *cpu, const struct trap_frame *where, struct writer *to);

/* An NMI while Keel runs: another core's panic, or the machine's own. */
void panic_nmi(const struct trap_frame *frame);
