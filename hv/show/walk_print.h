/* How a guest's address is translated, for people. Nothing here changes the guest. */
#pragma once

#include "hv/vm/vcpu.h"

struct writer;

/* Prints the translation of a guest-linear address, entry by entry: the guest's own tables, then
 * walk_describe_physical. The vCPU must be loaded on this core. */
void walk_describe(struct vcpu *vcpu, gva_t gva, struct writer *out);

/* walk_describe of the address of its latest page fault, which is named first. */
void walk_describe_latest_fault(struct vcpu *vcpu, struct writer *out);

/* The same for a guest-physical address, through the VM's second-level tables. */
void walk_describe_physical(const struct vm *vm, gpa_t gpa, struct writer *out);
