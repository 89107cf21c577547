/* The interrupt descriptor table, which all cores share. */
#pragma once

#include "hv/lib/base.h"

/* Builds it. */
void interrupts_init(void);

/* Another entry for `vector`: assembly, run before anything is saved. */
void interrupts_enter_at(uint8_t vector, uint64_t entry);

/* Loads it on the calling core. */
void interrupts_load(void);
