#include "hv/host/serial.h"

#include "hv/host/x86.h"

struct serial serial_ports[4] = {{0x3f8, 4, 1}, {0x2f8, 3, 1}, {0x3e8, 4, 1}, {0x2e8, 3, 1}};

/* Register offsets and bits of the 16550. */
enum {
    DATA,
    INTERRUPT_ENABLE,
    FIFO_CONTROL,
    LINE_CONTROL,
    MODEM_CONTROL,
    LINE_STATUS,
    MODEM_STATUS,
    SCRATCH
};

#define RECEIVED        0x01
#define HOLDING_EMPTY   0x20
#define WIRE_EMPTY      0x40
#define DIVISOR_LATCH   0x80
#define EIGHT_NONE_ONE  0x03
#define DTR_RTS_OUT2    0x0b
#define FIFO_ON_CLEARED 0x07
#define FIFO_WORKS      0xc0 /* in the interrupt identification, read where FIFO control is written */
#define FIFO_SIZE       16
#define UART_CLOCK      115200

/* More reads of the line status than any character takes at 300 baud on a fast port. */
#define PATIENCE        1000000

static bool wait_for(const struct serial *serial, uint8_t bit)
{
    for (unsigned i = 0; i < PATIENCE; i++) {
        if (inb(serial->port + LINE_STATUS) & bit)
            return true;
        cpu_pause();
    }
    return false;
}

bool serial_init(struct serial *serial, unsigned baud)
{
    unsigned divisor = baud && baud <= UART_CLOCK ? UART_CLOCK / baud : 1;
    uint16_t port = serial->port;

    /* A scratch register that keeps two values is a UART; an empty bus keeps neither. */
    outb(port + SCRATCH, 0x5a);
    if (inb(port + SCRATCH) != 0x5a) {
        serial->port = 0;
        return false;
    }
    outb(port + SCRATCH, 0xa5);
    if (inb(port + SCRATCH) != 0xa5) {
        serial->port = 0;
        return false;
    }
    wait_for(serial, WIRE_EMPTY); /* a character on its way would be cut short by a new line control */
    outb(port + INTERRUPT_ENABLE, 0);
    outb(port + LINE_CONTROL, DIVISOR_LATCH);
    outb(port + DATA, (uint8_t)divisor);
    outb(port + INTERRUPT_ENABLE, (uint8_t)(divisor >> 8));
    outb(port + LINE_CONTROL, EIGHT_NONE_ONE);
    outb(port + FIFO_CONTROL, FIFO_ON_CLEARED);
    serial->fifo = (inb(port + FIFO_CONTROL) & FIFO_WORKS) == FIFO_WORKS ? FIFO_SIZE : 1;
    outb(port + MODEM_CONTROL, DTR_RTS_OUT2);
    return true;
}

bool serial_put(const struct serial *serial, uint8_t byte)
{
    if (!serial->port || !wait_for(serial, HOLDING_EMPTY))
        return false;
    outb(serial->port + DATA, byte);
    return true;
}

unsigned serial_room(const struct serial *serial)
{
    return !serial->port || inb(serial->port + LINE_STATUS) & HOLDING_EMPTY ? serial->fifo : 0;
}

void serial_send(const struct serial *serial, uint8_t byte)
{
    if (serial->port)
        outb(serial->port + DATA, byte);
}

int serial_get(const struct serial *serial)
{
    if (!serial->port || !(inb(serial->port + LINE_STATUS) & RECEIVED))
        return -1;
    return inb(serial->port + DATA);
}

void serial_interrupts_on(const struct serial *serial)
{
    if (serial->port)
        outb(serial->port + INTERRUPT_ENABLE, 1);
}

void serial_drain(const struct serial *serial)
{
    if (serial->port)
        wait_for(serial, WIRE_EMPTY);
}
