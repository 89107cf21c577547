/*
 * Privileged instructions of the code under test. A user program that executes one faults; a handler then
 * plays the machine, so that the code runs as it is.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct cpu;

struct privileged {
    uint32_t (*in)(uint16_t port, unsigned size); /* NULL: all ones */
    void (*out)(uint16_t port, unsigned size, uint32_t value);
    void (*halt)(void); /* HLT: may longjmp away; NULL: goes on at once */
    uint64_t cr[16];    /* MOV to and from control registers */
    uint64_t dr[8];     /* and debug registers */
    uint32_t msr;       /* the latest written, which reads what was written; others read as 0 */
    uint64_t msr_value;
    uint64_t xcr0;
    unsigned xsetbvs, idts; /* of these instructions */
    uint64_t vmcs[0x8000];  /* the fields of whatever VMCS is current, by encoding */
    bool interrupts;        /* IF, as CLI and STI leave it */
};

extern struct privileged privileged;

/* A new machine, with every callback NULL and every register 0. In the test itself: cmocka takes the signal
 * between a set-up and its test. */
void privileged_begin(void);

/* Privileged instructions are errors again. */
void privileged_end(void);

/* What this_cpu() returns from here on; cpu->self must point to it. */
void privileged_set_core(struct cpu *cpu);
