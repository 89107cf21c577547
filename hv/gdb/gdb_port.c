#include "hv/gdb/gdb_port.h"

#include "hv/gdb/gdb_link.h"
#include "hv/host/apic.h"
#include "hv/host/cpu.h"
#include "hv/host/interrupts.h"
#include "hv/host/log.h"

#define QUEUE_SIZE (2 * GDB_LINK_ROOM)

static struct {
    const struct serial *serial;
    unsigned first, count;
    unsigned takes; /* bytes that the transmitter takes before it is asked again */
    uint8_t bytes[QUEUE_SIZE];
} port;

void gdb_port_open(const struct serial *serial, void (*heard)(void))
{
    port.serial = serial;
    port.first = port.count = port.takes = 0;
    interrupts_handle(VECTOR_GDB, heard);
    if (!ioapic_route(serial->irq, VECTOR_GDB, cpus[0]->apic_id))
        log_line("gdb: no I/O APIC brings interrupt %u: GDB is not heard at port 0x%lx", serial->irq,
                 serial->port);
    gdb_port_listen(true);
}

const struct serial *gdb_port(void)
{
    return port.serial;
}

int gdb_port_get(void)
{
    return serial_get(port.serial);
}

unsigned gdb_port_room(void)
{
    return QUEUE_SIZE - port.count;
}

void gdb_port_put(void *owner, uint8_t byte)
{
    (void)owner;
    if (port.count < QUEUE_SIZE)
        port.bytes[(port.first + port.count++) % QUEUE_SIZE] = byte;
}

static uint8_t take(void)
{
    uint8_t byte = port.bytes[port.first];

    port.first = (port.first + 1) % QUEUE_SIZE;
    port.count--;
    return byte;
}

void gdb_port_send(void)
{
    while (port.count && (port.takes || (port.takes = serial_room(port.serial)))) {
        serial_send(port.serial, take());
        port.takes--;
    }
}

void gdb_port_listen(bool hears)
{
    serial_interrupt_for(port.serial, (hears ? SERIAL_ARRIVED : 0) | (port.count ? SERIAL_ROOM : 0));
}

void gdb_port_drain(void)
{
    while (port.count && serial_put(port.serial, take()))
        ;
    serial_drain(port.serial);
}
