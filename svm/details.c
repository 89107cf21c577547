/* An exit taken apart for those who observe: nothing here is on the way of one that nobody does. */
#include "hv/exit/exit.h"
#include "svm/exit_codes.h"
#include "svm/svm.h"

static enum exit_about about(uint64_t code)
{
    switch ((int32_t)code) {
    case SVM_EXIT_IOIO:
        return ABOUT_PORT;
    case SVM_EXIT_MSR:
        return ABOUT_MSR;
    case SVM_EXIT_CPUID:
        return ABOUT_LEAF;
    case SVM_EXIT_VMMCALL:
        return ABOUT_CALL;
    case SVM_EXIT_NPF:
        return ABOUT_MEMORY;
    default:
        return ABOUT_NOTHING;
    }
}

static uint64_t operand(const struct vcpu *vcpu, const union vmcb *vmcb, enum exit_about what)
{
    switch (what) {
    case ABOUT_PORT:
        return IO_PORT(vmcb->exit_info1);
    case ABOUT_MEMORY:
        return vmcb->exit_info2;
    default:
        return exit_register_operand(vcpu, what);
    }
}

void svm_details(struct vcpu *vcpu, struct exit_details *details)
{
    const union vmcb *vmcb = vmcb_of(vcpu);
    enum exit_about what = about(vmcb->exit_code);

    *details = (struct exit_details){
        .reason = (uint32_t)vmcb->exit_code,
        .about = (uint8_t)what,
        .reads = what == ABOUT_MSR && !vmcb->exit_info1,
        .rip = vmcb->rip,
        .qualification = vmcb->exit_info1,
        .operand = operand(vcpu, vmcb, what),
    };
    if (what == ABOUT_PORT) {
        details->size = (uint8_t)IO_SIZE(vmcb->exit_info1);
        details->reads = vmcb->exit_info1 & IO_IN;
        details->string = vmcb->exit_info1 & IO_STRING;
    }
}
