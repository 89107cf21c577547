/* A guest's memory as people look at it: bytes, and how an address is translated. Nothing here changes the
 * guest. */
#pragma once

#include "hv/vm/vcpu.h"

struct writer;

/*
 * Reads guest-linear memory as the vCPU would at its privilege level, setting no accessed bit. Returns how
 * many bytes there were before the first that is not mapped or not in RAM. The vCPU must be loaded on this
 * core.
 */
unsigned walk_peek(struct vcpu *vcpu, gva_t gva, void *to, unsigned length);

/* Prints the translation of a guest-linear address, entry by entry: the guest's own tables, then
 * walk_describe_physical. The vCPU must be loaded on this core. */
void walk_describe(struct vcpu *vcpu, gva_t gva, struct writer *out);

/* The same for a guest-physical address, through the VM's second-level tables. */
void walk_describe_physical(const struct vm *vm, gpa_t gpa, struct writer *out);
