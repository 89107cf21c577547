#include "vmx/checks.h"

#include "hv/lib/format.h"
#include "vmx/checks_rows.h"

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
        for (unsigned bit = 0; entry_word_field(word) == encoding && bit < 64; bit++)
            if (bits & BIT(bit))
                print_to(out, " \"%s\"", virt_control_name(&vmx_control_list, word, bit) ?: "reserved");
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
