/* What a vendor (VMX, SVM) supplies. The core calls hardware virtualization through this table only. */
#pragma once

#include "hv/lib/base.h"
#include "hv/vm/vcpu.h"

struct vm;
struct cpuid_limits;
struct exit_details;
struct virt_controls;
struct virt_state;

/* What it is, and how VMs and vCPUs of it begin and end. */
struct virt_lifecycle {
    /* Whether this CPU has it at all, by CPUID. */
    bool (*present)(void);

    /*
     * Reads the capabilities and computes the control words, once, on the boot core. false, with each missing
     * feature and what mends it said in log lines, if Keel cannot run guests here.
     */
    bool (*preflight)(void);

    /* Its features, of which preflight does without those that were forbidden before it. */
    struct virt_controls *controls;

    /* Turns it on or off on the calling core. false: said in a log line. */
    bool (*enable)(void);
    void (*disable)(void);

    /* What the controls in use let a guest see in CPUID. */
    void (*limits)(struct cpuid_limits *limits);

    /* Second-level page tables: made for a VM with its RAM mapped, and dropped. */
    bool (*vm_create)(struct vm *vm);
    void (*vm_destroy)(struct vm *vm);

    /* Control structure of a vCPU. reset puts it into the state after RESET (SDM, "Processor State After
     * Reset"). */
    bool (*vcpu_create)(struct vcpu *vcpu);
    void (*vcpu_destroy)(struct vcpu *vcpu);
    void (*vcpu_reset)(struct vcpu *vcpu);

    /* Makes the vCPU this core's: its control structure and every register the switch leaves in the CPU. And
     * back. */
    void (*vcpu_load)(struct vcpu *vcpu);
    void (*vcpu_put)(struct vcpu *vcpu);
};

/* The guest's run: what goes in with an entry, and what leaves. */
struct virt_run {
    /* Runs the vCPU, loaded, until it halts or a request must be served outside. */
    void (*enter)(struct vcpu *vcpu);

    /* Whether an interrupt or NMI could be injected at this moment. */
    bool (*interrupt_allowed)(struct vcpu *vcpu);
    bool (*nmi_allowed)(struct vcpu *vcpu);

    /* Ends the blocking of NMIs, as IRET does (SDM, "Handling Multiple NMIs"). */
    void (*unblock_nmi)(struct vcpu *vcpu);

    /* An exit as soon as an interrupt, or an NMI, can be injected. */
    void (*set_windows)(struct vcpu *vcpu, bool interrupt, bool nmi);

    /* What leaves the guest for a debugger: DEBUG_... of hv/x86/debug.h, all others off. */
    void (*set_debug)(struct vcpu *vcpu, unsigned what);

    /*
     * What else decides how code is read is remembered with it: CR0.PG, and CR4.PAE, PSE and LA57. From now
     * on vcpu->arch.code_changed is set before the guest goes on with another of these, once at least: an
     * exit on the first write, where guests write them without. May be NULL, as each write of them exits.
     */
    void (*watch_paging)(struct vcpu *vcpu);

    /*
     * Tells hardware of vcpu->arch.apic as it is now, before an entry; may be NULL, then no hardware knows of
     * it. Its `shadows` and `delivers` are set when the vCPU is created.
     */
    void (*update_apic)(struct vcpu *vcpu);

    /* A vCPU's APIC answers elsewhere now, or in another mode. Under the VM's lock; may be NULL, then no
     * hardware knows where APICs are. */
    void (*apic_placed)(struct vm *vm);

    /* Forgets what the CPU has cached of the VM's second-level tables. */
    void (*flush)(struct vcpu *vcpu);

    /* Takes a page of RAM away, so that accesses exit (an APIC was moved there), and gives it back. */
    bool (*page_set_present)(struct vm *vm, gpa_t page, bool present);
};

/* In words and numbers, for people, recordings and those who observe. */
struct virt_show {
    /* The latest exit, before anything is done about it, but for what the general registers have of it:
     * exit_take_apart of hv/exit/details.h adds that. */
    void (*details)(struct vcpu *vcpu, struct exit_details *details);

    /*
     * For a recording: the numbers of the words of the control structure that handlers read or write, and how
     * many; a word by its number, of a vCPU that is loaded; and what was found out about the CPU.
     */
    unsigned (*words)(uint16_t *numbers);
    uint64_t (*word)(struct vcpu *vcpu, uint16_t number);
    struct {
        void *at;
        size_t size;
    } constants[2];

    /* A reason of hv/vm/exit_stat.h, or that vcpu_note_exit was given, in words. */
    const char *(*exit_name)(uint32_t reason);

    /* The control structure by name, for people: what is not among the registers. */
    void (*dump)(struct vcpu *vcpu, struct writer *out);

    /* All of it, of a vCPU that is loaded, and then each check of an entry that it breaks; returns how many.
     */
    unsigned (*explain)(struct vcpu *vcpu, struct writer *out);
};

/* docs/porting.md has who fills each member. */
struct virt_ops {
    const char *name; /* "VMX", "SVM" */
    struct virt_lifecycle lifecycle;
    struct virt_run run;
    const struct virt_state *state; /* the architecture's: hv/cpu/virt_state.h */
    struct virt_show show;
};

/* The vendor in use; set once by boot/main.c. */
extern const struct virt_ops *virt;
