/*
 * A virtual CPU. What hardware keeps in its control structure (RIP, control registers, segments) is reached
 * through vcpu_get and vcpu_set and read only when somebody asks; the general registers lie in `gpr` between
 * exits.
 */
#pragma once

#include "hv/lib/base.h"
#include "hv/vm/bus.h"
#include "hv/vm/irq.h"
#include "hv/vm/runner.h"
#include "hv/vm/vcpu_debug.h"
#include "hv/x86/arch.h"

struct vm;
struct cpu;
struct exit_stat;

/* Work that must be done before the next entry: bits of vcpu->requests. The architecture has more:
 * hv/x86/arch.h. */
#define REQUEST_EVENT   BIT(0) /* something may have become deliverable, or `event` is valid */
#define REQUEST_STOP    BIT(2) /* leave the run loop: the VM ends, resets or pauses */
#define REQUEST_FLUSH   BIT(5) /* drop cached guest translations: second-level paging changed */
#define REQUEST_YIELD   BIT(6) /* leave the run loop: another vCPU is due on this core */

#define REQUEST_DEBUG   BIT(7) /* what a debugger wants of it has changed */
#define REQUEST_OBSERVE BIT(8) /* the exit that is served has observers: from its begin to its end only */

/* What the scheduler has of it; it runs while it is in a queue (running_on). */
enum run_state { RUN_OUT, RUN_ASLEEP, RUN_QUEUED };

/*
 * An exit as it is kept for people: the vendor's reason or code, and the low half of RIP. Always on, and so
 * in six instructions: a place has 8 bytes and the ring 256, so that the offset of the next place wraps by
 * itself.
 */
#define EXITS_KEPT 32

struct exit_record {
    uint32_t reason, rip;
};

enum vcpu_activity { VCPU_RUNNABLE, VCPU_HALTED, VCPU_WAIT_FOR_SIPI, VCPU_OFF };

struct vcpu {
    struct vcpu_arch arch; /* first: the world switch finds it at the vCPU's own address */
    uint64_t requests;
    struct vm *vm;
    uint8_t exit_at;         /* in bytes, into `last_exits` */
    uint8_t observed;        /* bits of hv/vm/observe.h: who is told of each exit */
    uint8_t observing;       /* and of this one */
    struct exit_stat *stats; /* hv/vm/exit_stat.h */
    uint32_t stat_at;        /* where in them the exit that is served will be counted */
    uint32_t exited;         /* when that was: the low half of the machine's clock */
    unsigned id;             /* in its VM; also its initial APIC id */
    enum vcpu_activity activity;
    bool timers_wait;       /* hv/run/vm_timer.h: for it to be served again; set by any core */
    struct cpu *running_on; /* NULL: none runs it */
    enum run_state run_state;
    unsigned core; /* whose queue it is in or was in last */
    struct runner runner;
    struct bus_range local; /* the vCPU's own range of memory, before the VM's bus: the local APIC's page */
    struct bus msr_bus;
    struct bus hypercall_bus;
    struct exit_record last_exits[EXITS_KEPT];
};

static inline void vcpu_note_exit(struct vcpu *vcpu, uint32_t reason, uint32_t rip)
{
    struct exit_record *record = (struct exit_record *)((uint8_t *)vcpu->last_exits + vcpu->exit_at);

    record->reason = reason;
    record->rip = rip;
    vcpu->exit_at += sizeof(*record);
}

/* Any register by number, RSP included. 8-, 16- and 32-bit semantics are the caller's. */
uint64_t vcpu_get(struct vcpu *vcpu, enum vcpu_reg reg);
void vcpu_set(struct vcpu *vcpu, enum vcpu_reg reg, uint64_t value);

/* Whether a linear address has its unused upper bits alike: of 48 bits in use, or 57 with CR4.LA57. */
static inline bool vcpu_is_canonical(struct vcpu *vcpu, uint64_t address)
{
    unsigned unused = vcpu_get(vcpu, REG_CR4) & CR4_LA57 ? 7 : 16;

    return (uint64_t)((int64_t)(address << unused) >> unused) == address;
}

struct segment vcpu_get_segment(struct vcpu *vcpu, enum vcpu_segment segment);
void vcpu_set_segment(struct vcpu *vcpu, enum vcpu_segment segment, const struct segment *value);

/* Current privilege level, 0 to 3 (DPL of SS; 3 in virtual-8086 mode, 0 in real mode). */
unsigned vcpu_cpl(struct vcpu *vcpu);

/*
 * An instruction that left the guest ends in one of three ways, as in a CPU that had executed it (SDM,
 * "Instruction-Breakpoint Exception Condition", "Single-Step Exception Condition", "Priority Among
 * Concurrent Events"):
 *   vcpu_advance  it is done: RIP moves on by `length` (wrapping at 32 bits outside 64-bit code), RFLAGS.RF
 *                 and the STI or MOV SS shadow end, and what traps behind it does: a single step, and
 *                 breakpoints on data that MOV SS has held back
 *   vcpu_again    RIP stays, for the next element of a string or because the CPU is to execute it after all:
 *                 breakpoints on the instruction are behind it, which RFLAGS.RF says
 *   vcpu_raise    it has faulted: RFLAGS.RF is set where the exception is a fault
 */
void vcpu_advance(struct vcpu *vcpu, unsigned length);
void vcpu_again(struct vcpu *vcpu);

/* Raises an exception in the guest at the next entry, combined with one already on its way (SDM, "Interrupt
 * 8"). */
void vcpu_raise(struct vcpu *vcpu, const struct fault *fault);

/*
 * Debug traps behind an instruction that Keel did in the CPU's place, as bits of DR6, not 0: first a
 * debugger's, then the guest's. They go before NMIs and interrupts, and end HLT. Those of one instruction are
 * one #DB.
 */
void vcpu_trap(struct vcpu *vcpu, uint64_t causes);

/*
 * An event whose delivery an exit cut short goes in again with the next entry. VMX and SVM describe one
 * alike: vector in bits 7:0, type in 10:8, bit 11 if it has an error code.
 */
void vcpu_deliver_again(struct vcpu *vcpu, uint32_t delivery, uint32_t error, unsigned length);

void vcpu_raise_gp(struct vcpu *vcpu); /* #GP(0) */
void vcpu_raise_ud(struct vcpu *vcpu);

/* Asks for work before the next entry, on the vCPU's own core while Keel runs there: nobody need be woken. */
static inline void vcpu_note(struct vcpu *vcpu, uint64_t requests)
{
    __atomic_fetch_or(&vcpu->requests, requests, __ATOMIC_RELAXED);
}

/* Asks for work before the next entry, from any core: wakes the vCPU if it halts, kicks it out if it runs
 * elsewhere. */
void vcpu_request(struct vcpu *vcpu, uint64_t requests);

/* The scheduler's: queues a vCPU that sleeps, if it has work; `urgent`: now, whatever its VM's weight and cap
 * allow. */
extern void (*vcpu_wake)(struct vcpu *vcpu, bool urgent);

/* As vcpu_request, for requests that are in vcpu->requests already, by a sequentially consistent access. */
void vcpu_attend(struct vcpu *vcpu, uint64_t requests);

/* An NMI has arrived. Of two that arrive before either is looked at, none is lost; no one arrives twice. */
void vcpu_request_nmi(struct vcpu *vcpu);

/*
 * An interrupt is in vcpu->arch.apic.posted, whose hardware takes it from there: as vcpu_request for
 * REQUEST_EVENT, but a guest that runs on another core is not taken out of its run.
 */
void vcpu_post(struct vcpu *vcpu);

/*
 * Does the work that vcpu->requests asks for: INIT, SIPI, and the choice of what to inject. Returns whether
 * the vCPU goes on to enter the guest; false when it must leave its run loop.
 */
bool vcpu_serve_requests(struct vcpu *vcpu);

/*
 * At the begin of a run: returns whether the vCPU enters the guest. One that halts, waits for SIPI or is off
 * does not for nothing: what it was queued for may have been served, or taken back, since.
 */
static inline bool vcpu_begins(struct vcpu *vcpu)
{
    return likely(!vcpu->requests && vcpu->activity == VCPU_RUNNABLE) || vcpu_serve_requests(vcpu);
}

/* Whether something would wake the vCPU from HLT now. */
bool vcpu_wakes(struct vcpu *vcpu);

/* HLT: returns whether the vCPU goes on at once, because an event is waiting. */
bool vcpu_halt(struct vcpu *vcpu);

/* The vCPU's local APIC is in this mode now: as xAPIC it answers at [base, base + 4095] of its memory. */
void vcpu_place_apic(struct vcpu *vcpu, enum apic_mode mode, gpa_t base);

/* Makes a vCPU, whose VM stands still, this core's; and nobody's again. */
void vcpu_borrow(struct vcpu *vcpu);
void vcpu_return(struct vcpu *vcpu);
