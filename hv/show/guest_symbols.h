/* The names of a guest's functions, from the module that `symbols` in keel.conf names. */
#pragma once

#include "hv/lib/format.h"

struct vm;

/* " (name+0x12)" of the function that a linear address is in; nothing if that is not known. */
void guest_symbol_print(const struct vm *vm, uint64_t address, struct writer *out);
