#include "vmx/apic.h"

/* clang-format off */
#define RANGE(first, last) ((UINT64_MAX >> (63 - (last))) & ~(BIT(first) - 1))
/* clang-format on */

/* The current count is computed when it is read; ICR and the timer's registers are written to be acted upon.
 */
#define READABLE                                                                                             \
    (BIT(APIC_ID) | BIT(APIC_VERSION) | BIT(APIC_TPR) | BIT(APIC_LDR) | BIT(APIC_SVR) |                      \
     RANGE(APIC_ISR, APIC_ESR) | BIT(APIC_ICR) | RANGE(APIC_LVT_TIMER, APIC_INITIAL_COUNT) |                 \
     BIT(APIC_DIVIDE))

uint32_t vmx_apic_secondary(const struct vmx_controls *words, bool x2apic)
{
    return (uint32_t)words->secondary &
           ~(x2apic ? VMX_SECONDARY_VIRTUALIZE_APIC_ACCESSES : VMX_SECONDARY_VIRTUALIZE_X2APIC);
}

/* SDM, "Virtualizing MSR-Based APIC Accesses". */
struct x2apic_open vmx_x2apic_open(const struct vmx_controls *words)
{
    struct x2apic_open open = {0, 0};

    if (!(words->secondary & VMX_SECONDARY_VIRTUALIZE_X2APIC))
        return open;
    open.read = open.write = BIT(APIC_TPR);
    if (words->secondary & VMX_SECONDARY_APIC_REGISTER_VIRTUALIZATION)
        open.read |= READABLE;
    if (words->secondary & VMX_SECONDARY_VIRTUAL_INTERRUPT_DELIVERY) {
        open.write |= BIT(APIC_EOI) | BIT(APIC_SELF_IPI);
        if (open.read & BIT(APIC_ID))
            open.read |= BIT(APIC_PPR); /* which only this control keeps */
    }
    return open;
}

static const uint32_t *at(const uint32_t *registers, enum apic_reg reg)
{
    return &registers[4 * reg];
}

uint32_t vmx_tpr_threshold(const uint32_t *registers)
{
    int waits = apic_set_highest(at(registers, APIC_IRR));
    uint32_t class = *at(registers, APIC_TPR) >> 4 & 15;

    return waits >= 0 && (uint32_t)waits >> 4 <= class ? (uint32_t)waits >> 4 : 0;
}

uint32_t vmx_interrupt_status(const uint32_t *registers)
{
    int requested = apic_set_highest(at(registers, APIC_IRR));
    int served = apic_set_highest(at(registers, APIC_ISR));

    return (uint32_t)MAX(requested, 0) | (uint32_t)MAX(served, 0) << 8;
}

uint64_t vmx_eoi_exits(const uint32_t *registers, unsigned word)
{
    const uint32_t *tmr = at(registers, APIC_TMR + 2 * word);

    return tmr[0] | (uint64_t)tmr[4] << 32;
}
