#include "svm/events.h"

#include "hv/event/event.h"
#include "hv/host/apic.h"
#include "hv/host/cpu.h"
#include "hv/host/interrupts.h"
#include "svm/quirks.h"
#include "svm/reasons.h"

#define DR6_CAUSES    (DR6_HITS | DR6_BD | DR6_BT)

/* Types of events are numbered as VMX does, but for software exceptions, which are exceptions here. */
#define TYPE_SOFTWARE 4

bool svm_interrupt_allowed(struct vcpu *vcpu)
{
    const union vmcb *vmcb = vmcb_of(vcpu);

    return (vmcb->rflags & RFLAGS_IF) && !(vmcb->interrupt_shadow & VMCB_SHADOW);
}

static bool iret_is_done(const struct svm_vcpu *svm)
{
    return svm->nmi == NMI_RETURNING && svm->vmcb.rip != svm->iret_rip;
}

bool svm_nmi_allowed(struct vcpu *vcpu)
{
    struct svm_vcpu *svm = svm_of(vcpu);

    if (iret_is_done(svm))
        svm->nmi = NMI_OPEN;
    return svm->nmi == NMI_OPEN && !(svm->vmcb.interrupt_control & VMCB_V_NMI_MASK) &&
           !(svm->vmcb.interrupt_shadow & VMCB_SHADOW);
}

static void set_interrupt_control(union vmcb *vmcb, uint64_t control)
{
    if (control == vmcb->interrupt_control)
        return;
    vmcb->interrupt_control = control;
    vmcb_changed(vmcb, VMCB_CLEAN_INTERRUPT);
}

void svm_unblock_nmi(struct vcpu *vcpu)
{
    union vmcb *vmcb = vmcb_of(vcpu);

    svm_of(vcpu)->nmi = NMI_OPEN;
    set_interrupt_control(vmcb, vmcb->interrupt_control & ~VMCB_V_NMI_MASK);
}

void svm_take_back_nmi(struct vcpu *vcpu)
{
    union vmcb *vmcb = vmcb_of(vcpu);

    if (likely(!(vmcb->interrupt_control & VMCB_V_NMI)))
        return;
    set_interrupt_control(vmcb, vmcb->interrupt_control & ~VMCB_V_NMI);
    vcpu->arch.nmis = 1;
    vcpu_note(vcpu, REQUEST_EVENT);
}

void svm_begin_iret(struct vcpu *vcpu)
{
    struct svm_vcpu *svm = svm_of(vcpu);

    svm->nmi = NMI_RETURNING;
    svm->iret_rip = svm->vmcb.rip;
    svm_intercept(&svm->vmcb, SVM_EXIT_IRET, false);
    vcpu_note(vcpu, REQUEST_EVENT);
}

/* APM, "Event Injection". */
void svm_inject(struct vcpu *vcpu, const struct event *event)
{
    struct svm_vcpu *svm = svm_of(vcpu);
    union vmcb *vmcb = &svm->vmcb;
    unsigned type = event->type > EVENT_SOFT_INTERRUPT ? EVENT_EXCEPTION : event->type;

    vmcb->event = VMCB_EVENT_VALID | (uint64_t)type << 8 | event->vector;
    if (event->has_error)
        vmcb->event |= VMCB_EVENT_ERROR | (uint64_t)event->error << 32;
    vmcb->interrupt_shadow &= ~VMCB_SHADOW;
    if (event->type == EVENT_NMI && !svm_has(SVM_VNMI)) { /* else the CPU blocks the next one by itself */
        svm->nmi = NMI_BLOCKED;
        svm_intercept(vmcb, SVM_EXIT_IRET, true);
    }
}

/* Lets the guest run one instruction: the #DB behind it comes to Keel. */
static void step(struct svm_vcpu *svm)
{
    if (iret_is_done(svm))
        svm->nmi = NMI_OPEN; /* of an NMI long ago: this step is not over its IRET */
    svm->stepping = true;
    svm->guest_tf = svm->vmcb.rflags & RFLAGS_TF;
    svm->vmcb.rflags |= RFLAGS_TF;
    svm_intercept(&svm->vmcb, SVM_EXIT_DB, true);
}

/* The TF that Keel has set goes, unless it is the guest's: it had it, or `loaded` it from the stack by IRET.
 */
static void end_step(struct svm_vcpu *svm, bool loaded)
{
    svm->stepping = false;
    svm_intercept(&svm->vmcb, SVM_EXIT_DB, svm_debug_tells_cause());
    if (!svm->guest_tf && !loaded)
        svm->vmcb.rflags &= ~RFLAGS_TF;
}

bool svm_stop_stepping(struct vcpu *vcpu)
{
    struct svm_vcpu *svm = svm_of(vcpu);
    union vmcb *vmcb = &svm->vmcb;

    end_step(svm, iret_is_done(svm));
    vcpu_note(vcpu, REQUEST_EVENT);
    if (svm->guest_tf || vmcb->exit_code != SVM_EXIT_DB)
        return false;
    svm->shadow_rip = 0;
    vmcb->dr6 &= ~DR6_BS;
    vmcb_changed(vmcb, VMCB_CLEAN_DEBUG);
    return !(vmcb->dr6 & DR6_CAUSES);
}

/*
 * An interrupt's window is a virtual interrupt that is intercepted before it is taken. For an NMI that has to
 * wait: while another is served, IRET is intercepted; behind IRET, or in a shadow, one instruction is stepped
 * over; and what this VMRUN injects is followed by an interrupt of this core, which exits at once. Where
 * there are virtual NMIs, the CPU keeps the one that waits and delivers it (APM, "NMI Virtualization"). Where
 * VMRUN forgets the shadow, the instruction in it is stepped over before an interrupt has its window.
 */
void svm_set_windows(struct vcpu *vcpu, bool interrupt, bool nmi)
{
    struct svm_vcpu *svm = svm_of(vcpu);
    union vmcb *vmcb = &svm->vmcb;
    bool held = interrupt && svm_breaks_shadow(vmcb);
    uint64_t control =
        interrupt && !held ? vmcb->interrupt_control | VMCB_V_IRQ : vmcb->interrupt_control & ~VMCB_V_IRQ;

    if (unlikely(svm->stepping)) /* what waits is looked at anew before the step was entered */
        end_step(svm, false);
    if (unlikely(nmi) && svm_has(SVM_VNMI)) {
        control |= VMCB_V_NMI;
        vcpu->arch.nmis = 0;
        nmi = false;
    }
    set_interrupt_control(vmcb, control);
    if (likely(!held) && (likely(!nmi) || svm->nmi == NMI_BLOCKED))
        return;
    if (vmcb->event & VMCB_EVENT_VALID) {
        vcpu_note(vcpu, REQUEST_EVENT);
        host_apic_send(this_cpu()->apic_id, VECTOR_KICK);
    } else {
        step(svm);
    }
}

/*
 * Software interrupts and exceptions are not injected again: RIP is still at their instruction, which runs
 * once more, and first.
 */
void svm_take_back_delivery(struct vcpu *vcpu)
{
    union vmcb *vmcb = vmcb_of(vcpu);
    uint64_t interrupted = vmcb->exit_interrupt;
    unsigned type = VMCB_EVENT_TYPE(interrupted), vector = interrupted & 0xff;

    if (likely(!(interrupted & VMCB_EVENT_VALID)))
        return;
    if (type == TYPE_SOFTWARE || (type == EVENT_EXCEPTION && (vector == EXC_BP || vector == EXC_OF))) {
        vmcb->interrupt_shadow |=
            VMCB_SHADOW; /* it had begun: nothing goes before it, in an STI's shadow too */
        return;
    }
    vcpu_deliver_again(vcpu, (uint32_t)interrupted, interrupted >> 32, 0);
}
