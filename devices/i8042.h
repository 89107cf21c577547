/*
 * The 8042 keyboard controller of a PS/2: ports 0x60 and 0x64, a keyboard on the first port, and an empty
 * socket on the second (aux). A byte sent into the empty socket is answered as the controller answers a
 * time-out, at once, so that an operating system finds the port and no mouse, and waits for nothing.
 */
#pragma once

#include "devices/ps2_keyboard.h"
#include "hv/vm/vm.h"

struct i8042 {
    struct device data, command; /* ports 0x60 and 0x64, one byte each */
    struct irq_line keyboard_irq, aux_irq;
    struct vm *vm;
    struct ps2_keyboard keyboard;
    uint8_t ram[32];      /* the controller's; [0] is the command byte */
    uint8_t output;       /* the output buffer, port 0x60 */
    uint8_t output_flags; /* its bits in the status register: full, aux, time-out */
    uint8_t reply;        /* the controller's own, waiting for the output buffer */
    uint8_t reply_flags;  /* 0: none waits */
    uint8_t pending;      /* command that waits for a byte on port 0x60, or 0 */
    bool command_last;    /* the latest write was to port 0x64 */
    bool a20;             /* output port bit 1: remembered, see reset.h */
};

/* The board connects keyboard_irq (1) and aux_irq (12) and resets the device before use. */
void i8042_init(struct i8042 *i8042, struct vm *vm);

/* A key stroke from outside, as ps2_keyboard_key takes it. The caller holds the VM's lock. */
bool i8042_key(struct i8042 *i8042, bool extended, uint8_t code, bool up);

/* Whether a key that is typed raises the keyboard's interrupt; the caller holds the VM's lock. `i8042` is a
 * struct i8042. */
bool i8042_may_raise(const void *i8042);
