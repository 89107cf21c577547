/*
 * The chipset's two ways to reset the machine besides the 8042: the reset control register (port 0xCF9) and
 * system control port A (port 0x92: fast A20 and INIT).
 *
 * A20 is always on in effect: no loader that Keel has, and no processor since Haswell, knows the address line
 * masked, so no guest can tell what it would be good for. The bit is remembered, because guests do read it
 * back.
 */
#pragma once

#include "hv/vm/vm.h"

struct reset_control {
    struct device control; /* port 0xCF9, reached through pci.h */
    struct device port_a;  /* port 0x92 */
    struct vm *vm;
    uint8_t control_value, port_a_value;
};

void reset_control_init(struct reset_control *reset, struct vm *vm);
