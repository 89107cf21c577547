/* What of EFI's run-time services Keel may need at the very end: ResetSystem. */
#pragma once

#include "hv/host/boot_info.h"

/*
 * Reads, of the system table that info->efi_system_table names, where ResetSystem is, and of the memory
 * attributes table which of the services' pages are code and which are data. The tables are read where they
 * are, below 4 GiB. info->efi.reset stays 0 if one is missing, damaged or farther up, or if the services have
 * a page that must be writable and executable: Keel maps none such.
 */
void efi_runtime_read(struct boot_info *info);
