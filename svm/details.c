/* An exit taken apart for those who observe: nothing here is on the way of one that nobody does. */
#include "svm/exit_codes.h"
#include "svm/svm.h"

static void find_operand(const struct vcpu *vcpu, const union vmcb *vmcb, struct exit_details *details)
{
    switch ((int32_t)details->reason) {
    case SVM_EXIT_IOIO:
        details->about = ABOUT_PORT;
        details->operand = IO_PORT(vmcb->exit_info1);
        details->size = (uint8_t)IO_SIZE(vmcb->exit_info1);
        details->reads = vmcb->exit_info1 & IO_IN;
        details->string = vmcb->exit_info1 & IO_STRING;
        break;
    case SVM_EXIT_MSR:
        details->about = ABOUT_MSR;
        details->operand = (uint32_t)vcpu->gpr[REG_RCX];
        details->reads = !vmcb->exit_info1;
        break;
    case SVM_EXIT_CPUID:
        details->about = ABOUT_LEAF;
        details->operand = (uint32_t)vcpu->gpr[REG_RAX];
        break;
    case SVM_EXIT_VMMCALL:
        details->about = ABOUT_CALL;
        details->operand = vcpu->gpr[REG_RAX];
        break;
    case SVM_EXIT_NPF:
        details->about = ABOUT_MEMORY;
        details->operand = vmcb->exit_info2;
        break;
    default:
        break;
    }
}

void svm_details(struct vcpu *vcpu, struct exit_details *details)
{
    const union vmcb *vmcb = vmcb_of(vcpu);

    *details = (struct exit_details){
        .reason = (uint32_t)vmcb->exit_code,
        .rip = vmcb->rip,
        .qualification = vmcb->exit_info1,
    };
    find_operand(vcpu, vmcb, details);
}
