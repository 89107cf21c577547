/* A vCPU's VMCB: made, put into the state after RESET, made current on a core, and taken off it. */
#pragma once

#include "hv/vm/vcpu.h"

/* Maps of MSRs and ports that do not exit, for all vCPUs, once, at preflight; false: no memory, said. */
bool svm_make_maps(void);

/* The vendor table's rows. */
bool svm_vcpu_create(struct vcpu *vcpu);
void svm_vcpu_destroy(struct vcpu *vcpu);
void svm_vcpu_reset(struct vcpu *vcpu);
void svm_vcpu_load(struct vcpu *vcpu);
void svm_vcpu_put(struct vcpu *vcpu);
void svm_run(struct vcpu *vcpu);
