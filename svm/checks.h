/* A failed VMRUN explained: the APM's "Canonicalization and Consistency Checks" as a table. */
#pragma once

#include "svm/capabilities.h"
#include "svm/fields.h"

struct writer;

/* One check: whether the value that a VMCB has at `field` breaks it. */
struct svm_check {
    uint16_t field; /* offset in the VMCB */
    bool (*broken)(const union vmcb *vmcb, const struct svm_capabilities *cpu, uint64_t value,
                   uint64_t argument);
    uint64_t argument; /* of `broken` */
    const char *words; /* what is demanded; unique among the checks of a field */
};

extern const struct svm_check svm_checks[];
extern const unsigned svm_check_count;

/* Whether this VMCB breaks the check. */
bool svm_check_broken(const struct svm_check *check, const union vmcb *vmcb,
                      const struct svm_capabilities *cpu);

/* Prints a line for each check that the VMCB breaks: field, value found, what is demanded. Returns how many.
 */
unsigned svm_explain_vmrun(const union vmcb *vmcb, const struct svm_capabilities *cpu, struct writer *out);
