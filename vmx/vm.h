/* A VM's EPT, and what the CPU has cached of it. */
#pragma once

#include "hv/vm/vm.h"

/* The vendor table's rows. */
bool vmx_vm_create(struct vm *vm);
void vmx_flush(struct vcpu *vcpu);

/* The EPT pointer of a VM. */
uint64_t vmx_eptp(const struct vm *vm);

/* Forgets what this core has cached of any EPT. */
void vmx_forget_all(void);
