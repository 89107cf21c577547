/* Reading numbers. */
#pragma once

#include "hv/lib/base.h"

/* The value of a hexadecimal digit, or -1. */
int hex_value(char digit);

/*
 * The number at the start of `text`, in `base` (at most 16), or hexadecimal after 0x. Returns what follows
 * it, or NULL if there is none or it does not fit.
 */
const char *read_number(const char *text, unsigned base, uint64_t *value);
