/* What the files of the console know of each other: console.c (who comes and leaves), console_keys.c (input),
 * console_out.c (output), console_compose.c (what is next), console_state.c (who is there). */
#pragma once

#include "hv/console/console.h"
#include "hv/console/out_port.h"
#include "hv/lib/spinlock.h"

#define CONSOLE_CLIENTS 32

/* In bytes. */
#define LINE_MOST       160 /* of a VM's line without its name; a longer one is folded */

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

/* console_compose.c: the next piece for the console's port. Returns whether there is one. */
bool console_compose(struct out_port *port);

/* A byte of the VM's queue, which has one; and one more, for which it has room. */
char console_take(struct console_client *client);
void console_queue(struct console_client *client, char byte);

/* Bytes of Keel's queue, for which there is room; and how many fit. */
void console_queue_keel(const char *text, size_t length);
size_t console_keel_room(void);

/* What the VM has said goes into Keel's queue, `all` or whole lines: with a name where another VM is read,
 * and an end of the line. */
void console_move_to_keel(struct console_client *client, bool all);

/* The monitor's answer, as console_answer has it, and how much of it has been sent. */
void console_queue_answer(const char *text, size_t length);
size_t console_answered(void);

/* Whether Keel's queue and the answer have been sent. */
bool console_queues_are_empty(void);

/* What VMs and the monitor had still to say is dropped. */
void console_forget_vms(void);
