#include "vmx/show.h"

#include "hv/exit/io.h"
#include "hv/host/paging.h"
#include "vmx/checks.h"
#include "vmx/decode.h"
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
#define X(number, name, text, about, handler) [number] = ABOUT_##about,
    VMX_EXIT_REASONS(X)
#undef X
};

static uint64_t vector(const struct exit_details *details)
{
    return details->reason == VMX_REASON_VIRTUALIZED_EOI ? vmx_eoi_vector(details->qualification)
                                                         : INFORMATION_VECTOR(vmread(VMCS_EXIT_INTERRUPTION));
}

static uint64_t address(const struct exit_details *details)
{
    if (details->reason == VMX_REASON_APIC_ACCESS || details->reason == VMX_REASON_APIC_WRITE)
        return vmx_apic_access(details->qualification).gpa;
    return vmread(VMCS_GUEST_PHYSICAL_ADDRESS);
}

void vmx_details(struct vcpu *vcpu, struct exit_details *details)
{
    uint32_t reason = VMX_REASON_BASIC((uint32_t)vmread(VMCS_EXIT_REASON));

    (void)vcpu;
    details->reason = reason;
    details->about = reason < VMX_REASON_COUNT ? abouts[reason] : ABOUT_NOTHING;
    details->reads = reason == VMX_REASON_RDMSR;
    details->rip = vmread(VMCS_GUEST_RIP);
    details->qualification = vmread(VMCS_EXIT_QUALIFICATION);
    if (details->about == ABOUT_PORT)
        io_describe(details);
    else if (details->about == ABOUT_VECTOR)
        details->operand = vector(details);
    else if (details->about == ABOUT_MEMORY)
        details->operand = address(details);
}
