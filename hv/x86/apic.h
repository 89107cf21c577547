/* A vCPU's local APIC as hardware can see it: SDM, "APIC Virtualization and Virtual Interrupts". */
#pragma once

#include "hv/lib/base.h"

/* Registers by number: the offset in the xAPIC page / 16, and the MSR - 0x800. */
enum apic_reg {
    APIC_ID = 0x02,
    APIC_VERSION = 0x03,
    APIC_TPR = 0x08,
    APIC_APR = 0x09,
    APIC_PPR = 0x0a,
    APIC_EOI = 0x0b,
    APIC_RRD = 0x0c,
    APIC_LDR = 0x0d,
    APIC_DFR = 0x0e,
    APIC_SVR = 0x0f,
    APIC_ISR = 0x10,
    APIC_TMR = 0x18,
    APIC_IRR = 0x20,
    APIC_ESR = 0x28,
    APIC_ICR = 0x30,
    APIC_ICR2 = 0x31,
    APIC_LVT_TIMER = 0x32,
    APIC_LVT_THERMAL = 0x33,
    APIC_LVT_PMC = 0x34,
    APIC_LVT_LINT0 = 0x35,
    APIC_LVT_LINT1 = 0x36,
    APIC_LVT_ERROR = 0x37,
    APIC_INITIAL_COUNT = 0x38,
    APIC_CURRENT_COUNT = 0x39,
    APIC_DIVIDE = 0x3e,
    APIC_SELF_IPI = 0x3f,
    APIC_REGS = 0x40,
};

/* Bits of the spurious-interrupt vector register. */
#define SVR_ENABLED          BIT(8)
#define SVR_FOCUS_DISABLED   BIT(9)
#define SVR_SUPPRESS_EOI     BIT(12)

/* Entries of the local vector table; vector and delivery mode (enum apic_delivery) as in ICR. */
#define LVT_VECTOR(lvt)      ((lvt)&0xff)
#define LVT_DELIVERY(lvt)    ((lvt) >> 8 & 7)
#define LVT_STATUS           BIT(12)
#define LVT_REMOTE_IRR       BIT(14)
#define LVT_LEVEL            BIT(15)
#define LVT_MASKED           BIT(16)
#define LVT_TIMER_MODE(lvt)  ((lvt) >> 17 & 3)
#define LVT_TIMER(mode)      ((uint32_t)(mode) << 17)

#define TIMER_ONE_SHOT       0
#define TIMER_PERIODIC       1
#define TIMER_TSC_DEADLINE   2

/* Bits of the interrupt command register. */
#define ICR_DELIVERY(mode)   ((uint32_t)(mode) << 8)
#define ICR_LOGICAL          BIT(11)
#define ICR_PENDING          BIT(12)
#define ICR_ASSERT           BIT(14)
#define ICR_LEVEL            BIT(15)
#define ICR_SHORTHAND(icr)   ((icr) >> 18 & 3)
#define ICR_TO(shorthand)    ((uint32_t)(shorthand) << 18)

#define SHORTHAND_NONE       0
#define SHORTHAND_SELF       1
#define SHORTHAND_ALL_OTHERS 3 /* and 2: all, the sender too */

/* Bits of the error status register. */
#define ESR_SEND_ILLEGAL     BIT(5)
#define ESR_RECEIVE_ILLEGAL  BIT(6)
#define ESR_ILLEGAL_REGISTER BIT(7)

/* As IA32_APIC_BASE has them: EXTD in bit 0, EN in bit 1. */
enum apic_mode { APIC_DISABLED, APIC_INVALID_MODE, APIC_XAPIC, APIC_X2APIC };

/*
 * The vectors that have arrived for a vCPU and are not in its IRR yet, in the form that hardware knows (SDM,
 * "Posted-Interrupt Processing"). Written by any core, with atomic instructions alone.
 */
struct posted_interrupts {
    uint64_t requests[4]; /* a bit for each vector */
    uint64_t control;
    uint64_t unused[3];
} ALIGNED(64);

#define POSTED_OUTSTANDING BIT(0) /* of `control`: there may be requests */

struct vcpu;

/* What the vendor is told, and what it says that its hardware does. */
struct virtual_apic {
    uint32_t *registers; /* laid out as in the xAPIC page: the first kilobyte of a page */
    struct posted_interrupts *posted;
    enum apic_mode mode;
    bool shadows; /* the guest reads and writes TPR there, without exits */
    /* Has hardware move `posted` to IRR without an exit, or else asks for REQUEST_EVENT. NULL: it cannot. */
    void (*post)(struct vcpu *vcpu);
    bool delivers; /* vectors go from IRR to the guest, and end, without exits */
};

/* The highest vector in ISR, TMR or IRR, given by its first register, or -1. */
static inline int apic_set_highest(const uint32_t *set)
{
    for (int i = 7; i >= 0; i--) {
        uint32_t word = __atomic_load_n(&set[4 * i], __ATOMIC_RELAXED);

        if (word)
            return 32 * i + 31 - __builtin_clz(word);
    }
    return -1;
}
