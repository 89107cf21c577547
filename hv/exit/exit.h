/*
 * What an exit means, whoever's hardware it came from: the vendors' exit tables decode the qualification and
 * call these. Those that return bool say whether the instruction is done, so that RIP moves on; false: an
 * exception was raised.
 */
#pragma once

#include "hv/cpu/cpuid.h"
#include "hv/cpu/registers.h"
#include "hv/event/event.h"
#include "hv/host/instructions.h"
#include "hv/host/wait.h"
#include "hv/vm/exit_stat.h"
#include "hv/vm/observe.h"
#include "hv/vm/virt.h"
#include "hv/vm/vm.h"

/* An access to guest-physical memory: whether of the instruction's operand, or of its bytes or a paging
 * structure. */
struct exit_access {
    gpa_t gpa;
    bool operand;
};

/*
 * Every exit begins and ends so, whichever vendor's: what it costs is counted at this offset of the vCPU's
 * rows, unless a device claims it.
 */
static inline void exit_begin(struct vcpu *vcpu, uint32_t stat_at)
{
    if (!STATS_COUNTED)
        return;
    vcpu->stat_at = stat_at;
    vcpu->exited = rdtsc_low();
}

static inline void exit_count(struct vcpu *vcpu)
{
    if (STATS_COUNTED)
        exit_stat_add((struct exit_stat *)((uint8_t *)vcpu->stats + vcpu->stat_at),
                      rdtsc_low() - vcpu->exited);
}

/* exit_end of an exit that has observers, and of one with no entry behind it. */
bool exit_end_observed(struct vcpu *vcpu);
bool exit_leave(struct vcpu *vcpu);

/* Returns whether the vCPU enters the guest again. */
static inline bool exit_end(struct vcpu *vcpu)
{
    /*
     * The machine's interrupts that came meanwhile: three instructions, where an entry that exits at once
     * would cost a world switch. A guest that exits all the time with interrupts off cannot hold them up
     * either.
     */
    interrupts_poll();
    if (unlikely(vcpu->requests)) {
        if (unlikely(vcpu->requests & REQUEST_OBSERVE))
            return exit_end_observed(vcpu);
        if (unlikely(!vcpu_serve_requests(vcpu)))
            return exit_leave(vcpu);
    }
    exit_count(vcpu);
    return true;
}

/* For one whose exits are observed: those who do hear of it first. */
bool exit_observed(struct vcpu *vcpu, bool (*serve)(struct vcpu *vcpu));

/*
 * The whole of an exit, and does not return but by the vendor's `leave` where the vCPU does not enter the
 * guest again, of which `serve` says whether it does. Observers are two instructions: what they need is
 * compiled apart, so that `serve`, which is inlined, keeps its registers.
 */
static inline __attribute__((always_inline)) void
exit_serve(struct vcpu *vcpu, bool (*serve)(struct vcpu *vcpu), void (*leave)(struct vcpu *vcpu))
{
    if (unlikely(vcpu->observed)) {
        if (!exit_observed(vcpu, serve))
            leave(vcpu);
    } else if (unlikely(!serve(vcpu))) {
        leave(vcpu);
    }
}

bool exit_xsetbv(struct vcpu *vcpu);

/* What most exits are for is inlined into the vendors' handlers. */

static inline void exit_cpuid(struct vcpu *vcpu)
{
    const struct cpuid_regs *regs =
        cpuid_answer(vcpu->arch.cpuid, (uint32_t)vcpu->arch.gpr[REG_RAX], (uint32_t)vcpu->arch.gpr[REG_RCX]);

    vcpu->arch.gpr[REG_RAX] = regs->eax;
    vcpu->arch.gpr[REG_RBX] = regs->ebx;
    vcpu->arch.gpr[REG_RCX] = regs->ecx;
    vcpu->arch.gpr[REG_RDX] = regs->edx;
}

static inline uint32_t exit_msr(const struct vcpu *vcpu)
{
    return (uint32_t)vcpu->arch.gpr[REG_RCX];
}

static inline uint64_t exit_edx_eax(const struct vcpu *vcpu)
{
    return (uint32_t)vcpu->arch.gpr[REG_RAX] | vcpu->arch.gpr[REG_RDX] << 32;
}

static inline void exit_set_edx_eax(struct vcpu *vcpu, uint64_t value)
{
    vcpu->arch.gpr[REG_RAX] = (uint32_t)value;
    vcpu->arch.gpr[REG_RDX] = value >> 32;
}

#define HYPERCALL_UNKNOWN (-1000) /* KVM's convention: -KVM_ENOSYS */

static inline void exit_hypercall(struct vcpu *vcpu)
{
    uint64_t result = (uint64_t)HYPERCALL_UNKNOWN;

    bus_read_number(&vcpu->hypercall_bus, vcpu->arch.gpr[REG_RAX], &result);
    vcpu->arch.gpr[REG_RAX] = result;
}

/* An MSR whose range is not at hand, or that refuses. */
bool exit_rdmsr_afresh(struct vcpu *vcpu);
bool exit_wrmsr_afresh(struct vcpu *vcpu);
bool exit_msr_refused(struct vcpu *vcpu);

static inline bool exit_rdmsr(struct vcpu *vcpu)
{
    const struct bus_range *range = bus_remembered(&vcpu->msr_bus, exit_msr(vcpu), 0);
    uint64_t value;

    if (unlikely(!range))
        return exit_rdmsr_afresh(vcpu);
    if (unlikely(!range->read(range->device, exit_msr(vcpu) - range->first, 8, &value)))
        return exit_msr_refused(vcpu);
    exit_set_edx_eax(vcpu, value);
    return true;
}

static inline bool exit_wrmsr(struct vcpu *vcpu)
{
    const struct bus_range *range = bus_remembered(&vcpu->msr_bus, exit_msr(vcpu), 0);

    if (unlikely(!range))
        return exit_wrmsr_afresh(vcpu);
    return likely(range->write(range->device, exit_msr(vcpu) - range->first, 8, exit_edx_eax(vcpu))) ||
           exit_msr_refused(vcpu);
}

/* A port whose range is not at hand, and one whose device does not answer; IN reads what they return. */
uint64_t exit_in_afresh(struct vcpu *vcpu, uint16_t port, unsigned size);
uint64_t exit_in_missed(struct vcpu *vcpu, uint16_t port, unsigned size);
void exit_out_afresh(struct vcpu *vcpu, uint16_t port, unsigned size);
void exit_out_missed(struct vcpu *vcpu, uint16_t port);

/* IN and OUT, not the string forms; `size` is 1, 2 or 4. */
static inline void exit_in(struct vcpu *vcpu, uint16_t port, unsigned size)
{
    const struct bus_range *range = bus_remembered(&vcpu->vm->ports, port, size);
    uint64_t value;

    if (likely(range)) {
        if (STATS_COUNTED)
            vcpu->stat_at = range->stat_at;
        if (unlikely(!bus_device_read(range, port, size, &value)))
            value = exit_in_missed(vcpu, port, size);
    } else {
        value = exit_in_afresh(vcpu, port, size);
    }
    if (likely(size == 1))
        *(uint8_t *)&vcpu->arch.gpr[REG_RAX] = (uint8_t)value;
    else if (size == 2)
        *(uint16_t *)&vcpu->arch.gpr[REG_RAX] = (uint16_t)value;
    else
        vcpu->arch.gpr[REG_RAX] = (uint32_t)value;
}

static inline void exit_out(struct vcpu *vcpu, uint16_t port, unsigned size)
{
    const struct bus_range *range = bus_remembered(&vcpu->vm->ports, port, size);

    if (likely(range)) {
        if (STATS_COUNTED)
            vcpu->stat_at = range->stat_at;
        if (unlikely(!bus_device_write(range, port, size, vcpu->arch.gpr[REG_RAX] & size_mask(size))))
            exit_out_missed(vcpu, port);
    } else {
        exit_out_afresh(vcpu, port, size);
    }
}

/*
 * After an IN or OUT that Keel did in the CPU's place, with RIP moved on: the trap of a breakpoint on the
 * port, if the guest has set one. `dr7` is the guest's; nothing is looked at while it enables no breakpoint.
 */
void exit_io_breakpoints(struct vcpu *vcpu, uint64_t dr7, uint16_t port, unsigned size);

/*
 * Emulates the instruction at RIP (see emulate()); one that cannot be emulated raises #UD in a user program
 * and ends the VM otherwise.
 */
void exit_emulate(struct vcpu *vcpu, gpa_t gpa);

/*
 * An access to guest-physical memory that is no RAM. `gpa` is the operand's place, or EMULATE_NO_GPA where
 * the exit had it of something else. An event whose delivery needed it is in vcpu->arch.event: that ends the
 * VM.
 */
void exit_memory(struct vcpu *vcpu, gpa_t gpa, gpa_t reported);

/*
 * A task switch by the program, or by the event in vcpu->arch.event, which the switch then delivers. `length`
 * is the instruction's.
 */
struct task_switch;
void exit_task_switch(struct vcpu *vcpu, struct task_switch *request);

/* Whole handlers of exits. */
void exit_undefined(struct vcpu *vcpu);    /* #UD */
void exit_protection(struct vcpu *vcpu);   /* #GP(0) */
void exit_window(struct vcpu *vcpu);       /* what waited may be injected now */
void exit_ignored(struct vcpu *vcpu);      /* the machine's interrupts are taken after every exit */
void exit_triple_fault(struct vcpu *vcpu); /* ends the VM */

/* HLT, with RIP moved on: the vCPU leaves its run loop, if nothing wakes it at once. */
void exit_halt(struct vcpu *vcpu);

/* PAUSE, in a loop as far as the CPU can tell: the vCPU waits for another, which may be due on this core. */
void exit_pause(struct vcpu *vcpu);

/* MOV to CR8; false: #GP raised. */
bool exit_write_cr8(struct vcpu *vcpu, uint64_t value);
