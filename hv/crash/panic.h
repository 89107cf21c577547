/* The end of Keel itself: what happened, registers, backtrace, the latest exits. */
#pragma once

#include "hv/host/interrupts.h"
#include "hv/lib/base.h"

struct cpu;
struct writer;

/* From here on panic, exceptions in Keel and NMIs are reported whole. */
void panic_init(void);

/* Prints what else is known of the latest exits at a panic's end. NULL: nothing is. */
extern void (*panic_last_words)(struct writer *to);

/* For a report on the console: where a core is (NULL: it does not answer), which vCPU it has and what that
 * did.
 */
void panic_print_core(const struct cpu *cpu, const struct trap_frame *where, struct writer *to);
