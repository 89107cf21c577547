/* Loading segment registers from selectors, with the checks that silicon makes. */
#pragma once

#include "hv/cpu/registers.h"

#define SELECTOR_RPL   3
#define SELECTOR_TI    BIT(2)
#define SELECTOR_INDEX 0xfff8

/* For whom a segment is loaded. */
struct segment_rules {
    unsigned cpl;
    uint8_t bad;       /* the exception of a selector that breaks a rule: EXC_GP, in a task switch EXC_TS */
    uint32_t external; /* 1, the EXT bit of error codes, if an event outside the program asked for it */
};

/*
 * Reads the descriptor of `selector` (not null) from the GDT or LDT. false with `rules->bad` if it lies
 * outside, or #PF. `where` gets its linear address.
 */
bool segment_descriptor(struct vcpu *vcpu, uint16_t selector, const struct segment_rules *rules,
                        uint64_t *raw, gva_t *where, struct fault *fault);

/* A descriptor as a segment register holds it. */
struct segment segment_from(uint16_t selector, uint64_t raw);

/*
 * What loading `selector` into CS, SS, DS, ES, FS, GS or LDTR in protected mode makes of it; marks the
 * descriptor accessed. false: the fault that silicon raises.
 */
bool segment_check(struct vcpu *vcpu, enum vcpu_segment segment, uint16_t selector,
                   const struct segment_rules *rules, struct segment *value, struct fault *fault);

/* A segment register of real or virtual-8086 mode. */
struct segment segment_v86(uint16_t selector);

/* MOV or POP to a data segment register or SS, in whatever mode the vCPU is. */
bool segment_load(struct vcpu *vcpu, enum vcpu_segment segment, uint16_t selector, struct fault *fault);
