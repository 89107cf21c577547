/* VM exits, VM-instruction errors and events in words. */
#pragma once

#include "hv/lib/base.h"
#include "vmx/fields.h"

struct writer;

/* X(number, name, text): SDM, appendix "VMX Basic Exit Reasons". Numbers between them are not defined. */
/* clang-format off */
#define VMX_EXIT_REASONS(X) \
    X(0, EXCEPTION_OR_NMI, "exception or NMI") \
    X(1, EXTERNAL_INTERRUPT, "external interrupt") \
    X(2, TRIPLE_FAULT, "triple fault") \
    X(3, INIT, "INIT signal") \
    X(4, SIPI, "start-up IPI") \
    X(5, IO_SMI, "I/O system-management interrupt") \
    X(6, OTHER_SMI, "other SMI") \
    X(7, INTERRUPT_WINDOW, "interrupt window") \
    X(8, NMI_WINDOW, "NMI window") \
    X(9, TASK_SWITCH, "task switch") \
    X(10, CPUID, "CPUID") \
    X(11, GETSEC, "GETSEC") \
    X(12, HLT, "HLT") \
    X(13, INVD, "INVD") \
    X(14, INVLPG, "INVLPG") \
    X(15, RDPMC, "RDPMC") \
    X(16, RDTSC, "RDTSC") \
    X(17, RSM, "RSM") \
    X(18, VMCALL, "VMCALL") \
    X(19, VMCLEAR, "VMCLEAR") \
    X(20, VMLAUNCH, "VMLAUNCH") \
    X(21, VMPTRLD, "VMPTRLD") \
    X(22, VMPTRST, "VMPTRST") \
    X(23, VMREAD, "VMREAD") \
    X(24, VMRESUME, "VMRESUME") \
    X(25, VMWRITE, "VMWRITE") \
    X(26, VMXOFF, "VMXOFF") \
    X(27, VMXON, "VMXON") \
    X(28, CR_ACCESS, "control-register access") \
    X(29, MOV_DR, "MOV DR") \
    X(30, IO_INSTRUCTION, "I/O instruction") \
    X(31, RDMSR, "RDMSR") \
    X(32, WRMSR, "WRMSR") \
    X(33, INVALID_GUEST_STATE, "VM-entry failure due to invalid guest state") \
    X(34, MSR_LOADING, "VM-entry failure due to MSR loading") \
    X(36, MWAIT, "MWAIT") \
    X(37, MONITOR_TRAP_FLAG, "monitor trap flag") \
    X(39, MONITOR, "MONITOR") \
    X(40, PAUSE, "PAUSE") \
    X(41, ENTRY_MACHINE_CHECK, "VM-entry failure due to machine-check event") \
    X(43, TPR_BELOW_THRESHOLD, "TPR below threshold") \
    X(44, APIC_ACCESS, "APIC access") \
    X(45, VIRTUALIZED_EOI, "virtualized EOI") \
    X(46, GDTR_IDTR_ACCESS, "access to GDTR or IDTR") \
    X(47, LDTR_TR_ACCESS, "access to LDTR or TR") \
    X(48, EPT_VIOLATION, "EPT violation") \
    X(49, EPT_MISCONFIGURATION, "EPT misconfiguration") \
    X(50, INVEPT, "INVEPT") \
    X(51, RDTSCP, "RDTSCP") \
    X(52, PREEMPTION_TIMER, "VMX-preemption timer expired") \
    X(53, INVVPID, "INVVPID") \
    X(54, WBINVD, "WBINVD or WBNOINVD") \
    X(55, XSETBV, "XSETBV") \
    X(56, APIC_WRITE, "APIC write") \
    X(57, RDRAND, "RDRAND") \
    X(58, INVPCID, "INVPCID") \
    X(59, VMFUNC, "VMFUNC") \
    X(60, ENCLS, "ENCLS") \
    X(61, RDSEED, "RDSEED") \
    X(62, PML_FULL, "page-modification log full") \
    X(63, XSAVES, "XSAVES") \
    X(64, XRSTORS, "XRSTORS") \
    X(65, PCONFIG, "PCONFIG") \
    X(66, SPP_EVENT, "SPP-related event") \
    X(67, UMWAIT, "UMWAIT") \
    X(68, TPAUSE, "TPAUSE") \
    X(69, LOADIWKEY, "LOADIWKEY") \
    X(70, ENCLV, "ENCLV") \
    X(72, ENQCMD_PASID, "ENQCMD PASID translation failure") \
    X(73, ENQCMDS_PASID, "ENQCMDS PASID translation failure") \
    X(74, BUS_LOCK, "bus lock") \
    X(75, INSTRUCTION_TIMEOUT, "instruction timeout") \
    X(76, SEAMCALL, "SEAMCALL") \
    X(77, TDCALL, "TDCALL") \
    X(78, RDMSRLIST, "RDMSRLIST") \
    X(79, WRMSRLIST, "WRMSRLIST") \
    X(80, URDMSR, "URDMSR") \
    X(81, UWRMSR, "UWRMSR") \
    X(84, RDMSR_IMMEDIATE, "RDMSR with an immediate") \
    X(85, WRMSRNS_IMMEDIATE, "WRMSRNS with an immediate")
/* clang-format on */

enum vmx_exit_reason {
#define X(number, name, text) VMX_REASON_##name = (number),
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

/* SDM, "Exit Qualification for I/O Instructions". */
#define IO_SIZE(qualification)   (((qualification)&7) + 1)
#define IO_IN                    BIT(3)
#define IO_STRING                BIT(4)
#define IO_PORT(qualification)   ((uint16_t)((qualification) >> 16))

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
