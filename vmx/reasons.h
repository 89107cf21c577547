/* VM exits, VM-instruction errors and events in words. */
#pragma once

#include "hv/lib/base.h"
#include "vmx/fields.h"

struct writer;

/*
 * X(number, name, text, what its operand is, who serves it): SDM, appendix "VMX Basic Exit Reasons". Numbers
 * between them are not defined. Those that no control in use can cause are unexpected.
 */
/* clang-format off */
#define VMX_EXIT_REASONS(X) \
    X(0, EXCEPTION_OR_NMI, "exception or NMI", VECTOR, handle_exception) \
    X(1, EXTERNAL_INTERRUPT, "external interrupt", NOTHING, handle_external_interrupt) \
    X(2, TRIPLE_FAULT, "triple fault", NOTHING, exit_triple_fault) \
    X(3, INIT, "INIT signal", NOTHING, exit_ignored) \
    X(4, SIPI, "start-up IPI", NOTHING, exit_ignored) \
    X(5, IO_SMI, "I/O system-management interrupt", NOTHING, handle_unexpected) \
    X(6, OTHER_SMI, "other SMI", NOTHING, handle_unexpected) \
    X(7, INTERRUPT_WINDOW, "interrupt window", NOTHING, exit_window) \
    X(8, NMI_WINDOW, "NMI window", NOTHING, exit_window) \
    X(9, TASK_SWITCH, "task switch", NOTHING, handle_task_switch) \
    X(10, CPUID, "CPUID", LEAF, handle_cpuid) \
    X(11, GETSEC, "GETSEC", NOTHING, exit_undefined) \
    X(12, HLT, "HLT", NOTHING, handle_hlt) \
    X(13, INVD, "INVD", NOTHING, handle_cache) \
    X(14, INVLPG, "INVLPG", NOTHING, handle_unexpected) \
    X(15, RDPMC, "RDPMC", NOTHING, exit_protection) \
    X(16, RDTSC, "RDTSC", NOTHING, handle_unexpected) \
    X(17, RSM, "RSM", NOTHING, exit_undefined) \
    X(18, VMCALL, "VMCALL", CALL, handle_hypercall) \
    X(19, VMCLEAR, "VMCLEAR", NOTHING, exit_undefined) \
    X(20, VMLAUNCH, "VMLAUNCH", NOTHING, exit_undefined) \
    X(21, VMPTRLD, "VMPTRLD", NOTHING, exit_undefined) \
    X(22, VMPTRST, "VMPTRST", NOTHING, exit_undefined) \
    X(23, VMREAD, "VMREAD", NOTHING, exit_undefined) \
    X(24, VMRESUME, "VMRESUME", NOTHING, exit_undefined) \
    X(25, VMWRITE, "VMWRITE", NOTHING, exit_undefined) \
    X(26, VMXOFF, "VMXOFF", NOTHING, exit_undefined) \
    X(27, VMXON, "VMXON", NOTHING, exit_undefined) \
    X(28, CR_ACCESS, "control-register access", NOTHING, vmx_handle_cr_access) \
    X(29, MOV_DR, "MOV DR", NOTHING, handle_mov_dr) \
    X(30, IO_INSTRUCTION, "I/O instruction", PORT, handle_io) \
    X(31, RDMSR, "RDMSR", MSR, handle_rdmsr) \
    X(32, WRMSR, "WRMSR", MSR, handle_wrmsr) \
    X(33, INVALID_GUEST_STATE, "VM-entry failure due to invalid guest state", NOTHING, handle_entry_failure) \
    X(34, MSR_LOADING, "VM-entry failure due to MSR loading", NOTHING, handle_entry_failure) \
    X(36, MWAIT, "MWAIT", NOTHING, exit_undefined) \
    X(37, MONITOR_TRAP_FLAG, "monitor trap flag", NOTHING, handle_unexpected) \
    X(39, MONITOR, "MONITOR", NOTHING, exit_undefined) \
    X(40, PAUSE, "PAUSE", NOTHING, handle_pause) \
    X(41, ENTRY_MACHINE_CHECK, "VM-entry failure due to machine-check event", NOTHING, handle_entry_failure) \
    X(43, TPR_BELOW_THRESHOLD, "TPR below threshold", NOTHING, handle_tpr_threshold) \
    X(44, APIC_ACCESS, "APIC access", MEMORY, handle_apic_access) \
    X(45, VIRTUALIZED_EOI, "virtualized EOI", VECTOR, handle_virtualized_eoi) \
    X(46, GDTR_IDTR_ACCESS, "access to GDTR or IDTR", NOTHING, handle_unexpected) \
    X(47, LDTR_TR_ACCESS, "access to LDTR or TR", NOTHING, handle_unexpected) \
    X(48, EPT_VIOLATION, "EPT violation", MEMORY, handle_ept_violation) \
    X(49, EPT_MISCONFIGURATION, "EPT misconfiguration", MEMORY, handle_ept_misconfiguration) \
    X(50, INVEPT, "INVEPT", NOTHING, exit_undefined) \
    X(51, RDTSCP, "RDTSCP", NOTHING, handle_unexpected) \
    X(52, PREEMPTION_TIMER, "VMX-preemption timer expired", NOTHING, exit_ignored) \
    X(53, INVVPID, "INVVPID", NOTHING, exit_undefined) \
    X(54, WBINVD, "WBINVD or WBNOINVD", NOTHING, handle_cache) \
    X(55, XSETBV, "XSETBV", NOTHING, handle_xsetbv) \
    X(56, APIC_WRITE, "APIC write", MEMORY, handle_apic_write) \
    X(57, RDRAND, "RDRAND", NOTHING, handle_unexpected) \
    X(58, INVPCID, "INVPCID", NOTHING, handle_unexpected) \
    X(59, VMFUNC, "VMFUNC", NOTHING, exit_undefined) \
    X(60, ENCLS, "ENCLS", NOTHING, exit_undefined) \
    X(61, RDSEED, "RDSEED", NOTHING, handle_unexpected) \
    X(62, PML_FULL, "page-modification log full", NOTHING, handle_unexpected) \
    X(63, XSAVES, "XSAVES", NOTHING, handle_unexpected) \
    X(64, XRSTORS, "XRSTORS", NOTHING, handle_unexpected) \
    X(65, PCONFIG, "PCONFIG", NOTHING, exit_undefined) \
    X(66, SPP_EVENT, "SPP-related event", NOTHING, handle_unexpected) \
    X(67, UMWAIT, "UMWAIT", NOTHING, handle_unexpected) \
    X(68, TPAUSE, "TPAUSE", NOTHING, handle_unexpected) \
    X(69, LOADIWKEY, "LOADIWKEY", NOTHING, exit_undefined) \
    X(70, ENCLV, "ENCLV", NOTHING, exit_undefined) \
    X(72, ENQCMD_PASID, "ENQCMD PASID translation failure", NOTHING, handle_unexpected) \
    X(73, ENQCMDS_PASID, "ENQCMDS PASID translation failure", NOTHING, handle_unexpected) \
    X(74, BUS_LOCK, "bus lock", NOTHING, handle_unexpected) \
    X(75, INSTRUCTION_TIMEOUT, "instruction timeout", NOTHING, handle_unexpected) \
    X(76, SEAMCALL, "SEAMCALL", NOTHING, exit_undefined) \
    X(77, TDCALL, "TDCALL", NOTHING, exit_undefined) \
    X(78, RDMSRLIST, "RDMSRLIST", NOTHING, handle_unexpected) \
    X(79, WRMSRLIST, "WRMSRLIST", NOTHING, handle_unexpected) \
    X(80, URDMSR, "URDMSR", NOTHING, handle_unexpected) \
    X(81, UWRMSR, "UWRMSR", NOTHING, handle_unexpected) \
    X(84, RDMSR_IMMEDIATE, "RDMSR with an immediate", NOTHING, handle_unexpected) \
    X(85, WRMSRNS_IMMEDIATE, "WRMSRNS with an immediate", NOTHING, handle_unexpected)
/* clang-format on */

enum vmx_exit_reason {
#define X(number, name, text, about, handler) VMX_REASON_##name = (number),
    VMX_EXIT_REASONS(X)
#undef X
        VMX_REASON_COUNT
};

/* The exit-reason field (SDM, "Basic VM-Exit Information"). */
#define VMX_REASON_BASIC(reason) ((reason)&0xffff)
#define VMX_REASON_ENTRY_FAILED  BIT(31)

/* An interruption-information or IDT-vectoring information field. */
#define INFORMATION_VECTOR(i)    ((i)&0xff)
#define INFORMATION_TYPE(i)      ((i) >> 8 & 7) /* enum event_type, or INFORMATION_OTHER_EVENT */
#define INFORMATION_OTHER_EVENT  7
#define INFORMATION_ERROR        BIT(11)
#define INFORMATION_VALID        BIT(31)

/* A basic exit reason in words; "undefined exit reason" for a number that the SDM does not have. */
const char *vmx_exit_reason_name(uint32_t basic);

/* What VM-instruction error `number` says (SDM, "VM Instruction Error Numbers"). */
const char *vmx_instruction_error_text(uint32_t number);

/*
 * What an entry failure's exit qualification adds to its basic reason: a line in words, nothing for a
 * qualification of 0.
 */
void vmx_print_entry_failure(uint32_t basic, uint64_t qualification, struct writer *out);

/*
 * A line for each of the VMCS's events that is valid, in words: "IDT-vectoring information: hardware
 * exception 14 (#PF) with error code".
 */
void vmx_print_events(const struct vmcs_reader *vmcs, struct writer *out);
