/* Packets about registers, memory and breakpoints. */
#include "hv/gdb/gdb_internal.h"

static bool load(struct gdb_server *server)
{
    return server->ops->get(server->target, server->thread, &server->registers);
}

void gdb_read_registers(struct gdb_server *server, struct gdb_input *in)
{
    (void)in;
    if (!load(server)) {
        gdb_say_error(server);
        return;
    }
    for (unsigned i = 0; i < gdb_register_count(server->wide); i++)
        gdb_say_register(server, i);
}

void gdb_say_register(struct gdb_server *server, unsigned number)
{
    unsigned size;
    const uint8_t *bytes = gdb_register(&server->registers, server->wide, number, &size);

    gdb_say_bytes(server, bytes, size);
}

static void store(struct gdb_server *server, bool complete)
{
    bool done = complete && server->ops->set(server->target, server->thread, &server->registers);

    gdb_say(server, done ? "OK" : "E01");
}

void gdb_write_registers(struct gdb_server *server, struct gdb_input *in)
{
    bool complete = load(server);

    for (unsigned i = 0, size; complete && i < gdb_register_count(server->wide); i++) {
        uint8_t *bytes = gdb_register(&server->registers, server->wide, i, &size);

        complete = gdb_take_bytes(in, bytes, size) == size;
    }
    store(server, complete);
}

static uint8_t *one_register(struct gdb_server *server, struct gdb_input *in, unsigned *size)
{
    uint64_t which;

    if (!gdb_number(in, &which) || which > UINT8_MAX || !load(server))
        return NULL;
    return gdb_register(&server->registers, server->wide, (unsigned)which, size);
}

void gdb_read_register(struct gdb_server *server, struct gdb_input *in)
{
    unsigned size;
    const uint8_t *bytes = one_register(server, in, &size);

    if (bytes)
        gdb_say_bytes(server, bytes, size);
    else
        gdb_say_error(server);
}

void gdb_write_register(struct gdb_server *server, struct gdb_input *in)
{
    unsigned size;
    uint8_t *bytes = one_register(server, in, &size);

    store(server, bytes && gdb_next_is(in, '=') && gdb_take_bytes(in, bytes, size) == size);
}

void gdb_read_memory(struct gdb_server *server, struct gdb_input *in)
{
    uint8_t bytes[64];
    uint64_t address, length, done = 0;

    if (!gdb_range(in, &address, &length)) {
        gdb_say_error(server);
        return;
    }
    length = MIN(length, GDB_BYTES);
    while (done < length) {
        size_t want = MIN(length - done, sizeof(bytes));
        size_t got = server->ops->read(server->target, server->thread, address + done, bytes, want);

        gdb_say_bytes(server, bytes, got);
        done += got;
        if (got < want)
            break;
    }
    if (length && !done)
        gdb_say_error(server);
}

static void write_bytes(struct gdb_server *server, uint64_t address, const uint8_t *bytes, size_t length)
{
    bool done = server->ops->write(server->target, server->thread, address, bytes, length) == length;

    gdb_say(server, done ? "OK" : "E01");
}

/* M: in digits. They are decoded in place, into the packet that they came in. */
void gdb_write_memory(struct gdb_server *server, struct gdb_input *in)
{
    uint8_t *bytes = (uint8_t *)server->link.packet;
    uint64_t address, length;

    if (gdb_range(in, &address, &length) && gdb_next_is(in, ':') &&
        gdb_take_bytes(in, bytes, GDB_PACKET / 2) == length)
        write_bytes(server, address, bytes, length);
    else
        gdb_say_error(server);
}

/* X: in bytes as they are. */
void gdb_write_binary(struct gdb_server *server, struct gdb_input *in)
{
    uint64_t address, length;

    if (gdb_range(in, &address, &length) && gdb_next_is(in, ':') && (uint64_t)(in->end - in->at) == length)
        write_bytes(server, address, (const uint8_t *)in->at, length);
    else
        gdb_say_error(server);
}

static void change_point(struct gdb_server *server, struct gdb_input *in, bool insert)
{
    uint64_t kind, address, length;
    bool known = gdb_number(in, &kind) && kind < GDB_POINTS;

    if (!known || !gdb_next_is(in, ',') || !gdb_range(in, &address, &length) || length > 8)
        gdb_say(server, known ? "E01" : "");
    else if ((insert ? server->ops->insert : server->ops->remove)(
                 server->target, server->thread, (enum gdb_point)kind, address, (unsigned)length))
        gdb_say(server, "OK");
    else
        gdb_say_error(server);
}

void gdb_insert_point(struct gdb_server *server, struct gdb_input *in)
{
    change_point(server, in, true);
}

void gdb_remove_point(struct gdb_server *server, struct gdb_input *in)
{
    change_point(server, in, false);
}
