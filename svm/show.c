#include "svm/show.h"

#include "hv/exit/io.h"
#include "svm/checks.h"
#include "svm/decode.h"
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

static enum exit_about about(int32_t code)
{
    switch (code) {
#define X(code, name, text, about, handler)                                                                  \
    case SVM_EXIT_##name:                                                                                    \
        return ABOUT_##about;
        SVM_EXITS(X)
#undef X
    default:
        return ABOUT_NOTHING;
    }
}

void svm_details(struct vcpu *vcpu, struct exit_details *details)
{
    const union vmcb *vmcb = vmcb_of(vcpu);

    details->reason = (uint32_t)vmcb->exit_code;
    details->about = (uint8_t)about(svm_exit_code(vmcb));
    details->reads = details->about == ABOUT_MSR && svm_reads_msr(vmcb);
    details->rip = vmcb->rip;
    details->qualification = vmcb->exit_info1;
    if (details->about == ABOUT_PORT)
        io_describe(details);
    else if (details->about == ABOUT_MEMORY)
        details->operand = svm_violation(vmcb).gpa;
}
