/* What people see of a VM that crashed. */
#pragma once

#include "hv/lib/format.h"

struct vm;
struct vcpu;

/* Begins a report about the VM's end, which report_end ends (hv/host/log.h); or NULL: the VM has had too many
 * (hv/life/vm_log.h). */
struct writer *crash_begin(struct vm *vm);

/*
 * What is to be seen of a vCPU whose VM crashed, in one block: registers, code, backtrace, the walk of CR2,
 * the latest exits, and for the VM's first one the control structure. It must be loaded.
 */
void crash_report(struct vcpu *vcpu);

/* An entry into the guest that failed, a fault of Keel's: ends the VM in these words, behind which `explain`
 * says why. */
void crash_entry_failed(struct vcpu *vcpu, void (*explain)(struct vcpu *vcpu, struct writer *out),
                        const char *format, ...) PRINTF_LIKE(3, 4);
