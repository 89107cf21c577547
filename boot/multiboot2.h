/* The information that a multiboot2 boot loader hands over (Multiboot2 Specification, "Boot information"). */
#pragma once

#include "hv/host/boot_info.h"

/* More than any boot loader hands over: a larger total size is taken for garbage. */
#define MULTIBOOT2_INFO_MOST MIB(1)

/*
 * Reads the information structure at `info`, of which `available` bytes may be read, into `out`. The strings
 * and tables are copied; what does not fit, or is damaged, is left out and said in a log line. Returns false,
 * with the reason said, if it is no information structure at all.
 */
bool multiboot2_parse(const void *info, uint64_t available, struct boot_info *out);
