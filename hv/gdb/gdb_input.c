/* The words of a packet taken apart, and those of an answer. */
#include "hv/gdb/gdb_internal.h"
#include "hv/lib/number.h"
#include "hv/lib/string.h"

void gdb_say(struct gdb_server *server, const char *text)
{
    print_to(&server->link.writer, "%s", text);
}

void gdb_say_error(struct gdb_server *server)
{
    gdb_say(server, "E01");
}

void gdb_say_bytes(struct gdb_server *server, const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        print_to(&server->link.writer, "%02x", bytes[i]);
}

bool gdb_next_is(struct gdb_input *in, char byte)
{
    if (in->at == in->end || *in->at != byte)
        return false;
    in->at++;
    return true;
}

bool gdb_next_are(struct gdb_input *in, const char *text)
{
    size_t length = strlen(text);

    if ((size_t)(in->end - in->at) < length || memcmp(in->at, text, length) != 0)
        return false;
    in->at += length;
    return true;
}

bool gdb_number(struct gdb_input *in, uint64_t *value)
{
    const char *begin = in->at;

    for (*value = 0; in->at < in->end && hex_value(*in->at) >= 0; in->at++)
        *value = *value << 4 | (unsigned)hex_value(*in->at);
    return in->at > begin;
}

bool gdb_range(struct gdb_input *in, uint64_t *address, uint64_t *length)
{
    return gdb_number(in, address) && gdb_next_is(in, ',') && gdb_number(in, length);
}

size_t gdb_take_bytes(struct gdb_input *in, uint8_t *bytes, size_t most)
{
    size_t count = 0;

    while (count < most && in->end - in->at >= 2 && hex_value(in->at[0]) >= 0 && hex_value(in->at[1]) >= 0) {
        bytes[count++] = (uint8_t)(hex_value(in->at[0]) << 4 | hex_value(in->at[1]));
        in->at += 2;
    }
    return count;
}

/* -1 is all threads and 0 any. false: there is no such thread. */
bool gdb_thread(struct gdb_server *server, struct gdb_input *in, unsigned *thread)
{
    uint64_t value;

    *thread = 0;
    if (gdb_next_is(in, '-'))
        return gdb_next_is(in, '1');
    if (!gdb_number(in, &value) || value > server->ops->threads(server->target))
        return false;
    *thread = (unsigned)value;
    return true;
}
