/* What one of the machine's cores does in Keel itself: its registers, where it is, and which exception it
 * met. */
#pragma once

#include "hv/host/interrupts.h"
#include "hv/lib/base.h"

struct writer;

/* `trap` is called for every exception in Keel, `nmi` for an NMI. */
void core_handle_traps(exception_handler *trap, exception_handler *nmi);

/* "page fault (vector 14, error 0x2) in Keel at rip 0x1234". */
void core_describe_trap(const struct trap_frame *frame, char *text, size_t size);

/* The registers of this core, the frame's and those that nothing has changed since, and the code at RIP. */
void core_print(const struct trap_frame *frame, struct writer *out);

/*
 * The function at RIP, and at most `most` return addresses on the stack: words that point into Keel's code
 * just behind a call instruction. Keel keeps no frame pointers (they would cost each exit a dozen
 * instructions), so a stale word may show among the true ones.
 */
void core_print_backtrace(uint64_t rip, uint64_t rsp, unsigned most, struct writer *out);
