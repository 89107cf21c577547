/* What console.c (output) and console_keys.c (input) know of each other. */
#pragma once

#include "hv/debug/console.h"
#include "hv/lib/spinlock.h"

#define CONSOLE_CLIENTS 32

/* Taken in this order; a board's lock comes between them, never behind the second. */
extern struct spinlock console_input_lock, console_output_lock;
extern struct console_client *console_clients[CONSOLE_CLIENTS];
extern struct console_client *console_focus; /* written with both locks held */

extern void (*console_taker)(int key); /* NULL: nobody has seized the console */

/* A byte that was typed, with the input locked. */
void console_hear(int byte);

/* A line of the console's own, with the output locked or not. */
void console_say(const char *format, ...) PRINTF_LIKE(1, 2);
void console_say_locked(const char *format, ...) PRINTF_LIKE(1, 2);

/* Gives the focus away; what the VM has said of its open line, a prompt perhaps, is seen. Both locks are
 * held. `client` may be NULL. */
void console_set_focus(struct console_client *client);

/* Sends what the ports take, and wakes the VMs whose output waited; the input is locked. */
void console_send(void);
