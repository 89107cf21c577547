/* What this CPU's SVM can do (APM, "Function 8000_000Ah: SVM Features"), and what it gets wrong. */
#pragma once

#include "svm/control_bits.h"

/* What an emulator gets wrong: svm/quirks.h. */
struct svm_quirks {
    bool loses_dr6;      /* the VMCB's DR6 is without the cause of an intercepted #DB */
    bool forgets_shadow; /* VMRUN does not heed the VMCB's interrupt shadow */
    bool misses_window;  /* nor a virtual interrupt whose window is open already */
    bool loses_cr2;      /* nor the VMCB's CR2 */
};

struct svm_capabilities {
    uint32_t asids, features;
    uint8_t revision, physical_bits;
    bool pages_1g;
    struct svm_quirks quirks;
};
extern struct svm_capabilities svm_cpu; /* the boot core's, less what is done without */

static inline bool svm_has(enum svm_feature feature)
{
    return svm_cpu.features >> feature & 1;
}

/* Fills all of it but the quirks. */
void svm_read_capabilities(struct svm_capabilities *cpu);
