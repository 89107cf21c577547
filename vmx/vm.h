/* A VM's EPT, and what the CPU has cached of it. */
#pragma once

#include "hv/vm/vm.h"

/* The vendor table's rows. */
bool vmx_vm_create(struct vm *vm);
void vmx_vm_destroy(struct vm *vm);
void vmx_flush(struct vcpu *vcpu);
void vmx_apic_placed(struct vm *vm);

/* Hardware's page for xAPIC accesses, which is there while it is right for every vCPU; 0: there is none. */
hpa_t vmx_apic_page(const struct vm *vm);

/* The EPT pointer of a VM. */
uint64_t vmx_eptp(const struct vm *vm);

/* Forgets what this core has cached of any EPT. */
void vmx_forget_all(void);
