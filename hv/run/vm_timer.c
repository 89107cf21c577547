#include "hv/run/vm_timer.h"

#include "hv/host/cpu.h"
#include "hv/host/witness.h"
#include "hv/vm/vm.h"

static bool served_here(const struct vcpu *vcpu)
{
    return vcpu && __atomic_load_n(&vcpu->running_on, __ATOMIC_RELAXED) == this_cpu();
}

/* One that sleeps looks at its requests before it enters the guest in any case, and is not woken for this. */
static void leave_to(struct vcpu *vcpu)
{
    bool sleeps =
        __atomic_load_n(&vcpu->run_state, __ATOMIC_RELAXED) == RUN_ASLEEP && vcpu->activity != VCPU_RUNNABLE;

    __atomic_store_n(&vcpu->timers_wait, true, __ATOMIC_RELAXED);
    if (!witness_value(sleeps))
        vcpu_request(vcpu, REQUEST_EVENT);
}

bool vm_timer_at_home(struct vm *vm, struct vcpu *vcpu)
{
    const struct vcpu *current = this_cpu()->current;

    if (witness_value(vcpu ? served_here(vcpu) : served_here(current) && current->vm == vm))
        return true;
    if (vcpu)
        leave_to(vcpu);
    else
        for (unsigned i = 0; i < vm->vcpu_count; i++)
            leave_to(vm->vcpus[i]);
    return false;
}
