/* What is printed by itself of exits: at the end of a VM, and at a panic's (`report` in keel.conf). */
#pragma once

struct vm;

/* Once, when the configuration is known. */
void reports_init(void);

/* For struct life_watch. */
void reports_vm_ended(struct vm *vm);
