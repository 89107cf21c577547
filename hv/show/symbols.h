/* Keel's own symbol table, which the build puts into the image. */
#pragma once

#include "hv/lib/base.h"

/* The function that holds `address`, and the offset into it; NULL if the address is not in Keel's code. */
const char *symbol_at(uint64_t address, uint64_t *offset);
