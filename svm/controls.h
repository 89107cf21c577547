/* What Keel makes of the features that this CPU has: used, done without or left alone, in words. */
#pragma once

#include "svm/capabilities.h"

/* virt->forbid. */
bool svm_forbid(const char *name, size_t length);

/* Takes away from `cpu` what was forbidden, and says in the log what is used, missing and left alone. false:
 * something needed is missing, which a line says too. */
bool svm_choose_controls(struct svm_capabilities *cpu);
