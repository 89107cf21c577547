/*
 * The fields of a VMCS (SDM, appendix "Field Encoding in VMCS"): one list, from which the names, the table
 * that prints them and the checks of their encodings are made. Newer editions call "interruption information"
 * injected-event and exiting-event identification, and "IDT-vectoring" original-event identification.
 */
#pragma once

#include "hv/lib/base.h"

struct vmx_capabilities;
struct writer;

/* Bits 14:13 and 11:10 of an encoding (SDM, "VMREAD, VMWRITE, and Encodings of VMCS Fields"). */
enum vmcs_width { VMCS_WIDTH_16, VMCS_WIDTH_64, VMCS_WIDTH_32, VMCS_WIDTH_NATURAL };
enum vmcs_group { VMCS_GROUP_CONTROL, VMCS_GROUP_INFORMATION, VMCS_GROUP_GUEST, VMCS_GROUP_HOST };

/* Who prints a field: what a guest's crash shows, or only a dump of everything. */
enum vmcs_shown { VMCS_SHOWN_CRASH, VMCS_SHOWN_DUMP };

/*
 * X(name, encoding, width, group, name in words, exists if, printed by). "Exists if" is ALWAYS, IF(control
 * word, control) or EITHER(of two): the field can be read only where the CPU allows that control to be 1.
 * Sorted.
 */
/* clang-format off */
#define VMCS_FIELDS_16_CONTROL(X) \
    X(VPID,                    0x0000, 16, CONTROL, "VPID", IF(SECONDARY, ENABLE_VPID), DUMP) \
    X(POSTED_INTERRUPT_VECTOR, 0x0002, 16, CONTROL, "posted-interrupt notification vector", IF(PIN, PROCESS_POSTED_INTERRUPTS), DUMP) \
    X(EPTP_INDEX,              0x0004, 16, CONTROL, "EPTP index", IF(SECONDARY, EPT_VIOLATION_VE), DUMP) \
    X(HLAT_PREFIX_SIZE,        0x0006, 16, CONTROL, "HLAT prefix size", IF(TERTIARY, ENABLE_HLAT), DUMP) \
    X(LAST_PID_POINTER_INDEX,  0x0008, 16, CONTROL, "last PID-pointer index", IF(TERTIARY, IPI_VIRTUALIZATION), DUMP)

#define VMCS_FIELDS_16_GUEST(X) \
    X(GUEST_ES_SELECTOR,      0x0800, 16, GUEST, "guest ES selector", ALWAYS, DUMP) \
    X(GUEST_CS_SELECTOR,      0x0802, 16, GUEST, "guest CS selector", ALWAYS, DUMP) \
    X(GUEST_SS_SELECTOR,      0x0804, 16, GUEST, "guest SS selector", ALWAYS, DUMP) \
    X(GUEST_DS_SELECTOR,      0x0806, 16, GUEST, "guest DS selector", ALWAYS, DUMP) \
    X(GUEST_FS_SELECTOR,      0x0808, 16, GUEST, "guest FS selector", ALWAYS, DUMP) \
    X(GUEST_GS_SELECTOR,      0x080a, 16, GUEST, "guest GS selector", ALWAYS, DUMP) \
    X(GUEST_LDTR_SELECTOR,    0x080c, 16, GUEST, "guest LDTR selector", ALWAYS, DUMP) \
    X(GUEST_TR_SELECTOR,      0x080e, 16, GUEST, "guest TR selector", ALWAYS, DUMP) \
    X(GUEST_INTERRUPT_STATUS, 0x0810, 16, GUEST, "guest interrupt status", IF(SECONDARY, VIRTUAL_INTERRUPT_DELIVERY), DUMP) \
    X(PML_INDEX,              0x0812, 16, GUEST, "PML index", IF(SECONDARY, ENABLE_PML), DUMP) \
    X(GUEST_UINV,             0x0814, 16, GUEST, "guest UINV", EITHER(ENTRY, LOAD_UINV, EXIT, CLEAR_UINV), DUMP)

#define VMCS_FIELDS_16_HOST(X) \
    X(HOST_ES_SELECTOR, 0x0c00, 16, HOST, "host ES selector", ALWAYS, DUMP) \
    X(HOST_CS_SELECTOR, 0x0c02, 16, HOST, "host CS selector", ALWAYS, DUMP) \
    X(HOST_SS_SELECTOR, 0x0c04, 16, HOST, "host SS selector", ALWAYS, DUMP) \
    X(HOST_DS_SELECTOR, 0x0c06, 16, HOST, "host DS selector", ALWAYS, DUMP) \
    X(HOST_FS_SELECTOR, 0x0c08, 16, HOST, "host FS selector", ALWAYS, DUMP) \
    X(HOST_GS_SELECTOR, 0x0c0a, 16, HOST, "host GS selector", ALWAYS, DUMP) \
    X(HOST_TR_SELECTOR, 0x0c0c, 16, HOST, "host TR selector", ALWAYS, DUMP)

#define VMCS_FIELDS_64_CONTROL(X) \
    X(IO_BITMAP_A,                 0x2000, 64, CONTROL, "address of I/O bitmap A", ALWAYS, DUMP) \
    X(IO_BITMAP_B,                 0x2002, 64, CONTROL, "address of I/O bitmap B", ALWAYS, DUMP) \
    X(MSR_BITMAP,                  0x2004, 64, CONTROL, "address of MSR bitmaps", IF(PRIMARY, USE_MSR_BITMAPS), DUMP) \
    X(EXIT_MSR_STORE_ADDRESS,      0x2006, 64, CONTROL, "VM-exit MSR-store address", ALWAYS, DUMP) \
    X(EXIT_MSR_LOAD_ADDRESS,       0x2008, 64, CONTROL, "VM-exit MSR-load address", ALWAYS, DUMP) \
    X(ENTRY_MSR_LOAD_ADDRESS,      0x200a, 64, CONTROL, "VM-entry MSR-load address", ALWAYS, DUMP) \
    X(EXECUTIVE_VMCS_POINTER,      0x200c, 64, CONTROL, "executive-VMCS pointer", ALWAYS, DUMP) \
    X(PML_ADDRESS,                 0x200e, 64, CONTROL, "PML address", IF(SECONDARY, ENABLE_PML), DUMP) \
    X(TSC_OFFSET,                  0x2010, 64, CONTROL, "TSC offset", ALWAYS, DUMP) \
    X(VIRTUAL_APIC_ADDRESS,        0x2012, 64, CONTROL, "virtual-APIC address", IF(PRIMARY, USE_TPR_SHADOW), DUMP) \
    X(APIC_ACCESS_ADDRESS,         0x2014, 64, CONTROL, "APIC-access address", IF(SECONDARY, VIRTUALIZE_APIC_ACCESSES), DUMP) \
    X(POSTED_INTERRUPT_DESCRIPTOR, 0x2016, 64, CONTROL, "posted-interrupt descriptor address", IF(PIN, PROCESS_POSTED_INTERRUPTS), DUMP) \
    X(VM_FUNCTION_CONTROLS,        0x2018, 64, CONTROL, "VM-function controls", IF(SECONDARY, ENABLE_VM_FUNCTIONS), DUMP) \
    X(EPTP,                        0x201a, 64, CONTROL, "EPT pointer", IF(SECONDARY, ENABLE_EPT), DUMP) \
    X(EOI_EXIT_BITMAP_0,           0x201c, 64, CONTROL, "EOI-exit bitmap 0", IF(SECONDARY, VIRTUAL_INTERRUPT_DELIVERY), DUMP) \
    X(EOI_EXIT_BITMAP_1,           0x201e, 64, CONTROL, "EOI-exit bitmap 1", IF(SECONDARY, VIRTUAL_INTERRUPT_DELIVERY), DUMP) \
    X(EOI_EXIT_BITMAP_2,           0x2020, 64, CONTROL, "EOI-exit bitmap 2", IF(SECONDARY, VIRTUAL_INTERRUPT_DELIVERY), DUMP) \
    X(EOI_EXIT_BITMAP_3,           0x2022, 64, CONTROL, "EOI-exit bitmap 3", IF(SECONDARY, VIRTUAL_INTERRUPT_DELIVERY), DUMP) \
    X(EPTP_LIST_ADDRESS,           0x2024, 64, CONTROL, "EPTP-list address", IF(SECONDARY, ENABLE_VM_FUNCTIONS), DUMP) \
    X(VMREAD_BITMAP,               0x2026, 64, CONTROL, "VMREAD-bitmap address", IF(SECONDARY, VMCS_SHADOWING), DUMP) \
    X(VMWRITE_BITMAP,              0x2028, 64, CONTROL, "VMWRITE-bitmap address", IF(SECONDARY, VMCS_SHADOWING), DUMP) \
    X(VE_INFORMATION_ADDRESS,      0x202a, 64, CONTROL, "virtualization-exception information address", IF(SECONDARY, EPT_VIOLATION_VE), DUMP) \
    X(XSS_EXITING_BITMAP,          0x202c, 64, CONTROL, "XSS-exiting bitmap", IF(SECONDARY, ENABLE_XSAVES), DUMP) \
    X(ENCLS_EXITING_BITMAP,        0x202e, 64, CONTROL, "ENCLS-exiting bitmap", IF(SECONDARY, ENABLE_ENCLS_EXITING), DUMP) \
    X(SPP_TABLE_POINTER,           0x2030, 64, CONTROL, "sub-page-permission-table pointer", IF(SECONDARY, SUB_PAGE_WRITE_PERMISSIONS), DUMP) \
    X(TSC_MULTIPLIER,              0x2032, 64, CONTROL, "TSC multiplier", IF(SECONDARY, USE_TSC_SCALING), DUMP) \
    X(TERTIARY_CONTROLS,           0x2034, 64, CONTROL, "tertiary processor-based VM-execution controls", IF(PRIMARY, ACTIVATE_TERTIARY), DUMP) \
    X(ENCLV_EXITING_BITMAP,        0x2036, 64, CONTROL, "ENCLV-exiting bitmap", IF(SECONDARY, ENABLE_ENCLV_EXITING), DUMP) \
    X(LOW_PASID_DIRECTORY,         0x2038, 64, CONTROL, "low PASID directory address", IF(SECONDARY, PASID_TRANSLATION), DUMP) \
    X(HIGH_PASID_DIRECTORY,        0x203a, 64, CONTROL, "high PASID directory address", IF(SECONDARY, PASID_TRANSLATION), DUMP) \
    X(SEAM_SHARED_EPTP,            0x203c, 64, CONTROL, "SEAM shared EPT pointer", IF(TERTIARY, SEAM_GUEST_PHYSICAL_WIDTH), DUMP) \
    X(PCONFIG_EXITING_BITMAP,      0x203e, 64, CONTROL, "PCONFIG-exiting bitmap", IF(SECONDARY, ENABLE_PCONFIG), DUMP) \
    X(HLATP,                       0x2040, 64, CONTROL, "HLAT pointer", IF(TERTIARY, ENABLE_HLAT), DUMP) \
    X(PID_POINTER_TABLE,           0x2042, 64, CONTROL, "PID-pointer table address", IF(TERTIARY, IPI_VIRTUALIZATION), DUMP) \
    X(SECONDARY_EXIT_CONTROLS,     0x2044, 64, CONTROL, "secondary VM-exit controls", IF(EXIT, ACTIVATE_SECONDARY), DUMP) \
    X(SPEC_CTRL_MASK,              0x204a, 64, CONTROL, "IA32_SPEC_CTRL mask", IF(TERTIARY, VIRTUALIZE_SPEC_CTRL), DUMP) \
    X(SPEC_CTRL_SHADOW,            0x204c, 64, CONTROL, "IA32_SPEC_CTRL shadow", IF(TERTIARY, VIRTUALIZE_SPEC_CTRL), DUMP) \
    X(INJECTED_EVENT_DATA,         0x2052, 64, CONTROL, "injected-event data", IF(ENTRY, LOAD_FRED), DUMP)

#define VMCS_FIELDS_64_INFORMATION(X) \
    X(GUEST_PHYSICAL_ADDRESS, 0x2400, 64, INFORMATION, "guest-physical address", IF(SECONDARY, ENABLE_EPT), CRASH) \
    X(MSR_DATA,               0x2402, 64, INFORMATION, "MSR data", IF(TERTIARY, ENABLE_MSR_LIST), DUMP) \
    X(ORIGINAL_EVENT_DATA,    0x2404, 64, INFORMATION, "original-event data", IF(ENTRY, LOAD_FRED), DUMP)

#define VMCS_FIELDS_64_GUEST(X) \
    X(LINK_POINTER,           0x2800, 64, GUEST, "VMCS link pointer", ALWAYS, DUMP) \
    X(GUEST_DEBUGCTL,         0x2802, 64, GUEST, "guest IA32_DEBUGCTL", ALWAYS, DUMP) \
    X(GUEST_PAT,              0x2804, 64, GUEST, "guest IA32_PAT", EITHER(ENTRY, LOAD_PAT, EXIT, SAVE_PAT), DUMP) \
    X(GUEST_EFER,             0x2806, 64, GUEST, "guest IA32_EFER", EITHER(ENTRY, LOAD_EFER, EXIT, SAVE_EFER), DUMP) \
    X(GUEST_PERF_GLOBAL_CTRL, 0x2808, 64, GUEST, "guest IA32_PERF_GLOBAL_CTRL", IF(ENTRY, LOAD_PERF_GLOBAL_CTRL), DUMP) \
    X(GUEST_PDPTE0,           0x280a, 64, GUEST, "guest PDPTE0", IF(SECONDARY, ENABLE_EPT), DUMP) \
    X(GUEST_PDPTE1,           0x280c, 64, GUEST, "guest PDPTE1", IF(SECONDARY, ENABLE_EPT), DUMP) \
    X(GUEST_PDPTE2,           0x280e, 64, GUEST, "guest PDPTE2", IF(SECONDARY, ENABLE_EPT), DUMP) \
    X(GUEST_PDPTE3,           0x2810, 64, GUEST, "guest PDPTE3", IF(SECONDARY, ENABLE_EPT), DUMP) \
    X(GUEST_BNDCFGS,          0x2812, 64, GUEST, "guest IA32_BNDCFGS", EITHER(ENTRY, LOAD_BNDCFGS, EXIT, CLEAR_BNDCFGS), DUMP) \
    X(GUEST_RTIT_CTL,         0x2814, 64, GUEST, "guest IA32_RTIT_CTL", EITHER(ENTRY, LOAD_RTIT_CTL, EXIT, CLEAR_RTIT_CTL), DUMP) \
    X(GUEST_LBR_CTL,          0x2816, 64, GUEST, "guest IA32_LBR_CTL", EITHER(ENTRY, LOAD_LBR_CTL, EXIT, CLEAR_LBR_CTL), DUMP) \
    X(GUEST_PKRS,             0x2818, 64, GUEST, "guest IA32_PKRS", IF(ENTRY, LOAD_PKRS), DUMP) \
    X(GUEST_FRED_CONFIG,      0x281a, 64, GUEST, "guest IA32_FRED_CONFIG", EITHER(ENTRY, LOAD_FRED, EXIT2, SAVE_FRED), DUMP) \
    X(GUEST_FRED_RSP1,        0x281c, 64, GUEST, "guest IA32_FRED_RSP1", EITHER(ENTRY, LOAD_FRED, EXIT2, SAVE_FRED), DUMP) \
    X(GUEST_FRED_RSP2,        0x281e, 64, GUEST, "guest IA32_FRED_RSP2", EITHER(ENTRY, LOAD_FRED, EXIT2, SAVE_FRED), DUMP) \
    X(GUEST_FRED_RSP3,        0x2820, 64, GUEST, "guest IA32_FRED_RSP3", EITHER(ENTRY, LOAD_FRED, EXIT2, SAVE_FRED), DUMP) \
    X(GUEST_FRED_STKLVLS,     0x2822, 64, GUEST, "guest IA32_FRED_STKLVLS", EITHER(ENTRY, LOAD_FRED, EXIT2, SAVE_FRED), DUMP) \
    X(GUEST_FRED_SSP1,        0x2824, 64, GUEST, "guest IA32_FRED_SSP1", EITHER(ENTRY, LOAD_FRED, EXIT2, SAVE_FRED), DUMP) \
    X(GUEST_FRED_SSP2,        0x2826, 64, GUEST, "guest IA32_FRED_SSP2", EITHER(ENTRY, LOAD_FRED, EXIT2, SAVE_FRED), DUMP) \
    X(GUEST_FRED_SSP3,        0x2828, 64, GUEST, "guest IA32_FRED_SSP3", EITHER(ENTRY, LOAD_FRED, EXIT2, SAVE_FRED), DUMP)

#define VMCS_FIELDS_64_HOST(X) \
    X(HOST_PAT,              0x2c00, 64, HOST, "host IA32_PAT", IF(EXIT, LOAD_PAT), DUMP) \
    X(HOST_EFER,             0x2c02, 64, HOST, "host IA32_EFER", IF(EXIT, LOAD_EFER), DUMP) \
    X(HOST_PERF_GLOBAL_CTRL, 0x2c04, 64, HOST, "host IA32_PERF_GLOBAL_CTRL", IF(EXIT, LOAD_PERF_GLOBAL_CTRL), DUMP) \
    X(HOST_PKRS,             0x2c06, 64, HOST, "host IA32_PKRS", IF(EXIT, LOAD_PKRS), DUMP) \
    X(HOST_FRED_CONFIG,      0x2c08, 64, HOST, "host IA32_FRED_CONFIG", IF(EXIT2, LOAD_FRED), DUMP) \
    X(HOST_FRED_RSP1,        0x2c0a, 64, HOST, "host IA32_FRED_RSP1", IF(EXIT2, LOAD_FRED), DUMP) \
    X(HOST_FRED_RSP2,        0x2c0c, 64, HOST, "host IA32_FRED_RSP2", IF(EXIT2, LOAD_FRED), DUMP) \
    X(HOST_FRED_RSP3,        0x2c0e, 64, HOST, "host IA32_FRED_RSP3", IF(EXIT2, LOAD_FRED), DUMP) \
    X(HOST_FRED_STKLVLS,     0x2c10, 64, HOST, "host IA32_FRED_STKLVLS", IF(EXIT2, LOAD_FRED), DUMP) \
    X(HOST_FRED_SSP1,        0x2c12, 64, HOST, "host IA32_FRED_SSP1", IF(EXIT2, LOAD_FRED), DUMP) \
    X(HOST_FRED_SSP2,        0x2c14, 64, HOST, "host IA32_FRED_SSP2", IF(EXIT2, LOAD_FRED), DUMP) \
    X(HOST_FRED_SSP3,        0x2c16, 64, HOST, "host IA32_FRED_SSP3", IF(EXIT2, LOAD_FRED), DUMP)

#define VMCS_FIELDS_32_CONTROL(X) \
    X(PIN_CONTROLS,             0x4000, 32, CONTROL, "pin-based VM-execution controls", ALWAYS, DUMP) \
    X(PRIMARY_CONTROLS,         0x4002, 32, CONTROL, "primary processor-based VM-execution controls", ALWAYS, DUMP) \
    X(EXCEPTION_BITMAP,         0x4004, 32, CONTROL, "exception bitmap", ALWAYS, DUMP) \
    X(PAGE_FAULT_ERROR_MASK,    0x4006, 32, CONTROL, "page-fault error-code mask", ALWAYS, DUMP) \
    X(PAGE_FAULT_ERROR_MATCH,   0x4008, 32, CONTROL, "page-fault error-code match", ALWAYS, DUMP) \
    X(CR3_TARGET_COUNT,         0x400a, 32, CONTROL, "CR3-target count", ALWAYS, DUMP) \
    X(EXIT_CONTROLS,            0x400c, 32, CONTROL, "primary VM-exit controls", ALWAYS, DUMP) \
    X(EXIT_MSR_STORE_COUNT,     0x400e, 32, CONTROL, "VM-exit MSR-store count", ALWAYS, DUMP) \
    X(EXIT_MSR_LOAD_COUNT,      0x4010, 32, CONTROL, "VM-exit MSR-load count", ALWAYS, DUMP) \
    X(ENTRY_CONTROLS,           0x4012, 32, CONTROL, "VM-entry controls", ALWAYS, DUMP) \
    X(ENTRY_MSR_LOAD_COUNT,     0x4014, 32, CONTROL, "VM-entry MSR-load count", ALWAYS, DUMP) \
    X(ENTRY_INTERRUPTION,       0x4016, 32, CONTROL, "VM-entry interruption-information field", ALWAYS, CRASH) \
    X(ENTRY_ERROR_CODE,         0x4018, 32, CONTROL, "VM-entry exception error code", ALWAYS, DUMP) \
    X(ENTRY_INSTRUCTION_LENGTH, 0x401a, 32, CONTROL, "VM-entry instruction length", ALWAYS, DUMP) \
    X(TPR_THRESHOLD,            0x401c, 32, CONTROL, "TPR threshold", IF(PRIMARY, USE_TPR_SHADOW), DUMP) \
    X(SECONDARY_CONTROLS,       0x401e, 32, CONTROL, "secondary processor-based VM-execution controls", IF(PRIMARY, ACTIVATE_SECONDARY), DUMP) \
    X(PLE_GAP,                  0x4020, 32, CONTROL, "PLE_Gap", IF(SECONDARY, PAUSE_LOOP_EXITING), DUMP) \
    X(PLE_WINDOW,               0x4022, 32, CONTROL, "PLE_Window", IF(SECONDARY, PAUSE_LOOP_EXITING), DUMP) \
    X(INSTRUCTION_TIMEOUT,      0x4024, 32, CONTROL, "instruction-timeout control", IF(SECONDARY, INSTRUCTION_TIMEOUT), DUMP) \
    X(SEAM_GUEST_KEYID,         0x4026, 32, CONTROL, "SEAM-guest KeyID", IF(TERTIARY, SEAM_GUEST_PHYSICAL_WIDTH), DUMP)

#define VMCS_FIELDS_32_INFORMATION(X) \
    X(INSTRUCTION_ERROR,            0x4400, 32, INFORMATION, "VM-instruction error", ALWAYS, CRASH) \
    X(EXIT_REASON,                  0x4402, 32, INFORMATION, "exit reason", ALWAYS, CRASH) \
    X(EXIT_INTERRUPTION,            0x4404, 32, INFORMATION, "VM-exit interruption information", ALWAYS, CRASH) \
    X(EXIT_INTERRUPTION_ERROR,      0x4406, 32, INFORMATION, "VM-exit interruption error code", ALWAYS, CRASH) \
    X(IDT_VECTORING,                0x4408, 32, INFORMATION, "IDT-vectoring information", ALWAYS, CRASH) \
    X(IDT_VECTORING_ERROR,          0x440a, 32, INFORMATION, "IDT-vectoring error code", ALWAYS, CRASH) \
    X(EXIT_INSTRUCTION_LENGTH,      0x440c, 32, INFORMATION, "VM-exit instruction length", ALWAYS, CRASH) \
    X(EXIT_INSTRUCTION_INFORMATION, 0x440e, 32, INFORMATION, "VM-exit instruction information", ALWAYS, CRASH)

#define VMCS_FIELDS_32_GUEST(X) \
    X(GUEST_ES_LIMIT,           0x4800, 32, GUEST, "guest ES limit", ALWAYS, DUMP) \
    X(GUEST_CS_LIMIT,           0x4802, 32, GUEST, "guest CS limit", ALWAYS, DUMP) \
    X(GUEST_SS_LIMIT,           0x4804, 32, GUEST, "guest SS limit", ALWAYS, DUMP) \
    X(GUEST_DS_LIMIT,           0x4806, 32, GUEST, "guest DS limit", ALWAYS, DUMP) \
    X(GUEST_FS_LIMIT,           0x4808, 32, GUEST, "guest FS limit", ALWAYS, DUMP) \
    X(GUEST_GS_LIMIT,           0x480a, 32, GUEST, "guest GS limit", ALWAYS, DUMP) \
    X(GUEST_LDTR_LIMIT,         0x480c, 32, GUEST, "guest LDTR limit", ALWAYS, DUMP) \
    X(GUEST_TR_LIMIT,           0x480e, 32, GUEST, "guest TR limit", ALWAYS, DUMP) \
    X(GUEST_GDTR_LIMIT,         0x4810, 32, GUEST, "guest GDTR limit", ALWAYS, DUMP) \
    X(GUEST_IDTR_LIMIT,         0x4812, 32, GUEST, "guest IDTR limit", ALWAYS, DUMP) \
    X(GUEST_ES_ACCESS_RIGHTS,   0x4814, 32, GUEST, "guest ES access rights", ALWAYS, DUMP) \
    X(GUEST_CS_ACCESS_RIGHTS,   0x4816, 32, GUEST, "guest CS access rights", ALWAYS, DUMP) \
    X(GUEST_SS_ACCESS_RIGHTS,   0x4818, 32, GUEST, "guest SS access rights", ALWAYS, DUMP) \
    X(GUEST_DS_ACCESS_RIGHTS,   0x481a, 32, GUEST, "guest DS access rights", ALWAYS, DUMP) \
    X(GUEST_FS_ACCESS_RIGHTS,   0x481c, 32, GUEST, "guest FS access rights", ALWAYS, DUMP) \
    X(GUEST_GS_ACCESS_RIGHTS,   0x481e, 32, GUEST, "guest GS access rights", ALWAYS, DUMP) \
    X(GUEST_LDTR_ACCESS_RIGHTS, 0x4820, 32, GUEST, "guest LDTR access rights", ALWAYS, DUMP) \
    X(GUEST_TR_ACCESS_RIGHTS,   0x4822, 32, GUEST, "guest TR access rights", ALWAYS, DUMP) \
    X(GUEST_INTERRUPTIBILITY,   0x4824, 32, GUEST, "guest interruptibility state", ALWAYS, CRASH) \
    X(GUEST_ACTIVITY,           0x4826, 32, GUEST, "guest activity state", ALWAYS, CRASH) \
    X(GUEST_SMBASE,             0x4828, 32, GUEST, "guest SMBASE", ALWAYS, DUMP) \
    X(GUEST_SYSENTER_CS,        0x482a, 32, GUEST, "guest IA32_SYSENTER_CS", ALWAYS, DUMP) \
    X(PREEMPTION_TIMER,         0x482e, 32, GUEST, "VMX-preemption timer value", IF(PIN, PREEMPTION_TIMER), DUMP)

#define VMCS_FIELDS_32_HOST(X) \
    X(HOST_SYSENTER_CS, 0x4c00, 32, HOST, "host IA32_SYSENTER_CS", ALWAYS, DUMP)

#define VMCS_FIELDS_NATURAL_CONTROL(X) \
    X(CR0_MASK,     0x6000, NATURAL, CONTROL, "CR0 guest/host mask", ALWAYS, DUMP) \
    X(CR4_MASK,     0x6002, NATURAL, CONTROL, "CR4 guest/host mask", ALWAYS, DUMP) \
    X(CR0_SHADOW,   0x6004, NATURAL, CONTROL, "CR0 read shadow", ALWAYS, CRASH) \
    X(CR4_SHADOW,   0x6006, NATURAL, CONTROL, "CR4 read shadow", ALWAYS, CRASH) \
    X(CR3_TARGET_0, 0x6008, NATURAL, CONTROL, "CR3-target value 0", ALWAYS, DUMP) \
    X(CR3_TARGET_1, 0x600a, NATURAL, CONTROL, "CR3-target value 1", ALWAYS, DUMP) \
    X(CR3_TARGET_2, 0x600c, NATURAL, CONTROL, "CR3-target value 2", ALWAYS, DUMP) \
    X(CR3_TARGET_3, 0x600e, NATURAL, CONTROL, "CR3-target value 3", ALWAYS, DUMP)

#define VMCS_FIELDS_NATURAL_INFORMATION(X) \
    X(EXIT_QUALIFICATION,   0x6400, NATURAL, INFORMATION, "exit qualification", ALWAYS, CRASH) \
    X(IO_RCX,               0x6402, NATURAL, INFORMATION, "I/O RCX", ALWAYS, DUMP) \
    X(IO_RSI,               0x6404, NATURAL, INFORMATION, "I/O RSI", ALWAYS, DUMP) \
    X(IO_RDI,               0x6406, NATURAL, INFORMATION, "I/O RDI", ALWAYS, DUMP) \
    X(IO_RIP,               0x6408, NATURAL, INFORMATION, "I/O RIP", ALWAYS, DUMP) \
    X(GUEST_LINEAR_ADDRESS, 0x640a, NATURAL, INFORMATION, "guest-linear address", ALWAYS, CRASH)

#define VMCS_FIELDS_NATURAL_GUEST(X) \
    X(GUEST_CR0,                 0x6800, NATURAL, GUEST, "guest CR0", ALWAYS, DUMP) \
    X(GUEST_CR3,                 0x6802, NATURAL, GUEST, "guest CR3", ALWAYS, DUMP) \
    X(GUEST_CR4,                 0x6804, NATURAL, GUEST, "guest CR4", ALWAYS, DUMP) \
    X(GUEST_ES_BASE,             0x6806, NATURAL, GUEST, "guest ES base", ALWAYS, DUMP) \
    X(GUEST_CS_BASE,             0x6808, NATURAL, GUEST, "guest CS base", ALWAYS, DUMP) \
    X(GUEST_SS_BASE,             0x680a, NATURAL, GUEST, "guest SS base", ALWAYS, DUMP) \
    X(GUEST_DS_BASE,             0x680c, NATURAL, GUEST, "guest DS base", ALWAYS, DUMP) \
    X(GUEST_FS_BASE,             0x680e, NATURAL, GUEST, "guest FS base", ALWAYS, DUMP) \
    X(GUEST_GS_BASE,             0x6810, NATURAL, GUEST, "guest GS base", ALWAYS, DUMP) \
    X(GUEST_LDTR_BASE,           0x6812, NATURAL, GUEST, "guest LDTR base", ALWAYS, DUMP) \
    X(GUEST_TR_BASE,             0x6814, NATURAL, GUEST, "guest TR base", ALWAYS, DUMP) \
    X(GUEST_GDTR_BASE,           0x6816, NATURAL, GUEST, "guest GDTR base", ALWAYS, DUMP) \
    X(GUEST_IDTR_BASE,           0x6818, NATURAL, GUEST, "guest IDTR base", ALWAYS, DUMP) \
    X(GUEST_DR7,                 0x681a, NATURAL, GUEST, "guest DR7", ALWAYS, DUMP) \
    X(GUEST_RSP,                 0x681c, NATURAL, GUEST, "guest RSP", ALWAYS, DUMP) \
    X(GUEST_RIP,                 0x681e, NATURAL, GUEST, "guest RIP", ALWAYS, DUMP) \
    X(GUEST_RFLAGS,              0x6820, NATURAL, GUEST, "guest RFLAGS", ALWAYS, DUMP) \
    X(GUEST_PENDING_DEBUG,       0x6822, NATURAL, GUEST, "guest pending debug exceptions", ALWAYS, CRASH) \
    X(GUEST_SYSENTER_ESP,        0x6824, NATURAL, GUEST, "guest IA32_SYSENTER_ESP", ALWAYS, DUMP) \
    X(GUEST_SYSENTER_EIP,        0x6826, NATURAL, GUEST, "guest IA32_SYSENTER_EIP", ALWAYS, DUMP) \
    X(GUEST_S_CET,               0x6828, NATURAL, GUEST, "guest IA32_S_CET", IF(ENTRY, LOAD_CET), DUMP) \
    X(GUEST_SSP,                 0x682a, NATURAL, GUEST, "guest SSP", IF(ENTRY, LOAD_CET), DUMP) \
    X(GUEST_INTERRUPT_SSP_TABLE, 0x682c, NATURAL, GUEST, "guest IA32_INTERRUPT_SSP_TABLE_ADDR", IF(ENTRY, LOAD_CET), DUMP)

#define VMCS_FIELDS_NATURAL_HOST(X) \
    X(HOST_CR0,                 0x6c00, NATURAL, HOST, "host CR0", ALWAYS, DUMP) \
    X(HOST_CR3,                 0x6c02, NATURAL, HOST, "host CR3", ALWAYS, DUMP) \
    X(HOST_CR4,                 0x6c04, NATURAL, HOST, "host CR4", ALWAYS, DUMP) \
    X(HOST_FS_BASE,             0x6c06, NATURAL, HOST, "host FS base", ALWAYS, DUMP) \
    X(HOST_GS_BASE,             0x6c08, NATURAL, HOST, "host GS base", ALWAYS, DUMP) \
    X(HOST_TR_BASE,             0x6c0a, NATURAL, HOST, "host TR base", ALWAYS, DUMP) \
    X(HOST_GDTR_BASE,           0x6c0c, NATURAL, HOST, "host GDTR base", ALWAYS, DUMP) \
    X(HOST_IDTR_BASE,           0x6c0e, NATURAL, HOST, "host IDTR base", ALWAYS, DUMP) \
    X(HOST_SYSENTER_ESP,        0x6c10, NATURAL, HOST, "host IA32_SYSENTER_ESP", ALWAYS, DUMP) \
    X(HOST_SYSENTER_EIP,        0x6c12, NATURAL, HOST, "host IA32_SYSENTER_EIP", ALWAYS, DUMP) \
    X(HOST_RSP,                 0x6c14, NATURAL, HOST, "host RSP", ALWAYS, DUMP) \
    X(HOST_RIP,                 0x6c16, NATURAL, HOST, "host RIP", ALWAYS, DUMP) \
    X(HOST_S_CET,               0x6c18, NATURAL, HOST, "host IA32_S_CET", IF(EXIT, LOAD_CET), DUMP) \
    X(HOST_SSP,                 0x6c1a, NATURAL, HOST, "host SSP", IF(EXIT, LOAD_CET), DUMP) \
    X(HOST_INTERRUPT_SSP_TABLE, 0x6c1c, NATURAL, HOST, "host IA32_INTERRUPT_SSP_TABLE_ADDR", IF(EXIT, LOAD_CET), DUMP)

#define VMCS_FIELDS(X) \
    VMCS_FIELDS_16_CONTROL(X) \
    VMCS_FIELDS_16_GUEST(X) \
    VMCS_FIELDS_16_HOST(X) \
    VMCS_FIELDS_64_CONTROL(X) \
    VMCS_FIELDS_64_INFORMATION(X) \
    VMCS_FIELDS_64_GUEST(X) \
    VMCS_FIELDS_64_HOST(X) \
    VMCS_FIELDS_32_CONTROL(X) \
    VMCS_FIELDS_32_INFORMATION(X) \
    VMCS_FIELDS_32_GUEST(X) \
    VMCS_FIELDS_32_HOST(X) \
    VMCS_FIELDS_NATURAL_CONTROL(X) \
    VMCS_FIELDS_NATURAL_INFORMATION(X) \
    VMCS_FIELDS_NATURAL_GUEST(X) \
    VMCS_FIELDS_NATURAL_HOST(X)
/* clang-format on */

enum vmcs_encoding {
#define X(name, encoding, width, group, words, exists, shown) VMCS_##name = (encoding),
    VMCS_FIELDS(X)
#undef X
};

/* A control that must be allowed for the field to exist. */
struct vmcs_needs {
    uint8_t word; /* enum vmx_control_word; VMX_WORDS: none */
    uint8_t bit;
};

struct vmcs_field {
    const char *name;
    uint16_t encoding;
    uint8_t width : 2;          /* enum vmcs_width */
    uint8_t group : 2;          /* enum vmcs_group */
    uint8_t shown : 1;          /* enum vmcs_shown */
    struct vmcs_needs needs[2]; /* either; the first with no control: the field exists everywhere */
};

/* Where the values of fields come from: VMREAD, or an array in a test. */
struct vmcs_reader {
    uint64_t (*read)(void *context, uint32_t encoding);
    /* 32 bits of physical memory, false if it cannot be read; NULL: checks that look into memory are skipped.
     */
    bool (*read_memory)(void *context, uint64_t address, uint32_t *value);
    void *context;
};

/* Every field, sorted by encoding. */
extern const struct vmcs_field vmcs_fields[];
extern const unsigned vmcs_field_count;

/* The field with this encoding, or NULL. A "high" encoding (bit 0) is not a field of its own. */
const struct vmcs_field *vmcs_field_find(uint32_t encoding);

/* The name of a field; "unknown VMCS field" if there is none. */
const char *vmcs_field_name(uint32_t encoding);

/* Whether this CPU has the field; VMREAD of one that it does not have fails. */
bool vmcs_field_exists(const struct vmcs_field *field, const struct vmx_capabilities *cpu);

/* Prints the fields that this CPU has, `name value`, several on a line. */
void vmcs_print(const struct vmcs_reader *vmcs, const struct vmx_capabilities *cpu, enum vmcs_shown shown,
                struct writer *out);
