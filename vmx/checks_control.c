/* SDM, "Checks on VMX Controls". */
#include "vmx/checks_rows.h"

#define EPTP_TYPE(value)        ((value)&7)
#define EPTP_WALK(value)        ((value) >> 3 & 7) /* levels of the walk, less 1 */
#define EPTP_ACCESSED_DIRTY     BIT(6)
#define EPTP_SHADOW_STACK       BIT(7)
#define EPTP_RESERVED           UINT64_C(0xf00)
#define EPT_TYPE_UC             0
#define EPT_TYPE_WB             6
#define VM_FUNCTION_EPTP_SWITCH BIT(0)
#define HLATP_RESERVED          UINT64_C(0xfe7)
#define HLAT_MAXIMUM(cpu)       ((cpu)->ept_vpid >> 48 & 0x3f)
#define VIRTUAL_APIC_TPR        0x80
#define MSR_AREA_ENTRY          16
#define MSR_AREA_ALIGNMENT      UINT64_C(0xf)
#define INFORMATION_RESERVED    UINT64_C(0x7ffff000)
#define INFORMATION_NESTED      BIT(13)
#define MOST_INSTRUCTION_BYTES  15

/* "Reserved bits must be set properly": as the capability MSRs allow. `argument`: the word. */
static CHECK_FUNCTION(allowed_settings)
{
    const struct vmx_capabilities *cpu = entry->cpu;

    return demand_bits(cpu->must_be_1[check->argument], ~cpu->may_be_1[check->argument]);
}

static CHECK_FUNCTION(cr3_targets)
{
    return demand_true(value <= vmx_cr3_targets(entry->cpu));
}

static CHECK_CONDITION(tpr_threshold_used)
{
    return !control_on(entry, VMX_SECONDARY, VMX_SECONDARY_VIRTUAL_INTERRUPT_DELIVERY);
}

/* Bits 7:4 of the virtual TPR, if memory can be looked into. */
static bool virtual_tpr(const struct vmx_entry *entry, uint32_t *class)
{
    const struct vmcs_reader *vmcs = entry->vmcs;
    uint64_t page = field(entry, VMCS_VIRTUAL_APIC_ADDRESS);

    if (!vmcs->read_memory || !vmcs->read_memory(vmcs->context, page + VIRTUAL_APIC_TPR, class))
        return false;
    *class = *class >> 4 & 0xf;
    return true;
}

static CHECK_CONDITION(tpr_threshold_compared)
{
    uint32_t class;

    return tpr_threshold_used(entry, check) &&
           !control_on(entry, VMX_SECONDARY, VMX_SECONDARY_VIRTUALIZE_APIC_ACCESSES) &&
           virtual_tpr(entry, &class);
}

static CHECK_FUNCTION(not_above_virtual_tpr)
{
    uint32_t class = 0;

    virtual_tpr(entry, &class);
    return demand_true((value & 0xf) <= class);
}

static CHECK_FUNCTION(eptp_type)
{
    uint64_t cpu = entry->cpu->ept_vpid;

    return demand_true((EPTP_TYPE(value) == EPT_TYPE_WB && (cpu & VMX_EPT_WB)) ||
                       (EPTP_TYPE(value) == EPT_TYPE_UC && (cpu & VMX_EPT_UC)));
}

static CHECK_FUNCTION(eptp_walk)
{
    uint64_t cpu = entry->cpu->ept_vpid;

    return demand_true((EPTP_WALK(value) == 3 && (cpu & VMX_EPT_4_LEVELS)) ||
                       (EPTP_WALK(value) == 4 && (cpu & VMX_EPT_5_LEVELS)));
}

static CHECK_FUNCTION(eptp_reserved)
{
    uint64_t cpu = entry->cpu->ept_vpid, zeros = EPTP_RESERVED | beyond_physical(entry);

    zeros |= cpu & VMX_EPT_ACCESSED_DIRTY ? 0 : EPTP_ACCESSED_DIRTY;
    zeros |= cpu & VMX_EPT_SHADOW_STACK ? 0 : EPTP_SHADOW_STACK;
    return demand_bits(0, zeros);
}

static CHECK_FUNCTION(vm_functions)
{
    return demand_bits(0, ~entry->cpu->vmfunc);
}

static CHECK_CONDITION(eptp_switching)
{
    return field(entry, VMCS_VM_FUNCTION_CONTROLS) & VM_FUNCTION_EPTP_SWITCH;
}

static CHECK_FUNCTION(hlat_prefix)
{
    return demand_true(value <= HLAT_MAXIMUM(entry->cpu));
}

static CHECK_FUNCTION(last_pid_pointer)
{
    uint64_t last = field(entry, VMCS_PID_POINTER_TABLE) + 8 * value;

    return demand_true(!(last & beyond_physical(entry)));
}

/* An MSR area is checked if its count, `argument`, is not 0. */
static CHECK_CONDITION(area_used)
{
    return field(entry, check->argument) != 0;
}

static CHECK_FUNCTION(area_aligned)
{
    return demand_bits(0, MSR_AREA_ALIGNMENT | beyond_physical(entry));
}

static CHECK_FUNCTION(area_end)
{
    uint64_t bytes = field(entry, check->argument) * MSR_AREA_ENTRY;

    return demand_true(value + bytes - 1 >= value && !((value + bytes - 1) & beyond_physical(entry)));
}

static CHECK_CONDITION(injects_event)
{
    return injected_event(entry) != 0;
}

static CHECK_FUNCTION(event_type)
{
    const struct vmx_capabilities *cpu = entry->cpu;
    bool other = vmx_allowed(cpu, VMX_PRIMARY, VMX_PRIMARY_MONITOR_TRAP_FLAG) ||
                 vmx_allowed(cpu, VMX_ENTRY, VMX_ENTRY_LOAD_FRED);

    return demand_true(INFORMATION_TYPE(value) != 1 &&
                       (INFORMATION_TYPE(value) != INFORMATION_OTHER_EVENT || other));
}

static CHECK_FUNCTION(event_vector)
{
    unsigned vector = INFORMATION_VECTOR(value);
    bool fred = vmx_allowed(entry->cpu, VMX_ENTRY, VMX_ENTRY_LOAD_FRED);

    switch (INFORMATION_TYPE(value)) {
    case EVENT_NMI:
        return demand_true(vector == EXC_NMI);
    case EVENT_EXCEPTION:
        return demand_true(vector <= 31);
    case INFORMATION_OTHER_EVENT:
        return demand_true(vector == 0 || (fred && vector <= 2));
    default:
        return demand_true(true);
    }
}

/* Exceptions that come with an error code: #DF, #TS, #NP, #SS, #GP, #PF and #AC. */
#define WITH_ERROR_CODE                                                                                      \
    (BIT(EXC_DF) | BIT(EXC_TS) | BIT(EXC_NP) | BIT(EXC_SS) | BIT(EXC_GP) | BIT(EXC_PF) | BIT(EXC_AC))

static CHECK_FUNCTION(event_error_code)
{
    unsigned vector = INFORMATION_VECTOR(value);

    if (INFORMATION_TYPE(value) != EVENT_EXCEPTION || !(field(entry, VMCS_GUEST_CR0) & CR0_PE))
        return demand_bits(0, INFORMATION_ERROR);
    if (entry->cpu->basic & VMX_BASIC_ANY_ERROR_CODE || vector > 31)
        return demand_bits(0, 0);
    return WITH_ERROR_CODE & BIT(vector) ? demand_bits(INFORMATION_ERROR, 0)
                                         : demand_bits(0, INFORMATION_ERROR);
}

static CHECK_FUNCTION(event_reserved)
{
    bool nested =
        entry->cpu->basic & VMX_BASIC_NESTED_EXCEPTION && INFORMATION_TYPE(value) == EVENT_EXCEPTION;

    return demand_bits(0, nested ? INFORMATION_RESERVED & ~INFORMATION_NESTED : INFORMATION_RESERVED);
}

static CHECK_CONDITION(injects_error_code)
{
    return injected_event(entry) & INFORMATION_ERROR;
}

static CHECK_CONDITION(injects_software_event)
{
    uint32_t event = injected_event(entry);

    return event && INFORMATION_TYPE(event) >= EVENT_SOFT_INTERRUPT &&
           INFORMATION_TYPE(event) <= EVENT_SOFT_EXCEPTION;
}

static CHECK_FUNCTION(instruction_length)
{
    uint64_t least = entry->cpu->misc & VMX_MISC_ZERO_LENGTH ? 0 : 1;

    return demand_true(value >= least && value <= MOST_INSTRUCTION_BYTES);
}

/* clang-format off */
#define EXECUTION(encoding) AT(encoding, EXECUTION_CONTROLS)
#define PAGE_WORDS          "the address must be 4-KiB aligned and within the physical-address width"
#define ALLOWED_WORDS       "as the VMX capability MSRs say"
#define ALLOWED(at, which)  {at, .demand = allowed_settings, .argument = VMX_##which, .words = ALLOWED_WORDS}
#define EPT_NEEDED_BY(which, control, text) \
    {EXECUTION(SECONDARY_CONTROLS), WHEN(which, control), ONE(VMX_SECONDARY_ENABLE_EPT), .words = text}
#define MSR_AREA(address, count, where) \
    {AT(address, where), .applies = area_used, .demand = area_aligned, .argument = VMCS_##count, \
     .words = "the address must be 16-byte aligned and within the physical-address width"}, \
    {AT(address, where), .applies = area_used, .demand = area_end, .argument = VMCS_##count, \
     .words = "the last byte of the area must lie within the physical-address width"}

const struct vmx_check vmx_control_checks[] = {
    ALLOWED(EXECUTION(PIN_CONTROLS), PIN),
    ALLOWED(EXECUTION(PRIMARY_CONTROLS), PRIMARY),
    {EXECUTION(SECONDARY_CONTROLS), WHEN(PRIMARY, ACTIVATE_SECONDARY), .demand = allowed_settings,
     .argument = VMX_SECONDARY, .words = ALLOWED_WORDS},
    {EXECUTION(TERTIARY_CONTROLS), WHEN(PRIMARY, ACTIVATE_TERTIARY), .demand = allowed_settings,
     .argument = VMX_TERTIARY, .words = ALLOWED_WORDS},
    {EXECUTION(CR3_TARGET_COUNT), .demand = cr3_targets,
     .words = "must not exceed the number of CR3-target values in IA32_VMX_MISC"},
    {EXECUTION(IO_BITMAP_A), WHEN(PRIMARY, USE_IO_BITMAPS), ADDRESS(PAGE_MASK), .words = PAGE_WORDS},
    {EXECUTION(IO_BITMAP_B), WHEN(PRIMARY, USE_IO_BITMAPS), ADDRESS(PAGE_MASK), .words = PAGE_WORDS},
    {EXECUTION(MSR_BITMAP), WHEN(PRIMARY, USE_MSR_BITMAPS), ADDRESS(PAGE_MASK), .words = PAGE_WORDS},
    {EXECUTION(VIRTUAL_APIC_ADDRESS), WHEN(PRIMARY, USE_TPR_SHADOW), ADDRESS(PAGE_MASK), .words = PAGE_WORDS},
    {EXECUTION(TPR_THRESHOLD), WHEN(PRIMARY, USE_TPR_SHADOW), .applies = tpr_threshold_used, ZERO(~UINT64_C(0xf)),
     .words = "the threshold has 4 bits while \"virtual-interrupt delivery\" is 0"},
    {EXECUTION(TPR_THRESHOLD), WHEN(PRIMARY, USE_TPR_SHADOW), .applies = tpr_threshold_compared,
     .demand = not_above_virtual_tpr, .words = "bits 3:0 must not exceed bits 7:4 of VTPR on the virtual-APIC page"},
    {EXECUTION(PIN_CONTROLS), UNLESS(PIN, NMI_EXITING), ZERO(VMX_PIN_VIRTUAL_NMIS), .words = "\"NMI exiting\" is 0"},
    {EXECUTION(PRIMARY_CONTROLS), UNLESS(PIN, VIRTUAL_NMIS), ZERO(VMX_PRIMARY_NMI_WINDOW_EXITING),
     .words = "\"virtual NMIs\" is 0"},
    {EXECUTION(APIC_ACCESS_ADDRESS), WHEN(SECONDARY, VIRTUALIZE_APIC_ACCESSES), ADDRESS(PAGE_MASK),
     .words = PAGE_WORDS},
    {EXECUTION(SECONDARY_CONTROLS), .word = VMX_PRIMARY, .set = VMX_PRIMARY_ACTIVATE_SECONDARY,
     .clear = VMX_PRIMARY_USE_TPR_SHADOW,
     ZERO(VMX_SECONDARY_VIRTUALIZE_X2APIC | VMX_SECONDARY_APIC_REGISTER_VIRTUALIZATION |
          VMX_SECONDARY_VIRTUAL_INTERRUPT_DELIVERY), .words = "\"use TPR shadow\" is 0"},
    {EXECUTION(TERTIARY_CONTROLS), .word = VMX_PRIMARY, .set = VMX_PRIMARY_ACTIVATE_TERTIARY,
     .clear = VMX_PRIMARY_USE_TPR_SHADOW, ZERO(VMX_TERTIARY_IPI_VIRTUALIZATION), .words = "\"use TPR shadow\" is 0"},
    {EXECUTION(SECONDARY_CONTROLS), WHEN(SECONDARY, VIRTUALIZE_X2APIC), ZERO(VMX_SECONDARY_VIRTUALIZE_APIC_ACCESSES),
     .words = "\"virtualize x2APIC mode\" is 1"},
    {EXECUTION(PIN_CONTROLS), WHEN(SECONDARY, VIRTUAL_INTERRUPT_DELIVERY), ONE(VMX_PIN_EXTERNAL_INTERRUPT_EXITING),
     .words = "\"virtual-interrupt delivery\" is 1"},
    {EXECUTION(SECONDARY_CONTROLS), WHEN(PIN, PROCESS_POSTED_INTERRUPTS), ONE(VMX_SECONDARY_VIRTUAL_INTERRUPT_DELIVERY),
     .words = "\"process posted interrupts\" is 1"},
    {EXECUTION(EXIT_CONTROLS), WHEN(PIN, PROCESS_POSTED_INTERRUPTS), ONE(VMX_EXIT_ACKNOWLEDGE_INTERRUPT),
     .words = "\"process posted interrupts\" is 1"},
    {EXECUTION(POSTED_INTERRUPT_VECTOR), WHEN(PIN, PROCESS_POSTED_INTERRUPTS), ZERO(~UINT64_C(0xff)),
     .words = "a vector has 8 bits"},
    {EXECUTION(POSTED_INTERRUPT_DESCRIPTOR), WHEN(PIN, PROCESS_POSTED_INTERRUPTS), ADDRESS(0x3f),
     .words = "the address must be 64-byte aligned and within the physical-address width"},
    {EXECUTION(VPID), WHEN(SECONDARY, ENABLE_VPID), .demand = check_not_zero,
     .words = "must not be 0 while \"enable VPID\" is 1"},
    {EXECUTION(EPTP), WHEN(SECONDARY, ENABLE_EPT), .demand = eptp_type,
     .words = "bits 2:0 must be a memory type that IA32_VMX_EPT_VPID_CAP has: 0 (UC) or 6 (WB)"},
    {EXECUTION(EPTP), WHEN(SECONDARY, ENABLE_EPT), .demand = eptp_walk,
     .words = "bits 5:3 must be a walk length less 1 that IA32_VMX_EPT_VPID_CAP has: 3 or 4"},
    {EXECUTION(EPTP), WHEN(SECONDARY, ENABLE_EPT), .demand = eptp_reserved,
     .words = "reserved, beyond the physical-address width, or a feature that IA32_VMX_EPT_VPID_CAP does not have"},
    EPT_NEEDED_BY(SECONDARY, ENABLE_PML, "\"enable PML\" is 1"),
    {EXECUTION(PML_ADDRESS), WHEN(SECONDARY, ENABLE_PML), ADDRESS(PAGE_MASK), .words = PAGE_WORDS},
    EPT_NEEDED_BY(SECONDARY, UNRESTRICTED_GUEST, "\"unrestricted guest\" is 1"),
    EPT_NEEDED_BY(SECONDARY, MODE_BASED_EXECUTE, "\"mode-based execute control for EPT\" is 1"),
    EPT_NEEDED_BY(SECONDARY, SUB_PAGE_WRITE_PERMISSIONS, "\"sub-page write permissions for EPT\" is 1"),
    {EXECUTION(SPP_TABLE_POINTER), WHEN(SECONDARY, SUB_PAGE_WRITE_PERMISSIONS), ADDRESS(PAGE_MASK), .words = PAGE_WORDS},
    EPT_NEEDED_BY(SECONDARY, PT_GUEST_PHYSICAL, "\"Intel PT uses guest physical addresses\" is 1"),
    {EXECUTION(ENTRY_CONTROLS), WHEN(SECONDARY, PT_GUEST_PHYSICAL), ONE(VMX_ENTRY_LOAD_RTIT_CTL),
     .words = "\"Intel PT uses guest physical addresses\" is 1"},
    {EXECUTION(EXIT_CONTROLS), WHEN(SECONDARY, PT_GUEST_PHYSICAL), ONE(VMX_EXIT_CLEAR_RTIT_CTL),
     .words = "\"Intel PT uses guest physical addresses\" is 1"},
    EPT_NEEDED_BY(TERTIARY, ENABLE_HLAT, "\"enable HLAT\" is 1"),
    EPT_NEEDED_BY(TERTIARY, EPT_PAGING_WRITE, "\"EPT paging-write control\" is 1"),
    EPT_NEEDED_BY(TERTIARY, GUEST_PAGING_VERIFICATION, "\"guest-paging verification\" is 1"),
    {EXECUTION(HLATP), WHEN(TERTIARY, ENABLE_HLAT), ADDRESS(HLATP_RESERVED),
     .words = "reserved or beyond the physical-address width"},
    {EXECUTION(HLAT_PREFIX_SIZE), WHEN(TERTIARY, ENABLE_HLAT), .demand = hlat_prefix,
     .words = "must not exceed the size in bits 53:48 of IA32_VMX_EPT_VPID_CAP"},
    {EXECUTION(VM_FUNCTION_CONTROLS), WHEN(SECONDARY, ENABLE_VM_FUNCTIONS), .demand = vm_functions,
     .words = "as IA32_VMX_VMFUNC says"},
    {EXECUTION(SECONDARY_CONTROLS), WHEN(SECONDARY, ENABLE_VM_FUNCTIONS), .applies = eptp_switching,
     ONE(VMX_SECONDARY_ENABLE_EPT), .words = "VM function \"EPTP switching\" is enabled"},
    {EXECUTION(EPTP_LIST_ADDRESS), WHEN(SECONDARY, ENABLE_VM_FUNCTIONS), .applies = eptp_switching, ADDRESS(PAGE_MASK),
     .words = PAGE_WORDS},
    {EXECUTION(VMREAD_BITMAP), WHEN(SECONDARY, VMCS_SHADOWING), ADDRESS(PAGE_MASK), .words = PAGE_WORDS},
    {EXECUTION(VMWRITE_BITMAP), WHEN(SECONDARY, VMCS_SHADOWING), ADDRESS(PAGE_MASK), .words = PAGE_WORDS},
    {EXECUTION(VE_INFORMATION_ADDRESS), WHEN(SECONDARY, EPT_VIOLATION_VE), ADDRESS(PAGE_MASK), .words = PAGE_WORDS},
    {EXECUTION(LOW_PASID_DIRECTORY), WHEN(SECONDARY, PASID_TRANSLATION), ADDRESS(PAGE_MASK), .words = PAGE_WORDS},
    {EXECUTION(HIGH_PASID_DIRECTORY), WHEN(SECONDARY, PASID_TRANSLATION), ADDRESS(PAGE_MASK), .words = PAGE_WORDS},
    {EXECUTION(PID_POINTER_TABLE), WHEN(TERTIARY, IPI_VIRTUALIZATION), ADDRESS(7),
     .words = "the address must be 8-byte aligned and within the physical-address width"},
    {EXECUTION(LAST_PID_POINTER_INDEX), WHEN(TERTIARY, IPI_VIRTUALIZATION), .demand = last_pid_pointer,
     .words = "the last entry of the PID-pointer table must lie within the physical-address width"},

    ALLOWED(AT(EXIT_CONTROLS, EXIT_CONTROLS), EXIT),
    {AT(SECONDARY_EXIT_CONTROLS, EXIT_CONTROLS), WHEN(EXIT, ACTIVATE_SECONDARY), .demand = allowed_settings,
     .argument = VMX_EXIT2, .words = ALLOWED_WORDS},
    {AT(EXIT_CONTROLS, EXIT_CONTROLS), UNLESS(PIN, PREEMPTION_TIMER), ZERO(VMX_EXIT_SAVE_PREEMPTION_TIMER),
     .words = "\"activate VMX-preemption timer\" is 0"},
    MSR_AREA(EXIT_MSR_STORE_ADDRESS, EXIT_MSR_STORE_COUNT, EXIT_CONTROLS),
    MSR_AREA(EXIT_MSR_LOAD_ADDRESS, EXIT_MSR_LOAD_COUNT, EXIT_CONTROLS),

    ALLOWED(AT(ENTRY_CONTROLS, ENTRY_CONTROLS), ENTRY),
    {AT(ENTRY_INTERRUPTION, ENTRY_CONTROLS), .applies = injects_event, .demand = event_type,
     .words = "bits 10:8 must not be a reserved event type"},
    {AT(ENTRY_INTERRUPTION, ENTRY_CONTROLS), .applies = injects_event, .demand = event_vector,
     .words = "the vector must fit the event type: 2 for an NMI, 0 to 31 for a hardware exception, 0 for other events"},
    {AT(ENTRY_INTERRUPTION, ENTRY_CONTROLS), .applies = injects_event, .demand = event_error_code,
     .words = "an error code comes with hardware exceptions 8, 10 to 14 and 17 in protected mode, and with no other event"},
    {AT(ENTRY_INTERRUPTION, ENTRY_CONTROLS), .applies = injects_event, .demand = event_reserved,
     .words = "reserved bits"},
    {AT(ENTRY_ERROR_CODE, ENTRY_CONTROLS), .applies = injects_error_code, ZERO(~UINT64_C(0xffff)),
     .words = "an error code has 16 bits"},
    {AT(ENTRY_INSTRUCTION_LENGTH, ENTRY_CONTROLS), .applies = injects_software_event, .demand = instruction_length,
     .words = "must be 1 to 15 for a software event (or 0 where bit 30 of IA32_VMX_MISC is 1)"},
    MSR_AREA(ENTRY_MSR_LOAD_ADDRESS, ENTRY_MSR_LOAD_COUNT, ENTRY_CONTROLS),
    {AT(ENTRY_CONTROLS, ENTRY_CONTROLS), ZERO(VMX_ENTRY_ENTRY_TO_SMM | VMX_ENTRY_DEACTIVATE_DUAL_MONITOR),
     .words = "the processor is not in SMM"},
};
/* clang-format on */

const unsigned vmx_control_check_count = ARRAY_LENGTH(vmx_control_checks);
