/*
 * The local APIC of a vCPU: xAPIC as a page of memory, x2APIC as MSRs (SDM, "Advanced Programmable Interrupt
 * Controller"). Everything in it belongs to its own vCPU, except what other cores deliver into: the sets of
 * vectors that have arrived, the error bits and the input pins, which only atomic instructions touch, and the
 * timer, which has a lock.
 */
#pragma once

#include "hv/host/timer.h"
#include "hv/vm/bus.h"
#include "hv/vm/irq.h"
#include "hv/vm/vcpu.h"
#include "hv/x86/apic.h"

/* Bits of `inputs`. */
#define INPUT_LINT0        BIT(0)
#define INPUT_LINT1        BIT(1)
#define INPUT_EXTINT       BIT(2) /* an ExtINT message, not yet acknowledged */
#define INPUT_LINT0_REMOTE BIT(3) /* LINT0's remote IRR: its level was accepted, no EOI yet */

/* The timer counts ticks of the host's TSC; the current count is computed from these when it is read. */
struct apic_timer {
    struct timer timer;
    struct spinlock lock; /* held by whoever looks at or changes what follows, and around the expiry */
    bool running;
    uint8_t mode;      /* of the local vector table's entry */
    uint8_t shift;     /* a count is 1 << shift ticks */
    uint32_t initial;  /* count */
    uint64_t expiry;   /* when the count reaches 0, in ticks of clock_now() */
    uint64_t period;   /* ticks between that and the next time; 0: there is none */
    uint64_t deadline; /* IA32_TSC_DEADLINE */
    uint64_t shortest; /* ticks: the host's timer runs no more often for a periodic timer */
};

struct local_apic;

/*
 * The local APICs of a VM, in the order of their ids, which are 0 to count - 1: what an apic_fabric's owner
 * is.
 */
struct local_apic_group {
    struct local_apic *members;
    unsigned count;
    unsigned turn; /* where lowest-priority arbitration looks first, so that equals take turns */
};

/* What a local APIC needs to know of the board. The callbacks are called with no lock held. */
struct local_apic_config {
    struct vcpu *vcpu; /* its id is the APIC's, and the index in the group */
    struct local_apic_group *group;
    unsigned physical_bits;    /* width of guest-physical addresses (CPUID leaf 0x80000008), at least 32 */
    bool bootstrap;            /* the bootstrap processor */
    bool x2apic, tsc_deadline; /* CPUID shows them: they can be used */
    struct {
        int (*acknowledge)(void *owner); /* the 8259A's interrupt acknowledge: returns the vector */
        void *owner;
    } extint;
    struct {
        void (*call)(void *owner); /* timers of the VM's wait for the vCPU: hv/run/vm_timer.h */
        void *owner;
    } resumed;
    struct {
        void (*broadcast)(void *owner, uint8_t vector); /* a level-triggered interrupt has ended */
        void *owner;
    } eoi;
};

/*
 * The registers are laid out as in the xAPIC page, so that hardware can serve the guest from them. A guest
 * that writes them without an exit may leave anything there until its next one.
 *
 * Vectors arrive in `posted`, edges, and `levels`. On the vCPU's own core they move to IRR before anybody
 * looks at it, those of `posted` also by hardware that processes posted interrupts, at any time.
 */
struct local_apic {
    struct {
        uint32_t low, high; /* high: of ICR in x2APIC mode */
        uint32_t unused[2];
    } reg[APIC_REGS];
    struct posted_interrupts posted;
    uint64_t levels[4];
    uint32_t levels_arrived; /* whether `levels` has any */
    struct vcpu *vcpu;
    uint64_t base;   /* IA32_APIC_BASE */
    uint32_t inputs; /* atomic: INPUT_ bits */
    uint32_t errors; /* atomic: ESR bits since it was last written */
    struct apic_timer timer;
    struct local_apic_config config;
    struct device page, base_msr, deadline_msr, x2apic_msrs;
} ALIGNED(PAGE_SIZE);

_Static_assert(sizeof(struct local_apic) == PAGE_SIZE, "hardware's part is the first kilobyte of a page");

/*
 * Prepares the local APIC and fills in vcpu->arch.interrupts and vcpu->local.device. Needs a local_apic_reset
 * before the vCPU runs.
 */
void local_apic_init(struct local_apic *apic, const struct local_apic_config *config);

/*
 * The state after RESET, or after INIT, which keeps mode, base and id. The former calls vcpu_place_apic; the
 * caller sees to CPUID.
 */
void local_apic_reset(struct local_apic *apic, bool init);

/*
 * What firmware sets up before it starts an operating system: software-enabled, on the bootstrap processor
 * LINT0 as ExtINT and LINT1 as NMI (virtual wire mode). For a board that starts a guest without firmware.
 */
void local_apic_firmware_setup(struct local_apic *apic);

/*
 * The MSR ranges, with their devices: IA32_APIC_BASE, x2APIC, and IA32_TSC_DEADLINE where it can be used.
 * Returns how many.
 */
unsigned local_apic_msr_ranges(struct local_apic *apic, struct bus_range ranges[3]);

/*
 * Drives pin LINT0 or LINT1, in the form of irq_line, of every local APIC of a VM, as INTR and NMI are wired
 * on a PC: `group` is a struct local_apic_group. From any core.
 */
void local_apic_group_set_lint(void *group, unsigned pin, bool asserted);

/*
 * Delivers a message to those that it addresses. Returns whether any accepted it. From any core; `group` is a
 * struct local_apic_group: this is the `deliver` of an apic_fabric.
 */
bool local_apic_deliver(void *group, const struct apic_message *message);

/* The event behind a local vector table entry has happened: APIC_LVT_PMC, say. From any core. */
void local_apic_raise_lvt(struct local_apic *apic, enum apic_reg lvt);

/* Whether the timer will raise an interrupt. From any core. */
bool local_apic_timer_may_raise(struct local_apic *apic);

/*
 * Whether LINT0 passes on what is asserted there: as an interrupt, if these are asked for with `interrupts`,
 * or as an NMI and the like. From any core.
 */
bool local_apic_lint0_is_open(const struct local_apic *apic, bool interrupts);
