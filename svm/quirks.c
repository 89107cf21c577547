#include "svm/quirks.h"

#include "hv/event/guest_debug.h"

/*
 * Where VMRUN forgets the shadow (QEMU 7.2), it stays until the instruction in it has been run, however often
 * the entry exits before that.
 */
static void keep_shadow(struct svm_vcpu *svm)
{
    if (svm->vmcb.interrupt_shadow & VMCB_SHADOW)
        svm->shadow_rip = svm->vmcb.rip + 1;
    else if (svm->shadow_rip == svm->vmcb.rip + 1)
        svm->vmcb.interrupt_shadow |= VMCB_SHADOW;
    else
        svm->shadow_rip = 0;
}

/* Bochs 2.7 forgets a window that is open already when it enters: what waits for it is looked at again. */
void svm_after_interrupt(struct vcpu *vcpu)
{
    if (unlikely(svm_cpu.quirks.forgets_shadow))
        keep_shadow(svm_of(vcpu));
    if (unlikely(svm_cpu.quirks.misses_window) && (vmcb_of(vcpu)->interrupt_control & VMCB_V_IRQ))
        vcpu_note(vcpu, REQUEST_EVENT);
}

/* Where DR6 does not tell (Bochs 2.7): #DB is intercepted for a debugger alone there, who steps, or has set a
 * point. */
static uint64_t likely_cause(const struct vcpu_debug *debug)
{
    if (debug->step == STEP_TRAP)
        return DR6_BS;
    for (unsigned n = 0; n < 4; n++)
        if (debug->holder[n])
            return BIT(n);
    return 0;
}

uint64_t svm_debug_causes(const struct vcpu *vcpu)
{
    if (unlikely(svm_cpu.quirks.loses_dr6))
        return likely_cause(&vcpu->arch.debug);
    return vmcb_of(vcpu)->dr6 & (DR6_HITS | DR6_BD | DR6_BS);
}

#define OPCODE_INT3 0xcc

/* QEMU 7.2 has INT3 at the intercept of INT n and not at that of #BP. */
uint8_t svm_software_vector(struct vcpu *vcpu, bool *breakpoint)
{
    uint8_t bytes[2] = {0};

    debug_read(vcpu, debug_linear_rip(vcpu), bytes, sizeof(bytes));
    *breakpoint = bytes[0] == OPCODE_INT3;
    return *breakpoint ? EXC_BP : bytes[1];
}
