/* The console's output: the ports, what is sent to them and when, and the console's own lines. */
#include "hv/console/console_internal.h"
#include "hv/host/clock.h"
#include "hv/host/debug_port.h"
#include "hv/host/timer.h"
#include "hv/lib/string.h"
#include "hv/vm/vm.h"

/* In bytes. A VM that has QUEUED_MOST waiting is to wait, until it has QUEUED_AGAIN. */
#define QUEUED_MOST    256
#define QUEUED_AGAIN   240
#define HASTENED_MOST  (2 * QUEUED_MOST)

/* How often the port is asked for room: twice in the time of a full FIFO at 115200 baud. */
#define SENDS_A_SECOND 1440

#define LOST_SECONDS   10 /* a flood is told of so often */

static bool debug_port, queued;
static unsigned lines_lost;

/* The console's port, and COM2 to COM4 as ports of VMs. */
static struct out_port ports[4];
#define CONSOLE_PORT (&ports[0])

/* What VMs that have left had still to say at ports of their own. */
static char left_text[3][sizeof(((struct console_client *)0)->queue)];
static struct out_ring left_behind[4] = {{0},
                                         {.text = left_text[0], .size = sizeof(left_text[0])},
                                         {.text = left_text[1], .size = sizeof(left_text[1])},
                                         {.text = left_text[2], .size = sizeof(left_text[2])}};

static struct out_port *port_of(const struct console_client *client)
{
    return client->own ? &ports[client->own - serial_ports] : CONSOLE_PORT;
}

static void put_own(struct out_port *port, struct console_client *client)
{
    while (client->count && port->count < PIECE_MOST)
        port->piece[port->count++] = console_take(client);
}

/* That of a port that is a VM's own. */
static bool compose_own(struct out_port *port)
{
    struct out_ring *left = &left_behind[port - ports];

    while (left->count && port->count < PIECE_MOST)
        port->piece[port->count++] = out_ring_take(left);
    for (unsigned i = 0; i < CONSOLE_CLIENTS; i++) {
        struct console_client *client = console_clients[i];

        if (client && client->own && port_of(client) == port)
            put_own(port, client);
    }
    return port->count;
}

/* Where there is no port, text goes to an emulator's debug port if that answers. */
static bool send_piece(struct out_port *port, bool wait)
{
    if (port->serial)
        return out_port_send(port, wait);
    for (unsigned i = 0; debug_port && i < port->count; i++)
        debug_port_put((uint8_t)port->piece[i]);
    return true;
}

/* Sends what the port takes now, or all. Returns whether something is left. */
static bool send(struct out_port *port, bool wait)
{
    bool more;

    while (send_piece(port, wait)) {
        port->first = port->count = 0;
        more = port == CONSOLE_PORT ? console_compose(port) : compose_own(port);
        if (!more)
            return false;
    }
    return true;
}

static void send_later(struct timer *timer);
static struct timer sender = {.expired = send_later};

/* After bytes were added for this port. */
static void begin_sending(struct out_port *port)
{
    if (!queued) {
        send(port, true);
    } else if (!timer_armed(&sender)) {
        port->moved = clock_now();
        if (send(port, false))
            timer_arm(&sender, clock_now() + clock_hz() / SENDS_A_SECOND);
    } else if (!port->serial) {
        send(port, false);
    }
}

static void tell_lost(struct timer *timer);
static struct timer teller = {.expired = tell_lost, .lock = &console_output_lock};

/* A byte for which there was no room. */
static void lose(struct console_client *client)
{
    if (!client->lost++)
        client->since = clock_now();
    if (queued && !timer_armed(&teller))
        timer_arm(&teller, clock_now() + LOST_SECONDS * clock_hz());
}

/* Sends what the ports take, and wakes the VMs whose output waited. */
static void send_later(struct timer *timer)
{
    uint32_t again = 0;
    bool left = false;

    spin_lock(&console_input_lock); /* it keeps the VMs here */
    spin_lock(&console_output_lock);
    for (unsigned i = 0; i < ARRAY_LENGTH(ports); i++)
        left |= send(&ports[i], false);
    for (unsigned i = 0; i < CONSOLE_CLIENTS; i++) {
        struct console_client *client = console_clients[i];

        if (client && client->waits && client->count <= QUEUED_AGAIN) {
            client->waits = false;
            again |= BIT(i);
        }
    }
    if (left)
        timer_arm(timer, clock_now() + clock_hz() / SENDS_A_SECOND);
    spin_unlock(&console_output_lock);
    for (unsigned i = 0; i < CONSOLE_CLIENTS; i++)
        if (again & BIT(i))
            console_clients[i]->ready(console_clients[i]->vm);
    spin_unlock(&console_input_lock);
}

void console_add(const char *text, size_t length)
{
    char lost[80] = "";
    unsigned ends = 0;

    for (size_t i = 0; i < length; i++)
        ends += text[i] == '\n';
    if (lines_lost)
        format_text(lost, sizeof(lost),
                    "console: %u of Keel's lines left out: more came than the port can send\r\n", lines_lost);
    if (console_keel_room() < length + ends + strlen(lost)) {
        lines_lost += ends;
        return;
    }
    lines_lost = 0;
    console_queue_keel(lost, strlen(lost));
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\n')
            console_queue_keel("\r", 1);
        console_queue_keel(&text[i], 1);
    }
    begin_sending(CONSOLE_PORT);
}

void console_write(const char *text, size_t length)
{
    spin_lock(&console_output_lock);
    for (size_t at = 0, part; at < length; at += part) {
        part = length - at;
        if (!queued && part > LINE_MOST) /* the whole log, said again, is more than the queue holds */
            part = LINE_MOST;
        console_add(text + at, part);
    }
    spin_unlock(&console_output_lock);
}

static void say(const char *format, va_list arguments)
{
    char text[400];
    struct text_buffer buffer;

    text_buffer_init(&buffer, text, sizeof(text) - 1);
    print_to(&buffer.writer, "console: ");
    vprint_to(&buffer.writer, format, arguments);
    text[buffer.length++] = '\n';
    console_add(text, buffer.length);
}

void console_say_locked(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
}

void console_say(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    spin_lock(&console_output_lock);
    say(format, arguments);
    spin_unlock(&console_output_lock);
    va_end(arguments);
}

void console_say_lost(struct console_client *client)
{
    uint64_t seconds = (clock_now() - client->since) / clock_hz() + 1;
    unsigned lost = client->lost;

    client->lost = 0;
    console_say_locked("%u bytes of %s lost in %lu s: it wrote more than the port can send, without waiting",
                       lost, client->name, seconds);
}

/* With the output's lock held. */
static void tell_lost(struct timer *timer)
{
    (void)timer;
    for (unsigned i = 0; i < CONSOLE_CLIENTS; i++)
        if (console_clients[i] && console_clients[i]->lost)
            console_say_lost(console_clients[i]);
}

void console_hand_over(struct console_client *client)
{
    if (client->own || client->count > HASTENED_MOST)
        return;
    console_move_to_keel(client, false);
    begin_sending(CONSOLE_PORT);
}

void console_leave(struct console_client *client)
{
    struct out_ring *left = &left_behind[port_of(client) - ports];

    if (!client->own)
        console_move_to_keel(client, true);
    while (client->own && client->count && left->count < left->size)
        out_ring_add(left, console_take(client));
    client->lost += client->count;
    client->count = client->lines = 0;
    begin_sending(port_of(client));
}

void console_set_focus(struct console_client *client)
{
    console_focus = client;
    begin_sending(CONSOLE_PORT);
}

void console_open(const struct console_client *client)
{
    port_of(client)->serial = client->own;
    port_of(client)->room = 0;
}

bool console_vm_put(void *owner, uint8_t byte)
{
    struct console_client *client = owner;

    spin_lock(&console_output_lock);
    if (client->place && client->count < sizeof(client->queue)) {
        console_queue(client, (char)byte);
        begin_sending(port_of(client));
    } else if (client->place) {
        lose(client);
    }
    client->waits = client->count >= QUEUED_MOST;
    spin_unlock(&console_output_lock);
    return !client->waits;
}

size_t console_answer(const char *text, size_t length)
{
    size_t sent;

    spin_lock(&console_output_lock);
    console_queue_answer(text, length);
    begin_sending(CONSOLE_PORT);
    sent = console_answered();
    spin_unlock(&console_output_lock);
    return sent;
}

bool console_is_idle(void)
{
    return !queued || console_queues_are_empty();
}

void console_init(struct serial *serial)
{
    static struct serial *claimed;

    if (claimed)
        serial_release(claimed);
    claimed = serial;
    if (serial)
        serial_claim(serial, "Keel's console");
    CONSOLE_PORT->serial = serial;
    CONSOLE_PORT->room = 0;
    debug_port = !serial && debug_port_answers();
}

const struct serial *console_port(void)
{
    return CONSOLE_PORT->serial;
}

void console_start(void)
{
    queued = true;
}

/* Nothing is queued from here on. */
static void send_all(void)
{
    queued = false;
    for (unsigned i = 0; i < ARRAY_LENGTH(ports); i++)
        send(&ports[i], true);
}

void console_finish(void)
{
    spin_lock(&console_output_lock);
    tell_lost(&teller);
    send_all();
    spin_unlock(&console_output_lock);
}

void console_panic(void)
{
    spin_break(&console_output_lock);
    console_forget_vms();
    send_all();
}
