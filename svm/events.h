/* What goes into the guest with the next VMRUN, and when: EVENTINJ, EXITINTINFO, windows for interrupts and
 * NMIs. */
#pragma once

#include "hv/event/event.h"
#include "svm/vendor.h"

/* The vendor table's rows. */
bool svm_interrupt_allowed(struct vcpu *vcpu);
bool svm_nmi_allowed(struct vcpu *vcpu);
void svm_unblock_nmi(struct vcpu *vcpu);
void svm_inject(struct vcpu *vcpu, const struct event *event);
void svm_set_windows(struct vcpu *vcpu, bool interrupt, bool nmi);

/* An event whose delivery this exit cut short goes in again with the next VMRUN. */
void svm_take_back_delivery(struct vcpu *vcpu);

/* Takes back the single step that svm_set_windows asked for. Returns whether this exit is its end
 * only. */
bool svm_stop_stepping(struct vcpu *vcpu);

/* The guest halts: an NMI that the VMCB holds would not wake it there. */
void svm_take_back_nmi(struct vcpu *vcpu);

/* IRET is about to run: the NMI is served when it has. */
void svm_begin_iret(struct vcpu *vcpu);
