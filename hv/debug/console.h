/*
 * The shared console: Keel's own lines, and what every VM without a port of its own says and hears. The
 * focused VM's output is raw; a line of another VM carries `name| `. An escape key and a VM's number move the
 * focus.
 *
 * Nobody waits for the wire: what is said goes to a queue, a timer hands the queue to the port. A VM may have
 * QUEUED_MOST bytes there; then its UART shows a transmitter that is busy until some have left, so that a
 * flood slows down nobody but the VM that it comes from.
 */
#pragma once

#include "hv/host/serial.h"
#include "hv/lib/base.h"
#include "hv/lib/format.h"

struct vm;

/* The port that the console talks on, and that is its own from here on; NULL: none. Text goes to port 0xE9
 * too where an emulator answers there. Until console_start whoever writes waits for the port. */
void console_init(struct serial *serial);
const struct serial *console_port(void);

/* From here on timers run on every core, and output goes through the queue. */
void console_start(void);

/* Waits until all has been sent, and output waits for the port again: the machine is about to end. */
void console_finish(void);

/* console_finish for a panic: whoever may have been stopped within this code. */
void console_panic(void);

/* Bytes as they are, from Keel itself: begins a new line first if a VM left one open. */
void console_write(const char *text, size_t length);

/* A writer onto the console. */
extern struct writer console_writer;

/* A VM's place at the console. */
struct console_client {
    struct vm *vm;
    const char *name;
    unsigned number;                            /* what is typed behind the escape key to give it the focus */
    struct serial *own;                         /* a port of its own; NULL: it shares the console */
    bool (*input)(struct vm *vm, uint8_t byte); /* false: the VM cannot take it now */
    void (*ready)(struct vm *vm);               /* there is room again for its output */
    /* The rest is the console's. */
    char line[160]; /* what it said since its last line end, while another VM has the focus */
    unsigned length;
    int held;        /* a byte from its own port that it could not take yet, or -1 */
    uint8_t owner;   /* in the queue */
    unsigned queued; /* bytes of its output on their way */
    unsigned lost;   /* bytes that it wrote without waiting when there was no room for them */
    bool waits;      /* for `ready` */
};

/* Both are harmless where it is as it is to be. */
void console_attach(struct console_client *client);
void console_detach(struct console_client *client);

/*
 * One byte of a VM's output. `owner` is its console_client. Returns whether it may go on; if not, its `ready`
 * will be called, and meanwhile bytes may be lost.
 */
bool console_vm_put(void *owner, uint8_t byte);

/* Lets the port's interrupt bring typed bytes; said in a log line if the machine has no way for it. */
void console_listen(const struct serial *port);

/* Hands typed bytes that wait to the focused VM: from the serial interrupt, and when a VM has room again. */
void console_poll(void);

/* The key that begins a command, Ctrl-] if never set; 0: none does. */
void console_set_escape(char key);

/*
 * From now on what is typed goes to `taker`, with the input locked, not to the focused VM, and the escape key
 * is one key more; the focused VM's lines carry its name like another's. From any core.
 */
#define CONSOLE_ESCAPE 0x100
void console_seize(void (*taker)(int key));

/* And to the focused VM again, whose open line is shown: what is typed, and first the keys of `next` until it
 * says -1, which `taker` had not used. */
void console_release(int (*next)(void));

/* For whoever has seized it: how often another's line has ended an open one, and whether there is room for
 * so many bytes, so that as much is left for others. */
unsigned console_broken_lines(void);
bool console_has_room(size_t length);

/* Gives the focus to that VM, and says so. */
void console_give_focus(unsigned number);

/* What escape `m` does; called with the console's input locked: it only takes note. NULL: there is no
 * monitor. */
extern void (*console_monitor)(void);
