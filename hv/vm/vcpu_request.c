/* Requests to a vCPU from any core: noted, and whoever runs it told, or who may run it woken. */
#include "hv/host/apic.h"
#include "hv/host/cpu.h"
#include "hv/host/interrupts.h"
#include "hv/vm/vcpu.h"

void (*vcpu_wake)(struct vcpu *vcpu, bool urgent);

/* Requests have been noted with a full barrier: whoever stops or starts running it sees them, or is seen
 * here. `vector` is what a core that runs it is told by. */
static inline void attend(struct vcpu *vcpu, uint64_t requests, enum host_vector vector)
{
    struct cpu *on = __atomic_load_n(&vcpu->running_on, __ATOMIC_ACQUIRE);

    if (likely(on == this_cpu()))
        return;
    if (on)
        host_apic_send(on->apic_id, vector);
    else if (requests & REQUEST_STOP || __atomic_load_n(&vcpu->run_state, __ATOMIC_ACQUIRE) == RUN_ASLEEP)
        vcpu_wake(vcpu, requests & REQUEST_STOP);
}

void vcpu_attend(struct vcpu *vcpu, uint64_t requests)
{
    attend(vcpu, requests, VECTOR_KICK);
}

void vcpu_request(struct vcpu *vcpu, uint64_t requests)
{
    __atomic_fetch_or(&vcpu->requests, requests, __ATOMIC_SEQ_CST);
    attend(vcpu, requests, VECTOR_KICK);
}

/*
 * SDM, "Posted-Interrupt Processing". One that runs takes the interrupt at once, or, not in its guest yet or
 * no more, finds the request before its next entry, or when it leaves its core.
 */
void vcpu_post(struct vcpu *vcpu)
{
    __atomic_fetch_or(&vcpu->requests, REQUEST_EVENT, __ATOMIC_SEQ_CST);
    attend(vcpu, REQUEST_EVENT, VECTOR_POSTED);
}
