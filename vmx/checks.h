/*
 * A failed VM entry explained: the checks of the SDM's chapter "VM Entries" as one table. Nothing here
 * executes an instruction of VMX; the fields come through a struct vmcs_reader.
 */
#pragma once

#include "hv/lib/base.h"
#include "vmx/capabilities.h"
#include "vmx/fields.h"

struct writer;

struct vmx_check;
struct vmx_entry;

/* The titles of the sections of checks_rows.h in the SDM. */
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
