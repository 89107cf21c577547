/*
 * Recording of a VM with one vCPU: all that Keel's code is given while it serves the VM, so that the same
 * code can be run again on another machine and must do the same (docs/replay.md). tests/replay has the other
 * half: there these functions read the recording.
 *
 * Everything of a recorded VM happens on the boot core, and time stands still within a region.
 */
#pragma once

#include "hv/lib/base.h"
#include "hv/vm/board.h"
#include "hv/vm/cpuid.h"

struct life;
struct vm;
struct vcpu;
struct entry_state;

/* Before any VM is there: memory for recordings of so many bytes. */
void record_reserve(uint64_t bytes);

/* The VM is about to be created. NULL, or why it cannot be recorded. */
const char *record_open(struct life *life);

/* This one: true until record_close, or until the recording had to end. */
bool record_is(const struct vm *vm);
void record_created(struct vm *vm);
void record_close(const struct vm *vm);

/* Around its reset. */
void record_start(struct vm *vm, const struct entry_state *entry);
void record_started(struct vm *vm);

/* The machine's CPUID, as native_cpuid. */
void record_cpuid(uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out);

/* As those of the console and of struct board_ops, which they call, of any VM. */
bool record_put(void *owner, uint8_t byte);
bool record_input(struct vm *vm, uint8_t byte);
void record_ready(struct vm *vm);
bool record_signal(struct vm *vm, enum board_signal what, unsigned code);
bool record_deliver(struct vm *vm, const struct apic_message *message);
