/* What a vCPU is asked is noted in it, and for the test; nobody is woken. */
#include "hv/vm/vcpu.h"

#include "tests/unit/fake.h"

static void note(const struct vcpu *vcpu, uint64_t requests)
{
    __atomic_fetch_or(&fake_asked.requests[vcpu->id], requests, __ATOMIC_RELAXED);
}

void vcpu_request(struct vcpu *vcpu, uint64_t requests)
{
    note(vcpu, requests);
    vcpu_note(vcpu, requests);
}

void vcpu_attend(struct vcpu *vcpu, uint64_t requests)
{
    note(vcpu, requests);
}

void vcpu_post(struct vcpu *vcpu)
{
    vcpu_request(vcpu, REQUEST_EVENT);
}
