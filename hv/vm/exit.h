/*
 * What an exit means, whoever's hardware it came from: the vendors' exit tables decode the qualification and
 * call these. Those that return bool say whether the instruction is done, so that RIP moves on; false: an
 * exception was raised.
 */
#pragma once

#include "hv/vm/vcpu.h"

void exit_cpuid(struct vcpu *vcpu);
void exit_hypercall(struct vcpu *vcpu);
bool exit_rdmsr(struct vcpu *vcpu);
bool exit_wrmsr(struct vcpu *vcpu);
bool exit_xsetbv(struct vcpu *vcpu);

/* IN and OUT, not the string forms; `size` is 1, 2 or 4. */
void exit_in(struct vcpu *vcpu, uint16_t port, unsigned size);
void exit_out(struct vcpu *vcpu, uint16_t port, unsigned size);

/*
 * Emulates the instruction at RIP (see emulate()); one that cannot be emulated raises #UD in a user program
 * and ends the VM otherwise.
 */
void exit_emulate(struct vcpu *vcpu, gpa_t gpa);

/* MOV to CR8; false: #GP raised. */
bool exit_write_cr8(struct vcpu *vcpu, uint64_t value);
