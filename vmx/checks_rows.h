/* The entry checks as rows: what a row is, what it is made of, and the parts of the table. */
#pragma once

#include "hv/vm/vcpu.h"
#include "vmx/controls.h"
#include "vmx/reasons.h"

enum vmx_section {
    SECTION_EXECUTION_CONTROLS,
    SECTION_EXIT_CONTROLS,
    SECTION_ENTRY_CONTROLS,
    SECTION_HOST_REGISTERS,
    SECTION_HOST_SEGMENTS,
    SECTION_ADDRESS_SPACE,
    SECTION_GUEST_REGISTERS,
    SECTION_GUEST_SEGMENTS,
    SECTION_GUEST_TABLES,
    SECTION_GUEST_RIP,
    SECTION_GUEST_NON_REGISTER,
    SECTION_GUEST_PDPTE,
    VMX_SECTIONS
};

/* The VMCS about to be entered and the CPU it is entered on. */
struct vmx_entry {
    const struct vmcs_reader *vmcs;
    const struct vmx_capabilities *cpu;
};

/* What a check demands of its field. */
struct vmx_demand {
    enum { DEMAND_BITS, DEMAND_EQUAL, DEMAND_TRUE } kind;
    uint64_t ones, zeros; /* BITS: must be 1, must be 0 */
    uint64_t equal;       /* EQUAL */
    bool met;             /* TRUE: the row's words say it all */
};

/*
 * One check. It is made if all bits `set` and no bits `clear` of control word `word` are on, and if
 * `applies`, where there is one, says so.
 */
struct vmx_check {
    uint16_t field;  /* enum vmcs_encoding */
    uint8_t section; /* enum vmx_section */
    uint8_t word;    /* enum vmx_control_word */
    uint32_t set, clear;
    bool (*applies)(const struct vmx_entry *entry, const struct vmx_check *check);
    struct vmx_demand (*demand)(const struct vmx_entry *entry, const struct vmx_check *check, uint64_t value);
    uint64_t argument; /* of `demand` */
    const char *words; /* what is demanded, or why; unique among the checks of a field */
};

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

/* The field that holds this word of controls. */
uint32_t entry_word_field(enum vmx_control_word word);

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
