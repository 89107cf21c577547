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
    bool deaf;              /* while it halts: it takes no interrupts */
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

/*
 * An interrupt is in vcpu->arch.apic.posted, whose hardware takes it from there: as vcpu_request for
 * REQUEST_EVENT, but a guest that runs on another core is not taken out of its run.
 */
void vcpu_post(struct vcpu *vcpu);

/* Makes a vCPU, whose VM stands still, this core's; and nobody's again. */
void vcpu_borrow(struct vcpu *vcpu);
void vcpu_return(struct vcpu *vcpu);
