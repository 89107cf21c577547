/* The world switch. */
#pragma once

struct vcpu;

/* Enters the guest, again after each exit, until vmx_leave is called, which does not return. */
void vmx_enter(struct vcpu *vcpu, bool launched);
void vmx_leave(struct vcpu *vcpu);

/* Where VM exits continue. */
extern const char vmx_exit[];
