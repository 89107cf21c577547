/* Interrupts and exceptions that arrive while Keel itself runs. */
#pragma once

#include "hv/lib/base.h"

/* Vectors that Keel gives out. */
#define VECTOR_SERIAL   0x30
#define VECTOR_GDB      0x31
#define VECTOR_TIMER    0xf0
#define VECTOR_KICK     0xf1 /* leave the guest, or wake from HLT: nothing else to do */
#define VECTOR_WORK     0xf3 /* there is work for this core: hv/vm/work.h */
#define VECTOR_STOP     0xf2 /* stop this core for good */
#define VECTOR_POSTED   0xf3 /* a guest's own: hardware takes it while the guest runs, else as VECTOR_KICK */
#define VECTOR_SPURIOUS 0xff

/* What the stubs of interrupts.asm leave on the stack. */
struct trap_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint8_t vector; /* what was pushed above its 8 bits means nothing */
    uint64_t error;
    uint64_t rip, cs, rflags, rsp, ss;
};

/* Builds the IDT that all cores share. */
void interrupts_init(void);

/* Another entry for `vector`: assembly, run before anything is saved. */
void interrupts_enter_at(uint8_t vector, uint64_t entry);

/* Loads it on the calling core. */
void interrupts_load(void);

/* Serves an interrupt of this core that hardware has acknowledged already. */
void interrupts_serve(uint8_t vector);

/* `handler` is called for `vector`, with interrupts off; the local APIC's EOI follows by itself. */
void interrupts_handle(uint8_t vector, void (*handler)(void));
