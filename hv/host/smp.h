/* The other cores of the machine. */
#pragma once

#include "hv/lib/base.h"

/*
 * Starts every core that ACPI names, by INIT-SIPI-SIPI, one after the other; each calls `begin` on its own
 * stack and never returns from it. One that does not come up within a tenth of a second is named in a log
 * line and left alone.
 */
void smp_start(void (*begin)(void));
