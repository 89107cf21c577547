/* What an exit says of a port's access, IN, OUT, INS or OUTS, taken apart: by the vendor, for handlers and
 * observers. */
#pragma once

#include "hv/exit/details.h"

/* The vendor's. */
static inline uint16_t io_port(uint64_t qualification);
static inline unsigned io_size(uint64_t qualification);
static inline bool io_reads(uint64_t qualification);
static inline bool io_is_string(uint64_t qualification);

static inline void io_describe(struct exit_details *details)
{
    details->operand = io_port(details->qualification);
    details->size = (uint8_t)io_size(details->qualification);
    details->reads = io_reads(details->qualification);
    details->string = io_is_string(details->qualification);
}
