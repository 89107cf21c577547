/*
 * A machine of two cores for GDB's stub: the server, the stub, the lives of two VMs and their debugging are
 * the real ones; vCPUs, the serial port and the scheduler are a few lines. Core 0 has Keel's work, core 1
 * runs vCPUs, and whoever drives the model says what happens next.
 *
 * Every vCPU that is looked at or changed must be loaded on the core that does, and core 0 may load one only
 * while its VM stands still: a check that fails ends the program.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define MODEL_VMS   2
#define MODEL_VCPUS 2
#define MODEL_RAM   0x3000
#define MODEL_CODE  0x1000 /* a page of NOPs that the vCPUs run through again and again */
#define MODEL_DATA  0x2000 /* a page that nobody minds */

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                  \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

/* A new machine with both VMs running; the second is started by nobody if `alone`. */
void model_begin(void);
void model_end(void);

/* What happens next. Each returns whether there was something to do. */
bool model_work(void); /* on core 0 */
enum model_act { ACT_RUN, ACT_HALT, ACT_EXIT, ACT_POWER_OFF, ACT_RESET, ACT_CRASH, ACTS };
bool model_run(unsigned vm, unsigned vcpu, enum model_act act); /* one instruction on core 1, or a stop */
enum model_order { ORDER_PAUSE, ORDER_RESUME, ORDER_STOP, ORDER_START, ORDER_RESET, ORDERS };
void model_order(unsigned vm, enum model_order order); /* a person's, at the monitor */

/* Runs work and vCPUs until nothing but the guests themselves has anything to do. */
void model_settle(void);

/* The line. What GDB says arrives as far as the port's FIFO of 16 bytes has room; of what is said to it so
 * many bytes leave the other FIFO. */
bool model_hear(uint8_t byte);
void model_transmit(unsigned bytes);
extern char model_said[1 << 20];
extern size_t model_said_length;

/* How the VM is: its state in words, and that nothing of a debugger's is left in it. */
const char *model_state(unsigned vm);
bool model_untouched(unsigned vm);
