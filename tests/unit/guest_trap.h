/* An exception of one instruction of a test's process: apart from hv/vm/vcpu.h, whose names are libc's too.
 */
#pragma once

#define GUEST_NO_TRAP 0xffffu

/* From here on an exception of the instruction at `at`, of `length` bytes, goes on behind it. */
void guest_trap_begin(void *at, unsigned length);

/* The vector of the exception that came, or GUEST_NO_TRAP. */
unsigned guest_trap_end(void);
