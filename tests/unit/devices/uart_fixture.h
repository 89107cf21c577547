/* A 16550A with its wires, for the tests of it. */
#pragma once

#include "tests/unit/fake.h"

#include <string.h>

#include "devices/uart.h"

enum { RBR, IER, IIR, LCR, MCR, LSR, MSR, SCR, THR = RBR, FCR = IIR, DLL = RBR, DLM = IER };

#define DLAB  0x80
#define OUT2  0x08
#define BYTES 1024

static struct uart uart;
static struct spinlock lock;
static uint8_t sent[BYTES];
static unsigned sent_count, rises, refuses_from; /* 0: the backend always has room */
static bool line;

static inline bool put(void *owner, uint8_t byte)
{
    assert_ptr_equal(owner, sent);
    sent[sent_count++ % BYTES] = byte;
    return !refuses_from || sent_count < refuses_from;
}

static inline void set_line(void *owner, unsigned pin, bool asserted)
{
    (void)owner;
    assert_int_equal(pin, 4);
    rises += asserted && !line;
    line = asserted;
}

static inline uint8_t in(unsigned offset)
{
    uint64_t value = 0xdead;

    assert_true(uart.device.ops->read(&uart.device, offset, 1, &value));
    assert_in_range(value, 0, 0xff);
    return (uint8_t)value;
}

static inline void out(unsigned offset, uint8_t value)
{
    assert_true(uart.device.ops->write(&uart.device, offset, 1, value));
}

/* Types `count` bytes 'a', 'b', … and expects all to be taken. */
static inline void type(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_true(uart_input(&uart, 'a' + i));
}

/* 115200 baud, 8N1, interrupts let through. */
static inline void set_up_line(void)
{
    out(LCR, DLAB | 3);
    out(DLL, 1);
    out(DLM, 0);
    out(LCR, 3);
    out(MCR, OUT2 | 3);
}

static inline int setup(void **state)
{
    static const struct serial_backend backend = {put, sent};

    (void)state;
    fake_reset();
    memset(sent, 0, sizeof(sent));
    sent_count = rises = 0;
    line = false;
    uart_init(&uart, "com1", &lock, &backend);
    uart.irq = (struct irq_line){set_line, NULL, 4};
    return 0;
}
