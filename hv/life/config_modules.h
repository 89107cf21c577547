/* The files that the boot loader has put into memory, and which of them a VM is started with. */
#pragma once

#include "hv/life/config.h"

/*
 * The configuration without a file: one VM named "vm" of the modules `kernel` and, if it is there, `ramdisk`,
 * with the kernel's arguments as its command line. Returns false, said in a log line, if there is no
 * `kernel`.
 */
bool config_default(struct config *out, const struct module *modules, unsigned count);

/*
 * Finds the modules that the VMs name. One that is not there, or there twice, is said in a log line, and its
 * VM is not to be started. Returns whether all were found.
 */
bool config_resolve(struct config *config, const struct module *modules, unsigned count);

/* What a resolved VM asks the loader for. */
void config_load_request(const struct config_vm *vm, gpa_t acpi_rsdp, struct load_request *request);
