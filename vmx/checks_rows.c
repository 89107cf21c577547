#include "vmx/checks_rows.h"

/* Where each word of controls lies, and the control that activates it, if one does. */
struct word_field {
    uint16_t field;
    uint8_t parent;
    uint32_t parent_bit;
};

static const struct word_field word_fields[VMX_WORDS] = {
    [VMX_PIN] = {.field = VMCS_PIN_CONTROLS},
    [VMX_PRIMARY] = {.field = VMCS_PRIMARY_CONTROLS},
    [VMX_SECONDARY] = {VMCS_SECONDARY_CONTROLS, VMX_PRIMARY, VMX_PRIMARY_ACTIVATE_SECONDARY},
    [VMX_TERTIARY] = {VMCS_TERTIARY_CONTROLS, VMX_PRIMARY, VMX_PRIMARY_ACTIVATE_TERTIARY},
    [VMX_EXIT] = {.field = VMCS_EXIT_CONTROLS},
    [VMX_EXIT2] = {VMCS_SECONDARY_EXIT_CONTROLS, VMX_EXIT, VMX_EXIT_ACTIVATE_SECONDARY},
    [VMX_ENTRY] = {.field = VMCS_ENTRY_CONTROLS},
};

uint32_t entry_word_field(enum vmx_control_word word)
{
    return word_fields[word].field;
}

uint64_t entry_controls(const struct vmx_entry *entry, enum vmx_control_word word)
{
    const struct word_field *row = &word_fields[word];

    if (row->parent_bit && !(field(entry, word_fields[row->parent].field) & row->parent_bit))
        return 0;
    return field(entry, row->field);
}

CHECK_FUNCTION(check_zero)
{
    return demand_bits(0, check->argument);
}

CHECK_FUNCTION(check_one)
{
    return demand_bits(check->argument, 0);
}

CHECK_FUNCTION(check_address)
{
    return demand_bits(0, check->argument | beyond_physical(entry));
}

CHECK_FUNCTION(check_canonical)
{
    return demand_true(canonical(entry, value));
}

CHECK_FUNCTION(check_not_zero)
{
    return demand_true(value != 0);
}

/* Each byte is a memory type: 0 UC, 1 WC, 4 WT, 5 WP, 6 WB or 7 UC-. */
CHECK_FUNCTION(check_pat)
{
    bool valid = true;

    for (unsigned i = 0; i < 8; i++) {
        unsigned type = value >> (8 * i) & 0xff;
        valid = valid && type < 8 && type != 2 && type != 3;
    }
    return demand_true(valid);
}

CHECK_FUNCTION(check_perf_global)
{
    return demand_bits(0, ~entry->cpu->perf_global_ctrl);
}

/* Linear-address masking, where the CPU has it, owns bits 62:61. */
CHECK_FUNCTION(check_cr3)
{
    uint64_t zeros = ~(BIT(entry->cpu->physical_bits) - 1);

    return demand_bits(0, entry->cpu->lam ? zeros & ~(BIT(61) | BIT(62)) : zeros);
}

CHECK_FUNCTION(check_s_cet_trackers)
{
    return demand_true((value & (S_CET_SUPPRESS | S_CET_TRACKER)) != (S_CET_SUPPRESS | S_CET_TRACKER));
}
