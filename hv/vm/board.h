/* What the core asks of the machine that a VM is: devices/board.c answers, boot/main.c brings the two
 * together. */
#pragma once

#include "hv/lib/base.h"
#include "hv/vm/bus.h"
#include "hv/vm/irq.h"

struct vm;
struct vcpu;

/* Where a VM's serial port talks to: Keel's console multiplexer, a physical port, or nothing. */
struct serial_backend {
    /* NULL: output is dropped. false: there is room for a few bytes more only, until serial_ready. */
    bool (*put)(void *owner, uint8_t byte);
    void *owner;
};

struct board_ops {
    size_t (*size)(unsigned vcpus);
    bool (*create)(struct vm *vm, void *memory, const struct serial_backend *serial, unsigned physical_bits);
    void (*reset)(struct vm *vm);
    void (*stop)(struct vm *vm);
    bool (*serial_input)(struct vm *vm, uint8_t byte);
    void (*serial_ready)(struct vm *vm); /* the backend has room again */
    /* As another APIC would send it. Returns whether a local APIC has taken it. */
    bool (*deliver)(struct vm *vm, const struct apic_message *message);
    unsigned (*msr_ranges)(struct vcpu *vcpu, struct bus_range ranges[3]);
};
