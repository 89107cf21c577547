#include "hv/vm/observe.h"

const struct observer *observers[OBSERVERS];

void observe_begin(struct vcpu *vcpu, uint8_t who)
{
    __atomic_fetch_or(&vcpu->observed, who, __ATOMIC_RELAXED);
}

void observe_end(struct vcpu *vcpu, uint8_t who)
{
    __atomic_fetch_and(&vcpu->observed, (uint8_t)~who, __ATOMIC_RELAXED);
}

void observe_exit(struct vcpu *vcpu)
{
    vcpu->observing = vcpu->observed;
    vcpu_note(vcpu, REQUEST_OBSERVE);
    for (unsigned i = 0; i < OBSERVERS; i++)
        if (vcpu->observing >> i & 1 && observers[i]->begins)
            observers[i]->begins(vcpu);
}

void observe_exit_end(struct vcpu *vcpu, bool goes_on)
{
    for (unsigned i = 0; i < OBSERVERS; i++)
        if (vcpu->observing >> i & 1 && observers[i]->ends)
            observers[i]->ends(vcpu, goes_on);
}

void observe_event(struct vcpu *vcpu, enum observed what, uint64_t value)
{
    for (unsigned i = 0; i < OBSERVERS; i++)
        if (vcpu->observed >> i & 1 && observers[i]->happens)
            observers[i]->happens(vcpu, what, value);
}

uint64_t observe_requests(struct vcpu *vcpu, uint64_t requests)
{
    for (unsigned i = 0; i < OBSERVERS; i++)
        if (vcpu->observed >> i & 1 && observers[i]->serves)
            requests = observers[i]->serves(vcpu, requests);
    return requests;
}

void observe_served(struct vcpu *vcpu, bool goes_on)
{
    for (unsigned i = 0; i < OBSERVERS; i++)
        if (vcpu->observed >> i & 1 && observers[i]->served)
            observers[i]->served(vcpu, goes_on);
}
