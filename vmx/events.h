/* What goes into the guest with the next entry, and when; and what an exit cut short. */
#pragma once

#include "hv/event/event.h"
#include "vmx/instructions.h"
#include "vmx/reasons.h"

/* Always intercepted: an endless #DB or #AC delivery would keep the core from ever leaving the guest; #MC is
 * the machine's. */
#define VMX_EXCEPTIONS  (BIT(EXC_DB) | BIT(EXC_AC) | BIT(EXC_MC))

#define BLOCKING_BY_NMI BIT(3) /* of the interruptibility state */

/* The vendor table's rows. */
bool vmx_interrupt_allowed(struct vcpu *vcpu);
bool vmx_nmi_allowed(struct vcpu *vcpu);
void vmx_unblock_nmi(struct vcpu *vcpu);
void vmx_inject(struct vcpu *vcpu, const struct event *event);
void vmx_set_windows(struct vcpu *vcpu, bool interrupt, bool nmi);
void vmx_set_debug(struct vcpu *vcpu, unsigned what);

/* An event whose delivery this exit cut short goes in again with the next entry. */
static inline void vmx_take_back_delivery(struct vcpu *vcpu)
{
    uint32_t delivery = (uint32_t)vmread(VMCS_IDT_VECTORING);

    if (unlikely(delivery & INFORMATION_VALID))
        vcpu_deliver_again(vcpu, delivery, (uint32_t)vmread(VMCS_IDT_VECTORING_ERROR),
                           (unsigned)vmread(VMCS_EXIT_INSTRUCTION_LENGTH));
}

/* An IRET that faulted has unblocked NMIs too early (SDM, "NMI unblocking due to IRET"). */
static inline void vmx_block_nmi_again(void)
{
    vmwrite(VMCS_GUEST_INTERRUPTIBILITY, vmread(VMCS_GUEST_INTERRUPTIBILITY) | BLOCKING_BY_NMI);
}
