/*
 * A PC of three vCPUs that is shaken: what a guest can do to its board, and what comes from outside, each
 * step from the next bytes of an input. For the fuzzer, and for threads under ThreadSanitizer.
 */
#pragma once

#include "hv/vm/vm.h"
#include "tests/fuzz/fuzz.h"

#define PC_VCPUS 3

struct pc {
    struct vm vm;
    struct vcpu vcpus[PC_VCPUS];
    struct bus_range msrs[PC_VCPUS][3];
    void *memory;
};

extern struct pc pc;

/* How a PC is made. */
#define PC_TESTDEV  0x01 /* with the test device */
#define PC_SHADOWS  0x02 /* hardware has the registers of the local APICs */
#define PC_DELIVERS 0x04 /* and delivers interrupts by itself */

/* A new PC after its reset, in the place of the one before. */
void pc_make(unsigned options);

/* One thing that a guest does, or hardware for it, on the core that runs the vCPU. */
void pc_guest(struct vcpu *vcpu, struct input *input);

/* One thing from outside, on any core. */
void pc_outside(struct input *input);

/* Describes every device on the port bus, as the monitor does. */
void pc_describe(void);
