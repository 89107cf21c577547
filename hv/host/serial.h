/* A physical 16550 serial port: polled out, interrupt-driven in. */
#pragma once

#include "hv/lib/base.h"

struct serial {
    uint64_t port;    /* its first port, or where its registers are mapped; 0: there is none */
    uint32_t irq;     /* of the ISA's, or an I/O APIC's from 16 on */
    uint8_t fifo;     /* bytes that an empty transmitter takes; set by serial_init */
    uint8_t width;    /* bytes of an access to registers in memory; 0: they are ports */
    uint8_t shift;    /* a register lies its number times two to the power of this behind the first */
    const char *user; /* whose it is, in words ("GDB's"); NULL: nobody's */
};

/* COM1 to COM4, and the one that ACPI names, if it is none of these. */
#define SERIAL_ACPI 4
extern struct serial serial_ports[SERIAL_ACPI + 1];

/* As `baud`: the firmware has set it. */
#define SERIAL_AS_IT_IS UINT32_MAX

/* Sets `baud` 8N1 and turns FIFOs on. Returns false, and marks the port absent, if no UART answers there. */
bool serial_init(struct serial *serial, unsigned baud);

/*
 * A port has one user at a time: Keel's console, GDB, a VM or a recording. serial_claim makes it `user`'s and
 * returns NULL, or returns whose it is already. Whoever claims one that is not there gets it, and nothing out
 * of it.
 */
const char *serial_claim(struct serial *serial, const char *user);
void serial_release(struct serial *serial);

/* Sends one byte, waiting for room. Returns false if the transmitter never got ready: the byte is lost. */
bool serial_put(const struct serial *serial, uint8_t byte);

/* How many bytes the transmitter takes now. */
unsigned serial_room(const struct serial *serial);

/* Sends a byte that serial_room promised room for. */
void serial_send(const struct serial *serial, uint8_t byte);

/* A received byte, or -1. */
int serial_get(const struct serial *serial);

/*
 * Lets the port interrupt for these causes, and no others. What is so already interrupts anew: a line that
 * stays high is no edge for whoever waits for one.
 */
#define SERIAL_ARRIVED BIT(0) /* there is a byte to get */
#define SERIAL_ROOM    BIT(1) /* the transmitter is empty */
void serial_interrupt_for(const struct serial *serial, unsigned causes);

/* Lets the port interrupt when a byte has arrived. */
void serial_interrupts_on(const struct serial *serial);

/* Waits until everything has left the wire. */
void serial_drain(const struct serial *serial);
