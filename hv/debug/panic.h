/* The end of Keel itself: what happened, registers, backtrace, the latest exits. */
#pragma once

#include "hv/host/interrupts.h"
#include "hv/lib/base.h"

/* An exception in Keel. */
_Noreturn void panic_trap(const struct trap_frame *frame);

/* An NMI while Keel runs: another core's panic, or the machine's own. */
void panic_nmi(const struct trap_frame *frame);
