#include "vmx/show.h"

#include "hv/exit/exit.h"
#include "hv/host/paging.h"
#include "hv/x86/pc.h"
#include "vmx/checks.h"
#include "vmx/instructions.h"
#include "vmx/reasons.h"

static uint64_t read_current(void *context, uint32_t encoding)
{
    (void)context;
    return vmread(encoding);
}

static bool read_physical(void *context, uint64_t address, uint32_t *value)
{
    const uint32_t *at = host_map(address, sizeof(*value), HOST_READ);

    (void)context;
    if (at)
        *value = *at;
    return at;
}

const struct vmcs_reader vmx_current = {read_current, read_physical, NULL};

/* Of the control fields none that is a machine's address. */
__attribute__((cold)) unsigned vmx_show_numbers(uint16_t *numbers)
{
    unsigned count = 0;

    for (unsigned i = 0; i < vmcs_field_count; i++) {
        const struct vmcs_field *field = &vmcs_fields[i];
        bool address = field->group == VMCS_GROUP_CONTROL && field->width < VMCS_WIDTH_32 &&
                       field->encoding != VMCS_TSC_OFFSET &&
                       (field->encoding < VMCS_EOI_EXIT_BITMAP_0 || field->encoding > VMCS_EOI_EXIT_BITMAP_3);

        if (field->group != VMCS_GROUP_HOST && !address && vmcs_field_exists(field, &vmx_cpu))
            numbers[count++] = field->encoding;
    }
    return count;
}

uint64_t vmx_show_word(struct vcpu *vcpu, uint16_t number)
{
    (void)vcpu;
    return vmread(number);
}

const char *vmx_show_reason(unsigned reason)
{
    return vmx_exit_reason_name(reason);
}

void vmx_dump(struct vcpu *vcpu, struct writer *out)
{
    (void)vcpu;
    vmcs_print(&vmx_current, &vmx_cpu, VMCS_SHOWN_CRASH, out);
    vmx_print_events(&vmx_current, out);
}

unsigned vmx_explain(struct vcpu *vcpu, struct writer *out)
{
    (void)vcpu;
    vmcs_print(&vmx_current, &vmx_cpu, VMCS_SHOWN_DUMP, out);
    vmx_print_events(&vmx_current, out);
    return vmx_explain_entry(&vmx_current, &vmx_cpu, out);
}

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
