#include "hv/cpu/registers.h"

#include "hv/cpu/virt_state.h"

uint64_t vcpu_get(struct vcpu *vcpu, enum vcpu_reg reg)
{
    return reg <= REG_R15 && reg != REG_RSP ? vcpu->arch.gpr[reg] : virt_state->get(vcpu, reg);
}

void vcpu_set(struct vcpu *vcpu, enum vcpu_reg reg, uint64_t value)
{
    if (reg <= REG_R15 && reg != REG_RSP)
        vcpu->arch.gpr[reg] = value;
    else
        virt_state->set(vcpu, reg, value);
}

struct segment vcpu_get_segment(struct vcpu *vcpu, enum vcpu_segment segment)
{
    struct segment value;

    virt_state->get_segment(vcpu, segment, &value);
    return value;
}

void vcpu_set_segment(struct vcpu *vcpu, enum vcpu_segment segment, const struct segment *value)
{
    virt_state->set_segment(vcpu, segment, value);
}

unsigned vcpu_cpl(struct vcpu *vcpu)
{
    if (!(virt_state->get(vcpu, REG_CR0) & CR0_PE))
        return 0;
    if (virt_state->get(vcpu, REG_RFLAGS) & RFLAGS_VM)
        return 3;
    return SEG_DPL(vcpu_get_segment(vcpu, SEG_SS).attributes);
}

void vcpu_advance(struct vcpu *vcpu, unsigned length)
{
    virt_state->advance(vcpu, length);
}

void vcpu_again(struct vcpu *vcpu)
{
    vcpu_set(vcpu, REG_RFLAGS, vcpu_get(vcpu, REG_RFLAGS) | RFLAGS_RF);
}
