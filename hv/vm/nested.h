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

/* Takes a page of RAM away, so that accesses exit, and gives it back. */
bool nested_set_present(struct vm *vm, gpa_t page, bool present);

/* A page that is no RAM of the VM's. false: no memory. */
bool nested_map(struct vm *vm, gpa_t page, hpa_t physical);
bool nested_unmap(struct vm *vm, gpa_t page);
