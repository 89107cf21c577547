/* Expands what gzip has made: RFC 1952, one member, and RFC 1951 in it. */
#pragma once

#include "hv/lib/base.h"

/*
 * Writes exactly `to_size` bytes to `to`. false: `from` is not a gzip member without optional fields of that
 * many bytes, or is damaged. Nothing outside of both is touched, whatever `from` says.
 */
bool inflate(const uint8_t *from, size_t from_size, uint8_t *to, size_t to_size);
