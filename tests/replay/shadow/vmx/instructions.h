/* In place of vmx/instructions.h in the replay: VMREAD and VMWRITE reach an array, which
 * tests/replay/machine.c keeps. */
#pragma once

#include "hv/lib/base.h"

uint64_t vmread(uint32_t field);
void vmwrite(uint32_t field, uint64_t value);
