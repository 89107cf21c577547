/* A processor's registers as people read them: a guest's, or Keel's own. */
#pragma once

#include "hv/vm/vcpu.h"

struct writer;

/* The registers behind those of enum vcpu_reg. */
enum { STATE_XCR0 = REG_COUNT, STATE_DR0, STATE_COUNT = STATE_DR0 + 4 };

struct cpu_state {
    uint64_t values[STATE_COUNT];
    struct segment segments[SEG_COUNT];
};

/* "real mode", "64-bit mode" ... */
const char *state_mode(struct vcpu *vcpu);

/* All registers of a vCPU, its own where a debugger has others in their place. It must be loaded on this
 * core, or on none. */
void state_of_vcpu(struct vcpu *vcpu, struct cpu_state *state);

void state_print(const struct cpu_state *state, struct writer *out);

/* What is in neither a general, a control nor a segment register: the task priority, the TSC's offset, the
 * MSRs. */
void state_print_more(struct vcpu *vcpu, struct writer *out);

/* `count` bytes of code; the one at `rip` in brackets. */
void state_print_code(const uint8_t *bytes, unsigned count, unsigned rip, struct writer *out);

/* The vCPU's latest exits, the last one first, neighbours that are alike as one. From any core. */
void state_print_exits(const struct vcpu *vcpu, struct writer *out);
