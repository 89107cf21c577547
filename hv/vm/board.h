/* What the core asks of the machine that a VM is: devices/board.c answers, boot/main.c brings the two
 * together. */
#pragma once

#include "hv/lib/base.h"
#include "hv/vm/bus.h"
#include "hv/vm/irq.h"

struct vm;
struct cpuid_limits;
struct vcpu;

/* Where a VM's serial port talks to: Keel's console multiplexer, a physical port, or nothing. */
struct serial_backend {
    /* NULL: output is dropped. false: there is room for a few bytes more only, until serial_ready. */
    bool (*put)(void *owner, uint8_t byte);
    void *owner;
};

/* What a person does to the machine from outside. */
enum board_signal {
    BOARD_POWER_BUTTON,
    BOARD_BREAK,
    BOARD_KEY_DOWN, /* `code`: the key's make code in set 2, above 0xe000 if 0xe0 precedes it */
    BOARD_KEY_UP,   /* likewise */
    BOARD_NMI,      /* `code`: BOARD_VCPU(its number) */
    BOARD_INTERRUPT /* `code`: BOARD_VCPU(its number) and the vector */
};

#define BOARD_VCPU(id) ((unsigned)(id) << 16)

struct board_ops {
    size_t (*size)(unsigned vcpus);
    bool (*create)(struct vm *vm, void *memory, const struct serial_backend *serial,
                   const struct cpuid_limits *limits);
    void (*reset)(struct vm *vm);
    void (*stop)(struct vm *vm);
    /* After a reset, for a guest that starts in real mode: opens the interrupts that a BIOS leaves open. */
    void (*open_irqs)(struct vm *vm);
    /* Whether an interrupt may come that a vCPU would notice, all of which halt: see hv/life/sleepers.c. */
    bool (*may_wake)(struct vm *vm);
    bool (*serial_input)(struct vm *vm, uint8_t byte);
    void (*serial_ready)(struct vm *vm); /* the backend has room again */
    /* Returns whether the guest has enabled what was done, and so will know of it. */
    bool (*signal)(struct vm *vm, enum board_signal what, unsigned code);
    unsigned (*msr_ranges)(struct vcpu *vcpu, struct bus_range ranges[3]);
};
