/* A 16550 of the machine's own as Keel's driver sees it: registers, bytes that arrived, bytes that were sent.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "tests/unit/privileged.h"

struct host_uart {
    uint16_t port; /* 0: there is none */
    uint8_t registers[8], divisor[2];
    unsigned busy;      /* reads of the line status until a byte has left */
    bool stuck;         /* its transmitter never gets ready */
    char received[256]; /* not yet read */
    unsigned received_count;
    unsigned takes; /* bytes that the transmitter still takes, if wired */
    bool wired;     /* what is sent waits until `takes` allows it: serial_room asks */
    char sent[65536];
    unsigned sent_count;
};

static struct host_uart host_uarts[2];
static bool host_debug_port; /* port 0xE9 answers */
static char host_debug[4096];
static unsigned host_debug_count;

static struct host_uart *host_uart_of(uint16_t port)
{
    for (unsigned i = 0; i < 2; i++)
        if (host_uarts[i].port && port >= host_uarts[i].port && port < host_uarts[i].port + 8)
            return &host_uarts[i];
    return NULL;
}

static uint32_t host_in(uint16_t port, unsigned size)
{
    struct host_uart *uart = host_uart_of(port);
    uint8_t byte;

    (void)size;
    if (!uart)
        return port == 0xe9 && host_debug_port ? 0xe9 : 0xff;
    if (port - uart->port == 5) {
        bool ready = !uart->stuck && uart->busy == 0 && (!uart->wired || uart->takes);

        uart->busy -= uart->busy > 0;
        return (ready ? 0x60 : 0) | (uart->received_count > 0);
    }
    if (port - uart->port == 2)
        return 0xc1;
    if (port - uart->port == 6 && (uart->registers[4] & 0x10)) { /* loopback: DCD, RI, DSR, CTS */
        unsigned lines = uart->registers[4];

        return (lines & 8) << 4 | (lines & 4) << 4 | (lines & 1) << 5 | (lines & 2) << 3;
    }
    if (port != uart->port)
        return uart->registers[port - uart->port];
    byte = (uint8_t)uart->received[0];
    uart->received_count--;
    memmove(uart->received, uart->received + 1, uart->received_count);
    return byte;
}

static void host_out(uint16_t port, unsigned size, uint32_t value)
{
    struct host_uart *uart = host_uart_of(port);

    (void)size;
    if (port == 0xe9)
        host_debug[host_debug_count++] = (char)value;
    if (!uart)
        return;
    if ((uart->registers[3] & 0x80) && port - uart->port < 2)
        uart->divisor[port - uart->port] = (uint8_t)value;
    else if (port == uart->port)
        uart->sent[uart->sent_count++] = (char)value, uart->takes -= uart->takes > 0;
    else
        uart->registers[port - uart->port] = (uint8_t)value;
}

/* Privileged instructions reach these ports, which are new. */
static void host_uarts_begin(uint16_t first, uint16_t second)
{
    memset(host_uarts, 0, sizeof(host_uarts));
    memset(host_debug, 0, sizeof(host_debug));
    host_debug_count = 0;
    host_debug_port = false;
    host_uarts[0].port = first;
    host_uarts[1].port = second;
    privileged_begin();
    privileged.in = host_in;
    privileged.out = host_out;
}

static inline void host_uart_type(struct host_uart *uart, const char *text)
{
    memcpy(uart->received + uart->received_count, text, strlen(text));
    uart->received_count += (unsigned)strlen(text);
}
