/* The 16550A serial port: one of COM1 to COM4. */
#pragma once

#include "hv/host/timer.h"
#include "hv/vm/board.h"
#include "hv/vm/bus.h"
#include "hv/vm/irq.h"

#define UART_FIFO_SIZE 16

struct uart {
    struct device device; /* eight ports */
    struct irq_line irq;
    struct timer timeout; /* the receiver's character time-out */
    struct serial_backend backend;
    uint16_t divisor;
    uint8_t ier, fcr, lcr, mcr, scr;
    uint8_t line_errors;   /* bits of LSR that stay until it is read: OE, PE, FE, BI */
    uint8_t modem, deltas; /* MSR: the lines as the guest sees them, and what changed since it was read */
    struct {
        uint8_t byte, errors;
    } fifo[UART_FIFO_SIZE]; /* the receiver's; without FIFO mode it holds one */
    uint8_t head, count;
    bool transmitter_pending, timeout_pending;
    bool transmitter_busy; /* the backend has no room: the holding register is not empty */
    bool uses_rts;         /* the guest has raised RTS since reset: lowering it means "wait" */
    bool irq_level;
    uint64_t touched; /* when the receive FIFO was last filled or read */
};

/*
 * Makes the port. The caller connects uart->irq and puts uart->device on eight ports. `lock` is the one held
 * around the device's accesses, by its timer too. Output goes to `backend`; its `put` may be NULL.
 */
void uart_init(struct uart *uart, const char *name, struct spinlock *lock,
               const struct serial_backend *backend);

/*
 * A byte arrives on the line; the caller holds the lock. Returns false, with nothing changed, when the guest
 * cannot take it now (receiver full, RTS lowered, loopback): the caller keeps it and tries again.
 */
bool uart_input(struct uart *uart, uint8_t byte);

/* The backend has room again; the caller holds the lock. */
void uart_output_ready(struct uart *uart);

/* The same as uart_input for a break condition. */
bool uart_input_break(struct uart *uart);

/*
 * Whether what comes in, or room for what is to go out, raises the port's interrupt; the caller holds the
 * lock. `uart` is a struct uart.
 */
bool uart_may_raise(const void *uart);
