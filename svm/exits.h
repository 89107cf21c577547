/* The exit table: every exit code of the APM that an intercept in use can cause, and who serves it. */
#pragma once

#include "svm/fields.h"

struct vcpu;

/* Handles the exit that has just happened. Called from entry.asm. */
void svm_handle_exit(struct vcpu *vcpu);

/* Tells hv/vm/exit_stat.h of the exit codes, once. */
void svm_name_exits(void);

/* Sets the intercepts of everything that the exit table serves. */
void svm_set_intercepts(union vmcb *vmcb);

/* The vendor table's rows. Every write of CR4 exits. */
void svm_watch_paging(struct vcpu *vcpu);
void svm_set_debug(struct vcpu *vcpu, unsigned what);
