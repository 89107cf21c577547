/* The registers of a processor by number, its segments, and the events that are on their way into it. */
#pragma once

#include "hv/lib/base.h"
#include "hv/x86/x86.h"

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
