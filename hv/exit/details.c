#include "hv/exit/details.h"

#include "hv/exit/exit.h"

void exit_take_apart(struct vcpu *vcpu, struct exit_details *details)
{
    const uint64_t *gpr = vcpu->arch.gpr;

    *details = (struct exit_details){0};
    virt->show.details(vcpu, details);
    switch (details->about) {
    case ABOUT_PORT:
        details->value = details->reads || details->string ? 0 : gpr[REG_RAX] & size_mask(details->size);
        break;
    case ABOUT_MSR:
        details->operand = exit_msr(vcpu);
        details->value = details->reads ? 0 : exit_edx_eax(vcpu);
        break;
    case ABOUT_LEAF:
        details->operand = (uint32_t)gpr[REG_RAX];
        details->value = (uint32_t)gpr[REG_RCX];
        break;
    case ABOUT_CALL:
        details->operand = gpr[REG_RAX];
        break;
    }
}

void exit_note_result(const struct vcpu *vcpu, struct exit_details *details)
{
    if (details->about == ABOUT_PORT && details->reads && !details->string)
        details->value = vcpu->arch.gpr[REG_RAX] & size_mask(details->size);
    else if (details->about == ABOUT_MSR && details->reads)
        details->value = exit_edx_eax(vcpu);
    else if (details->about == ABOUT_CALL)
        details->value = vcpu->arch.gpr[REG_RAX];
}
