/* What is to be said at the console's port: Keel's queue, the monitor's answer, the VMs' lines, and who of
 * them is next. */
#include "hv/console/console_internal.h"
#include "hv/lib/string.h"
#include "hv/vm/vm.h"

#define RAW_MOST  64 /* of the focused VM's at once */
#define KEEL_SIZE KIB(32)

static bool line_open; /* the last byte out was no line end */
static unsigned lines_broken;

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

static bool is_raw(const struct console_client *client)
{
    return client->own || (client == console_focus && !console_taker);
}

char console_take(struct console_client *client)
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
        put(port, byte = console_take(client));
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
        console_take(client);
        if (byte != '\n' && byte != '\r')
            line[length++] = byte, text++;
    }
    line[length++] = '\r';
    line[length++] = '\n';
    return length;
}

_Static_assert(VM_NAME_MOST + 2 + LINE_MOST + 2 + 2 <= PIECE_MOST, "a VM's line is one piece");

bool console_compose(struct out_port *port)
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

void console_queue_keel(const char *text, size_t length)
{
    if (!keel.count)
        keel_came = arrivals++;
    for (size_t i = 0; i < length; i++)
        out_ring_add(&keel, text[i]);
}

size_t console_keel_room(void)
{
    return keel.size - keel.count;
}

void console_move_to_keel(struct console_client *client, bool all)
{
    char line[PIECE_MOST];
    unsigned before = client->count;

    if (speaker == client && !keel.count)
        speaker = &keel; /* it goes on with its line */
    while (client->count && (all || has_piece(client)) && keel.size - keel.count > 2 * PIECE_MOST) {
        bool raw = is_raw(client);

        if (raw)
            line[0] = console_take(client);
        console_queue_keel(line, raw ? 1 : line_of(client, line));
    }
    if (before != client->count && keel.text[(keel.first + keel.count - 1) % keel.size] != '\n')
        console_queue_keel("\r\n", 2);
    client->served += before - client->count;
}

void console_queue(struct console_client *client, char byte)
{
    if (!client->count)
        client->served = MAX(client->served, served);
    client->queue[(client->first + client->count++) % sizeof(client->queue)] = byte;
    client->lines += byte == '\n';
}

void console_queue_answer(const char *text, size_t length)
{
    if (answer.sent == answer.length)
        answer_came = arrivals++;
    if (!length || answer.text != text)
        answer.sent = 0;
    answer.text = text;
    answer.length = length;
}

size_t console_answered(void)
{
    return answer.sent;
}

bool console_queues_are_empty(void)
{
    return !keel.count && answer.sent == answer.length;
}

void console_forget_vms(void)
{
    answer.sent = answer.length;
    for (unsigned i = 0; i < CONSOLE_CLIENTS; i++)
        if (console_clients[i])
            console_clients[i]->count = console_clients[i]->lines = 0;
}

unsigned console_broken_lines(void)
{
    return lines_broken;
}
