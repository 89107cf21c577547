/* A vCPU that is borrowed by a core that does not run it. */
#include "hv/vm/vcpu.h"

#include "hv/host/cpu.h"

#include "hv/vm/virt.h"

void vcpu_borrow(struct vcpu *vcpu)
{
    struct vcpu *current = this_cpu()->current;

    if (current == vcpu)
        return;
    if (current)
        virt->lifecycle.vcpu_put(current);
    virt->lifecycle.vcpu_load(vcpu);
}

void vcpu_return(struct vcpu *vcpu)
{
    if (this_cpu()->current == vcpu)
        virt->lifecycle.vcpu_put(vcpu);
}
