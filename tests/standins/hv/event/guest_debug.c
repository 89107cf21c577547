/* Nobody debugs the guest, but for the causes of a trap that a test says are a debugger's. */
#include "hv/event/guest_debug.h"
#include "hv/cpu/registers.h"

#include <string.h>

#include "tests/unit/fake.h"

void debug_apply(struct vcpu *vcpu)
{
    (void)vcpu;
}

void debug_reset(struct vcpu *vcpu)
{
    memset(&vcpu->arch.debug, 0, sizeof(vcpu->arch.debug));
}

bool debug_on_breakpoint(struct vcpu *vcpu)
{
    (void)vcpu;
    return false;
}

uint64_t debug_on_trap(struct vcpu *vcpu, uint64_t causes)
{
    (void)vcpu;
    return causes & ~fake_debuggers;
}

void debug_end(struct vm *vm)
{
    vm->debug = NULL;
}

bool debug_wants_crash(const struct vm *vm)
{
    (void)vm;
    return false;
}

void debug_on_crash(struct vcpu *vcpu)
{
    (void)vcpu;
}

void debug_forget_breakpoints(struct vm *vm)
{
    (void)vm;
}
