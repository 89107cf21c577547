/*
 * A failed VM entry explained: the checks of the SDM's chapter "VM Entries" as one table. Nothing here
 * executes an instruction of VMX; the fields come through a struct vmcs_reader.
 */
#pragma once

#include "hv/lib/base.h"
#include "vmx/capabilities.h"
#include "vmx/fields.h"

struct writer;

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

/* The titles of these sections in the SDM. */
extern const char *const vmx_section_titles[];

/* Check `index` of the whole table, or NULL behind its end. */
const struct vmx_check *vmx_check_at(unsigned index);

/* Whether this VMCS breaks the check. */
bool vmx_check_broken(const struct vmx_check *check, const struct vmx_entry *entry);

/*
 * Prints a line for each check that the VMCS breaks: field, value found, value demanded, title of the SDM's
 * section. Returns how many. Checks that depend on what is not in the VMCS or in `cpu`
 * (IA32_RTIT_CTL.TraceEn, whether the processor is in SMM, which VMCS is current) are not made or assume a
 * hypervisor outside SMM.
 */
unsigned vmx_explain_entry(const struct vmcs_reader *vmcs, const struct vmx_capabilities *cpu,
                           struct writer *out);
