/*
 * Every control bit of VMX and what Keel wants of it: one list (SDM, "VM-Execution Control Fields", "VM-Exit
 * Control Fields", "VM-Entry Control Fields").
 */
#pragma once

#include "hv/lib/base.h"

/* The words of control bits. EXIT2 are the secondary VM-exit controls. */
enum vmx_control_word {
    VMX_PIN,
    VMX_PRIMARY,
    VMX_SECONDARY,
    VMX_TERTIARY,
    VMX_EXIT,
    VMX_EXIT2,
    VMX_ENTRY,
    VMX_WORDS
};

/*
 * X(word, bit, name, name in the SDM, wanted how, why):
 *   NEEDED(since)   Keel cannot run without it
 *   WANTED          on where the CPU allows it
 *   TOGGLED(since)  off at first; switched at run time, so it must be allowed
 *   OFF             off where the CPU allows that
 * `since` is the first CPU that has it, and picks the words that tell what mends its absence.
 */
/* clang-format off */
#define VMX_PIN_LIST(X) \
    X(PIN, 0, EXTERNAL_INTERRUPT_EXITING, "external-interrupt exiting", NEEDED(VMX), "a device's interrupt reaches Keel") \
    X(PIN, 3, NMI_EXITING, "NMI exiting", NEEDED(VMX), "an NMI reaches Keel, not the guest") \
    X(PIN, 5, VIRTUAL_NMIS, "virtual NMIs", NEEDED(VMX), "the guest's own NMIs are blocked and unblocked by hardware") \
    X(PIN, 6, PREEMPTION_TIMER, "activate VMX-preemption timer", NEEDED(NEHALEM), "it bounds each run of a guest") \
    X(PIN, 7, PROCESS_POSTED_INTERRUPTS, "process posted interrupts", WANTED, "another core's interrupt does not exit either")

#define VMX_PRIMARY_LIST(X) \
    X(PRIMARY, 2, INTERRUPT_WINDOW_EXITING, "interrupt-window exiting", TOGGLED(VMX), "waits until the guest takes interrupts") \
    X(PRIMARY, 3, USE_TSC_OFFSETTING, "use TSC offsetting", NEEDED(VMX), "each guest has its own time") \
    X(PRIMARY, 7, HLT_EXITING, "HLT exiting", NEEDED(VMX), "an idle guest gives its core back") \
    X(PRIMARY, 9, INVLPG_EXITING, "INVLPG exiting", OFF, "EPT leaves the guest its own page tables") \
    X(PRIMARY, 10, MWAIT_EXITING, "MWAIT exiting", NEEDED(VMX), "a guest must not put the core to sleep") \
    X(PRIMARY, 11, RDPMC_EXITING, "RDPMC exiting", NEEDED(VMX), "the host's counters are not a guest's to read") \
    X(PRIMARY, 12, RDTSC_EXITING, "RDTSC exiting", OFF, "the TSC offset is enough") \
    X(PRIMARY, 15, CR3_LOAD_EXITING, "CR3-load exiting", OFF, "EPT leaves the guest its own page tables") \
    X(PRIMARY, 16, CR3_STORE_EXITING, "CR3-store exiting", OFF, "EPT leaves the guest its own page tables") \
    X(PRIMARY, 17, ACTIVATE_TERTIARY, "activate tertiary controls", OFF, "no tertiary control is used") \
    X(PRIMARY, 19, CR8_LOAD_EXITING, "CR8-load exiting", NEEDED(VMX), "without TPR shadow, CR8 is the virtual local APIC's TPR") \
    X(PRIMARY, 20, CR8_STORE_EXITING, "CR8-store exiting", NEEDED(VMX), "without TPR shadow, CR8 is the virtual local APIC's TPR") \
    X(PRIMARY, 21, USE_TPR_SHADOW, "use TPR shadow", WANTED, "CR8 is the TPR on the virtual-APIC page") \
    X(PRIMARY, 22, NMI_WINDOW_EXITING, "NMI-window exiting", TOGGLED(VMX), "waits until the guest takes NMIs") \
    X(PRIMARY, 23, MOV_DR_EXITING, "MOV-DR exiting", OFF, "the guest has the debug registers, but while a debugger has some of them") \
    X(PRIMARY, 24, UNCONDITIONAL_IO_EXITING, "unconditional I/O exiting", NEEDED(VMX), "every port is on a bus of Keel") \
    X(PRIMARY, 25, USE_IO_BITMAPS, "use I/O bitmaps", OFF, "no port is handed through") \
    X(PRIMARY, 27, MONITOR_TRAP_FLAG, "monitor trap flag", OFF, "a debugger steps by RFLAGS.TF, which every CPU has") \
    X(PRIMARY, 28, USE_MSR_BITMAPS, "use MSR bitmaps", NEEDED(VMX), "MSRs that switch with the guest do not exit") \
    X(PRIMARY, 29, MONITOR_EXITING, "MONITOR exiting", NEEDED(VMX), "a guest must not arm the core's monitor") \
    X(PRIMARY, 30, PAUSE_EXITING, "PAUSE exiting", OFF, "one PAUSE alone is no loop") \
    X(PRIMARY, 31, ACTIVATE_SECONDARY, "activate secondary controls", NEEDED(CORE2), "EPT and unrestricted guest are among them")

#define VMX_SECONDARY_LIST(X) \
    X(SECONDARY, 0, VIRTUALIZE_APIC_ACCESSES, "virtualize APIC accesses", WANTED, "xAPIC registers are read and written there too") \
    X(SECONDARY, 1, ENABLE_EPT, "enable EPT", NEEDED(NEHALEM), "guest memory is kept apart by EPT, there are no shadow page tables") \
    X(SECONDARY, 2, DESCRIPTOR_TABLE_EXITING, "descriptor-table exiting", OFF, "a guest's tables are its own") \
    X(SECONDARY, 3, ENABLE_RDTSCP, "enable RDTSCP", WANTED, "the instruction works where CPUID shows it") \
    X(SECONDARY, 4, VIRTUALIZE_X2APIC, "virtualize x2APIC mode", WANTED, "likewise those of the x2APIC") \
    X(SECONDARY, 5, ENABLE_VPID, "enable VPID", WANTED, "the TLB survives entries and exits") \
    X(SECONDARY, 6, WBINVD_EXITING, "WBINVD exiting", WANTED, "a guest must not empty the caches of all") \
    X(SECONDARY, 7, UNRESTRICTED_GUEST, "unrestricted guest", NEEDED(WESTMERE), "Keel runs real-mode guests with it") \
    X(SECONDARY, 8, APIC_REGISTER_VIRTUALIZATION, "APIC-register virtualization", WANTED, "reading them does not exit") \
    X(SECONDARY, 9, VIRTUAL_INTERRUPT_DELIVERY, "virtual-interrupt delivery", WANTED, "interrupts, EOI and self IPIs do not exit") \
    X(SECONDARY, 10, PAUSE_LOOP_EXITING, "PAUSE-loop exiting", WANTED, "a vCPU that waits in a loop lets the others of its core run") \
    X(SECONDARY, 11, RDRAND_EXITING, "RDRAND exiting", OFF, "random numbers are for all") \
    X(SECONDARY, 12, ENABLE_INVPCID, "enable INVPCID", WANTED, "the instruction works where CPUID shows it") \
    X(SECONDARY, 13, ENABLE_VM_FUNCTIONS, "enable VM functions", OFF, "a guest has one set of EPT tables") \
    X(SECONDARY, 14, VMCS_SHADOWING, "VMCS shadowing", OFF, "guests have no VMX") \
    X(SECONDARY, 15, ENABLE_ENCLS_EXITING, "enable ENCLS exiting", OFF, "guests have no SGX") \
    X(SECONDARY, 16, RDSEED_EXITING, "RDSEED exiting", OFF, "random numbers are for all") \
    X(SECONDARY, 17, ENABLE_PML, "enable PML", OFF, "no dirty pages are tracked") \
    X(SECONDARY, 18, EPT_VIOLATION_VE, "EPT-violation #VE", OFF, "EPT violations are Keel's") \
    X(SECONDARY, 19, CONCEAL_VMX_FROM_PT, "conceal VMX from PT", OFF, "guests have no Intel PT") \
    X(SECONDARY, 20, ENABLE_XSAVES, "enable XSAVES/XRSTORS", WANTED, "the instructions work where CPUID shows them") \
    X(SECONDARY, 21, PASID_TRANSLATION, "PASID translation", OFF, "guests have no ENQCMD") \
    X(SECONDARY, 22, MODE_BASED_EXECUTE, "mode-based execute control for EPT", OFF, "EPT pages have one execute permission") \
    X(SECONDARY, 23, SUB_PAGE_WRITE_PERMISSIONS, "sub-page write permissions for EPT", OFF, "EPT permissions are a page's") \
    X(SECONDARY, 24, PT_GUEST_PHYSICAL, "Intel PT uses guest physical addresses", OFF, "guests have no Intel PT") \
    X(SECONDARY, 25, USE_TSC_SCALING, "use TSC scaling", OFF, "a guest's TSC runs as the host's does") \
    X(SECONDARY, 26, ENABLE_USER_WAIT, "enable user wait and pause", WANTED, "the instructions work where CPUID shows them") \
    X(SECONDARY, 27, ENABLE_PCONFIG, "enable PCONFIG", OFF, "memory encryption keys are the host's") \
    X(SECONDARY, 28, ENABLE_ENCLV_EXITING, "enable ENCLV exiting", OFF, "guests have no SGX") \
    X(SECONDARY, 30, BUS_LOCK_DETECTION, "VMM bus-lock detection", OFF, "bus locks are not counted") \
    X(SECONDARY, 31, INSTRUCTION_TIMEOUT, "instruction timeout", OFF, "the preemption timer bounds a run")

#define VMX_TERTIARY_LIST(X) \
    X(TERTIARY, 0, LOADIWKEY_EXITING, "LOADIWKEY exiting", OFF, "guests have no Key Locker") \
    X(TERTIARY, 1, ENABLE_HLAT, "enable HLAT", OFF, "a guest's page tables are its own") \
    X(TERTIARY, 2, EPT_PAGING_WRITE, "EPT paging-write control", OFF, "a guest's page tables are its own") \
    X(TERTIARY, 3, GUEST_PAGING_VERIFICATION, "guest-paging verification", OFF, "a guest's page tables are its own") \
    X(TERTIARY, 4, IPI_VIRTUALIZATION, "IPI virtualization", OFF, "an IPI to another vCPU is sent by software") \
    X(TERTIARY, 5, SEAM_GUEST_PHYSICAL_WIDTH, "SEAM guest-physical address width", OFF, "guests are no trust domains") \
    X(TERTIARY, 6, ENABLE_MSR_LIST, "enable MSR-list instructions", OFF, "CPUID does not show them") \
    X(TERTIARY, 7, VIRTUALIZE_SPEC_CTRL, "virtualize IA32_SPEC_CTRL", OFF, "guests are not shown the MSR")

#define VMX_EXIT_LIST(X) \
    X(EXIT, 2, SAVE_DEBUG_CONTROLS, "save debug controls", NEEDED(VMX), "DR7 and IA32_DEBUGCTL switch with the guest") \
    X(EXIT, 9, HOST_ADDRESS_SPACE_SIZE, "host address-space size", NEEDED(VMX), "Keel is 64-bit code") \
    X(EXIT, 12, LOAD_PERF_GLOBAL_CTRL, "load IA32_PERF_GLOBAL_CTRL", OFF, "guests have no performance counters") \
    X(EXIT, 15, ACKNOWLEDGE_INTERRUPT, "acknowledge interrupt on exit", OFF, "Keel opens an interrupt window of its own, but posted interrupts demand it") \
    X(EXIT, 18, SAVE_PAT, "save IA32_PAT", NEEDED(NEHALEM), "the guest's memory types switch with it") \
    X(EXIT, 19, LOAD_PAT, "load IA32_PAT", NEEDED(NEHALEM), "Keel's memory types come back") \
    X(EXIT, 20, SAVE_EFER, "save IA32_EFER", NEEDED(NEHALEM), "the guest's EFER switches with it") \
    X(EXIT, 21, LOAD_EFER, "load IA32_EFER", NEEDED(NEHALEM), "Keel's EFER, with NXE, comes back") \
    X(EXIT, 22, SAVE_PREEMPTION_TIMER, "save VMX-preemption timer value", OFF, "each run has the same bound") \
    X(EXIT, 23, CLEAR_BNDCFGS, "clear IA32_BNDCFGS", OFF, "guests have no MPX") \
    X(EXIT, 24, CONCEAL_VMX_FROM_PT, "conceal VMX from PT", OFF, "guests have no Intel PT") \
    X(EXIT, 25, CLEAR_RTIT_CTL, "clear IA32_RTIT_CTL", OFF, "guests have no Intel PT") \
    X(EXIT, 26, CLEAR_LBR_CTL, "clear IA32_LBR_CTL", OFF, "guests have no architectural LBRs") \
    X(EXIT, 27, CLEAR_UINV, "clear UINV", OFF, "guests have no user interrupts") \
    X(EXIT, 28, LOAD_CET, "load CET state", OFF, "guests have no CET") \
    X(EXIT, 29, LOAD_PKRS, "load PKRS", OFF, "guests have no supervisor protection keys") \
    X(EXIT, 30, SAVE_PERF_GLOBAL_CTRL, "save IA32_PERF_GLOBAL_CTRL", OFF, "guests have no performance counters") \
    X(EXIT, 31, ACTIVATE_SECONDARY, "activate secondary controls", OFF, "no secondary exit control is used") \
    X(EXIT2, 0, SAVE_FRED, "save IA32_FRED", OFF, "guests have no FRED") \
    X(EXIT2, 1, LOAD_FRED, "load IA32_FRED", OFF, "guests have no FRED") \
    X(EXIT2, 3, BUSY_SHADOW_STACK, "prematurely busy shadow stack", OFF, "guests have no CET")

#define VMX_ENTRY_LIST(X) \
    X(ENTRY, 2, LOAD_DEBUG_CONTROLS, "load debug controls", NEEDED(VMX), "DR7 and IA32_DEBUGCTL switch with the guest") \
    X(ENTRY, 9, IA32E_MODE_GUEST, "IA-32e mode guest", TOGGLED(VMX), "follows the guest into and out of long mode") \
    X(ENTRY, 10, ENTRY_TO_SMM, "entry to SMM", OFF, "Keel is not an SMM monitor") \
    X(ENTRY, 11, DEACTIVATE_DUAL_MONITOR, "deactivate dual-monitor treatment", OFF, "Keel is not an SMM monitor") \
    X(ENTRY, 13, LOAD_PERF_GLOBAL_CTRL, "load IA32_PERF_GLOBAL_CTRL", OFF, "guests have no performance counters") \
    X(ENTRY, 14, LOAD_PAT, "load IA32_PAT", NEEDED(NEHALEM), "the guest's memory types switch with it") \
    X(ENTRY, 15, LOAD_EFER, "load IA32_EFER", NEEDED(NEHALEM), "the guest's EFER switches with it") \
    X(ENTRY, 16, LOAD_BNDCFGS, "load IA32_BNDCFGS", OFF, "guests have no MPX") \
    X(ENTRY, 17, CONCEAL_VMX_FROM_PT, "conceal VMX from PT", OFF, "guests have no Intel PT") \
    X(ENTRY, 18, LOAD_RTIT_CTL, "load IA32_RTIT_CTL", OFF, "guests have no Intel PT") \
    X(ENTRY, 19, LOAD_UINV, "load UINV", OFF, "guests have no user interrupts") \
    X(ENTRY, 20, LOAD_CET, "load CET state", OFF, "guests have no CET") \
    X(ENTRY, 21, LOAD_LBR_CTL, "load guest IA32_LBR_CTL", OFF, "guests have no architectural LBRs") \
    X(ENTRY, 22, LOAD_PKRS, "load PKRS", OFF, "guests have no supervisor protection keys") \
    X(ENTRY, 23, LOAD_FRED, "load IA32_FRED", OFF, "guests have no FRED")

#define VMX_CONTROLS(X) \
    VMX_PIN_LIST(X) VMX_PRIMARY_LIST(X) VMX_SECONDARY_LIST(X) VMX_TERTIARY_LIST(X) VMX_EXIT_LIST(X) VMX_ENTRY_LIST(X)
/* clang-format on */

/* The bits by name: VMX_PIN_NMI_EXITING, VMX_SECONDARY_ENABLE_EPT, … */
enum vmx_control_bit {
#define X(word, bit, name, text, how, why) VMX_##word##_##name = 1u << (bit),
    VMX_CONTROLS(X)
#undef X
};
