/* An exit taken apart for those who observe: nothing here is on the way of one that nobody does. */
#include "hv/exit/exit.h"
#include "hv/x86/pc.h"
#include "vmx/exit_reasons.h"
#include "vmx/vmx.h"

static const uint8_t abouts[VMX_REASON_COUNT] = {
    [VMX_REASON_EXCEPTION_OR_NMI] = ABOUT_VECTOR,
    [VMX_REASON_CPUID] = ABOUT_LEAF,
    [VMX_REASON_VMCALL] = ABOUT_CALL,
    [VMX_REASON_IO_INSTRUCTION] = ABOUT_PORT,
    [VMX_REASON_RDMSR] = ABOUT_MSR,
    [VMX_REASON_WRMSR] = ABOUT_MSR,
    [VMX_REASON_APIC_ACCESS] = ABOUT_MEMORY,
    [VMX_REASON_VIRTUALIZED_EOI] = ABOUT_VECTOR,
    [VMX_REASON_EPT_VIOLATION] = ABOUT_MEMORY,
    [VMX_REASON_EPT_MISCONFIGURATION] = ABOUT_MEMORY,
    [VMX_REASON_APIC_WRITE] = ABOUT_MEMORY,
};

static uint64_t operand(const struct vcpu *vcpu, const struct exit_details *details)
{
    switch (details->about) {
    case ABOUT_PORT:
        return IO_PORT(details->qualification);
    case ABOUT_VECTOR:
        return details->reason == VMX_REASON_VIRTUALIZED_EOI
                   ? details->qualification & 0xff
                   : INFORMATION_VECTOR(vmread(VMCS_EXIT_INTERRUPTION));
    case ABOUT_MEMORY:
        return details->reason == VMX_REASON_APIC_ACCESS || details->reason == VMX_REASON_APIC_WRITE
                   ? PC_LOCAL_APIC + (details->qualification & PAGE_MASK)
                   : vmread(VMCS_GUEST_PHYSICAL_ADDRESS);
    default:
        return exit_register_operand(vcpu, details->about);
    }
}

void vmx_details(struct vcpu *vcpu, struct exit_details *details)
{
    uint32_t reason = VMX_REASON_BASIC((uint32_t)vmread(VMCS_EXIT_REASON));
    uint64_t qualification = vmread(VMCS_EXIT_QUALIFICATION);

    *details = (struct exit_details){
        .reason = reason,
        .about = reason < VMX_REASON_COUNT ? abouts[reason] : ABOUT_NOTHING,
        .reads = reason == VMX_REASON_RDMSR,
        .rip = vmread(VMCS_GUEST_RIP),
        .qualification = qualification,
    };
    if (details->about == ABOUT_PORT) {
        details->size = (uint8_t)IO_SIZE(qualification);
        details->reads = qualification & IO_IN;
        details->string = qualification & IO_STRING;
    }
    details->operand = operand(vcpu, details);
}
