#include "vmx/entry_checks.h"

#include "hv/lib/format.h"
#include "vmx/checks.h"

const char *const vmx_section_titles[VMX_SECTIONS] = {
    [SECTION_EXECUTION_CONTROLS] = "Checks on VMX Controls: VM-Execution Control Fields",
    [SECTION_EXIT_CONTROLS] = "Checks on VMX Controls: VM-Exit Control Fields",
    [SECTION_ENTRY_CONTROLS] = "Checks on VMX Controls: VM-Entry Control Fields",
    [SECTION_HOST_REGISTERS] = "Checks on Host Control Registers, MSRs, and SSP",
    [SECTION_HOST_SEGMENTS] = "Checks on Host Segment and Descriptor-Table Registers",
    [SECTION_ADDRESS_SPACE] = "Checks Related to Address-Space Size",
    [SECTION_GUEST_REGISTERS] = "Checks on Guest Control Registers, Debug Registers, and MSRs",
    [SECTION_GUEST_SEGMENTS] = "Checks on Guest Segment Registers",
    [SECTION_GUEST_TABLES] = "Checks on Guest Descriptor-Table Registers",
    [SECTION_GUEST_RIP] = "Checks on Guest RIP, RFLAGS, and SSP",
    [SECTION_GUEST_NON_REGISTER] = "Checks on Guest Non-Register State",
    [SECTION_GUEST_PDPTE] = "Checks on Guest Page-Directory-Pointer-Table Entries",
};

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

struct part {
    const struct vmx_check *checks;
    const unsigned *count;
};

static const struct part parts[] = {
    {vmx_control_checks, &vmx_control_check_count},
    {vmx_host_checks, &vmx_host_check_count},
    {vmx_guest_checks, &vmx_guest_check_count},
    {vmx_segment_checks, &vmx_segment_check_count},
};

const struct vmx_check *vmx_check_at(unsigned index)
{
    for (unsigned i = 0; i < ARRAY_LENGTH(parts); i++) {
        if (index < *parts[i].count)
            return &parts[i].checks[index];
        index -= *parts[i].count;
    }
    return NULL;
}

static bool applies(const struct vmx_check *check, const struct vmx_entry *entry)
{
    uint64_t controls = check->set | check->clear ? entry_controls(entry, check->word) : 0;

    if ((controls & check->set) != check->set || (controls & check->clear))
        return false;
    return !check->applies || check->applies(entry, check);
}

static bool met(const struct vmx_demand *demand, uint64_t value)
{
    switch (demand->kind) {
    case DEMAND_BITS:
        return (value & demand->ones) == demand->ones && !(value & demand->zeros);
    case DEMAND_EQUAL:
        return value == demand->equal;
    default:
        return demand->met;
    }
}

bool vmx_check_broken(const struct vmx_check *check, const struct vmx_entry *entry)
{
    struct vmx_demand demand;
    uint64_t value;

    if (!applies(check, entry))
        return false;
    value = field(entry, check->field);
    demand = check->demand(entry, check, value);
    return !met(&demand, value);
}

/* The names of wrong bits, where the field is a word of controls. */
static void print_bit_names(uint32_t encoding, uint64_t bits, struct writer *out)
{
    for (unsigned word = 0; word < VMX_WORDS; word++)
        for (unsigned bit = 0; word_fields[word].field == encoding && bit < 64; bit++)
            if (bits & BIT(bit))
                print_to(out, " \"%s\"", vmx_control_name(word, bit));
}

static void print_bits(const struct vmx_check *check, uint64_t bits, unsigned must_be, struct writer *out)
{
    if (!bits)
        return;
    print_to(out, "bits 0x%lx", (unsigned long)bits);
    print_bit_names(check->field, bits, out);
    print_to(out, " must be %u: ", must_be);
}

static void print_broken(const struct vmx_check *check, const struct vmx_entry *entry, struct writer *out)
{
    uint64_t value = field(entry, check->field);
    struct vmx_demand demand = check->demand(entry, check, value);

    print_to(out, "%s: found 0x%lx, ", vmcs_field_name(check->field), (unsigned long)value);
    if (demand.kind == DEMAND_BITS) {
        print_bits(check, demand.ones & ~value, 1, out);
        print_bits(check, demand.zeros & value, 0, out);
    } else if (demand.kind == DEMAND_EQUAL) {
        print_to(out, "must equal 0x%lx: ", (unsigned long)demand.equal);
    }
    print_to(out, "%s (SDM, \"%s\")\n", check->words, vmx_section_titles[check->section]);
}

unsigned vmx_explain_entry(const struct vmcs_reader *vmcs, const struct vmx_capabilities *cpu,
                           struct writer *out)
{
    const struct vmx_entry entry = {vmcs, cpu};
    const struct vmx_check *check;
    unsigned broken = 0;

    for (unsigned i = 0; (check = vmx_check_at(i)) != NULL; i++) {
        if (!vmx_check_broken(check, &entry))
            continue;
        print_broken(check, &entry, out);
        broken++;
    }
    return broken;
}
