/* Interrupts and exceptions that arrive while Keel itself runs. */
#pragma once

#include "hv/lib/base.h"

/*
 * Every vector that Keel gives out: X(name, number).
 *   KICK    leave the guest, or wake from HLT: nothing else to do
 *   WORK    there is work for this core: hv/run/work.h
 *   POSTED  a guest's own: hardware takes it while the guest runs, else as KICK
 */
#define HOST_VECTORS(X)                                                                                      \
    X(SERIAL, 0x30)                                                                                          \
    X(GDB, 0x31)                                                                                             \
    X(TIMER, 0xf0)                                                                                           \
    X(KICK, 0xf1)                                                                                            \
    X(WORK, 0xf2)                                                                                            \
    X(POSTED, 0xf3)                                                                                          \
    X(SPURIOUS, 0xff)

enum host_vector {
#define X(name, number) VECTOR_##name = (number),
    HOST_VECTORS(X)
#undef X
};

/* What the stubs of interrupts.asm leave on the stack. */
struct trap_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint8_t vector; /* what was pushed above its 8 bits means nothing */
    uint64_t error;
    uint64_t rip, cs, rflags, rsp, ss;
};

/* Serves an interrupt of this core that hardware has acknowledged already. */
void interrupts_serve(uint8_t vector);

/*
 * `handler` is called for the exception `vector`, below 32, that Keel itself raised and that none of its own
 * tries expected (rdmsr_safe, the stub). One without a handler is a panic.
 */
#define EXCEPTIONS 32
typedef void exception_handler(struct trap_frame *frame);
void interrupts_handle_exception(uint8_t vector, exception_handler *handler);

/* `handler` is called for `vector`, with interrupts off; the local APIC's EOI follows by itself. */
void interrupts_handle(uint8_t vector, void (*handler)(void));
