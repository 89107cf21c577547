/* The model's serial port: two FIFOs, and the interrupt, which comes as an edge. */
#include "tests/unit/gdb/gdb_model_parts.h"

#include <string.h>

#include "hv/host/apic.h"
#include "hv/host/interrupts.h"
#include "hv/host/serial.h"

#define FIFO 16

static uint8_t fifo[FIFO];
static void (*interrupt)(void);
static unsigned arrived, leaving, causes; /* bytes in the two FIFOs */
char model_said[1 << 20];
size_t model_said_length;

/* An edge of the port's interrupt, as it brings one. */
static void raise_interrupt(void)
{
    if ((causes & SERIAL_ARRIVED && arrived) || (causes & SERIAL_ROOM && !leaving)) {
        model_on_core(0);
        interrupt();
    }
}

bool model_hear(uint8_t byte)
{
    bool first = !arrived;

    if (arrived == sizeof(fifo))
        return false;
    fifo[arrived++] = byte;
    if (first && !(causes & SERIAL_ROOM && !leaving))
        raise_interrupt();
    return true;
}

void model_transmit(unsigned bytes)
{
    bool last = leaving && leaving <= bytes;

    leaving -= MIN(leaving, bytes);
    if (last && !(causes & SERIAL_ARRIVED && arrived))
        raise_interrupt();
}

int serial_get(const struct serial *serial)
{
    uint8_t byte = fifo[0];

    (void)serial;
    if (!arrived)
        return -1;
    memmove(fifo, fifo + 1, --arrived);
    return byte;
}

unsigned serial_room(const struct serial *serial)
{
    (void)serial;
    return leaving ? 0 : FIFO;
}

void serial_send(const struct serial *serial, uint8_t byte)
{
    (void)serial;
    CHECK(leaving < FIFO);
    leaving++;
    CHECK(model_said_length < sizeof(model_said) - 1);
    model_said[model_said_length++] = (char)byte;
    model_said[model_said_length] = 0;
}

bool serial_put(const struct serial *serial, uint8_t byte)
{
    leaving = 0;
    serial_send(serial, byte);
    return true;
}

void serial_drain(const struct serial *serial)
{
    (void)serial;
}

void serial_interrupt_for(const struct serial *serial, unsigned what)
{
    (void)serial;
    causes = what;
    raise_interrupt();
}

void interrupts_handle(uint8_t vector, void (*handler)(void))
{
    CHECK(vector == VECTOR_GDB);
    interrupt = handler;
}

bool ioapic_route(unsigned irq, uint8_t vector, uint32_t apic_id)
{
    (void)irq, (void)vector, (void)apic_id;
    return true;
}

void model_port_begin(void)
{
    arrived = leaving = causes = 0;
    model_said_length = 0;
}
