#include "hv/debug/console.h"

#include "hv/host/apic.h"
#include "hv/host/clock.h"
#include "hv/host/cpu.h"
#include "hv/host/interrupts.h"
#include "hv/host/log.h"
#include "hv/host/timer.h"
#include "hv/host/x86.h"
#include "hv/lib/spinlock.h"
#include "hv/lib/string.h"

#define DEBUG_PORT 0xe9
#define CLIENTS    64

static struct spinlock output_lock, input_lock;
static const struct serial *port;
static bool debug_port;
static bool line_open; /* the last byte out was no line end */
static struct console_client *clients[CLIENTS];
static struct console_client *focus;
static uint8_t typed[4096]; /* bytes that the focused VM could not take yet */
static unsigned typed_first, typed_count;

static void put(char byte)
{
    if (port)
        serial_put(port, (uint8_t)byte);
    if (debug_port)
        outb(DEBUG_PORT, (uint8_t)byte);
    line_open = byte != '\n';
}

static void put_text(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\n')
            put('\r');
        put(text[i]);
    }
}

static void begin_line(void)
{
    if (line_open)
        put_text("\n", 1);
}

void console_init(const struct serial *serial)
{
    port = serial;
    debug_port = !serial && inb(DEBUG_PORT) == DEBUG_PORT;
}

const struct serial *console_port(void)
{
    return port;
}

void console_write(const char *text, size_t length)
{
    spin_lock(&output_lock);
    begin_line();
    put_text(text, length);
    spin_unlock(&output_lock);
}

static void write_to_console(struct writer *self, const char *text, size_t length)
{
    (void)self;
    spin_lock(&output_lock);
    put_text(text, length);
    spin_unlock(&output_lock);
}

struct writer console_writer = {write_to_console};

void console_attach(struct console_client *client)
{
    spin_lock(&input_lock);
    for (unsigned i = 0; i < CLIENTS; i++)
        if (!clients[i]) {
            clients[i] = client;
            if (!focus && !client->own)
                focus = client;
            break;
        }
    spin_unlock(&input_lock);
}

static void flush_line(struct console_client *client)
{
    begin_line();
    put_text(client->name, strlen(client->name));
    put_text("| ", 2);
    put_text(client->line, client->length);
    put_text("\n", 1);
    client->length = 0;
}

/* The next VM has the focus, and what it has said of its line so far, a prompt perhaps, is seen. */
static void move_focus(void)
{
    focus = NULL;
    for (unsigned i = 0; i < CLIENTS && !focus; i++)
        if (clients[i] && !clients[i]->own)
            focus = clients[i];
    if (!focus || !focus->length)
        return;
    begin_line();
    put_text(focus->line, focus->length);
    focus->length = 0;
}

void console_detach(struct console_client *client)
{
    spin_lock(&input_lock);
    spin_lock(&output_lock);
    for (unsigned i = 0; i < CLIENTS; i++)
        if (clients[i] == client)
            clients[i] = NULL;
    if (client->length) /* last words without a line end */
        flush_line(client);
    if (focus == client)
        move_focus();
    spin_unlock(&output_lock);
    spin_unlock(&input_lock);
}

void console_vm_put(void *owner, uint8_t byte)
{
    struct console_client *client = owner;

    if (client->own) {
        serial_put(client->own, byte);
        return;
    }
    spin_lock(&output_lock);
    if (client == focus) {
        put((char)byte);
    } else if (byte == '\n' || client->length == sizeof(client->line)) {
        flush_line(client);
    }
    if (client != focus && byte != '\n' && byte != '\r')
        client->line[client->length++] = (char)byte;
    spin_unlock(&output_lock);
}

static void collect(void)
{
    int byte;

    while (typed_count < sizeof(typed) && port && (byte = serial_get(port)) >= 0) {
        typed[(typed_first + typed_count) % sizeof(typed)] = (uint8_t)byte;
        typed_count++;
    }
}

/* A VM that was full is tried again soon: nobody tells when it has room. */
#define TRIES_A_SECOND 1000

static void try_again(struct timer *timer)
{
    (void)timer;
    console_poll();
}

static struct timer retry = {.expired = try_again};

/* A port of a VM's own: bytes that the VM cannot take yet wait in `held`. Returns whether some wait. */
static bool poll_own(struct console_client *client)
{
    for (;;) {
        if (client->held < 0)
            client->held = serial_get(client->own);
        if (client->held < 0)
            return false;
        if (!client->input(client->vm, (uint8_t)client->held))
            return true;
        client->held = -1;
    }
}

void console_listen(const struct serial *serial)
{
    interrupts_handle(VECTOR_SERIAL, console_poll);
    if (!ioapic_route_isa(serial->irq, VECTOR_SERIAL, cpus[0]->apic_id))
        log_line("console: no I/O APIC brings interrupt %u: typing at port 0x%x will not work", serial->irq,
                 serial->port);
    serial_interrupts_on(serial);
}

void console_poll(void)
{
    bool waiting = false;

    spin_lock(&input_lock);
    for (unsigned i = 0; i < CLIENTS; i++)
        if (clients[i] && clients[i]->own)
            waiting |= poll_own(clients[i]);
    collect();
    while (typed_count && focus && focus->input(focus->vm, typed[typed_first])) {
        typed_first = (typed_first + 1) % sizeof(typed);
        typed_count--;
        collect();
    }
    if (waiting || (typed_count && focus))
        timer_arm(&retry, clock_now() + clock_hz() / TRIES_A_SECOND);
    spin_unlock(&input_lock);
}
