/*
 * The shared console: Keel's own lines, and what every VM without a port of its own says and hears. The
 * focused VM's output is raw; a line of another VM carries `name| `. An escape key and a VM's number move the
 * focus.
 *
 * Nobody waits for the wire. Each speaker has a queue of its own: Keel, the monitor, every VM. A timer hands
 * pieces of them to the port: Keel's lines and the monitor's answers first, in the order in which they came,
 * each answer and each report in one piece; then a line of the VM that has been sent the least. A VM that has
 * QUEUED_MOST bytes waiting sees its UART's transmitter busy until some have left; what it writes all the
 * same is lost once its queue is full. So a flood slows down nobody but the VM that it comes from.
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

/* For a panic, whoever may have been stopped within this code: what Keel has said is sent, what waits of VMs
 * and of the monitor is not, and output waits for the port. */
void console_panic(void);

/* Whole lines from Keel itself. A line that an other one left open is ended first, and nothing comes between
 * these. */
void console_write(const char *text, size_t length);

/* A VM's place at the console. */
struct console_client {
    struct vm *vm;
    const char *name;
    unsigned number;                            /* what is typed behind the escape key to give it the focus */
    struct serial *own;                         /* a port of its own; NULL: it shares the console */
    bool (*input)(struct vm *vm, uint8_t byte); /* false: the VM cannot take it now */
    void (*ready)(struct vm *vm);               /* there is room again for its output */
    /* The rest is the console's. */
    int held;        /* a byte from its own port that it could not take yet, or -1 */
    uint8_t place;   /* among those at the console, plus 1; 0: it is not there */
    bool waits;      /* for `ready` */
    unsigned lines;  /* line ends in the queue */
    unsigned lost;   /* bytes that it wrote without waiting when there was no room for them, untold */
    uint64_t since;  /* when the first of them was */
    uint64_t served; /* bytes that were sent of it, against the others */
    unsigned first, count;
    char queue[4096];
};

/* Both are harmless where it is as it is to be. What one that leaves has said comes before Keel's next line.
 */
void console_attach(struct console_client *client);
void console_detach(struct console_client *client);

/* Before a line about the VM: what it has said so far comes first, unless it does not wait for its port. */
void console_hasten(struct console_client *client);

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

/*
 * For whoever has seized it, its answer: `length` bytes of `text`, whole lines or the beginning of one, which
 * stay as they are until they have left. More may be offered behind them: the same text, longer. Returns how
 * many of its bytes have left. Length 0: what has not left never will.
 */
size_t console_answer(const char *text, size_t length);

/* How often another's line has ended an open one. */
unsigned console_broken_lines(void);

/* Whether nothing of Keel's waits: for whoever has much to say, and can do so later. */
bool console_is_idle(void);

/* The VMs of the configuration, by number from 1 on. false: there is no such VM, nor any of a higher number.
 */
struct console_vm {
    const char *name, *state;
    bool shares; /* the console, while it is on */
};
extern bool (*console_vms)(unsigned number, struct console_vm *vm); /* NULL: there are none */

/* Gives the focus to that VM, and says so. */
void console_give_focus(unsigned number);

/* What escape `m` does; called with the console's input locked: it only takes note. NULL: there is no
 * monitor. */
extern void (*console_monitor)(void);
