#include "vmx/exits.h"

#include "hv/crash/crash.h"
#include "hv/emulate/emulate.h"
#include "hv/emulate/task_switch.h"
#include "hv/event/event.h"
#include "hv/event/guest_debug.h"
#include "hv/exit/exit.h"
#include "hv/host/instructions.h"
#include "hv/host/interrupts.h"
#include "hv/host/log.h"
#include "hv/vm/exit_stat.h"
#include "hv/walk/breakpoint.h"
#include "hv/x86/pc.h"
#include "vmx/checks.h"
#include "vmx/controls.h"
#include "vmx/cr.h"
#include "vmx/entry.h"
#include "vmx/events.h"
#include "vmx/registers.h"
#include "vmx/show.h"

/* SDM, "Information for VM Exits During Event Delivery" and "Information for VM Exits Due to Vectored
 * Events". */
#define INFORMATION_UNBLOCKED BIT(12) /* NMI unblocking due to IRET */

static unsigned instruction_length(void)
{
    return (unsigned)vmread(VMCS_EXIT_INSTRUCTION_LENGTH);
}

/*
 * The whole handler of what has nothing to do: INVD and WBINVD. Caches are the machine's and coherent with
 * memory, so nothing need be written back and nothing may be dropped.
 */
static void next_instruction(struct vcpu *vcpu)
{
    vmx_move_on(vcpu, instruction_length());
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
                                      .length = (uint8_t)instruction_length()};
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

static void handle_mov_dr(struct vcpu *vcpu)
{
    exit_emulate(vcpu, EMULATE_NO_GPA);
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
    uint64_t qualification = vmread(VMCS_EXIT_QUALIFICATION);
    struct task_switch request = {
        .selector = (uint16_t)qualification,
        .source = (enum task_switch_source)(qualification >> 30 & 3),
        .length = (uint8_t)instruction_length(),
    };

    vmx_take_back_delivery(vcpu);
    exit_task_switch(vcpu, &request);
}

static void handle_cpuid(struct vcpu *vcpu)
{
    exit_cpuid(vcpu);
    next_instruction(vcpu);
}

static void handle_hlt(struct vcpu *vcpu)
{
    vmx_move_on(vcpu, instruction_length());
    exit_halt(vcpu);
}

static void handle_vmcall(struct vcpu *vcpu)
{
    exit_hypercall(vcpu);
    next_instruction(vcpu);
}

static __attribute__((noinline, cold)) void trap_io(struct vcpu *vcpu, uint64_t dr7)
{
    uint64_t qualification = vmread(VMCS_EXIT_QUALIFICATION);

    exit_io_breakpoints(vcpu, dr7, IO_PORT(qualification), IO_SIZE(qualification));
}

static void handle_io(struct vcpu *vcpu)
{
    uint64_t qualification = vmread(VMCS_EXIT_QUALIFICATION), dr7;
    uint16_t port = IO_PORT(qualification);
    unsigned size = IO_SIZE(qualification);

    if (unlikely(qualification & IO_STRING)) {
        exit_emulate(vcpu, EMULATE_NO_GPA);
        return;
    }
    if (qualification & IO_IN)
        exit_in(vcpu, port, size);
    else
        exit_out(vcpu, port, size);
    next_instruction(vcpu);
    dr7 = vmread(VMCS_GUEST_DR7);
    if (unlikely(dr7 & DR7_ENABLED))
        trap_io(vcpu, dr7);
}

static void handle_rdmsr(struct vcpu *vcpu)
{
    if (exit_rdmsr(vcpu))
        next_instruction(vcpu);
}

static void handle_wrmsr(struct vcpu *vcpu)
{
    if (exit_wrmsr(vcpu))
        next_instruction(vcpu);
}

static void handle_pause(struct vcpu *vcpu)
{
    exit_pause(vcpu);
    next_instruction(vcpu);
}

static void handle_xsetbv(struct vcpu *vcpu)
{
    if (exit_xsetbv(vcpu))
        next_instruction(vcpu);
}

/* SDM, "Exit Qualification for EPT Violations". */
#define VIOLATION_FETCH       BIT(2)
#define VIOLATION_LINEAR      BIT(7) /* there is a guest-linear address */
#define VIOLATION_TRANSLATION BIT(8) /* of that address, not of a paging structure on the way */

static inline __attribute__((always_inline)) void serve_violation(struct vcpu *vcpu, uint64_t qualification)
{
    uint64_t mask = VIOLATION_FETCH | VIOLATION_LINEAR | VIOLATION_TRANSLATION;
    bool operand = (qualification & mask) == (VIOLATION_LINEAR | VIOLATION_TRANSLATION);
    gpa_t gpa = vmread(VMCS_GUEST_PHYSICAL_ADDRESS);

    exit_memory(vcpu, operand ? gpa : EMULATE_NO_GPA, gpa);
}

static __attribute__((noinline, cold)) void serve_violation_in_delivery(struct vcpu *vcpu,
                                                                        uint64_t qualification)
{
    vmx_take_back_delivery(vcpu);
    if ((qualification & INFORMATION_UNBLOCKED) && !vcpu->arch.event.valid)
        vmx_block_nmi_again();
    serve_violation(vcpu, qualification);
}

static void handle_ept_violation(struct vcpu *vcpu)
{
    uint64_t qualification = vmread(VMCS_EXIT_QUALIFICATION);

    if (unlikely((uint32_t)vmread(VMCS_IDT_VECTORING) & INFORMATION_VALID) ||
        unlikely(qualification & INFORMATION_UNBLOCKED))
        serve_violation_in_delivery(vcpu, qualification);
    else
        serve_violation(vcpu, qualification);
}

/* SDM, "Exit Qualification for APIC-Access VM Exits from Linear Accesses and Guest-Physical Accesses". */
#define ACCESS_OFFSET(qualification) ((qualification)&PAGE_MASK)
#define ACCESS_TYPE(qualification)   ((qualification) >> 12 & 15)
#define ACCESS_WRITE                 1 /* a linear one by an instruction, as 0, a read, is */

/* What hardware does not serve: registers that must be computed, and accesses that software never makes. */
static void handle_apic_access(struct vcpu *vcpu)
{
    uint64_t qualification = vmread(VMCS_EXIT_QUALIFICATION);
    gpa_t gpa = PC_LOCAL_APIC + ACCESS_OFFSET(qualification);

    vmx_take_back_delivery(vcpu);
    exit_memory(vcpu, ACCESS_TYPE(qualification) <= ACCESS_WRITE ? gpa : EMULATE_NO_GPA, gpa);
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
                                  ACCESS_OFFSET(vmread(VMCS_EXIT_QUALIFICATION)));
}

static void handle_virtualized_eoi(struct vcpu *vcpu)
{
    vmx_trap_pending(vcpu);
    vcpu->arch.interrupts.ended(vcpu->arch.interrupts.state, vmread(VMCS_EXIT_QUALIFICATION) & 0xff);
}

static void handle_ept_misconfiguration(struct vcpu *vcpu)
{
    vm_crash(vcpu->vm, "EPT misconfiguration at 0x%lx: a fault of Keel", vmread(VMCS_GUEST_PHYSICAL_ADDRESS));
}

static void handle_entry_failure(struct vcpu *vcpu)
{
    uint32_t reason = (uint32_t)vmread(VMCS_EXIT_REASON);
    struct writer *out = crash_begin(vcpu->vm);

    if (out) {
        print_to(out, "VM entry failed: %s\n", vmx_exit_reason_name(VMX_REASON_BASIC(reason)));
        vmx_print_entry_failure(VMX_REASON_BASIC(reason), vmread(VMCS_EXIT_QUALIFICATION), out);
        vmx_explain_entry(&vmx_current, &vmx_cpu, out);
        report_end();
    }
    vm_crash(vcpu->vm, "VM entry failed: %s", vmx_exit_reason_name(VMX_REASON_BASIC(reason)));
}

static __attribute__((noinline, cold)) void handle_unexpected(struct vcpu *vcpu)
{
    uint32_t reason = (uint32_t)vmread(VMCS_EXIT_REASON);

    vm_crash(vcpu->vm, "unexpected VM exit %u (%s), qualification 0x%lx, at rip 0x%lx",
             VMX_REASON_BASIC(reason), vmx_exit_reason_name(VMX_REASON_BASIC(reason)),
             vmread(VMCS_EXIT_QUALIFICATION), vmread(VMCS_GUEST_RIP));
}

typedef void exit_handler(struct vcpu *vcpu);

/*
 * Indexed by basic exit reason; those that the SDM leaves out, or that no control in use can cause, are
 * unexpected. What is to be done before the next entry, or instead of one, is in vcpu->requests then.
 */
static exit_handler *const exit_handlers[VMX_REASON_COUNT + 1] = {
    [VMX_REASON_EXCEPTION_OR_NMI] = handle_exception,
    [VMX_REASON_EXTERNAL_INTERRUPT] = handle_external_interrupt,
    [VMX_REASON_TRIPLE_FAULT] = exit_triple_fault,
    [VMX_REASON_INIT] = exit_ignored,
    [VMX_REASON_SIPI] = exit_ignored,
    [VMX_REASON_IO_SMI] = handle_unexpected,
    [VMX_REASON_OTHER_SMI] = handle_unexpected,
    [VMX_REASON_INTERRUPT_WINDOW] = exit_window,
    [VMX_REASON_NMI_WINDOW] = exit_window,
    [VMX_REASON_TASK_SWITCH] = handle_task_switch,
    [VMX_REASON_CPUID] = handle_cpuid,
    [VMX_REASON_GETSEC] = exit_undefined,
    [VMX_REASON_HLT] = handle_hlt,
    [VMX_REASON_INVD] = next_instruction,
    [VMX_REASON_INVLPG] = handle_unexpected,
    [VMX_REASON_RDPMC] = exit_protection,
    [VMX_REASON_RDTSC] = handle_unexpected,
    [VMX_REASON_RSM] = exit_undefined,
    [VMX_REASON_VMCALL] = handle_vmcall,
    [VMX_REASON_VMCLEAR] = exit_undefined,
    [VMX_REASON_VMLAUNCH] = exit_undefined,
    [VMX_REASON_VMPTRLD] = exit_undefined,
    [VMX_REASON_VMPTRST] = exit_undefined,
    [VMX_REASON_VMREAD] = exit_undefined,
    [VMX_REASON_VMRESUME] = exit_undefined,
    [VMX_REASON_VMWRITE] = exit_undefined,
    [VMX_REASON_VMXOFF] = exit_undefined,
    [VMX_REASON_VMXON] = exit_undefined,
    [VMX_REASON_CR_ACCESS] = vmx_handle_cr_access,
    [VMX_REASON_MOV_DR] = handle_mov_dr,
    [VMX_REASON_IO_INSTRUCTION] = handle_io,
    [VMX_REASON_RDMSR] = handle_rdmsr,
    [VMX_REASON_WRMSR] = handle_wrmsr,
    [VMX_REASON_INVALID_GUEST_STATE] = handle_entry_failure,
    [VMX_REASON_MSR_LOADING] = handle_entry_failure,
    [35] = handle_unexpected,
    [VMX_REASON_MWAIT] = exit_undefined,
    [VMX_REASON_MONITOR_TRAP_FLAG] = handle_unexpected,
    [38] = handle_unexpected,
    [VMX_REASON_MONITOR] = exit_undefined,
    [VMX_REASON_PAUSE] = handle_pause,
    [VMX_REASON_ENTRY_MACHINE_CHECK] = handle_entry_failure,
    [42] = handle_unexpected,
    [VMX_REASON_TPR_BELOW_THRESHOLD] = handle_tpr_threshold,
    [VMX_REASON_APIC_ACCESS] = handle_apic_access,
    [VMX_REASON_VIRTUALIZED_EOI] = handle_virtualized_eoi,
    [VMX_REASON_GDTR_IDTR_ACCESS] = handle_unexpected,
    [VMX_REASON_LDTR_TR_ACCESS] = handle_unexpected,
    [VMX_REASON_EPT_VIOLATION] = handle_ept_violation,
    [VMX_REASON_EPT_MISCONFIGURATION] = handle_ept_misconfiguration,
    [VMX_REASON_INVEPT] = exit_undefined,
    [VMX_REASON_RDTSCP] = handle_unexpected,
    [VMX_REASON_PREEMPTION_TIMER] = exit_ignored,
    [VMX_REASON_INVVPID] = exit_undefined,
    [VMX_REASON_WBINVD] = next_instruction,
    [VMX_REASON_XSETBV] = handle_xsetbv,
    [VMX_REASON_APIC_WRITE] = handle_apic_write,
    [VMX_REASON_RDRAND] = handle_unexpected,
    [VMX_REASON_INVPCID] = handle_unexpected,
    [VMX_REASON_VMFUNC] = exit_undefined,
    [VMX_REASON_ENCLS] = exit_undefined,
    [VMX_REASON_RDSEED] = handle_unexpected,
    [VMX_REASON_PML_FULL] = handle_unexpected,
    [VMX_REASON_XSAVES] = handle_unexpected,
    [VMX_REASON_XRSTORS] = handle_unexpected,
    [VMX_REASON_PCONFIG] = exit_undefined,
    [VMX_REASON_SPP_EVENT] = handle_unexpected,
    [VMX_REASON_UMWAIT] = handle_unexpected,
    [VMX_REASON_TPAUSE] = handle_unexpected,
    [VMX_REASON_LOADIWKEY] = exit_undefined,
    [VMX_REASON_ENCLV] = exit_undefined,
    [71] = handle_unexpected,
    [VMX_REASON_ENQCMD_PASID] = handle_unexpected,
    [VMX_REASON_ENQCMDS_PASID] = handle_unexpected,
    [VMX_REASON_BUS_LOCK] = handle_unexpected,
    [VMX_REASON_INSTRUCTION_TIMEOUT] = handle_unexpected,
    [VMX_REASON_SEAMCALL] = exit_undefined,
    [VMX_REASON_TDCALL] = exit_undefined,
    [VMX_REASON_RDMSRLIST] = handle_unexpected,
    [VMX_REASON_WRMSRLIST] = handle_unexpected,
    [VMX_REASON_URDMSR] = handle_unexpected,
    [VMX_REASON_UWRMSR] = handle_unexpected,
    [82] = handle_unexpected,
    [83] = handle_unexpected,
    [VMX_REASON_RDMSR_IMMEDIATE] = handle_unexpected,
    [VMX_REASON_WRMSRNS_IMMEDIATE] = handle_unexpected,
    [VMX_REASON_COUNT] = handle_unexpected, /* what the SDM does not have */
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

    vcpu->arch.rip = vmread(VMCS_GUEST_RIP);
    if (unlikely(reason >= VMX_REASON_COUNT))
        reason = unusual_reason(reason);
    vcpu_note_exit(vcpu, (uint32_t)reason, (uint32_t)vcpu->arch.rip);
    exit_begin(vcpu, stat_at[reason]);
    exit_handlers[reason](vcpu);
    return exit_end(vcpu);
}

DEFINE_EXIT(vmx_handle_exit, serve, vmx_leave)

void vmx_entry_failed(struct vcpu *vcpu)
{
    uint32_t error = (uint32_t)vmread(VMCS_INSTRUCTION_ERROR);
    struct writer *out = crash_begin(vcpu->vm);

    if (out) {
        print_to(out, "VMLAUNCH or VMRESUME failed, error %u: %s\n", error,
                 vmx_instruction_error_text(error));
        vmx_explain_entry(&vmx_current, &vmx_cpu, out);
        report_end();
    }
    vm_crash(vcpu->vm, "VM entry failed, error %u: %s", error, vmx_instruction_error_text(error));
}
