/* A VM's nested page tables, and what the CPU has cached of them. */
#pragma once

#include "hv/vm/vm.h"

/* The vendor table's rows. */
bool svm_vm_create(struct vm *vm);
void svm_flush(struct vcpu *vcpu);

/* The ASID of one vCPU more. */
uint32_t svm_next_asid(void);

/* Whether two vCPUs may have the same: then each begins on a core with a flush. */
extern bool svm_asids_shared;
