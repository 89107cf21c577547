/*
 * 16550A (data sheet of the PC16550D). A character that the guest writes is sent in no time: the transmitter
 * is empty as long as what is behind it has room. Modelling the baud rate would only slow guests down. What a
 * driver does count on is one transmitter interrupt for each write, so each write ends the pending one and
 * raises the next: the line drops and rises, and an edge-triggered controller latches it.
 */
#include "devices/uart.h"

#include "hv/host/clock.h"
#include "hv/lib/arith.h"

#define IER_RECEIVED    BIT(0)
#define IER_TRANSMITTER BIT(1)
#define IER_LINE_STATUS BIT(2)
#define IER_MODEM       BIT(3)
#define IER_MASK        0x0f

/* Interrupt identification, highest priority first. */
#define IIR_LINE_STATUS 0x06
#define IIR_RECEIVED    0x04
#define IIR_TIMEOUT     0x0c
#define IIR_TRANSMITTER 0x02
#define IIR_MODEM       0x00
#define IIR_NONE        0x01
#define IIR_FIFOS       0xc0

#define FCR_ENABLE      BIT(0)
#define FCR_CLEAR_RX    BIT(1)
#define FCR_KEPT        0xc9 /* trigger level, DMA mode, enable */

#define LCR_PARITY      BIT(3)
#define LCR_STOP        BIT(2)
#define LCR_BREAK       BIT(6)
#define LCR_DLAB        BIT(7)

#define MCR_DTR         BIT(0)
#define MCR_RTS         BIT(1)
#define MCR_OUT1        BIT(2)
#define MCR_OUT2        BIT(3)
#define MCR_LOOP        BIT(4)
#define MCR_MASK        0x1f

#define LSR_READY       BIT(0)
#define LSR_OVERRUN     BIT(1)
#define LSR_FRAMING     BIT(3)
#define LSR_BREAK       BIT(4)
#define LSR_THR_EMPTY   BIT(5)
#define LSR_ALL_SENT    BIT(6)
#define LSR_FIFO_ERROR  BIT(7)

#define MSR_RING_ENDED  BIT(2)
#define MSR_CTS         BIT(4)
#define MSR_DSR         BIT(5)
#define MSR_RING        BIT(6)
#define MSR_DCD         BIT(7)
#define MSR_CONNECTED   (MSR_CTS | MSR_DSR | MSR_DCD) /* our end of the line is always there */

#define BAUD_BASE       115200 /* 1.8432 MHz / 16 */
#define DIVISOR_9600    12
#define LCR_8N1         0x03

static bool fifo_mode(const struct uart *uart)
{
    return uart->fcr & FCR_ENABLE;
}

static unsigned receiver_size(const struct uart *uart)
{
    return fifo_mode(uart) ? UART_FIFO_SIZE : 1;
}

static unsigned trigger_level(const struct uart *uart)
{
    static const uint8_t levels[] = {1, 4, 8, 14};

    return fifo_mode(uart) ? levels[uart->fcr >> 6] : 1;
}

static uint8_t word_mask(const struct uart *uart)
{
    return 0xff >> (3 - (uart->lcr & 3));
}

/* The source of highest priority that is pending and enabled, as IIR shows it. */
static uint8_t interrupt_source(const struct uart *uart)
{
    if ((uart->ier & IER_LINE_STATUS) && uart->line_errors)
        return IIR_LINE_STATUS;
    if ((uart->ier & IER_RECEIVED) && uart->count >= trigger_level(uart))
        return IIR_RECEIVED;
    if ((uart->ier & IER_RECEIVED) && uart->timeout_pending)
        return IIR_TIMEOUT;
    if ((uart->ier & IER_TRANSMITTER) && uart->transmitter_pending)
        return IIR_TRANSMITTER;
    if ((uart->ier & IER_MODEM) && uart->deltas)
        return IIR_MODEM;
    return IIR_NONE;
}

/* On a PC, OUT2 opens the gate between the chip's interrupt pin and the interrupt controller. */
static void update_irq(struct uart *uart)
{
    bool level = (uart->mcr & MCR_OUT2) && interrupt_source(uart) != IIR_NONE;

    if (level == uart->irq_level)
        return;
    uart->irq_level = level;
    irq_line_set(&uart->irq, level);
}

/* Four character times: start, data, parity and stop bits at the baud rate, counted in half bits. */
static uint64_t timeout_length(const struct uart *uart)
{
    unsigned data = 5 + (uart->lcr & 3), half_bits = 2 + 2 * data + 2;

    if (uart->lcr & LCR_PARITY)
        half_bits += 2;
    if (uart->lcr & LCR_STOP)
        half_bits += data == 5 ? 1 : 2;
    return mul_div(4 * half_bits * (uint64_t)MAX(uart->divisor, 1), clock_hz(), 2 * BAUD_BASE);
}

/* The timer runs only while it could lead to an interrupt. */
static void update_timeout(struct uart *uart)
{
    if (fifo_mode(uart) && (uart->ier & IER_RECEIVED) && uart->count && uart->count < trigger_level(uart) &&
        !uart->timeout_pending)
        timer_arm(&uart->timeout, uart->touched + timeout_length(uart));
    else
        timer_cancel(&uart->timeout);
}

static void timeout_expired(struct timer *timer)
{
    struct uart *uart = container_of(timer, struct uart, timeout);

    /* Another core may have read the FIFO while this one waited for the lock. */
    if (uart->count && clock_now() - uart->touched >= timeout_length(uart))
        uart->timeout_pending = true;
    update_timeout(uart);
    update_irq(uart);
}

static void clear_receiver(struct uart *uart)
{
    uart->head = uart->count = 0;
    uart->timeout_pending = false;
    update_timeout(uart);
}

/* PE, FE and BI belong to a character and show when it is the next to be read. */
static void show_errors(struct uart *uart)
{
    if (uart->count)
        uart->line_errors |= uart->fifo[uart->head].errors;
}

static void receive(struct uart *uart, uint8_t byte, uint8_t errors)
{
    unsigned at;

    if (uart->count == receiver_size(uart)) {
        uart->line_errors |= LSR_OVERRUN;
        if (fifo_mode(uart))
            return; /* the FIFO stays, the new character is lost */
        uart->count = 0;
    }
    at = (uart->head + uart->count++) % UART_FIFO_SIZE;
    uart->fifo[at].byte = byte & word_mask(uart);
    uart->fifo[at].errors = errors;
    uart->timeout_pending = false;
    uart->touched = clock_now();
    show_errors(uart);
    update_timeout(uart);
}

/* A sender that obeys RTS waits while it is low; a guest that never raised it has no use for flow control. */
static bool ready_for_input(const struct uart *uart)
{
    if (uart->mcr & MCR_LOOP)
        return false;
    if (uart->uses_rts && !(uart->mcr & MCR_RTS))
        return false;
    return uart->count < receiver_size(uart);
}

bool uart_input(struct uart *uart, uint8_t byte)
{
    if (!ready_for_input(uart))
        return false;
    receive(uart, byte, 0);
    update_irq(uart);
    return true;
}

bool uart_input_break(struct uart *uart)
{
    if (!ready_for_input(uart))
        return false;
    receive(uart, 0, LSR_BREAK | LSR_FRAMING);
    update_irq(uart);
    return true;
}

/* The modem lines as they are now: our end's, or in loopback the guest's own outputs. */
static void update_modem(struct uart *uart)
{
    uint8_t lines = MSR_CONNECTED, changed;

    if (uart->mcr & MCR_LOOP)
        lines = (uart->mcr & MCR_RTS ? MSR_CTS : 0) | (uart->mcr & MCR_DTR ? MSR_DSR : 0) |
                (uart->mcr & MCR_OUT1 ? MSR_RING : 0) | (uart->mcr & MCR_OUT2 ? MSR_DCD : 0);
    changed = uart->modem ^ lines;
    uart->deltas |= (changed & MSR_CONNECTED) >> 4;
    if (uart->modem & ~lines & MSR_RING)
        uart->deltas |= MSR_RING_ENDED;
    uart->modem = lines;
}

static uint8_t read_rbr(struct uart *uart)
{
    uint8_t byte = uart->fifo[uart->head].byte; /* an empty receiver shows what it had last */

    if (uart->lcr & LCR_DLAB)
        return (uint8_t)uart->divisor;
    if (!uart->count)
        return byte;
    if (--uart->count)
        uart->head = (uart->head + 1) % UART_FIFO_SIZE;
    uart->timeout_pending = false;
    uart->touched = clock_now();
    show_errors(uart);
    update_timeout(uart);
    return byte;
}

static uint8_t read_ier(struct uart *uart)
{
    return uart->lcr & LCR_DLAB ? uart->divisor >> 8 : uart->ier;
}

static uint8_t read_iir(struct uart *uart)
{
    uint8_t source = interrupt_source(uart);

    if (source == IIR_TRANSMITTER)
        uart->transmitter_pending = false;
    return source | (fifo_mode(uart) ? IIR_FIFOS : 0);
}

static uint8_t read_lcr(struct uart *uart)
{
    return uart->lcr;
}

static uint8_t read_mcr(struct uart *uart)
{
    return uart->mcr;
}

static uint8_t read_lsr(struct uart *uart)
{
    uint8_t value = uart->line_errors | (uart->count ? LSR_READY : 0) |
                    (uart->transmitter_busy ? 0 : LSR_THR_EMPTY | LSR_ALL_SENT);

    for (unsigned i = 0; fifo_mode(uart) && i < uart->count; i++)
        if (uart->fifo[(uart->head + i) % UART_FIFO_SIZE].errors)
            value |= LSR_FIFO_ERROR;
    uart->line_errors = 0;
    if (uart->count)
        uart->fifo[uart->head].errors = 0;
    return value;
}

static uint8_t read_msr(struct uart *uart)
{
    uint8_t value = uart->modem | uart->deltas;

    uart->deltas = 0;
    return value;
}

static uint8_t read_scr(struct uart *uart)
{
    return uart->scr;
}

static void write_thr(struct uart *uart, uint8_t value)
{
    if (uart->lcr & LCR_DLAB) {
        uart->divisor = (uart->divisor & 0xff00) | value;
        return;
    }
    uart->transmitter_pending = false;
    update_irq(uart);
    value &= word_mask(uart);
    if (uart->mcr & MCR_LOOP)
        receive(uart, value, 0);
    else if (uart->backend.put)
        uart->transmitter_busy = !uart->backend.put(uart->backend.owner, value);
    uart->transmitter_pending = !uart->transmitter_busy;
}

void uart_output_ready(struct uart *uart)
{
    if (!uart->transmitter_busy)
        return;
    uart->transmitter_busy = false;
    uart->transmitter_pending = true;
    update_irq(uart);
}

static void write_ier(struct uart *uart, uint8_t value)
{
    if (uart->lcr & LCR_DLAB) {
        uart->divisor = (uart->divisor & 0xff) | value << 8;
        return;
    }
    /* Enabling the interrupt of an empty transmitter raises it, even one that IIR had cleared. */
    if ((value & ~uart->ier & IER_TRANSMITTER) && !uart->transmitter_busy)
        uart->transmitter_pending = true;
    uart->ier = value & IER_MASK;
    update_timeout(uart);
}

static void write_fcr(struct uart *uart, uint8_t value)
{
    bool change = (uart->fcr ^ value) & FCR_ENABLE;

    /* The other bits count only together with the enable bit. */
    uart->fcr = value & FCR_ENABLE ? value & FCR_KEPT : 0;
    if (change || (value & (FCR_ENABLE | FCR_CLEAR_RX)) == (FCR_ENABLE | FCR_CLEAR_RX))
        clear_receiver(uart);
    update_timeout(uart);
}

static void write_lcr(struct uart *uart, uint8_t value)
{
    bool begins = value & ~uart->lcr & LCR_BREAK;

    uart->lcr = value;
    if (begins && (uart->mcr & MCR_LOOP))
        receive(uart, 0, LSR_BREAK | LSR_FRAMING);
}

static void write_mcr(struct uart *uart, uint8_t value)
{
    uart->mcr = value & MCR_MASK;
    if (uart->mcr & MCR_RTS)
        uart->uses_rts = true;
    update_modem(uart);
}

static void write_scr(struct uart *uart, uint8_t value)
{
    uart->scr = value;
}

static const struct {
    uint8_t (*read)(struct uart *uart);
    void (*write)(struct uart *uart, uint8_t value); /* NULL: a write changes nothing */
} registers[] = {
    {read_rbr, write_thr}, {read_ier, write_ier}, {read_iir, write_fcr}, {read_lcr, write_lcr},
    {read_mcr, write_mcr}, {read_lsr, NULL},      {read_msr, NULL},      {read_scr, write_scr},
};

static bool uart_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    struct uart *uart = device->state;

    (void)size;
    *value = registers[offset & 7].read(uart);
    update_irq(uart);
    return true;
}

static bool uart_write(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct uart *uart = device->state;

    (void)size;
    if (registers[offset & 7].write)
        registers[offset & 7].write(uart, (uint8_t)value);
    update_irq(uart);
    return true;
}

/* Master reset, and the 9600 baud and 8N1 that a PC's firmware leaves behind. */
static void uart_reset(struct device *device)
{
    struct uart *uart = device->state;

    uart->ier = uart->fcr = uart->mcr = uart->scr = 0;
    uart->lcr = LCR_8N1;
    uart->divisor = DIVISOR_9600;
    uart->line_errors = uart->deltas = 0;
    uart->modem = MSR_CONNECTED;
    uart->transmitter_pending = uart->transmitter_busy = uart->uses_rts = false;
    clear_receiver(uart);
    update_irq(uart);
}

static void uart_describe(struct device *device, struct writer *out)
{
    const struct uart *uart = device->state;

    print_to(out, "divisor %u ier %02x fcr %02x lcr %02x mcr %02x msr %02x scr %02x errors %02x\n",
             uart->divisor, uart->ier, uart->fcr, uart->lcr, uart->mcr, uart->modem | uart->deltas, uart->scr,
             uart->line_errors);
    print_to(out, "received %u of %u, trigger %u, source %02x, line %s\n", uart->count, receiver_size(uart),
             trigger_level(uart), interrupt_source(uart), uart->irq_level ? "high" : "low");
}

static const struct device_ops uart_ops = {
    .read = uart_read,
    .write = uart_write,
    .reset = uart_reset,
    .describe = uart_describe,
    .width = 1,
};

void uart_init(struct uart *uart, const char *name, struct spinlock *lock,
               const struct serial_backend *backend)
{
    *uart = (struct uart){
        .device = {.name = name, .ops = &uart_ops, .state = uart, .lock = lock},
        .timeout = {.expired = timeout_expired, .lock = lock},
        .backend = *backend,
    };
    uart_reset(&uart->device);
}

bool uart_may_raise(const void *state)
{
    const struct uart *uart = state;

    return uart->mcr & MCR_OUT2 && ((uart->ier & (IER_RECEIVED | IER_LINE_STATUS) && uart->backend.put) ||
                                    (uart->ier & IER_TRANSMITTER && uart->transmitter_busy));
}
