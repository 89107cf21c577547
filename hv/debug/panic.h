/* The end of Keel itself: what happened, registers, backtrace, the latest exits. */
#pragma once

#include "hv/host/interrupts.h"
#include "hv/lib/base.h"

/* From here on panic, exceptions in Keel and NMIs are reported whole. */
void panic_init(void);

/* For a report on the console: where a core is (NULL: it does not answer), which vCPU it has and what that
 * did.
 */
struct cpu;
struct writer;
void panic_print_core(const struct cpu *cpu, const struct trap_frame *where, struct writer *to);
