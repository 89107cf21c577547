/* Messages between APICs, and what a vCPU asks of its interrupt controller. */
#pragma once

#include "hv/lib/base.h"

/* Delivery modes as the local APIC's ICR and the I/O APIC's redirection table encode them. */
enum apic_delivery {
    APIC_FIXED = 0,
    APIC_LOWEST = 1,
    APIC_SMI = 2,
    APIC_NMI = 4,
    APIC_INIT = 5,
    APIC_STARTUP = 6,
    APIC_EXTINT = 7,
};

/* What travels to local APICs: from an I/O APIC, an MSI, or another local APIC. */
struct apic_message {
    uint32_t destination; /* APIC id or logical destination; 0xff (xAPIC) or 0xffffffff (x2APIC): all */
    enum apic_delivery delivery;
    uint8_t vector;
    bool logical; /* destination mode */
    bool level;   /* trigger mode: level */
    bool x2apic;  /* 32-bit destination */
};

/* How an I/O APIC reaches the local APICs of its VM. `deliver` returns whether some APIC accepted it. */
struct apic_fabric {
    bool (*deliver)(void *owner, const struct apic_message *message);
    void *owner;
};

/* What `pending` answers when an external controller (the 8259A) will supply the vector at `acknowledge`. */
#define INTERRUPT_EXTERNAL 0x100

/* The vCPU's interrupt controller, as the core sees it. Called on the vCPU's own core, with no lock held. */
struct interrupt_controller {
    /* The vector that would be delivered to the vCPU now, priorities considered, INTERRUPT_EXTERNAL, or -1.
     */
    int (*pending)(void *state);
    /* The processor takes it (INTA): returns the vector, or -1 if there is none any more. */
    int (*acknowledge)(void *state);
    /* CR8 of the vCPU: 0 to 15. */
    unsigned (*get_tpr)(void *state);
    void (*set_tpr)(void *state, unsigned priority);
    /* The processor is reset: by INIT, or by RESET (power-on) when not `init`. */
    void (*reset)(void *state, bool init);
    /* The guest's TSC has jumped: vcpu->tsc_offset is a new one. */
    void (*tsc_changed)(void *state);
    /* The vCPU is about to enter the guest, and timers wait for it: hv/run/vm_timer.h. */
    void (*resumed)(void *state);
    /* Hardware that serves the guest has written the register at this offset of the page. */
    void (*written)(void *state, unsigned offset);
    /* Hardware has ended this interrupt, which was a level by TMR. */
    void (*ended)(void *state, unsigned vector);
    /* IA32_APIC_BASE.EN, which CPUID.1:EDX[9] shows. */
    bool (*enabled)(void *state);
    void *state;
};
