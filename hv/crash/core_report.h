/* Where a core is and what its vCPU did, for the reports of a panic and of the watchdog. */
#pragma once

#include "hv/host/interrupts.h"

struct cpu;
struct vcpu;
struct writer;

/* For a report on the console: where a core is (NULL: it does not answer), which vCPU it has and what that
 * did. */
void core_report(const struct cpu *cpu, const struct trap_frame *where, struct writer *to);

/* Which vCPU a core has (NULL: none), and what that did. */
void core_report_vcpu(const struct vcpu *vcpu, struct writer *to);
