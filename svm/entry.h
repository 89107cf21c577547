/* The world switch. */
#pragma once

struct vcpu;

/* Enters the guest, again after each exit, until svm_leave is called, which does not return. */
void svm_enter(struct vcpu *vcpu);
void svm_leave(struct vcpu *vcpu);

/* Where exits continue. */
extern const char svm_exit[];
