#include "vmx/events.h"

#include "hv/x86/debug.h"
#include "vmx/capabilities.h"
#include "vmx/registers.h"

bool vmx_interrupt_allowed(struct vcpu *vcpu)
{
    (void)vcpu;
    return (vmread(VMCS_GUEST_RFLAGS) & RFLAGS_IF) && !(vmread(VMCS_GUEST_INTERRUPTIBILITY) & 3);
}

bool vmx_nmi_allowed(struct vcpu *vcpu)
{
    (void)vcpu;
    return !(vmread(VMCS_GUEST_INTERRUPTIBILITY) & (BLOCKING_BY_STI_OR_MOV_SS | BLOCKING_BY_NMI));
}

void vmx_unblock_nmi(struct vcpu *vcpu)
{
    (void)vcpu;
    vmwrite(VMCS_GUEST_INTERRUPTIBILITY, vmread(VMCS_GUEST_INTERRUPTIBILITY) & ~(uint64_t)BLOCKING_BY_NMI);
}

/* SDM, "VM-Entry Controls for Event Injection". */
void vmx_inject(struct vcpu *vcpu, const struct event *event)
{
    uint64_t information = INFORMATION_VALID | (uint64_t)event->type << 8 | event->vector;
    uint64_t blocking = vmread(VMCS_GUEST_INTERRUPTIBILITY), clear = BLOCKING_BY_STI_OR_MOV_SS;

    (void)vcpu;
    /* "Checks on Guest Non-Register State": delivery ends the shadow; a re-injected NMI must not find itself
     * blocked. */
    if (event->type == EVENT_NMI)
        clear |= BLOCKING_BY_NMI;
    if (blocking & clear)
        vmwrite(VMCS_GUEST_INTERRUPTIBILITY, blocking & ~clear);
    if (event->has_error) {
        information |= INFORMATION_ERROR;
        vmwrite(VMCS_ENTRY_ERROR_CODE, event->error);
    }
    if (event->type >= EVENT_SOFT_INTERRUPT)
        vmwrite(VMCS_ENTRY_INSTRUCTION_LENGTH, event->length);
    vmwrite(VMCS_ENTRY_INTERRUPTION, information);
}

void vmx_set_windows(struct vcpu *vcpu, bool interrupt, bool nmi)
{
    struct vmx_vcpu *vmx = vmx_of(vcpu);
    uint32_t primary =
        vmx->primary & ~(uint32_t)(VMX_PRIMARY_INTERRUPT_WINDOW_EXITING | VMX_PRIMARY_NMI_WINDOW_EXITING);

    if (interrupt)
        primary |= VMX_PRIMARY_INTERRUPT_WINDOW_EXITING;
    if (nmi)
        primary |= VMX_PRIMARY_NMI_WINDOW_EXITING;
    if (primary != vmx->primary) {
        vmx->primary = primary;
        vmwrite(VMCS_PRIMARY_CONTROLS, primary);
    }
}

void vmx_set_debug(struct vcpu *vcpu, unsigned what)
{
    struct vmx_vcpu *vmx = vmx_of(vcpu);
    uint32_t bitmap = VMX_EXCEPTIONS | (what & DEBUG_BREAKPOINTS ? BIT(EXC_BP) : 0);
    uint64_t blocking = vmread(VMCS_GUEST_INTERRUPTIBILITY);

    vmwrite(VMCS_EXCEPTION_BITMAP, what & DEBUG_EXCEPTIONS ? UINT32_MAX : bitmap);
    vmx->primary &= ~(uint32_t)VMX_PRIMARY_MOV_DR_EXITING;
    if (what & DEBUG_REGISTERS)
        vmx->primary |= VMX_PRIMARY_MOV_DR_EXITING & vmx_cpu.may_be_1[VMX_PRIMARY];
    vmwrite(VMCS_PRIMARY_CONTROLS, vmx->primary);
    if (what & DEBUG_EXCEPTIONS && blocking & BLOCKING_BY_STI_OR_MOV_SS)
        vmwrite(VMCS_GUEST_INTERRUPTIBILITY, blocking & ~(uint64_t)BLOCKING_BY_STI_OR_MOV_SS);
}
