/* A core of the machine: what each core has for itself, reached through GS. */
#pragma once

#include "hv/lib/base.h"
#include "hv/lib/spinlock.h"

#define CPUS_MOST 256

struct vcpu;
struct timer;
struct trap_frame;

/* SDM, "64-Bit Task-State Segment". */
struct PACKED tss {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7];
    uint64_t reserved2;
    uint16_t reserved3;
    uint16_t io_map;
};

/* hv/host/stub.h */
struct core_stub {
    uint64_t code;     /* where its page is executed */
    uint8_t *writable; /* and written */
    uint8_t *operand;
    unsigned length; /* of the instruction that is executed now; 0: none */
    uint8_t vector;  /* that it raised */
};

struct timer_queue {
    struct spinlock lock;
    struct timer *first;   /* by deadline */
    struct timer *running; /* whose callback this core is in */
};

struct cpu {
    struct cpu *self; /* at offset 0: what gs:0 reads */
    uint64_t stack_top;
    unsigned index;
    uint32_t apic_id;
    bool online;
    bool runs_guests; /* hardware virtualization is on */
    bool spared;      /* runs a VM only where its configuration names this core, or there is no other */
    struct timer_queue timers;
    struct vcpu *current; /* the vCPU whose state is loaded on this core, or NULL */
    unsigned served;      /* the number of the VM whose vCPU was loaded last */
    struct tss tss;
    uint64_t gdt[7];
    struct core_stub stub;
    void *vendor;                     /* the vendor's per-core page: VMXON region or host save area */
    uint64_t nmi_seen;                /* NMIs that came while Keel itself ran */
    const struct trap_frame *stopped; /* where a panic's NMI has stopped it */
};

extern struct cpu *cpus[CPUS_MOST];
extern unsigned cpu_count;

static inline struct cpu *this_cpu(void)
{
    struct cpu *cpu;

    __asm__ volatile("mov %%gs:0, %0" : "=r"(cpu));
    return cpu;
}

/* Selectors of every core's GDT. */
#define SELECTOR_CODE 0x08
#define SELECTOR_DATA 0x10
#define SELECTOR_TSS  0x18

/* Loads GDT, TSS, IDT and GS of the calling core. Its stacks must be mapped. */
void cpu_load_tables(struct cpu *cpu);

/* Turns on what the CPU has of NX, SMEP, SMAP, UMIP, FSGSBASE, OSXSAVE, and WP; returns nothing, says
 * nothing. */
void cpu_enable_features(void);

/* Allocates the structure and stacks of the next core, with guard pages under each stack. NULL if memory ran
 * out. */
struct cpu *cpu_create(uint32_t apic_id);
