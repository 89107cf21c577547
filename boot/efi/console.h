/* keel.efi's own voice, on the firmware's console: log_line of hv/host/log.h stands there too. */
#pragma once

#include <efi.h>

#include "hv/lib/base.h"

void efi_console_init(EFI_SYSTEM_TABLE *table);

/* Why a call of the firmware failed, in words. */
const char *efi_words(EFI_STATUS status);
