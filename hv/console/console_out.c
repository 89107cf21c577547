/* The console's output: the speakers' queues, who is next, and what of it goes to the port. */
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
#define LINE_MOST      160 /* of a VM's line without its name; a longer one is folded */
#define RAW_MOST       64  /* of the focused VM's at once */
#define KEEL_SIZE      KIB(32)

/* How often the port is asked for room: twice in the time of a full FIFO at 115200 baud. */
#define SENDS_A_SECOND 1440

#define LOST_SECONDS   10 /* a flood is told of so often */

struct spinlock console_output_lock;

static bool debug_port, queued;
static bool line_open; /* the last byte out was no line end */
static unsigned lines_lost, lines_broken;

/* The console's port, and COM2 to COM4 as ports of VMs. */
static struct out_port ports[4];
#define CONSOLE_PORT (&ports[0])

/* What VMs that have left had still to say at ports of their own. */
static char left_text[3][sizeof(((struct console_client *)0)->queue)];
static struct out_ring left_behind[4] = {{0},
                                         {.text = left_text[0], .size = sizeof(left_text[0])},
                                         {.text = left_text[1], .size = sizeof(left_text[1])},
                                         {.text = left_text[2], .size = sizeof(left_text[2])}};

/* Keel's queue, and the monitor's answer: each with the place at which it began to wait. */
static char keel_text[KEEL_SIZE];
static struct out_ring keel = {.text = keel_text, .size = KEEL_SIZE};
static struct {
    const char *text;
    size_t sent, length;
} answer;
static uint64_t arrivals, keel_came, answer_came;

/* Who has spoken last: &keel, &answer, or a VM's client. */
static const void *speaker;
static unsigned run;    /* bytes of its line so far, if that is raw */
static uint64_t served; /* of the VM that was chosen last */

static struct out_port *port_of(const struct console_client *client)
{
    return client->own ? &ports[client->own - serial_ports] : CONSOLE_PORT;
}

static bool is_raw(const struct console_client *client)
{
    return client->own || (client == console_focus && !console_taker);
}

static char take(struct console_client *client)
{
    char byte = client->queue[client->first];

    client->first = (client->first + 1) % sizeof(client->queue);
    client->count--;
    client->lines -= byte == '\n';
    return byte;
}

/* Whether there is something to be sent: raw bytes, or a line of which the end is known. */
static bool has_piece(const struct console_client *client)
{
    return is_raw(client) ? client->count : client->lines || client->count >= LINE_MOST + 2;
}

/* Of the VMs that share the console, the one that has been sent the least; not in the middle of a raw line.
 */
static struct console_client *choose_vm(void)
{
    struct console_client *found = NULL;

    if (console_focus && speaker == console_focus && is_raw(console_focus) && has_piece(console_focus) &&
        line_open && run < LINE_MOST)
        return console_focus;
    for (unsigned i = 0; i < CONSOLE_CLIENTS; i++) {
        struct console_client *client = console_clients[i];

        if (client && !client->own && has_piece(client) && (!found || client->served < found->served))
            found = client;
    }
    if (found)
        served = found->served;
    return found;
}

static const void *choose(void)
{
    bool answers = answer.sent < answer.length;

    if (answers && (!keel.count || answer_came < keel_came))
        return &answer;
    return keel.count ? (const void *)&keel : choose_vm();
}

static void put(struct out_port *port, char byte)
{
    port->piece[port->count++] = byte;
}

static void put_keel(struct out_port *port)
{
    while (keel.count && port->count < PIECE_MOST)
        put(port, out_ring_take(&keel));
}

static void put_answer(struct out_port *port)
{
    while (answer.sent < answer.length && port->count < PIECE_MOST - 1) {
        char byte = answer.text[answer.sent++];

        if (byte == '\n')
            put(port, '\r');
        put(port, byte);
    }
}

static void put_raw(struct out_port *port, struct console_client *client)
{
    char byte = 0;

    for (unsigned i = 0; i < RAW_MOST && client->count && byte != '\n'; i++)
        put(port, byte = take(client));
    run = byte == '\n' ? 0 : run + port->count;
}

/* A line of `line_of` with its name before it; `line` has room for it. Returns its length. */
static unsigned line_of(struct console_client *client, char *line)
{
    unsigned length = (unsigned)strlen(client->name), text = 0;
    char byte = 0;

    memcpy(line, client->name, length);
    line[length++] = '|';
    line[length++] = ' ';
    while (client->count && byte != '\n') {
        byte = client->queue[client->first];
        if (text == LINE_MOST && byte != '\n' && byte != '\r')
            break;
        take(client);
        if (byte != '\n' && byte != '\r')
            line[length++] = byte, text++;
    }
    line[length++] = '\r';
    line[length++] = '\n';
    return length;
}

_Static_assert(VM_NAME_MOST + 2 + LINE_MOST + 2 + 2 <= PIECE_MOST, "a VM's line is one piece");

/* The next piece for the console's port. Returns whether there is one. */
static bool compose(struct out_port *port)
{
    const void *next = choose();

    if (!next)
        return false;
    if (next != speaker && line_open) {
        lines_broken++;
        put(port, '\r');
        put(port, '\n');
    }
    if (next != speaker)
        run = 0;
    speaker = next;
    if (next == &keel) {
        put_keel(port);
    } else if (next == &answer) {
        put_answer(port);
    } else {
        struct console_client *client = (struct console_client *)next;
        unsigned before = client->count;

        if (is_raw(client))
            put_raw(port, client);
        else
            port->count += line_of(client, port->piece + port->count);
        client->served += before - client->count;
    }
    line_open = port->piece[port->count - 1] != '\n';
    return true;
}

static void put_own(struct out_port *port, struct console_client *client)
{
    while (client->count && port->count < PIECE_MOST)
        put(port, take(client));
}

/* That of a port that is a VM's own. */
static bool compose_own(struct out_port *port)
{
    struct out_ring *left = &left_behind[port - ports];

    while (left->count && port->count < PIECE_MOST)
        put(port, out_ring_take(left));
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
        more = port == CONSOLE_PORT ? compose(port) : compose_own(port);
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

/* With the output's lock held. */
static void tell_lost(struct timer *timer)
{
    (void)timer;
    for (unsigned i = 0; i < CONSOLE_CLIENTS; i++)
        if (console_clients[i] && console_clients[i]->lost)
            console_say_lost(console_clients[i]);
}

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

/* Bytes of Keel's queue, for which there is room. */
static void add(const char *text, size_t length)
{
    if (!keel.count)
        keel_came = arrivals++;
    for (size_t i = 0; i < length; i++)
        out_ring_add(&keel, text[i]);
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
    if (keel.size - keel.count < length + ends + strlen(lost)) {
        lines_lost += ends;
        return;
    }
    lines_lost = 0;
    add(lost, strlen(lost));
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\n')
            add("\r", 1);
        add(&text[i], 1);
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

/* With a name where another VM is read, and an end of the line. */
static void move_to_keel(struct console_client *client, bool all)
{
    char line[PIECE_MOST];
    unsigned before = client->count;

    if (speaker == client && !keel.count)
        speaker = &keel; /* it goes on with its line */
    while (client->count && (all || has_piece(client)) && keel.size - keel.count > 2 * PIECE_MOST) {
        bool raw = is_raw(client);

        if (raw)
            line[0] = take(client);
        add(line, raw ? 1 : line_of(client, line));
    }
    if (before != client->count && keel.text[(keel.first + keel.count - 1) % keel.size] != '\n')
        add("\r\n", 2);
    client->served += before - client->count;
}

void console_hand_over(struct console_client *client)
{
    if (client->own || client->count > HASTENED_MOST)
        return;
    move_to_keel(client, false);
    begin_sending(CONSOLE_PORT);
}

void console_leave(struct console_client *client)
{
    struct out_ring *left = &left_behind[port_of(client) - ports];

    if (!client->own)
        move_to_keel(client, true);
    while (client->own && client->count && left->count < left->size)
        out_ring_add(left, take(client));
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
        if (!client->count)
            client->served = MAX(client->served, served);
        client->queue[(client->first + client->count++) % sizeof(client->queue)] = (char)byte;
        client->lines += byte == '\n';
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
    if (answer.sent == answer.length)
        answer_came = arrivals++;
    if (!length || answer.text != text)
        answer.sent = 0;
    answer.text = text;
    answer.length = length;
    begin_sending(CONSOLE_PORT);
    sent = answer.sent;
    spin_unlock(&console_output_lock);
    return sent;
}

unsigned console_broken_lines(void)
{
    return lines_broken;
}

bool console_is_idle(void)
{
    return !queued || (!keel.count && answer.sent == answer.length);
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
    answer.sent = answer.length;
    for (unsigned i = 0; i < CONSOLE_CLIENTS; i++)
        if (console_clients[i])
            console_clients[i]->count = console_clients[i]->lines = 0;
    send_all();
}
