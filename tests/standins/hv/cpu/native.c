/* The debug registers are an array, and XCR0 stays as it is. */
#include "hv/cpu/native.h"

#include "tests/unit/fake.h"

uint64_t native_dr(unsigned number)
{
    return fake_cpu.dr[number];
}

void native_set_dr(unsigned number, uint64_t value)
{
    fake_cpu.dr[number] = value;
}

void native_take_xcr0(struct vcpu *vcpu)
{
    (void)vcpu;
}
