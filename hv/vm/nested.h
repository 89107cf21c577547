/* A VM's second-level page tables, in the vendor's format: its RAM by the largest pages, and nothing else. */
#pragma once

#include "ept/table.h"
#include "hv/vm/vm.h"

/*
 * Makes vm->nested. `largest` is the largest leaf's level, `memory_type` write-back in this format. false: no
 * memory.
 */
bool nested_create(struct vm *vm, const struct table_format *format, unsigned largest, unsigned memory_type);
void nested_destroy(struct vm *vm);

/* Makes vm->arch.apic_access, with all that mapping it at the local APIC's usual place needs. false: no
 * memory. */
bool nested_create_apic_access(struct vm *vm);

/* Takes a page of RAM or vm->arch.apic_access away, so that accesses exit, and gives it back. */
bool nested_set_present(struct vm *vm, gpa_t page, bool present);
