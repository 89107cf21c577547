/*
 * SDM, "Checks on Host Control Registers, MSRs, and SSP", "Checks on Host Segment and Descriptor-Table
 * Registers" and "Checks Related to Address-Space Size". Keel enters guests from 64-bit code only
 * (IA32_EFER.LMA is 1), so the rules for a host of 32 bits are one row: "host address-space size" must be 1.
 */
#include "vmx/checks_rows.h"

#define SELECTOR_RPL_TI UINT64_C(7)

static CHECK_FUNCTION(host_cr0)
{
    return demand_bits(entry->cpu->cr0_fixed0, ~entry->cpu->cr0_fixed1);
}

static CHECK_FUNCTION(host_cr4)
{
    return demand_bits(entry->cpu->cr4_fixed0, ~entry->cpu->cr4_fixed1);
}

static CHECK_CONDITION(host_cet)
{
    return field(entry, VMCS_HOST_CR4) & CR4_CET;
}

/* clang-format off */
#define REGISTER(encoding) AT(encoding, HOST_REGISTERS)
#define SEGMENT(encoding)  AT(encoding, HOST_SEGMENTS)
#define CANONICAL          .demand = check_canonical, .words = "must be canonical"
#define SELECTOR(encoding) {SEGMENT(encoding), ZERO(SELECTOR_RPL_TI), .words = "RPL and TI of a host selector"}
#define BASE(encoding)     {SEGMENT(encoding), CANONICAL}
#define FRED_STACK(name, low) \
    {REGISTER(name), WHEN(EXIT2, LOAD_FRED), ZERO(low), .words = "the stack must be aligned"}, \
    {REGISTER(name), WHEN(EXIT2, LOAD_FRED), CANONICAL}

const struct vmx_check vmx_host_checks[] = {
    {REGISTER(HOST_CR0), .demand = host_cr0, .words = "as IA32_VMX_CR0_FIXED0 and IA32_VMX_CR0_FIXED1 say"},
    {REGISTER(HOST_CR4), .demand = host_cr4, .words = "as IA32_VMX_CR4_FIXED0 and IA32_VMX_CR4_FIXED1 say"},
    {REGISTER(HOST_CR0), .applies = host_cet, ONE(CR0_WP), .words = "WP, because CR4.CET is 1"},
    {REGISTER(HOST_CR3), .demand = check_cr3, .words = "beyond the physical-address width"},
    {REGISTER(HOST_SYSENTER_ESP), CANONICAL},
    {REGISTER(HOST_SYSENTER_EIP), CANONICAL},
    {REGISTER(HOST_PERF_GLOBAL_CTRL), WHEN(EXIT, LOAD_PERF_GLOBAL_CTRL), .demand = check_perf_global,
     .words = "counters that this CPU does not have"},
    {REGISTER(HOST_PAT), WHEN(EXIT, LOAD_PAT), .demand = check_pat,
     .words = "each byte must be a memory type: 0, 1, 4, 5, 6 or 7"},
    {REGISTER(HOST_EFER), WHEN(EXIT, LOAD_EFER), ZERO(~EFER_DEFINED), .words = "reserved bits"},
    {REGISTER(HOST_EFER), WHEN(EXIT, LOAD_EFER), ONE(EFER_LMA | EFER_LME),
     .words = "LMA and LME must each equal \"host address-space size\""},
    {REGISTER(HOST_S_CET), WHEN(EXIT, LOAD_CET), ZERO(S_CET_RESERVED), .words = "reserved bits"},
    {REGISTER(HOST_S_CET), WHEN(EXIT, LOAD_CET), .demand = check_s_cet_trackers,
     .words = "SUPPRESS (bit 10) and TRACKER (bit 11) must not both be 1"},
    {REGISTER(HOST_S_CET), WHEN(EXIT, LOAD_CET), CANONICAL},
    {REGISTER(HOST_SSP), WHEN(EXIT, LOAD_CET), ZERO(3), .words = "a shadow stack is 4-byte aligned"},
    {REGISTER(HOST_SSP), WHEN(EXIT, LOAD_CET), CANONICAL},
    {REGISTER(HOST_INTERRUPT_SSP_TABLE), WHEN(EXIT, LOAD_CET), CANONICAL},
    {REGISTER(HOST_PKRS), WHEN(EXIT, LOAD_PKRS), ZERO(UPPER_32), .words = "IA32_PKRS has 32 bits"},
    {REGISTER(HOST_FRED_CONFIG), WHEN(EXIT2, LOAD_FRED), ZERO(FRED_CONFIG_ZERO), .words = "reserved bits"},
    {REGISTER(HOST_FRED_CONFIG), WHEN(EXIT2, LOAD_FRED), CANONICAL},
    FRED_STACK(HOST_FRED_RSP1, 0x3f),
    FRED_STACK(HOST_FRED_RSP2, 0x3f),
    FRED_STACK(HOST_FRED_RSP3, 0x3f),
    FRED_STACK(HOST_FRED_SSP1, 7),
    FRED_STACK(HOST_FRED_SSP2, 7),
    FRED_STACK(HOST_FRED_SSP3, 7),

    SELECTOR(HOST_ES_SELECTOR),
    SELECTOR(HOST_CS_SELECTOR),
    SELECTOR(HOST_SS_SELECTOR),
    SELECTOR(HOST_DS_SELECTOR),
    SELECTOR(HOST_FS_SELECTOR),
    SELECTOR(HOST_GS_SELECTOR),
    SELECTOR(HOST_TR_SELECTOR),
    {SEGMENT(HOST_CS_SELECTOR), .demand = check_not_zero, .words = "must not be 0"},
    {SEGMENT(HOST_TR_SELECTOR), .demand = check_not_zero, .words = "must not be 0"},
    BASE(HOST_FS_BASE),
    BASE(HOST_GS_BASE),
    BASE(HOST_TR_BASE),
    BASE(HOST_GDTR_BASE),
    BASE(HOST_IDTR_BASE),

    {AT(EXIT_CONTROLS, ADDRESS_SPACE), ONE(VMX_EXIT_HOST_ADDRESS_SPACE_SIZE),
     .words = "the processor is in IA-32e mode (IA32_EFER.LMA is 1)"},
    {AT(HOST_CR4, ADDRESS_SPACE), WHEN(EXIT, HOST_ADDRESS_SPACE_SIZE), ONE(CR4_PAE),
     .words = "PAE, because \"host address-space size\" is 1"},
    {AT(HOST_RIP, ADDRESS_SPACE), WHEN(EXIT, HOST_ADDRESS_SPACE_SIZE), CANONICAL},
};
/* clang-format on */

const unsigned vmx_host_check_count = ARRAY_LENGTH(vmx_host_checks);
