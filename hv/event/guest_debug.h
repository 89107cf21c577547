/*
 * What a debugger does to a guest: breakpoints, watchpoints and single steps, out of the guest's sight. The
 * guest's own debug registers, INT3 and single steps go on working.
 *
 * Nothing here costs a guest without a debugger an instruction: what is watched exits because an intercept
 * is on, and intercepts are on only while somebody has attached.
 */
#pragma once

#include "hv/vm/vcpu_debug.h"

struct vm;
struct vcpu;

/* Begins and ends debugging of a VM. Its vCPUs learn of it before their next entry. */
void debug_attach(struct vm *vm, struct vm_debug *debug);
void debug_detach(struct vm *vm);

/* The VM is off. */
void debug_end(struct vm *vm);

/* Whether a crash is shown to the debugger, and that it has come to one. */
bool debug_wants_crash(const struct vm *vm);
void debug_on_crash(struct vcpu *vcpu);

/* A hardware point. false: there is none left, or the length is no power of two up to 8. */
bool debug_insert(struct vm *vm, enum debug_access access, uint64_t address, unsigned length);
bool debug_remove(struct vm *vm, enum debug_access access, uint64_t address, unsigned length);

/*
 * An INT3 at a linear address of this vCPU, which is loaded. false: too many, or nothing is mapped there; or,
 * to clear, there was none, or the guest has other code in its place by now. To clear, any vCPU of the VM
 * will do: the byte is put back where it was taken.
 */
bool debug_set_breakpoint(struct vcpu *vcpu, uint64_t address);
bool debug_clear_breakpoint(struct vcpu *vcpu, uint64_t address);
void debug_clear_breakpoints(struct vcpu *vcpu);

/* The VM's memory has been loaded anew: its breakpoints are gone. */
void debug_forget_breakpoints(struct vm *vm);

/* Where Keel sees `count` bytes of one page at this address, as the guest's paging says and whatever it
 * forbids, and the first one's guest-physical address; NULL: that is not RAM. Like the two that follow,
 * guest_look.c. */
uint8_t *debug_find(struct vcpu *vcpu, uint64_t address, size_t count, gpa_t *gpa);

/* Guest-linear memory, past every protection; the vCPU is loaded. Returns how many bytes were moved. */
size_t debug_read(struct vcpu *vcpu, uint64_t address, void *to, size_t count);
size_t debug_write(struct vcpu *vcpu, uint64_t address, const void *from, size_t count);

/* The vCPU has been reset, and with it its debug registers. */
void debug_reset(struct vcpu *vcpu);

/* The linear address of the next instruction. */
uint64_t debug_linear_rip(struct vcpu *vcpu);

/* REQUEST_DEBUG: what the debugger wants is made so, on the vCPU's core before an entry. */
void debug_apply(struct vcpu *vcpu);

/* At exits. #BP: whether it was the debugger's. */
bool debug_on_breakpoint(struct vcpu *vcpu);

/* #DB, with its causes as bits of DR6: those that are left for the guest. */
uint64_t debug_on_trap(struct vcpu *vcpu, uint64_t causes);

/* MOV of DR0-3 and DR7 while they exit. `number` is 0 to 3 or 7. */
uint64_t debug_get_register(const struct vcpu *vcpu, unsigned number);
void debug_set_register(struct vcpu *vcpu, unsigned number, uint64_t value);

/* Steps: guest_step.c. */

/* Asks for one instruction before the next stop. The vCPU does not run now. */
void debug_step(struct vcpu *vcpu);

/* Takes that back, if the step has not ended: another vCPU stopped the VM before. */
void debug_give_up_step(struct vcpu *vcpu);

/* Whether interrupts and NMIs have to wait: they would carry the step away. */
static inline bool debug_steps(const struct vcpu_debug *debug)
{
    return debug->step;
}

/* An exception is about to be raised in the guest, while it is stepped. */
void debug_on_exception(struct vcpu *vcpu);

/* Begins a step that was asked for. Ends the one under way, also where it comes to HLT, and returns whether
 * its trap is not the guest's. */
void debug_begin_step(struct vcpu *vcpu);
bool debug_end_step(struct vcpu *vcpu);
