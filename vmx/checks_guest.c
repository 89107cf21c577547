/*
 * SDM, "Checks on the Guest State Area", but for segment registers: control registers and MSRs, descriptor
 * tables, RIP and RFLAGS, non-register state, page-directory-pointer-table entries.
 */
#include "vmx/checks_rows.h"

#define BNDCFGS_RESERVED      UINT64_C(0xffc) /* bits 11:2 */
#define RTIT_CTL_RESERVED     UINT64_C(0xfe7f000070840000)
#define LBR_CTL_DEFINED       UINT64_C(0x7f000f)
#define RFLAGS_RESERVED       (~RFLAGS_DEFINED)

#define ACTIVE                0
#define ACTIVITY_HLT          1
#define ACTIVITY_SHUTDOWN     2
#define ACTIVITY_SIPI         3

#define BLOCKING_STI          BIT(0)
#define BLOCKING_MOV_SS       BIT(1)
#define BLOCKING_SMI          BIT(2)
#define BLOCKING_NMI          BIT(3)
#define ENCLAVE_INTERRUPTION  BIT(4)
#define INTERRUPTIBILITY_BITS UINT64_C(0x1f)

#define PENDING_RESERVED      UINT64_C(0xfffffffffffea7f0) /* all but 3:0, 11, 12, 14 and 16 */
#define PENDING_BUS_LOCK      BIT(11)
#define PENDING_BREAKPOINT    BIT(12)
#define PENDING_STEP          BIT(14)
#define PENDING_RTM           BIT(16)
#define PENDING_BESIDE_RTM    UINT64_C(0xfffffffffffeefff) /* all but 12 and 16 */

#define LINK_NONE             UINT64_MAX
#define SHADOW_VMCS           BIT(31)

#define PDPTE_PRESENT         BIT(0)
#define PDPTE_RESERVED        UINT64_C(0x1e6) /* bits 8:5 and 2:1 */

static bool long_mode(const struct vmx_entry *entry)
{
    return control_on(entry, VMX_ENTRY, VMX_ENTRY_IA32E_MODE_GUEST);
}

/* 64-bit code: RIP and SSP have all their bits. */
static bool long_code(const struct vmx_entry *entry)
{
    return long_mode(entry) && field(entry, VMCS_GUEST_CS_ACCESS_RIGHTS) & SEG_L;
}

/* NW and CD are never checked; PE and PG are not where "unrestricted guest" is 1. */
static CHECK_FUNCTION(guest_cr0)
{
    uint64_t free = CR0_NW | CR0_CD;

    if (control_on(entry, VMX_SECONDARY, VMX_SECONDARY_UNRESTRICTED_GUEST))
        free |= CR0_PE | CR0_PG;
    return demand_bits(entry->cpu->cr0_fixed0 & ~free, ~entry->cpu->cr0_fixed1 & ~free);
}

static CHECK_CONDITION(paging)
{
    return field(entry, VMCS_GUEST_CR0) & CR0_PG;
}

static CHECK_CONDITION(guest_cet)
{
    return field(entry, VMCS_GUEST_CR4) & CR4_CET;
}

static CHECK_FUNCTION(guest_cr4)
{
    return demand_bits(entry->cpu->cr4_fixed0, ~entry->cpu->cr4_fixed1);
}

static CHECK_FUNCTION(debugctl)
{
    uint64_t zeros = ~DEBUGCTL_DEFINED;

    zeros |= entry->cpu->bus_lock_detect ? 0 : DEBUGCTL_BLD;
    zeros |= entry->cpu->rtm ? 0 : DEBUGCTL_RTM;
    return demand_bits(0, zeros);
}

static CHECK_FUNCTION(efer_lma)
{
    return long_mode(entry) ? demand_bits(EFER_LMA, 0) : demand_bits(0, EFER_LMA);
}

static CHECK_FUNCTION(efer_lme)
{
    return value & EFER_LMA ? demand_bits(EFER_LME, 0) : demand_bits(0, EFER_LME);
}

static CHECK_CONDITION(not_long_code)
{
    return !long_code(entry);
}

static CHECK_CONDITION(in_long_code)
{
    return long_code(entry);
}

/* Bits that an address does not have must be alike, but need not equal the highest one that it has. */
static CHECK_FUNCTION(upper_alike)
{
    unsigned bits = entry->cpu->linear_bits;

    return demand_true(value >> bits == 0 || value >> bits == UINT64_MAX >> bits);
}

static CHECK_CONDITION(no_virtual_8086)
{
    return long_mode(entry) || !(field(entry, VMCS_GUEST_CR0) & CR0_PE);
}

static CHECK_CONDITION(injects_interrupt)
{
    return injects(entry, EVENT_INTERRUPT);
}

static CHECK_CONDITION(injects_nmi)
{
    return injects(entry, EVENT_NMI);
}

static CHECK_FUNCTION(activity_known)
{
    uint64_t misc = entry->cpu->misc;

    return demand_true(value == ACTIVE || (value == ACTIVITY_HLT && (misc & VMX_MISC_ACTIVITY_HLT)) ||
                       (value == ACTIVITY_SHUTDOWN && (misc & VMX_MISC_ACTIVITY_SHUTDOWN)) ||
                       (value == ACTIVITY_SIPI && (misc & VMX_MISC_ACTIVITY_SIPI)));
}

static CHECK_CONDITION(stack_not_level_0)
{
    return SEG_DPL(field(entry, VMCS_GUEST_SS_ACCESS_RIGHTS)) != 0;
}

static CHECK_FUNCTION(not_halted)
{
    return demand_true(value != ACTIVITY_HLT);
}

static CHECK_CONDITION(instruction_shadow)
{
    return field(entry, VMCS_GUEST_INTERRUPTIBILITY) & (BLOCKING_STI | BLOCKING_MOV_SS);
}

static CHECK_CONDITION(injects_anything)
{
    return injected_event(entry) != 0;
}

/* Events that may be injected into each activity state. */
static CHECK_FUNCTION(activity_takes_event)
{
    uint32_t event = injected_event(entry);
    unsigned vector = INFORMATION_VECTOR(event), type = INFORMATION_TYPE(event);
    bool machine_check = type == EVENT_EXCEPTION && vector == EXC_MC;

    switch (value) {
    case ACTIVE:
        return demand_true(true);
    case ACTIVITY_HLT:
        return demand_true(type == EVENT_INTERRUPT || type == EVENT_NMI || machine_check ||
                           (type == EVENT_EXCEPTION && vector == EXC_DB) ||
                           (type == INFORMATION_OTHER_EVENT && vector == 0));
    case ACTIVITY_SHUTDOWN:
        return demand_true(type == EVENT_NMI || machine_check);
    default:
        return demand_true(value != ACTIVITY_SIPI);
    }
}

static CHECK_FUNCTION(interruptibility_reserved)
{
    return demand_bits(0, entry->cpu->sgx ? ~INTERRUPTIBILITY_BITS
                                          : ~INTERRUPTIBILITY_BITS | ENCLAVE_INTERRUPTION);
}

static CHECK_FUNCTION(one_shadow)
{
    return demand_true((value & (BLOCKING_STI | BLOCKING_MOV_SS)) != (BLOCKING_STI | BLOCKING_MOV_SS));
}

static CHECK_CONDITION(interrupts_off)
{
    return !(field(entry, VMCS_GUEST_RFLAGS) & RFLAGS_IF);
}

static CHECK_CONDITION(mov_ss_shadow)
{
    return field(entry, VMCS_GUEST_INTERRUPTIBILITY) & BLOCKING_MOV_SS;
}

static CHECK_FUNCTION(pending_reserved)
{
    uint64_t zeros = PENDING_RESERVED;

    zeros |= entry->cpu->bus_lock_detect ? 0 : PENDING_BUS_LOCK;
    zeros |= entry->cpu->rtm ? 0 : PENDING_RTM;
    return demand_bits(0, zeros);
}

/* A single step that is pending across a shadow or HLT follows from TF and BTF alone. */
static CHECK_CONDITION(step_follows)
{
    return instruction_shadow(entry, check) || field(entry, VMCS_GUEST_ACTIVITY) == ACTIVITY_HLT;
}

static CHECK_FUNCTION(pending_step)
{
    bool steps =
        (field(entry, VMCS_GUEST_RFLAGS) & RFLAGS_TF) && !(field(entry, VMCS_GUEST_DEBUGCTL) & DEBUGCTL_BTF);

    return steps ? demand_bits(PENDING_STEP, 0) : demand_bits(0, PENDING_STEP);
}

static CHECK_CONDITION(pending_rtm)
{
    return field(entry, VMCS_GUEST_PENDING_DEBUG) & PENDING_RTM;
}

static CHECK_FUNCTION(pending_with_rtm)
{
    return demand_bits(PENDING_BREAKPOINT, PENDING_BESIDE_RTM);
}

static CHECK_FUNCTION(pending_without_rtm)
{
    return demand_bits(0, PENDING_RTM);
}

static CHECK_CONDITION(has_link)
{
    return field(entry, VMCS_LINK_POINTER) != LINK_NONE;
}

/* The first 32 bits of the linked VMCS, if memory can be looked into. */
static bool linked_revision(const struct vmx_entry *entry, uint32_t *revision)
{
    const struct vmcs_reader *vmcs = entry->vmcs;

    return vmcs->read_memory &&
           vmcs->read_memory(vmcs->context, field(entry, VMCS_LINK_POINTER) & ~PAGE_MASK, revision);
}

static CHECK_CONDITION(link_readable)
{
    uint32_t revision;

    return has_link(entry, check) && linked_revision(entry, &revision);
}

static CHECK_FUNCTION(link_revision)
{
    bool shadowing = control_on(entry, VMX_SECONDARY, VMX_SECONDARY_VMCS_SHADOWING);
    uint32_t expected = vmx_revision(entry->cpu) | (shadowing ? SHADOW_VMCS : 0), revision = 0;

    linked_revision(entry, &revision);
    return demand_true(revision == expected);
}

/* With EPT the entries come from the VMCS (without, from memory: Keel always has EPT). */
static CHECK_CONDITION(pdptes_used)
{
    return (field(entry, VMCS_GUEST_CR0) & CR0_PG) && (field(entry, VMCS_GUEST_CR4) & CR4_PAE) &&
           !long_mode(entry) && (field(entry, check->field) & PDPTE_PRESENT);
}

static CHECK_FUNCTION(pdpte)
{
    return demand_bits(0, PDPTE_RESERVED | ~(BIT(entry->cpu->physical_bits) - 1));
}

/* clang-format off */
#define REGISTER(encoding) AT(encoding, GUEST_REGISTERS)
#define TABLE(encoding)    AT(encoding, GUEST_TABLES)
#define STATE(encoding)    AT(encoding, GUEST_NON_REGISTER)
#define CANONICAL          .demand = check_canonical, .words = "must be canonical"
#define FRED_STACK(name, low) \
    {REGISTER(name), WHEN(ENTRY, LOAD_FRED), ZERO(low), .words = "the stack must be aligned"}, \
    {REGISTER(name), WHEN(ENTRY, LOAD_FRED), CANONICAL}
#define PDPTE(n) \
    {AT(GUEST_PDPTE##n, GUEST_PDPTE), WHEN(SECONDARY, ENABLE_EPT), .applies = pdptes_used, .demand = pdpte, \
     .words = "reserved bits of an entry that is present"}

const struct vmx_check vmx_guest_checks[] = {
    {REGISTER(GUEST_CR0), .demand = guest_cr0, .words = "as IA32_VMX_CR0_FIXED0 and IA32_VMX_CR0_FIXED1 say"},
    {REGISTER(GUEST_CR0), .applies = paging, ONE(CR0_PE), .words = "PE, because PG is 1"},
    {REGISTER(GUEST_CR0), .applies = guest_cet, ONE(CR0_WP), .words = "WP, because CR4.CET is 1"},
    {REGISTER(GUEST_CR4), .demand = guest_cr4, .words = "as IA32_VMX_CR4_FIXED0 and IA32_VMX_CR4_FIXED1 say"},
    {REGISTER(GUEST_DEBUGCTL), WHEN(ENTRY, LOAD_DEBUG_CONTROLS), .demand = debugctl, .words = "reserved bits"},
    {REGISTER(GUEST_CR0), WHEN(ENTRY, IA32E_MODE_GUEST), ONE(CR0_PG), .words = "PG, because \"IA-32e mode guest\" is 1"},
    {REGISTER(GUEST_CR4), WHEN(ENTRY, IA32E_MODE_GUEST), ONE(CR4_PAE), .words = "PAE, because \"IA-32e mode guest\" is 1"},
    {REGISTER(GUEST_CR4), UNLESS(ENTRY, IA32E_MODE_GUEST), ZERO(CR4_PCIDE),
     .words = "PCIDE, because \"IA-32e mode guest\" is 0"},
    {REGISTER(GUEST_CR3), .demand = check_cr3, .words = "beyond the physical-address width"},
    {REGISTER(GUEST_DR7), WHEN(ENTRY, LOAD_DEBUG_CONTROLS), ZERO(UPPER_32), .words = "DR7 has 32 bits"},
    {REGISTER(GUEST_SYSENTER_ESP), CANONICAL},
    {REGISTER(GUEST_SYSENTER_EIP), CANONICAL},
    {REGISTER(GUEST_PERF_GLOBAL_CTRL), WHEN(ENTRY, LOAD_PERF_GLOBAL_CTRL), .demand = check_perf_global,
     .words = "counters that this CPU does not have"},
    {REGISTER(GUEST_PAT), WHEN(ENTRY, LOAD_PAT), .demand = check_pat,
     .words = "each byte must be a memory type: 0, 1, 4, 5, 6 or 7"},
    {REGISTER(GUEST_EFER), WHEN(ENTRY, LOAD_EFER), ZERO(~EFER_DEFINED), .words = "reserved bits"},
    {REGISTER(GUEST_EFER), WHEN(ENTRY, LOAD_EFER), .demand = efer_lma,
     .words = "LMA must equal \"IA-32e mode guest\""},
    {REGISTER(GUEST_EFER), WHEN(ENTRY, LOAD_EFER), .applies = paging, .demand = efer_lme,
     .words = "LME must equal LMA while CR0.PG is 1"},
    {REGISTER(GUEST_BNDCFGS), WHEN(ENTRY, LOAD_BNDCFGS), ZERO(BNDCFGS_RESERVED), .words = "reserved bits"},
    {REGISTER(GUEST_BNDCFGS), WHEN(ENTRY, LOAD_BNDCFGS), CANONICAL},
    {REGISTER(GUEST_RTIT_CTL), WHEN(ENTRY, LOAD_RTIT_CTL), ZERO(RTIT_CTL_RESERVED), .words = "reserved bits"},
    {REGISTER(GUEST_S_CET), WHEN(ENTRY, LOAD_CET), ZERO(S_CET_RESERVED), .words = "reserved bits"},
    {REGISTER(GUEST_S_CET), WHEN(ENTRY, LOAD_CET), .demand = check_s_cet_trackers,
     .words = "SUPPRESS (bit 10) and TRACKER (bit 11) must not both be 1"},
    {REGISTER(GUEST_S_CET), WHEN(ENTRY, LOAD_CET), CANONICAL},
    {REGISTER(GUEST_INTERRUPT_SSP_TABLE), WHEN(ENTRY, LOAD_CET), CANONICAL},
    {REGISTER(GUEST_LBR_CTL), WHEN(ENTRY, LOAD_LBR_CTL), ZERO(~LBR_CTL_DEFINED), .words = "reserved bits"},
    {REGISTER(GUEST_PKRS), WHEN(ENTRY, LOAD_PKRS), ZERO(UPPER_32), .words = "IA32_PKRS has 32 bits"},
    {REGISTER(GUEST_UINV), WHEN(ENTRY, LOAD_UINV), ZERO(~UINT64_C(0xff)), .words = "a vector has 8 bits"},
    {REGISTER(GUEST_FRED_CONFIG), WHEN(ENTRY, LOAD_FRED), ZERO(FRED_CONFIG_ZERO), .words = "reserved bits"},
    {REGISTER(GUEST_FRED_CONFIG), WHEN(ENTRY, LOAD_FRED), CANONICAL},
    FRED_STACK(GUEST_FRED_RSP1, 0x3f),
    FRED_STACK(GUEST_FRED_RSP2, 0x3f),
    FRED_STACK(GUEST_FRED_RSP3, 0x3f),
    FRED_STACK(GUEST_FRED_SSP1, 7),
    FRED_STACK(GUEST_FRED_SSP2, 7),
    FRED_STACK(GUEST_FRED_SSP3, 7),

    {TABLE(GUEST_GDTR_BASE), CANONICAL},
    {TABLE(GUEST_IDTR_BASE), CANONICAL},
    {TABLE(GUEST_GDTR_LIMIT), ZERO(0xffff0000), .words = "a table's limit has 16 bits"},
    {TABLE(GUEST_IDTR_LIMIT), ZERO(0xffff0000), .words = "a table's limit has 16 bits"},

    {AT(GUEST_RIP, GUEST_RIP), .applies = not_long_code, ZERO(UPPER_32), .words = "RIP has 32 bits outside 64-bit code"},
    {AT(GUEST_RIP, GUEST_RIP), .applies = in_long_code, .demand = upper_alike,
     .words = "the bits that a linear address does not have must be alike"},
    {AT(GUEST_RFLAGS, GUEST_RIP), ZERO(RFLAGS_RESERVED), .words = "reserved bits"},
    {AT(GUEST_RFLAGS, GUEST_RIP), ONE(RFLAGS_1), .words = "bit 1 is always 1"},
    {AT(GUEST_RFLAGS, GUEST_RIP), .applies = no_virtual_8086, ZERO(RFLAGS_VM),
     .words = "VM, because \"IA-32e mode guest\" is 1 or CR0.PE is 0"},
    {AT(GUEST_RFLAGS, GUEST_RIP), .applies = injects_interrupt, ONE(RFLAGS_IF),
     .words = "IF, because an external interrupt is injected"},
    {AT(GUEST_SSP, GUEST_RIP), WHEN(ENTRY, LOAD_CET), ZERO(3), .words = "a shadow stack is 4-byte aligned"},
    {AT(GUEST_SSP, GUEST_RIP), WHEN(ENTRY, LOAD_CET), .applies = not_long_code, ZERO(UPPER_32),
     .words = "SSP has 32 bits outside 64-bit code"},
    {AT(GUEST_SSP, GUEST_RIP), WHEN(ENTRY, LOAD_CET), .applies = in_long_code, .demand = upper_alike,
     .words = "the bits that a linear address does not have must be alike"},

    {STATE(GUEST_ACTIVITY), .demand = activity_known,
     .words = "must be 0 (active), 1 (HLT), 2 (shutdown) or 3 (wait-for-SIPI), and one that IA32_VMX_MISC has"},
    {STATE(GUEST_ACTIVITY), .applies = stack_not_level_0, .demand = not_halted,
     .words = "must not be 1 (HLT) while the DPL of SS is not 0"},
    {STATE(GUEST_ACTIVITY), .applies = instruction_shadow, ZERO(UINT64_MAX),
     .words = "must be 0 (active) with blocking by STI or by MOV SS"},
    {STATE(GUEST_ACTIVITY), .applies = injects_anything, .demand = activity_takes_event,
     .words = "must be a state that the injected event can be delivered in"},
    {STATE(GUEST_INTERRUPTIBILITY), .demand = interruptibility_reserved, .words = "reserved bits"},
    {STATE(GUEST_INTERRUPTIBILITY), .demand = one_shadow,
     .words = "bit 0 (blocking by STI) and bit 1 (blocking by MOV SS) must not both be 1"},
    {STATE(GUEST_INTERRUPTIBILITY), .applies = interrupts_off, ZERO(BLOCKING_STI),
     .words = "no blocking by STI, because RFLAGS.IF is 0"},
    {STATE(GUEST_INTERRUPTIBILITY), .applies = injects_interrupt, ZERO(BLOCKING_STI | BLOCKING_MOV_SS),
     .words = "no blocking by STI or MOV SS, because an external interrupt is injected"},
    {STATE(GUEST_INTERRUPTIBILITY), .applies = injects_nmi, ZERO(BLOCKING_MOV_SS),
     .words = "no blocking by MOV SS, because an NMI is injected"},
    {STATE(GUEST_INTERRUPTIBILITY), ZERO(BLOCKING_SMI), .words = "no blocking by SMI, because the processor is not in SMM"},
    {STATE(GUEST_INTERRUPTIBILITY), WHEN(PIN, VIRTUAL_NMIS), .applies = injects_nmi, ZERO(BLOCKING_NMI),
     .words = "no blocking by NMI, because an NMI is injected and \"virtual NMIs\" is 1"},
    {STATE(GUEST_INTERRUPTIBILITY), .applies = mov_ss_shadow, ZERO(ENCLAVE_INTERRUPTION),
     .words = "no enclave interruption, because of blocking by MOV SS"},
    {STATE(GUEST_PENDING_DEBUG), .demand = pending_reserved, .words = "reserved bits"},
    {STATE(GUEST_PENDING_DEBUG), .applies = step_follows, .demand = pending_step,
     .words = "BS must be 1 exactly if RFLAGS.TF is 1 and IA32_DEBUGCTL.BTF is 0, in HLT or after STI or MOV SS"},
    {STATE(GUEST_PENDING_DEBUG), .applies = pending_rtm, .demand = pending_with_rtm,
     .words = "bit 16 (RTM) comes with bit 12 and no other"},
    {STATE(GUEST_PENDING_DEBUG), .applies = mov_ss_shadow, .demand = pending_without_rtm,
     .words = "no RTM, because of blocking by MOV SS"},
    {STATE(LINK_POINTER), .applies = has_link, ADDRESS(PAGE_MASK),
     .words = "the address must be 4-KiB aligned and within the physical-address width, or all ones"},
    {STATE(LINK_POINTER), .applies = link_readable, .demand = link_revision,
     .words = "must be the address of a VMCS of this CPU's revision whose shadow-VMCS indicator equals \"VMCS shadowing\""},

    PDPTE(0),
    PDPTE(1),
    PDPTE(2),
    PDPTE(3),
};
/* clang-format on */

const unsigned vmx_guest_check_count = ARRAY_LENGTH(vmx_guest_checks);
