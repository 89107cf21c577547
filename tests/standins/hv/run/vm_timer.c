/* Whether a timer fires where its vCPU runs is for the test to say. */
#include "hv/run/vm_timer.h"

#include "tests/unit/fake.h"

bool vm_timer_at_home(struct vm *vm, struct vcpu *vcpu)
{
    (void)vm, (void)vcpu;
    return fake_at_home;
}
