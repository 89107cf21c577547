#include "hv/gdb/gdb_link.h"

#include "hv/lib/number.h"

#define BREAK       0x03
#define ESCAPE      '}'
#define ESCAPED_XOR 0x20

/* GDB gives an answer up after it has asked for it three times. */
#define REPEATS     3

/* A run: its byte, a star, and how many more there are, as a printable character. */
#define RUN         '*'
#define RUN_BASE    29
#define RUN_LEAST   3
#define RUN_MOST    ('~' - RUN_BASE)

static void write_escaped(struct writer *self, const char *text, size_t length)
{
    struct gdb_link *link = container_of(self, struct gdb_link, writer);

    for (size_t i = 0; i < length; i++) {
        char byte = text[i];
        bool special = byte == '$' || byte == '#' || byte == ESCAPE || byte == '*';

        if (link->sent_length + 2 > sizeof(link->sent))
            return;
        if (special)
            link->sent[link->sent_length++] = ESCAPE;
        link->sent[link->sent_length++] = special ? (char)(byte ^ ESCAPED_XOR) : byte;
    }
}

void gdb_link_init(struct gdb_link *link, void (*put)(void *owner, uint8_t byte), void *owner)
{
    *link = (struct gdb_link){.writer = {write_escaped}, .put = put, .owner = owner};
}

static char hex_digit(unsigned value)
{
    return "0123456789abcdef"[value & 15];
}

/* How many of the bytes behind this one are like it, as far as a count can say that: it is none of the bytes
 * that mean something outside of a packet. */
static size_t run_at(const struct gdb_link *link, size_t at)
{
    size_t more = 0;

    while (more < RUN_MOST && at + more + 1 < link->sent_length &&
           link->sent[at + more + 1] == link->sent[at])
        more++;
    while (more + RUN_BASE == '#' || more + RUN_BASE == '$' || more + RUN_BASE == '+' ||
           more + RUN_BASE == '-')
        more--;
    return more < RUN_LEAST ? 0 : more;
}

static void send_byte(struct gdb_link *link, char byte, uint8_t *sum)
{
    *sum += (uint8_t)byte;
    link->put(link->owner, (uint8_t)byte);
}

static void send(struct gdb_link *link)
{
    uint8_t sum = 0;

    link->put(link->owner, '$');
    for (size_t i = 0; i < link->sent_length; i++) {
        size_t more = run_at(link, i);

        send_byte(link, link->sent[i], &sum);
        if (!more)
            continue;
        send_byte(link, RUN, &sum);
        send_byte(link, (char)(more + RUN_BASE), &sum);
        i += more;
    }
    link->put(link->owner, '#');
    link->put(link->owner, (uint8_t)hex_digit(sum >> 4));
    link->put(link->owner, (uint8_t)hex_digit(sum));
}

void gdb_link_begin(struct gdb_link *link)
{
    link->sent_length = 0;
}

void gdb_link_end(struct gdb_link *link)
{
    link->repeats = link->quiet ? 0 : REPEATS;
    send(link);
}

void gdb_link_anew(struct gdb_link *link)
{
    if (link->quiet)
        link->put(link->owner, '+');
    link->quiet = link->agrees = false;
}

void gdb_link_be_quiet(struct gdb_link *link)
{
    link->quiet = link->agrees = true;
}

void gdb_link_over(struct gdb_link *link)
{
    link->quiet = link->agrees = false;
}

/* An acknowledgement. One that was not agreed on comes from another GDB, which begins with it. */
static void hear_plus(struct gdb_link *link)
{
    link->quiet = link->quiet && link->agrees;
    link->agrees = false;
    link->repeats = 0;
}

static void hear_minus(struct gdb_link *link)
{
    if (!link->repeats)
        return;
    link->repeats--;
    send(link);
}

static void keep(struct gdb_link *link, uint8_t byte)
{
    if (link->length == GDB_PACKET)
        link->too_long = true;
    else
        link->packet[link->length++] = (char)byte;
}

static enum gdb_heard end_of_packet(struct gdb_link *link, int low)
{
    bool good = low >= 0 && (link->stated | low) == link->sum && !link->too_long;

    link->packet[link->length] = 0;
    if (!link->quiet)
        link->put(link->owner, good ? '+' : '-');
    return good ? GDB_A_PACKET : GDB_NOTHING;
}

enum gdb_heard gdb_link_byte(struct gdb_link *link, uint8_t byte)
{
    int digit = hex_value((char)byte);

    if (byte == '$' && link->state != LINK_SUM_HIGH && link->state != LINK_SUM_LOW) {
        link->state = LINK_BODY; /* from anywhere: the other side began anew */
        link->length = link->sum = 0;
        link->too_long = false;
        return GDB_NOTHING;
    }
    switch (link->state) {
    case LINK_IDLE:
        if (byte == '+')
            hear_plus(link);
        else if (byte == '-')
            hear_minus(link);
        return byte == BREAK ? GDB_A_BREAK : GDB_NOTHING;
    case LINK_BODY:
        link->state = byte == '#' ? LINK_SUM_HIGH : byte == ESCAPE ? LINK_ESCAPED : LINK_BODY;
        link->sum += byte == '#' ? 0 : byte;
        if (link->state == LINK_BODY)
            keep(link, byte);
        return GDB_NOTHING;
    case LINK_ESCAPED:
        link->state = LINK_BODY;
        link->sum += byte;
        keep(link, byte ^ ESCAPED_XOR);
        return GDB_NOTHING;
    case LINK_SUM_HIGH:
        link->state = digit < 0 ? LINK_IDLE : LINK_SUM_LOW;
        link->stated = digit < 0 ? 0 : (uint8_t)(digit << 4);
        return GDB_NOTHING;
    default:
        link->state = LINK_IDLE;
        return end_of_packet(link, digit);
    }
}
