/* CPUID follows what the vCPU has in its registers. */
#include "hv/cpu/cpuid.h"
#include "hv/cpu/msr.h"
#include "hv/vm/vcpu.h"

void vcpu_cpuid_changed(struct vcpu *vcpu)
{
    cpuid_refresh(vcpu, vcpu_get(vcpu, REG_CR4), vcpu->interrupts.enabled(vcpu->interrupts.state), vcpu->xcr0,
                  vcpu->msrs->xss);
}
