/* The PC that every VM is: which devices it has, at which addresses, and how their lines are wired. */
#pragma once

#include "hv/vm/vm.h"

/* Where a VM's serial port talks to: Keel's console multiplexer, a physical port, or nothing. */
struct serial_backend {
    void (*put)(void *owner, uint8_t byte); /* may be NULL: output is dropped */
    void *owner;
};

/*
 * The memory that the devices of a VM with `vcpus` vCPUs need, in bytes; the caller allocates it zeroed,
 * keeps it for the VM's life and passes it to board_create, which builds vm->ports, vm->mmio, and each vCPU's
 * `interrupts` and local APIC. Returns false (said in a log line) if that fails.
 */
size_t board_size(unsigned vcpus);
bool board_create(struct vm *vm, void *memory, const struct serial_backend *serial);

/* The state after power-on or reset, for every device of the VM. */
void board_reset(struct vm *vm);

/* A character typed at the VM's serial port. Returns false if its receiver is full and the character was not
 * taken. */
bool board_serial_input(struct vm *vm, uint8_t byte);

/* The MSR ranges of the vCPU's local APIC (IA32_APIC_BASE, x2APIC, IA32_TSC_DEADLINE). Returns how many, at
 * most 3. */
unsigned board_msr_ranges(struct vcpu *vcpu, struct bus_range ranges[3]);
