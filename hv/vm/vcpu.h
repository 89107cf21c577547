/*
 * A virtual CPU. What hardware keeps in its control structure (RIP, control registers, segments) is reached
 * through vcpu_get and vcpu_set and read only when somebody asks; the general registers lie in `gpr` between
 * exits.
 */
#pragma once

#include "hv/lib/base.h"
#include "hv/lib/x86.h"
#include "hv/vm/apic.h"
#include "hv/vm/bus.h"
#include "hv/vm/irq.h"
#include "hv/vm/runner.h"
#include "hv/vm/vcpu_debug.h"

struct vm;
struct cpu;
struct decode_cache;
struct cpuid_table;
struct msr_state;
struct exit_stat;

/* Register numbers as instructions encode them, then those that only vcpu_get and vcpu_set reach. */
enum vcpu_reg {
    REG_RAX,
    REG_RCX,
    REG_RDX,
    REG_RBX,
    REG_RSP,
    REG_RBP,
    REG_RSI,
    REG_RDI,
    REG_R8,
    REG_R9,
    REG_R10,
    REG_R11,
    REG_R12,
    REG_R13,
    REG_R14,
    REG_R15,
    REG_RIP,
    REG_RFLAGS,
    REG_CR0,
    REG_CR2,
    REG_CR3,
    REG_CR4,
    REG_EFER,
    REG_DR6,
    REG_DR7,
    REG_COUNT,
};

/* Segment registers as instructions encode them, then the system segments. */
enum vcpu_segment {
    SEG_ES,
    SEG_CS,
    SEG_SS,
    SEG_DS,
    SEG_FS,
    SEG_GS,
    SEG_LDTR,
    SEG_TR,
    SEG_GDTR,
    SEG_IDTR,
    SEG_COUNT
};

/* Attributes as VMX holds them: descriptor bits 40-47 in 0-7, 52-55 in 12-15, and bit 16 for "unusable". */
struct segment {
    uint64_t base;
    uint32_t limit; /* in bytes, expanded */
    uint32_t attributes;
    uint16_t selector;
};

#define SEG_TYPE(a)  ((a)&0xf)
#define SEG_S        BIT(4) /* code or data */
#define SEG_DPL(a)   ((a) >> 5 & 3)
#define SEG_P        BIT(7)
#define SEG_L        BIT(13)
#define SEG_DB       BIT(14)
#define SEG_G        BIT(15)
#define SEG_UNUSABLE BIT(16)

/* An exception to be raised: what an emulated instruction ends with when it cannot complete. */
struct fault {
    uint8_t vector; /* EXC_NONE: no fault */
    bool has_error;
    uint32_t error;
    uint64_t address; /* CR2 of a page fault; DR6 bits of a debug exception */
};

/* Interruption types as VMX encodes them in its interruption-information fields; SVM's agree where both have
 * them. */
enum event_type {
    EVENT_INTERRUPT = 0,
    EVENT_NMI = 2,
    EVENT_EXCEPTION = 3,
    EVENT_SOFT_INTERRUPT = 4,
    EVENT_PRIVILEGED_SOFT_EXCEPTION = 5, /* INT1 */
    EVENT_SOFT_EXCEPTION = 6,            /* INT3, INTO */
};

/* An event on its way into the guest: injected at the next entry. */
struct event {
    bool valid;
    uint8_t type; /* enum event_type */
    uint8_t vector;
    bool has_error;
    uint32_t error;
    uint8_t length; /* of the instruction, for software events */
};

/* Work that must be done before the next entry: bits of vcpu->requests. */
#define REQUEST_EVENT    BIT(0) /* something may have become deliverable, or `event` is valid */
#define REQUEST_NMI      BIT(1)
#define REQUEST_STOP     BIT(2) /* leave the run loop: the VM ends, resets or pauses */
#define REQUEST_INIT     BIT(3)
#define REQUEST_SIPI     BIT(4) /* its vector is in sipi_vector */
#define REQUEST_FLUSH    BIT(5) /* drop cached guest translations: second-level paging changed */
#define REQUEST_YIELD    BIT(6) /* leave the run loop: another vCPU is due on this core */

#define REQUEST_DEBUG    BIT(7) /* what a debugger wants of it has changed */
#define REQUEST_OBSERVE  BIT(8) /* the exit that is served has observers: from its begin to its end only */
#define REQUEST_NMI_TOO  BIT(9) /* with REQUEST_NMI: a second one */

/* State that stays in the CPU while the vCPU is loaded: hv/cpu/native.h moves it. */
#define NATIVE_MSRS_MOST 8

struct native_state {
    uint8_t *xsave;
    uint64_t dr[4];
    uint64_t xss;
    uint64_t msrs[NATIVE_MSRS_MOST];
};

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
    uint64_t gpr[16];    /* RSP's slot is not used: vcpu_get(REG_RSP) */
    uint64_t host_stack; /* Keel's own, while the guest runs: the vendor's world switch keeps it here */
    void *vendor;        /* the vendor's own state */
    uint64_t requests;
    struct vm *vm;
    uint64_t rip;            /* VMX: what the VMCS has, from each exit to the next entry */
    uint8_t exit_at;         /* in bytes, into `last_exits` */
    uint8_t observed;        /* bits of hv/vm/observe.h: who is told of each exit */
    uint8_t observing;       /* and of this one */
    struct exit_stat *stats; /* hv/vm/exit_stat.h */
    uint32_t stat_at;        /* where in them the exit that is served will be counted */
    uint32_t exited;         /* when that was: the low half of the machine's TSC */
    unsigned id;             /* in its VM; also its initial APIC id */
    enum vcpu_activity activity;
    struct event event; /* to inject at the next entry */
    bool deaf;          /* while it halts: RFLAGS.IF is clear */
    bool timers_wait;   /* hv/run/vm_timer.h: for it to be served again; set by any core */
    uint8_t nmis;       /* that wait: at most 2, as silicon latches one while another is served */
    uint8_t sipi_vector;
    struct cpu *running_on; /* NULL: none runs it */
    enum run_state run_state;
    unsigned core; /* whose queue it is in or was in last */
    struct runner runner;
    struct bus_range local; /* the vCPU's own range of memory, before the VM's bus: the local APIC's page */
    struct bus msr_bus;
    struct bus hypercall_bus;
    struct interrupt_controller interrupts;
    struct virtual_apic apic;
    struct decode_cache *decode_cache;
    /*
     * What was decoded is forgotten before it is used again. A remembered instruction is compared at each use
     * with RIP, CR3, CS, the guest's paging structures and its own bytes; where what else decides how code is
     * read changes, this is set: CR0.PG, CR4.PAE, PSE and LA57 (of which virt->watch_paging says when),
     * EFER.LMA, EFER.NXE, RESET. SMEP and the rights of CPL need it not: that the code may be executed, the
     * CPU has found before it left the guest.
     */
    bool code_changed;
    struct cpuid_table *cpuid;
    struct msr_state *msrs;
    uint64_t tsc_offset; /* guest TSC = host TSC + tsc_offset */
    uint64_t xcr0;
    uint64_t cr2, dr6;          /* where they stay in the CPU: while the vCPU is not loaded */
    struct native_state native; /* likewise */
    struct vcpu_debug debug;
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
 * An interrupt is in vcpu->apic.posted, whose hardware takes it from there: as vcpu_request for
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
