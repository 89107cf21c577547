/* What console.c (who is there), console_out.c (output) and console_keys.c (input) know of each other. */
#pragma once

#include "hv/console/console.h"
#include "hv/console/out_port.h"
#include "hv/lib/spinlock.h"

#define CONSOLE_CLIENTS 32

/* Taken in this order; a board's lock comes between them, never behind the second. */
extern struct spinlock console_input_lock, console_output_lock;
extern struct console_client *console_clients[CONSOLE_CLIENTS];
extern struct console_client *console_focus; /* written with both locks held; NULL: nobody has it */

extern void (*console_taker)(int key); /* NULL: nobody has seized the console */

/* The VM that gets the focus when it comes, while nobody has it; 0: the first that comes. With both locks. */
extern unsigned console_awaited;

/* A byte that was typed, with the input locked. */
void console_hear(int byte);

/* What waits is offered soon to the VM that has got the focus by coming. The input is locked. */
void console_offer_typed(void);

/* What waits for the focused VM, which has left, is not another's: it is dropped, and that is said. Both
 * locks are held. */
void console_drop_typed(void);

/* A line of the console's own, with the output locked or not. */
void console_say(const char *format, ...) PRINTF_LIKE(1, 2);
void console_say_locked(const char *format, ...) PRINTF_LIKE(1, 2);

/* Everything below: the output is locked. */

/* Whole lines of Keel's. Where there is no room for them, that will be told. */
void console_add(const char *text, size_t length);

/* Gives the focus away; what the VM has said of its open line, a prompt perhaps, is seen. NULL: nobody has
 * it. The input is locked as well. */
void console_set_focus(struct console_client *client);

/* The VM's port is its own. */
void console_open(const struct console_client *client);

/* What the VM has said so far comes before Keel's next line; nothing of it if that is more than a VM that
 * waits for its port ever has. */
void console_hand_over(struct console_client *client);

/* All of it, also an open line: the VM leaves. */
void console_leave(struct console_client *client);

/* Tells how much of the VM's was lost. */
void console_say_lost(struct console_client *client);
