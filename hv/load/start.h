/* How a guest finds its machine: the tables of the firmware, and the registers of the boot vCPU. */
#pragma once

#include "hv/load/load.h"

struct vm;

/* Writes the VM's ACPI and MP tables into its memory, which this core sees. Returns where the RSDP lies; 0:
 * there is no room for it. */
gpa_t start_tables(struct vm *vm);

/* The boot vCPU, loaded and as after RESET, becomes as its loader wants it. */
void start_vcpu(struct vcpu *vcpu, const struct entry_state *entry);
