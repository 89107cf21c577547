/* What a PC's firmware leaves in low memory: interrupt vectors with handlers, and the BIOS data area. */
#pragma once

#include "hv/lib/base.h"
#include "hv/vm/guest_mem.h"

/*
 * Writes the vectors of real mode, the BIOS data area at 0x400 and the extended one at MAP_EBDA. There is no
 * BIOS: its services, 10H to 1AH, return with carry set and AH 86H; the timer's interrupt counts, and those
 * of other irqs end in the 8259As. Returns false if the VM has no RAM there.
 */
bool bios_write(const struct guest_mem *memory);
