/* The console's output: who says what on which port, and the queues before the ports. */
#include "hv/debug/console_internal.h"
#include "hv/debug/out_queue.h"
#include "hv/host/clock.h"
#include "hv/host/timer.h"
#include "hv/host/x86.h"
#include "hv/lib/string.h"

#define DEBUG_PORT     0xe9
#define KEEL           0 /* the owner of Keel's own bytes; others are 1 + their place among the clients */

/*
 * In bytes. A VM whose output has reached QUEUED_MOST waits; what it writes all the same is taken up to
 * RESERVED, which is kept free for each, and beyond that as long as the part that is for all lasts.
 */
#define QUEUED_MOST    256
#define QUEUED_AGAIN   240
#define RESERVED       512
#define LONGEST        256 /* a line with its name: what one byte can add */
#define QUEUE_SIZE     KIB(32)
#define OWN_QUEUE_SIZE KIB(2)
#define FOR_ALL        (QUEUE_SIZE - CONSOLE_CLIENTS * RESERVED)

/* How often the port is asked for room: twice in the time of a full FIFO at 115200 baud. */
#define SENDS_A_SECOND 1440

struct spinlock console_output_lock;
struct console_client *console_clients[CONSOLE_CLIENTS];
struct console_client *console_focus;
static bool debug_port, queued;
static bool line_open;      /* the last byte out was no line end */
static unsigned lines_lost; /* of Keel's own */
static unsigned lines_broken;

static uint16_t entries[QUEUE_SIZE], own_entries[3][OWN_QUEUE_SIZE];

/* The console's, and those of COM2 to COM4 as ports of VMs. */
static struct out_queue queues[4] = {
    {.entries = entries, .size = QUEUE_SIZE},
    {.entries = own_entries[0], .size = OWN_QUEUE_SIZE},
    {.entries = own_entries[1], .size = OWN_QUEUE_SIZE},
    {.entries = own_entries[2], .size = OWN_QUEUE_SIZE},
};
#define CONSOLE_QUEUE (&queues[0])

static struct out_queue *queue_of(const struct console_client *client)
{
    return client->own ? &queues[client->own - serial_ports] : CONSOLE_QUEUE;
}

static struct console_client *client_of(unsigned owner)
{
    return owner == KEEL ? NULL : console_clients[owner - 1];
}

/* Sends what the port takes now, or all. */
static void send(struct out_queue *queue, bool wait)
{
    int owner;

    while ((owner = out_queue_send(queue, wait)) >= 0) {
        struct console_client *client = client_of((unsigned)owner);

        if (client)
            client->queued--;
    }
}

static void send_later(struct timer *timer)
{
    (void)timer;
    spin_lock(&console_input_lock);
    console_send();
    spin_unlock(&console_input_lock);
}

static struct timer sender = {.expired = send_later};

static void arm_sender(void)
{
    timer_arm(&sender, clock_now() + clock_hz() / SENDS_A_SECOND);
}

/* After bytes were added. */
static void begin_sending(struct out_queue *queue)
{
    if (!queued) {
        send(queue, true);
    } else if (!timer_armed(&sender)) {
        send(queue, false);
        if (queue->count)
            arm_sender();
    }
}

void console_send(void)
{
    uint32_t again = 0;
    unsigned left = 0;

    spin_lock(&console_output_lock);
    for (unsigned i = 0; i < ARRAY_LENGTH(queues); i++) {
        send(&queues[i], false);
        left += queues[i].count;
    }
    for (unsigned i = 0; i < CONSOLE_CLIENTS; i++) {
        struct console_client *client = console_clients[i];

        if (client && client->waits && client->queued <= QUEUED_AGAIN) {
            client->waits = false;
            again |= BIT(i);
        }
    }
    if (left)
        arm_sender();
    spin_unlock(&console_output_lock);
    for (unsigned i = 0; i < CONSOLE_CLIENTS; i++) /* the input's lock keeps them here */
        if (again & BIT(i))
            console_clients[i]->ready(console_clients[i]->vm);
}

static void put(unsigned owner, char byte)
{
    struct out_queue *queue = CONSOLE_QUEUE;

    line_open = byte != '\n';
    if (debug_port)
        outb(DEBUG_PORT, (uint8_t)byte);
    if (!queue->port)
        return;
    if (queue->count == queue->size) /* Keel's own words, when the others have left no room */
        send(queue, true);
    out_queue_add(queue, (uint8_t)owner, (uint8_t)byte);
    if (client_of(owner))
        client_of(owner)->queued++;
}

static void put_text(unsigned owner, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\n')
            put(owner, '\r');
        put(owner, text[i]);
    }
}

static void begin_line(unsigned owner)
{
    if (line_open) {
        lines_broken++;
        put_text(owner, "\n", 1);
    }
}

unsigned console_broken_lines(void)
{
    return lines_broken;
}

void console_init(struct serial *serial)
{
    static struct serial *claimed;

    if (claimed)
        serial_release(claimed);
    claimed = serial;
    if (serial)
        serial_claim(serial, "Keel's console");
    CONSOLE_QUEUE->port = serial;
    CONSOLE_QUEUE->room = 0;
    debug_port = !serial && inb(DEBUG_PORT) == DEBUG_PORT;
}

const struct serial *console_port(void)
{
    return CONSOLE_QUEUE->port;
}

void console_start(void)
{
    queued = true;
}

void console_finish(void)
{
    spin_lock(&console_output_lock);
    queued = false;
    for (unsigned i = 0; i < ARRAY_LENGTH(queues); i++)
        send(&queues[i], true);
    spin_unlock(&console_output_lock);
}

void console_panic(void)
{
    spin_unlock(&console_output_lock);
    console_finish();
}

/* Keel's own words may take the part of the queue that is for all; a line for which there is no room is told
 * of later. The log in memory has it. */
static bool has_room(size_t length)
{
    return !queued || CONSOLE_QUEUE->count + length <= FOR_ALL;
}

bool console_has_room(size_t length)
{
    return !queued || CONSOLE_QUEUE->count + length <= FOR_ALL / 2;
}

static void write(const char *text, size_t length, bool whole_lines)
{
    spin_lock(&console_output_lock);
    if (!has_room(length + LONGEST)) {
        lines_lost++;
    } else {
        if (whole_lines)
            begin_line(KEEL);
        if (lines_lost) {
            unsigned lost = lines_lost;

            lines_lost = 0;
            console_say_locked("%u of Keel's lines left out: more came than the port can send", lost);
        }
        put_text(KEEL, text, length);
        begin_sending(CONSOLE_QUEUE);
    }
    spin_unlock(&console_output_lock);
}

void console_write(const char *text, size_t length)
{
    write(text, length, true);
}

static void write_to_console(struct writer *self, const char *text, size_t length)
{
    (void)self;
    write(text, length, false);
}

struct writer console_writer = {write_to_console};

static void say(const char *format, va_list arguments)
{
    char text[400];
    struct text_buffer buffer;

    text_buffer_init(&buffer, text, sizeof(text));
    vprint_to(&buffer.writer, format, arguments);
    begin_line(KEEL);
    put_text(KEEL, "console: ", 9);
    put_text(KEEL, text, strlen(text));
    put_text(KEEL, "\n", 1);
    begin_sending(CONSOLE_QUEUE);
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

void console_attach(struct console_client *client)
{
    spin_lock(&console_input_lock);
    spin_lock(&console_output_lock);
    for (unsigned i = 0; i < CONSOLE_CLIENTS && !client->owner; i++)
        if (!console_clients[i]) {
            console_clients[i] = client;
            client->owner = (uint8_t)(i + 1);
            client->queued = client->lost = 0;
            client->waits = false;
            if (client->own) {
                queue_of(client)->port = client->own;
                queue_of(client)->room = 0;
            } else if (!console_focus) {
                console_focus = client;
            }
        }
    spin_unlock(&console_output_lock);
    spin_unlock(&console_input_lock);
}

static void flush_line(struct console_client *client)
{
    begin_line(client->owner);
    put_text(client->owner, client->name, strlen(client->name));
    put_text(client->owner, "| ", 2);
    put_text(client->owner, client->line, client->length);
    put_text(client->owner, "\n", 1);
    client->length = 0;
}

void console_set_focus(struct console_client *client)
{
    console_focus = client;
    if (!client || !client->length)
        return;
    begin_line(client->owner);
    put_text(client->owner, client->line, client->length);
    client->length = 0;
    begin_sending(CONSOLE_QUEUE);
}

void console_seize(void (*taker)(int key))
{
    __atomic_store_n(&console_taker, taker, __ATOMIC_RELEASE);
}

/* The next VM that shares the console, if there is one. */
static struct console_client *first_client(void)
{
    for (unsigned i = 0; i < CONSOLE_CLIENTS; i++)
        if (console_clients[i] && !console_clients[i]->own)
            return console_clients[i];
    return NULL;
}

/* On the console, also of a port of its own. */
static void say_lost(struct console_client *client)
{
    unsigned lost = client->lost;

    client->lost = 0;
    console_say_locked("%u bytes of %s lost: it wrote more than the port can send, without waiting", lost,
                       client->name);
}

void console_detach(struct console_client *client)
{
    if (!client->owner)
        return;
    spin_lock(&console_input_lock);
    spin_lock(&console_output_lock);
    if (client->lost && has_room(LONGEST))
        say_lost(client);
    if (client->length) /* last words without a line end */
        flush_line(client);
    out_queue_disown(queue_of(client), client->owner);
    console_clients[client->owner - 1] = NULL;
    client->owner = 0;
    if (console_focus == client)
        console_set_focus(first_client());
    begin_sending(CONSOLE_QUEUE);
    spin_unlock(&console_output_lock);
    spin_unlock(&console_input_lock);
}

/* Whether a VM's byte is taken; one that is not has come from a VM that does not look before it writes. */
static bool takes(struct console_client *client, struct out_queue *queue)
{
    bool taken = queue == CONSOLE_QUEUE
                     ? client->queued + LONGEST <= RESERVED || queue->count + LONGEST <= FOR_ALL
                     : queue->count < queue->size;

    /* A flood of a port of its own is told of when it is over, not at each byte that finds room again. */
    if (!taken)
        client->lost++;
    else if (client->lost &&
             (queue == CONSOLE_QUEUE || (queue->count <= queue->size / 2 && has_room(LONGEST))))
        say_lost(client);
    return taken;
}

static void put_shared(struct console_client *client, uint8_t byte)
{
    if (client == console_focus && !console_taker) {
        put(client->owner, (char)byte);
        return;
    }
    if (byte == '\n' || client->length == sizeof(client->line))
        flush_line(client);
    if (byte != '\n' && byte != '\r')
        client->line[client->length++] = (char)byte;
}

bool console_vm_put(void *owner, uint8_t byte)
{
    struct console_client *client = owner;
    struct out_queue *queue = queue_of(client);

    spin_lock(&console_output_lock);
    if (client->owner && takes(client, queue)) {
        if (client->own) {
            out_queue_add(queue, client->owner, byte);
            client->queued++;
        } else {
            put_shared(client, byte);
        }
        begin_sending(queue);
    }
    client->waits = client->queued >= QUEUED_MOST;
    spin_unlock(&console_output_lock);
    return !client->waits;
}
