/* A PS/2 keyboard, as the 8042 sees it at the other end of the cable: it takes bytes and has bytes to send.
 */
#pragma once

#include "hv/lib/base.h"

#define PS2_KEYBOARD_QUEUE 16 /* bytes of key strokes that it keeps ("Keyboard Buffer") */

struct ps2_keyboard {
    uint8_t answer[4]; /* to the latest command; goes before key strokes */
    unsigned answered, answers;
    uint8_t keys[PS2_KEYBOARD_QUEUE];
    unsigned first, count;
    uint8_t last;    /* byte sent: what Resend repeats */
    uint8_t command; /* that waits for its parameter, or 0 */
    uint8_t set;     /* scan code set: 1 or 2 */
    uint8_t leds, rate;
    bool scanning;
};

/* The state after power-on: scan code set 2, scanning, nothing to send. */
void ps2_keyboard_reset(struct ps2_keyboard *keyboard);

/* A byte arrives from the host: a command or a parameter. */
void ps2_keyboard_receive(struct ps2_keyboard *keyboard, uint8_t byte);

/* The next byte to the host. Returns false if there is none. */
bool ps2_keyboard_send(struct ps2_keyboard *keyboard, uint8_t *byte);

/*
 * One key goes down (or up): `code` is its scan code of set 2, `extended` says that 0xE0 goes before it.
 * Returns false if nothing was taken: the host has turned scanning off, or the buffer is full.
 */
bool ps2_keyboard_key(struct ps2_keyboard *keyboard, bool extended, uint8_t code, bool up);

/* What scan code set 1 has for a byte of set 2, the prefixes 0xE0 and 0xE1 and answers included. */
uint8_t ps2_set1_code(uint8_t set2);
