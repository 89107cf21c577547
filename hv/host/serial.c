#include "hv/host/serial.h"

#include "hv/host/instructions.h"
#include "hv/host/wait.h"

struct serial serial_ports[SERIAL_ACPI + 1] = {{.port = 0x3f8, .irq = 4, .fifo = 1},
                                               {.port = 0x2f8, .irq = 3, .fifo = 1},
                                               {.port = 0x3e8, .irq = 4, .fifo = 1},
                                               {.port = 0x2e8, .irq = 3, .fifo = 1}};

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

static uint8_t read_register(const struct serial *serial, unsigned reg)
{
    uint64_t at = serial->port + (reg << serial->shift);

    if (!serial->width)
        return inb((uint16_t)at);
    return serial->width == 4 ? (uint8_t) * (volatile uint32_t *)at : *(volatile uint8_t *)at;
}

static void write_register(const struct serial *serial, unsigned reg, uint8_t value)
{
    uint64_t at = serial->port + (reg << serial->shift);

    if (!serial->width)
        outb((uint16_t)at, value);
    else if (serial->width == 4)
        *(volatile uint32_t *)at = value;
    else
        *(volatile uint8_t *)at = value;
}

static bool wait_for(const struct serial *serial, uint8_t bit)
{
    for (unsigned i = 0; i < PATIENCE; i++) {
        if (read_register(serial, LINE_STATUS) & bit)
            return true;
        cpu_pause();
    }
    return false;
}

/* In loopback the modem's lines come back: RTS and OUT2 as CTS and DCD, then DTR and OUT1 as DSR and RI. */
static bool answers(const struct serial *serial)
{
    static const uint8_t sent[] = {0x1a, 0x15}, back[] = {0x90, 0x60};
    bool same = true;

    for (unsigned i = 0; i < ARRAY_LENGTH(sent) && same; i++) {
        write_register(serial, MODEM_CONTROL, sent[i]);
        same = (read_register(serial, MODEM_STATUS) & 0xf0) == back[i];
    }
    return same;
}

bool serial_init(struct serial *serial, unsigned baud)
{
    unsigned divisor = baud && baud <= UART_CLOCK ? UART_CLOCK / baud : 1;

    if (!serial->port)
        return false;
    wait_for(serial, WIRE_EMPTY); /* a character on its way would be cut short */
    if (!answers(serial)) {
        serial->port = 0;
        return false;
    }
    write_register(serial, LINE_CONTROL, EIGHT_NONE_ONE);
    write_register(serial, INTERRUPT_ENABLE, 0);
    if (baud != SERIAL_AS_IT_IS) {
        write_register(serial, LINE_CONTROL, DIVISOR_LATCH);
        write_register(serial, DATA, (uint8_t)divisor);
        write_register(serial, INTERRUPT_ENABLE, (uint8_t)(divisor >> 8));
        write_register(serial, LINE_CONTROL, EIGHT_NONE_ONE);
    }
    write_register(serial, FIFO_CONTROL, FIFO_ON_CLEARED);
    serial->fifo = (read_register(serial, FIFO_CONTROL) & FIFO_WORKS) == FIFO_WORKS ? FIFO_SIZE : 1;
    write_register(serial, MODEM_CONTROL, DTR_RTS_OUT2);
    return true;
}

const char *serial_claim(struct serial *serial, const char *user)
{
    const char *nobody = NULL;

    __atomic_compare_exchange_n(&serial->user, &nobody, user, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
    return nobody;
}

void serial_release(struct serial *serial)
{
    __atomic_store_n(&serial->user, NULL, __ATOMIC_RELEASE);
}

bool serial_put(const struct serial *serial, uint8_t byte)
{
    if (!serial->port || !wait_for(serial, HOLDING_EMPTY))
        return false;
    write_register(serial, DATA, byte);
    return true;
}

unsigned serial_room(const struct serial *serial)
{
    return !serial->port || read_register(serial, LINE_STATUS) & HOLDING_EMPTY ? serial->fifo : 0;
}

void serial_send(const struct serial *serial, uint8_t byte)
{
    if (serial->port)
        write_register(serial, DATA, byte);
}

int serial_get(const struct serial *serial)
{
    if (!serial->port || !(read_register(serial, LINE_STATUS) & RECEIVED))
        return -1;
    return read_register(serial, DATA);
}

void serial_interrupt_for(const struct serial *serial, unsigned causes)
{
    if (!serial->port)
        return;
    write_register(serial, INTERRUPT_ENABLE, 0);
    write_register(serial, INTERRUPT_ENABLE, (uint8_t)causes);
}

void serial_interrupts_on(const struct serial *serial)
{
    serial_interrupt_for(serial, SERIAL_ARRIVED);
}

void serial_drain(const struct serial *serial)
{
    if (serial->port)
        wait_for(serial, WIRE_EMPTY);
}
