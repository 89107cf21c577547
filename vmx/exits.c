#include "vmx/exits.h"

#include "hv/crash/crash.h"
#include "hv/emulate/emulate.h"
#include "hv/emulate/task_switch.h"
#include "hv/event/event.h"
#include "hv/event/guest_debug.h"
#include "hv/exit/handlers.h"
#include "hv/host/instructions.h"
#include "hv/host/interrupts.h"
#include "hv/host/log.h"
#include "hv/vm/exit_stat.h"
#include "hv/walk/breakpoint.h"
#include "hv/x86/pc.h"
#include "vmx/checks.h"
#include "vmx/controls.h"
#include "vmx/cr.h"
#include "vmx/decode.h"
#include "vmx/entry.h"
#include "vmx/events.h"
#include "vmx/registers.h"
#include "vmx/show.h"

/* SDM, "Information for VM Exits During Event Delivery" and "Information for VM Exits Due to Vectored
 * Events". */
#define INFORMATION_UNBLOCKED BIT(12) /* NMI unblocking due to IRET */

static inline void next_instruction(struct vcpu *vcpu)
{
    vmx_move_on(vcpu, vmx_instruction_length());
}

static inline void next_after_io(struct vcpu *vcpu)
{
    next_instruction(vcpu);
}

static inline uint64_t io_qualification(struct vcpu *vcpu)
{
    (void)vcpu;
    return vmread(VMCS_EXIT_QUALIFICATION);
}

static inline uint64_t guest_dr7(struct vcpu *vcpu)
{
    (void)vcpu;
    return vmread(VMCS_GUEST_DR7);
}

/* #DB as the CPU would have delivered it: DR6 from the qualification (SDM, "Debug Exceptions"). */
static void reflect_debug(struct vcpu *vcpu)
{
    uint64_t causes =
        vmread(VMCS_EXIT_QUALIFICATION) & (BIT(0) | BIT(1) | BIT(2) | BIT(3) | BIT(13) | BIT(14));
    uint64_t guests = debug_on_trap(vcpu, causes);

    if (causes && !guests)
        return;
    vcpu_set(vcpu, REG_DR6, vcpu_get(vcpu, REG_DR6) & ~DR6_HITS);
    vmx_begin_debug();
    vcpu_raise(vcpu, &(struct fault){.vector = EXC_DB, .address = guests});
}

/* INT1 and INT3 go in again as what they are, with nothing in DR6 and RIP behind them. */
static void reflect_software(struct vcpu *vcpu, uint32_t information)
{
    vcpu->arch.event = (struct event){.valid = true,
                                      .type = INFORMATION_TYPE(information),
                                      .vector = INFORMATION_VECTOR(information),
                                      .length = (uint8_t)vmx_instruction_length()};
    vcpu_note(vcpu, REQUEST_EVENT);
}

static void handle_exception(struct vcpu *vcpu)
{
    uint32_t information = (uint32_t)vmread(VMCS_EXIT_INTERRUPTION);
    unsigned vector = INFORMATION_VECTOR(information);

    if (INFORMATION_TYPE(information) == EVENT_NMI) {
        __asm__ volatile("int $2"); /* the machine's: its handler ends with IRET, which unblocks the next */
        return;
    }
    if (INFORMATION_TYPE(information) >= EVENT_PRIVILEGED_SOFT_EXCEPTION) {
        if (vector != EXC_BP || !debug_on_breakpoint(vcpu))
            reflect_software(vcpu, information);
        return;
    }
    vmx_take_back_delivery(vcpu);
    if ((information & INFORMATION_UNBLOCKED) && vector != EXC_DF && !vcpu->arch.event.valid)
        vmx_block_nmi_again();
    switch (vector) {
    case EXC_MC:
        __asm__ volatile("int $18");
        break;
    case EXC_DB:
        reflect_debug(vcpu);
        break;
    default:
        vcpu_raise(vcpu, &(struct fault){
                             .vector = (uint8_t)vector,
                             .has_error = information & INFORMATION_ERROR,
                             .error = (uint32_t)vmread(VMCS_EXIT_INTERRUPTION_ERROR),
                             .address = vmread(VMCS_EXIT_QUALIFICATION), /* of a page fault */
                         });
    }
}

/* With posted interrupts the exit acknowledges it; else interrupts_poll() takes it. */
static void handle_external_interrupt(struct vcpu *vcpu)
{
    (void)vcpu;
    if (unlikely(vmx_words.exit & VMX_EXIT_ACKNOWLEDGE_INTERRUPT))
        interrupts_serve(INFORMATION_VECTOR(vmread(VMCS_EXIT_INTERRUPTION)));
}

static void handle_task_switch(struct vcpu *vcpu)
{
    struct task_switch request = vmx_task_switch();

    vmx_take_back_delivery(vcpu);
    exit_task_switch(vcpu, &request);
}

static __attribute__((noinline, cold)) void serve_violation_in_delivery(struct vcpu *vcpu,
                                                                        uint64_t qualification)
{
    vmx_take_back_delivery(vcpu);
    if ((qualification & INFORMATION_UNBLOCKED) && !vcpu->arch.event.valid)
        vmx_block_nmi_again();
    handle_access(vcpu, vmx_violation(qualification));
}

static void handle_ept_violation(struct vcpu *vcpu)
{
    uint64_t qualification = vmread(VMCS_EXIT_QUALIFICATION);

    if (unlikely((uint32_t)vmread(VMCS_IDT_VECTORING) & INFORMATION_VALID) ||
        unlikely(qualification & INFORMATION_UNBLOCKED))
        serve_violation_in_delivery(vcpu, qualification);
    else
        handle_access(vcpu, vmx_violation(qualification));
}

/* What hardware does not serve: registers that must be computed, and accesses that software never makes. */
static void handle_apic_access(struct vcpu *vcpu)
{
    vmx_take_back_delivery(vcpu);
    handle_access(vcpu, vmx_apic_access(vmread(VMCS_EXIT_QUALIFICATION)));
}

/* These come behind their instruction, with its debug traps pending. */
static void handle_tpr_threshold(struct vcpu *vcpu)
{
    vmx_trap_pending(vcpu);
    exit_window(vcpu);
}

static void handle_apic_write(struct vcpu *vcpu)
{
    vmx_trap_pending(vcpu);
    vcpu->arch.interrupts.written(vcpu->arch.interrupts.state,
                                  vmx_apic_offset(vmread(VMCS_EXIT_QUALIFICATION)));
}

static void handle_virtualized_eoi(struct vcpu *vcpu)
{
    vmx_trap_pending(vcpu);
    vcpu->arch.interrupts.ended(vcpu->arch.interrupts.state, vmx_eoi_vector(vmread(VMCS_EXIT_QUALIFICATION)));
}

static void handle_ept_misconfiguration(struct vcpu *vcpu)
{
    vm_crash(vcpu->vm, "EPT misconfiguration at 0x%lx: a fault of Keel", vmread(VMCS_GUEST_PHYSICAL_ADDRESS));
}

static void explain_failure(struct vcpu *vcpu, struct writer *out)
{
    (void)vcpu;
    vmx_print_entry_failure(VMX_REASON_BASIC((uint32_t)vmread(VMCS_EXIT_REASON)),
                            vmread(VMCS_EXIT_QUALIFICATION), out);
    vmx_explain_entry(&vmx_current, &vmx_cpu, out);
}

static void handle_entry_failure(struct vcpu *vcpu)
{
    uint32_t reason = VMX_REASON_BASIC((uint32_t)vmread(VMCS_EXIT_REASON));

    crash_entry_failed(vcpu, explain_failure, "VM entry failed: %s", vmx_exit_reason_name(reason));
}

static __attribute__((noinline, cold)) void handle_unexpected(struct vcpu *vcpu)
{
    uint32_t reason = (uint32_t)vmread(VMCS_EXIT_REASON);

    vm_crash(vcpu->vm, "unexpected VM exit %u (%s), qualification 0x%lx, at rip 0x%lx",
             VMX_REASON_BASIC(reason), vmx_exit_reason_name(VMX_REASON_BASIC(reason)),
             vmread(VMCS_EXIT_QUALIFICATION), vmread(VMCS_GUEST_RIP));
}

typedef void exit_handler(struct vcpu *vcpu);

/* Indexed by basic exit reason. What is to be done before the next entry, or instead of one, is in
 * vcpu->requests then. */
static exit_handler *const exit_handlers[VMX_REASON_COUNT + 1] = {
#define X(number, name, text, about, handler) [number] = handler,
    VMX_EXIT_REASONS(X)
#undef X
        /* What the SDM does not have. */
        [35] = handle_unexpected,
    [38] = handle_unexpected,
    [42] = handle_unexpected,
    [71] = handle_unexpected,
    [82] = handle_unexpected,
    [83] = handle_unexpected,
    [VMX_REASON_COUNT] = handle_unexpected,
};

static uint16_t stat_at[VMX_REASON_COUNT + 1]; /* STAT_OTHER for what is not expected */

void vmx_name_exits(void)
{
    for (unsigned i = 0; i < VMX_REASON_COUNT; i++)
        if (exit_handlers[i] != handle_unexpected)
            stat_at[i] = (uint16_t)stats_add_reason(i, i == VMX_REASON_IO_INSTRUCTION  ? STAT_PORTS
                                                       : i == VMX_REASON_EPT_VIOLATION ? STAT_MEMORY
                                                                                       : STAT_ALONE);
}

/* One with something beside it, or one that the SDM does not have. */
static __attribute__((noinline, cold)) uint64_t unusual_reason(uint64_t reason)
{
    return MIN(VMX_REASON_BASIC(reason), (uint64_t)VMX_REASON_COUNT);
}

static inline __attribute__((always_inline)) bool serve(struct vcpu *vcpu)
{
    uint64_t reason = vmread(VMCS_EXIT_REASON);

    *vmx_rip(vcpu) = vmread(VMCS_GUEST_RIP);
    if (unlikely(reason >= VMX_REASON_COUNT))
        reason = unusual_reason(reason);
    vcpu_note_exit(vcpu, (uint32_t)reason, (uint32_t)*vmx_rip(vcpu));
    exit_begin(vcpu, stat_at[reason]);
    exit_handlers[reason](vcpu);
    return exit_end(vcpu);
}

void vmx_handle_exit(struct vcpu *vcpu)
{
    exit_serve(vcpu, serve, vmx_leave);
}

static void explain_error(struct vcpu *vcpu, struct writer *out)
{
    (void)vcpu;
    vmx_explain_entry(&vmx_current, &vmx_cpu, out);
}

void vmx_entry_failed(struct vcpu *vcpu)
{
    uint32_t error = (uint32_t)vmread(VMCS_INSTRUCTION_ERROR);

    crash_entry_failed(vcpu, explain_error, "VM entry failed, error %u: %s", error,
                       vmx_instruction_error_text(error));
}
