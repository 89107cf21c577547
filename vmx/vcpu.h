/* A vCPU's VMCS: made, put into the state after RESET, made current on a core, and taken off it. */
#pragma once

#include "hv/vm/vcpu.h"

/* Maps of the MSRs that do not exit, for all vCPUs, once, at preflight; false: no memory, said. */
bool vmx_make_maps(void);

/* The vendor table's rows. */
bool vmx_vcpu_create(struct vcpu *vcpu);
void vmx_vcpu_destroy(struct vcpu *vcpu);
void vmx_vcpu_reset(struct vcpu *vcpu);
void vmx_vcpu_load(struct vcpu *vcpu);
void vmx_vcpu_put(struct vcpu *vcpu);
void vmx_run(struct vcpu *vcpu);
void vmx_update_apic(struct vcpu *vcpu);
