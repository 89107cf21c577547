/*
 * What an exit means, whoever's hardware it came from: the vendors' exit tables decode the qualification and
 * call these. Those that return bool say whether the instruction is done, so that RIP moves on; false: an
 * exception was raised.
 */
#pragma once

#include "hv/debug/stats.h"
#include "hv/host/x86.h"
#include "hv/vm/observe.h"
#include "hv/vm/vcpu.h"

/*
 * `function`, a vendor's, is what `serve` is, but that those who observe the vCPU hear of the exit first.
 * That is two instructions: what they need is compiled apart, so that `serve` keeps its registers.
 */
#define DEFINE_EXIT(function, serve)                                                                         \
    static __attribute__((noinline, cold)) bool serve##_observed(struct vcpu *vcpu)                          \
    {                                                                                                        \
        observe_exit(vcpu);                                                                                  \
        return serve(vcpu);                                                                                  \
    }                                                                                                        \
    bool function(struct vcpu *vcpu)                                                                         \
    {                                                                                                        \
        return unlikely(vcpu->observed) ? serve##_observed(vcpu) : serve(vcpu);                              \
    }

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

/* exit_end where there is work to be done before the entry, and where the vCPU leaves its run loop. */
bool exit_serve(struct vcpu *vcpu);
bool exit_leave(struct vcpu *vcpu);

/* Returns whether the vCPU enters the guest again. */
static inline bool exit_end(struct vcpu *vcpu, bool goes_on)
{
    /*
     * The machine's interrupts that came meanwhile: three instructions, where an entry that exits at once
     * would cost a world switch. A guest that exits all the time with interrupts off cannot hold them up
     * either.
     */
    interrupts_poll();
    if (unlikely(!goes_on))
        return exit_leave(vcpu);
    if (unlikely(vcpu->requests))
        return exit_serve(vcpu);
    exit_count(vcpu);
    return true;
}

void exit_cpuid(struct vcpu *vcpu);
void exit_hypercall(struct vcpu *vcpu);
bool exit_rdmsr(struct vcpu *vcpu);
bool exit_wrmsr(struct vcpu *vcpu);
bool exit_xsetbv(struct vcpu *vcpu);

/* IN and OUT, not the string forms; `size` is 1, 2 or 4. */
void exit_in(struct vcpu *vcpu, uint16_t port, unsigned size);
void exit_out(struct vcpu *vcpu, uint16_t port, unsigned size);

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
 * the exit had it of something else. An event whose delivery needed it is in vcpu->event: that ends the VM.
 */
void exit_memory(struct vcpu *vcpu, gpa_t gpa, gpa_t reported);

/*
 * A task switch by the program, or by the event in vcpu->event, which the switch then delivers. `length` is
 * the instruction's.
 */
struct task_switch;
void exit_task_switch(struct vcpu *vcpu, struct task_switch *request);

/* Whole handlers of exits: they return true, as the vCPU goes on (or leaves by its requests). */
bool exit_undefined(struct vcpu *vcpu);    /* #UD */
bool exit_protection(struct vcpu *vcpu);   /* #GP(0) */
bool exit_window(struct vcpu *vcpu);       /* what waited may be injected now */
bool exit_ignored(struct vcpu *vcpu);      /* the machine's interrupts are taken after every exit */
bool exit_triple_fault(struct vcpu *vcpu); /* ends the VM */

/* PAUSE, in a loop as far as the CPU can tell: the vCPU waits for another, which may be due on this core. */
void exit_pause(struct vcpu *vcpu);

/* MOV to CR8; false: #GP raised. */
bool exit_write_cr8(struct vcpu *vcpu, uint64_t value);
