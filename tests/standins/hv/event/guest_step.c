/* Nobody steps the guest. */
#include "hv/event/guest_debug.h"

#include "hv/vm/vcpu.h"

bool debug_end_step(struct vcpu *vcpu)
{
    vcpu->arch.debug.step = STEP_NONE;
    return true;
}

void debug_on_exception(struct vcpu *vcpu)
{
    (void)vcpu;
}
