#include "svm/show.h"

#include "hv/exit/exit.h"
#include "svm/checks.h"
#include "svm/quirks.h"
#include "svm/reasons.h"
#include "svm/vendor.h"

/* The VMCB's words, as far as it has fields, but for the addresses of pages of this machine's. */
unsigned svm_show_numbers(uint16_t *numbers)
{
    unsigned count = 0;

    for (unsigned at = 0; at <= offsetof(union vmcb, exception_to); at += 8)
        if (at != offsetof(union vmcb, iopm) && at != offsetof(union vmcb, msrpm) &&
            at != offsetof(union vmcb, nested_cr3) && (at < 0x100 || at >= offsetof(union vmcb, es)))
            numbers[count++] = (uint16_t)at;
    return count;
}

uint64_t svm_show_word(struct vcpu *vcpu, uint16_t number)
{
    return *(const uint64_t *)(vmcb_of(vcpu)->bytes + number);
}

const char *svm_show_reason(uint32_t code)
{
    return svm_exit_name((uint64_t)(int32_t)code);
}

void svm_dump(struct vcpu *vcpu, struct writer *out)
{
    vmcb_print(vmcb_of(vcpu), VMCB_SHOWN_CRASH, out);
}

unsigned svm_explain(struct vcpu *vcpu, struct writer *out)
{
    vmcb_print(vmcb_of(vcpu), VMCB_SHOWN_DUMP, out);
    return svm_explain_vmrun(vmcb_of(vcpu), &svm_cpu, out);
}

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
