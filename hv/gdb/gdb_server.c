/* A connection: bytes become packets, each of which is served as gdb_commands.c says. */
#include "hv/gdb/gdb_internal.h"
#include "hv/lib/string.h"

/* An empty answer: the packet is not known. */
static void serve(struct gdb_server *server)
{
    struct gdb_input in = {server->link.packet, server->link.packet + server->link.length};
    const struct gdb_command *command = gdb_find_command(&in);

    server->later = false;
    gdb_link_begin(&server->link);
    if (command && command->states & server->state)
        command->serve(server, &in);
    else if (command)
        gdb_say_error(server);
    if (!server->later)
        gdb_link_end(&server->link);
}

void gdb_server_init(struct gdb_server *server, const struct gdb_target *ops, void *target,
                     void (*put)(void *owner, uint8_t byte), void *owner)
{
    memset(server, 0, sizeof(*server));
    gdb_link_init(&server->link, put, owner);
    server->ops = ops;
    server->target = target;
    server->thread = 1;
    server->state = GDB_AWAY;
    server->last = (struct gdb_stop){.kind = GDB_STOPPED, .signal = GDB_SIGNAL_TRAP, .thread = 1};
}

void gdb_server_byte(struct gdb_server *server, uint8_t byte)
{
    switch (gdb_link_byte(&server->link, byte)) {
    case GDB_A_PACKET:
        serve(server);
        break;
    case GDB_A_BREAK:
        if (server->state == GDB_RUNS)
            server->ops->interrupt(server->target);
        break;
    default:
        break;
    }
}

void gdb_server_stopped(struct gdb_server *server, const struct gdb_stop *stop)
{
    unsigned owes = server->owes;

    if (server->state == GDB_AWAY)
        return;
    server->state = stop->kind >= GDB_EXITED ? GDB_GONE : GDB_STANDS;
    server->last = *stop;
    server->thread = stop->thread ? stop->thread : 1;
    if (server->begins && server->state == GDB_STANDS)
        server->ops->attach(server->target);
    server->begins = false;
    server->owes = OWES_NOTHING;
    if (owes == OWES_NOTHING)
        return;
    gdb_link_begin(&server->link);
    if (owes == OWES_FEATURES)
        gdb_say_supported(server);
    else
        gdb_say_stop(server);
    gdb_link_end(&server->link);
}

void gdb_server_go_on(struct gdb_server *server)
{
    if (!server->piece)
        return;
    gdb_link_begin(&server->link);
    if (server->piece(server))
        server->piece = NULL;
    if (server->link.sent_length)
        gdb_link_end(&server->link);
}
