/* The PC that every VM is: which devices it has, at which addresses, and how their lines are wired. */
#pragma once

#include "hv/cpu/cpuid.h"
#include "hv/vm/board.h"
#include "hv/vm/vm.h"

/*
 * The memory that the devices of a VM with `vcpus` vCPUs need, in bytes; the caller allocates it zeroed,
 * keeps it for the VM's life and passes it to board_create, which builds vm->ports, vm->mmio, and each vCPU's
 * `interrupts` and local APIC. The VM's memory and vCPUs must be there already. The serial port and the debug
 * console talk to `serial`; `limits` say what CPUID shows of the local APIC and of physical addresses.
 * Returns false (said in a log line) if that fails. The board must be reset before the VM runs.
 */
size_t board_size(unsigned vcpus);
bool board_create(struct vm *vm, void *memory, const struct serial_backend *serial,
                  const struct cpuid_limits *limits);

/* The state after power-on or reset, for every device of the VM, as firmware hands it to an operating system.
 */
void board_reset(struct vm *vm);

/* Opens those pins of the 8259As that a PC's firmware leaves open for a boot sector. */
void board_open_irqs(struct vm *vm);

/*
 * Whether an interrupt may come, from a timer that runs, a device that is enabled or a person at the console
 * or keyboard, that a vCPU would notice. Every vCPU halts. In doubt it may.
 */
bool board_may_wake(struct vm *vm);

/* The VM has ended: no device calls back any more, until board_reset. */
void board_stop(struct vm *vm);

/* A character typed at the VM's serial port. Returns false if its receiver is full and the character was not
 * taken. */
bool board_serial_input(struct vm *vm, uint8_t byte);

/* What the serial port talks to has room again. */
void board_serial_ready(struct vm *vm);

/* The MSR ranges of the vCPU's local APIC (IA32_APIC_BASE, x2APIC, IA32_TSC_DEADLINE). Returns how many, at
 * most 3. */
unsigned board_msr_ranges(struct vcpu *vcpu, struct bus_range ranges[3]);

/* All of this as the core takes it. */
extern const struct board_ops pc_board;
