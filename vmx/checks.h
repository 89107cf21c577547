/* What the files of the entry checks share: the parts of the table, and what its rows are made of. */
#pragma once

#include "hv/vm/vcpu.h"
#include "vmx/controls.h"
#include "vmx/entry_checks.h"
#include "vmx/exit_reasons.h"

extern const struct vmx_check vmx_control_checks[], vmx_host_checks[], vmx_guest_checks[],
    vmx_segment_checks[];
extern const unsigned vmx_control_check_count, vmx_host_check_count, vmx_guest_check_count,
    vmx_segment_check_count;

#define CHECK_FUNCTION(name)                                                                                 \
    struct vmx_demand name(const struct vmx_entry *entry UNUSED, const struct vmx_check *check UNUSED,       \
                           uint64_t value UNUSED)
#define CHECK_CONDITION(name)                                                                                \
    bool name(const struct vmx_entry *entry UNUSED, const struct vmx_check *check UNUSED)

static inline struct vmx_demand demand_bits(uint64_t ones, uint64_t zeros)
{
    return (struct vmx_demand){.kind = DEMAND_BITS, .ones = ones, .zeros = zeros};
}

static inline struct vmx_demand demand_equal(uint64_t equal)
{
    return (struct vmx_demand){.kind = DEMAND_EQUAL, .equal = equal};
}

static inline struct vmx_demand demand_true(bool met)
{
    return (struct vmx_demand){.kind = DEMAND_TRUE, .met = met};
}

static inline uint64_t field(const struct vmx_entry *entry, uint32_t encoding)
{
    return entry->vmcs->read(entry->vmcs->context, encoding);
}

/* A word of controls as the CPU sees it: 0 where another control does not activate the word. */
uint64_t entry_controls(const struct vmx_entry *entry, enum vmx_control_word word);

static inline bool control_on(const struct vmx_entry *entry, enum vmx_control_word word, uint64_t bits)
{
    return (entry_controls(entry, word) & bits) == bits;
}

/* Address bits that this CPU does not have: above its physical-address width, or above 31. */
static inline uint64_t beyond_physical(const struct vmx_entry *entry)
{
    unsigned bits = entry->cpu->basic & VMX_BASIC_32_BIT_ADDRESSES ? 32 : entry->cpu->physical_bits;

    return ~(BIT(bits) - 1);
}

static inline bool canonical(const struct vmx_entry *entry, uint64_t address)
{
    int64_t upper = (int64_t)address >> (entry->cpu->linear_bits - 1);

    return upper == 0 || upper == -1;
}

/* The event that this entry injects: the VM-entry interruption-information field, 0 if it is not valid. */
static inline uint32_t injected_event(const struct vmx_entry *entry)
{
    uint32_t information = field(entry, VMCS_ENTRY_INTERRUPTION);

    return information & INFORMATION_VALID ? information : 0;
}

static inline bool injects(const struct vmx_entry *entry, enum event_type type)
{
    uint32_t event = injected_event(entry);

    return event && INFORMATION_TYPE(event) == (uint32_t)type;
}

/* Demands that rows of several files use; `argument` is a mask. */
CHECK_FUNCTION(check_zero);
CHECK_FUNCTION(check_one);
CHECK_FUNCTION(check_address); /* `argument`: address bits that must be 0 */
CHECK_FUNCTION(check_canonical);
CHECK_FUNCTION(check_not_zero);
CHECK_FUNCTION(check_pat);
CHECK_FUNCTION(check_perf_global);
CHECK_FUNCTION(check_cr3);
CHECK_FUNCTION(check_s_cet_trackers);

#define EFER_DEFINED           (EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)
#define S_CET_RESERVED         UINT64_C(0x3c0) /* bits 9:6 */
#define S_CET_SUPPRESS         BIT(10)
#define S_CET_TRACKER          BIT(11)
#define UPPER_32               UINT64_C(0xffffffff00000000)
#define FRED_CONFIG_ZERO       UINT64_C(0x834) /* bits 11, 5:4 and 2 */

/* Parts of a row. */
#define AT(encoding, where)    .field = VMCS_##encoding, .section = SECTION_##where
#define WHEN(which, control)   .word = VMX_##which, .set = VMX_##which##_##control
#define UNLESS(which, control) .word = VMX_##which, .clear = VMX_##which##_##control
#define ZERO(mask)             .demand = check_zero, .argument = (mask)
#define ONE(mask)              .demand = check_one, .argument = (mask)
#define ADDRESS(low_zero)      .demand = check_address, .argument = (low_zero)
