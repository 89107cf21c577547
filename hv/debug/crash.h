/* What people see of a VM that crashed. */
#pragma once

#include "hv/lib/format.h"

struct vm;
struct vcpu;

/* Begins a report about the VM on the console, if none has begun; what follows is printed to crash_writer. */
void crash_begin(struct vm *vm);
extern struct writer *const crash_writer;

/* The vCPU's registers and its control structure, by name. It must be loaded. */
void crash_report(struct vcpu *vcpu);
