/*
 * The shared console: Keel's own lines, and what every VM without a port of its own says and hears. The
 * focused VM's output is raw; a line of another VM carries `name| `.
 */
#pragma once

#include "hv/host/serial.h"
#include "hv/lib/base.h"
#include "hv/lib/format.h"

struct vm;

/* The port that the console talks on; NULL: none. Text goes to port 0xE9 too where an emulator answers there.
 */
void console_init(const struct serial *serial);
const struct serial *console_port(void);

/* Bytes as they are, from Keel itself: begins a new line first if a VM left one open. */
void console_write(const char *text, size_t length);

/* A writer onto the console. */
extern struct writer console_writer;

/* A VM's place at the console. */
struct console_client {
    struct vm *vm;
    const char *name;
    char line[160]; /* what it said since its last line end, while another VM has the focus */
    unsigned length;
    int held;                 /* a byte from its own port that it could not take yet, or -1 */
    const struct serial *own; /* a port of its own; NULL: it shares the console */
    bool (*input)(struct vm *vm, uint8_t byte); /* false: the VM cannot take it now */
};

void console_attach(struct console_client *client);
void console_detach(struct console_client *client);

/* One byte of a VM's output. `owner` is its console_client. */
void console_vm_put(void *owner, uint8_t byte);

/* Lets the port's interrupt bring typed bytes; said in a log line if the machine has no way for it. */
void console_listen(const struct serial *port);

/* Hands typed bytes that wait to the focused VM: from the serial interrupt, and when a VM has room again. */
void console_poll(void);
