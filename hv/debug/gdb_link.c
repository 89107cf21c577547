#include "hv/debug/gdb_link.h"

#include "hv/lib/number.h"

#define BREAK       0x03
#define ESCAPE      '}'
#define ESCAPED_XOR 0x20

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

static void send(struct gdb_link *link)
{
    uint8_t sum = 0;

    link->put(link->owner, '$');
    for (size_t i = 0; i < link->sent_length; i++) {
        sum += (uint8_t)link->sent[i];
        link->put(link->owner, (uint8_t)link->sent[i]);
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
        if (byte == '-' && link->sent_length && !link->quiet)
            send(link);
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
