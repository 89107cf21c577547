/* What Keel makes of the features that this CPU has: used, done without or left alone, in words. */
#pragma once

#include "hv/vm/virt_controls.h"
#include "svm/capabilities.h"

struct writer;

/* Every feature, by its bit. */
extern struct virt_controls svm_control_list;

/* Takes away from `cpu` what was forbidden, and says in the log what is used, missing and left alone. false:
 * something needed is missing, which a line says too. */
bool svm_choose_controls(struct svm_capabilities *cpu);

/*
 * Whether a core can run what the boot core's capabilities lead to. Prints a line for each thing that it
 * cannot: what was found and what is needed. Returns how many.
 */
unsigned svm_print_unfit(const struct svm_capabilities *core, const struct svm_capabilities *boot,
                         struct writer *out);
