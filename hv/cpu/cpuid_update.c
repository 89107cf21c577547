/* CPUID follows what the vCPU has in its registers. */
#include "hv/cpu/cpuid.h"
#include "hv/cpu/msr.h"
#include "hv/vm/vcpu.h"

void vcpu_cpuid_changed(struct vcpu *vcpu)
{
    cpuid_refresh(vcpu, vcpu_get(vcpu, REG_CR4), vcpu->arch.interrupts.enabled(vcpu->arch.interrupts.state),
                  vcpu->arch.xcr0, vcpu->arch.msrs->xss);
}
