/*
 * The serial port that GDB talks on. Nobody waits for the wire: what is said goes into a queue, and the
 * port's interrupt asks for more of it. One core alone calls these.
 */
#pragma once

#include "hv/host/serial.h"

/* From here on `heard` is called, as an interrupt of the boot core, when there is something to do. */
void gdb_port_open(const struct serial *serial, void (*heard)(void));

/* NULL: it was never opened. */
const struct serial *gdb_port(void);

/* A byte that arrived, or -1. */
int gdb_port_get(void);

/* A byte on its way; `owner` is not used. There is room for it as long as gdb_port_room says more than 0. */
void gdb_port_put(void *owner, uint8_t byte);
unsigned gdb_port_room(void);

/* Hands the transmitter what it takes now. */
void gdb_port_send(void);

/* Asks for the interrupt: of a byte that arrives if it `hears`, and of room if there is something to send. */
void gdb_port_listen(bool hears);

/* Sends all that is in the queue, and waits for the wire, as long as it moves: the machine is about to end.
 */
void gdb_port_drain(void);
