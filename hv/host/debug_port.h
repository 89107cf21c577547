/* The port of an emulator that prints each byte that is written to it. No machine has one. */
#pragma once

#include "hv/host/instructions.h"

#define DEBUG_PORT 0xe9 /* which also reads as this number where it is there */

static inline bool debug_port_answers(void)
{
    return inb(DEBUG_PORT) == DEBUG_PORT;
}

static inline void debug_port_put(uint8_t byte)
{
    outb(DEBUG_PORT, byte);
}
