/*
 * What emulators get wrong of SVM (docs/emulators.md) and what is done about it: found out once, at the
 * start, and left alone where nothing is wrong. No other file of svm/ knows of it but by these names.
 */
#pragma once

#include "hv/cpu/native.h"
#include "hv/host/instructions.h"
#include "svm/capabilities.h"
#include "svm/vendor.h"

/* quirks_probe.c: finds out, into svm_cpu.quirks. Needs SVM on; on the boot core. */
void svm_find_quirks(void);

/* quirks.asm: the entry of Keel's own #DB, which drops a step of the guest's that was left behind VMRUN. */
extern const char svm_debug_trap[];

/* The exit code: the sign of those below 0 may not be extended. */
static inline int32_t svm_exit_code(const union vmcb *vmcb)
{
    return (int32_t)vmcb->exit_code;
}

/* Before CPUID: XSETBV may not have exited, and leaf 0xd is where XCR0 shows. */
static inline void svm_before_cpuid(struct vcpu *vcpu)
{
    if (unlikely((uint32_t)vcpu->arch.gpr[REG_RAX] == 0xd))
        native_take_xcr0(vcpu);
}

/* The VMCB's CR2 is the guest's now, which VMRUN may not load. */
static inline void svm_cr2_changed(const union vmcb *vmcb)
{
    if (unlikely(svm_cpu.quirks.loses_cr2))
        write_cr2(vmcb->cr2);
}

/* At the exit for an interrupt of the machine. */
void svm_after_interrupt(struct vcpu *vcpu);

/* Whether an interrupt would come in between STI and its next instruction, were it let: that is stepped over
 * first. */
static inline bool svm_breaks_shadow(const union vmcb *vmcb)
{
    return unlikely(svm_cpu.quirks.forgets_shadow) && (vmcb->interrupt_shadow & VMCB_SHADOW) &&
           (vmcb->rflags & RFLAGS_IF);
}

/* Whether #DB is intercepted, whoever may want it: without its cause it is only where somebody needs it. */
static inline bool svm_debug_tells_cause(void)
{
    return !svm_cpu.quirks.loses_dr6;
}

/* The causes of an intercepted #DB, as bits of DR6. */
uint64_t svm_debug_causes(const struct vcpu *vcpu);

/* The vector of an INT n that exited, whose place may also be that of an INT3: `breakpoint` then. */
uint8_t svm_software_vector(struct vcpu *vcpu, bool *breakpoint);
