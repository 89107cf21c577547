/* The packets that connect, run, step and stop, and what is said of a stop. */
#include "hv/gdb/gdb_internal.h"
#include "hv/lib/string.h"

/* What GDB wants to know of each stop: it need not ask then. As gdb_registers.c numbers them. */
static const uint8_t told[2][3] = {{5, 4, 8}, {6, 7, 16}}; /* EBP ESP EIP, RBP RSP RIP */

static void say_registers(struct gdb_server *server, unsigned thread)
{
    if (!server->ops->get(server->target, thread, &server->registers))
        return;
    for (unsigned i = 0; i < ARRAY_LENGTH(told[0]); i++) {
        print_to(&server->link.writer, "%x:", told[server->wide][i]);
        gdb_say_register(server, told[server->wide][i]);
        gdb_say(server, ";");
    }
}

void gdb_say_stop(struct gdb_server *server)
{
    static const char *const hit[GDB_POINTS] = {"swbreak:", "hwbreak:", "watch:", "rwatch:", "awatch:"};
    const struct gdb_stop *stop = &server->last;
    struct writer *out = &server->link.writer;

    if (stop->kind >= GDB_EXITED) {
        print_to(out, "%c%02x", stop->kind == GDB_EXITED ? 'W' : 'X', stop->signal);
        return;
    }
    print_to(out, "T%02xthread:%x;", stop->kind == GDB_HIT ? GDB_SIGNAL_TRAP : stop->signal, stop->thread);
    if (stop->kind == GDB_HIT) {
        gdb_say(server, hit[stop->point]);
        if (stop->point >= GDB_WATCH_WRITE)
            print_to(out, "%lx", stop->address);
        gdb_say(server, ";");
    }
    say_registers(server, stop->thread);
}

void gdb_say_supported(struct gdb_server *server)
{
    server->wide = server->ops->wide(server->target);
    print_to(&server->link.writer,
             "PacketSize=%x;QStartNoAckMode+;qXfer:features:read+;vContSupported+;swbreak+;hwbreak+",
             GDB_PACKET / 2);
}

/* Nothing is answered now: the stop is the answer. */
static void resume(struct gdb_server *server, const uint8_t *what)
{
    if (server->state == GDB_GONE) {
        gdb_say_stop(server);
        return;
    }
    server->state = GDB_RUNS;
    server->owes = OWES_STOP;
    server->later = true;
    server->ops->resume(server->target, what);
}

static void resume_all(struct gdb_server *server, enum gdb_resume how)
{
    uint8_t what[GDB_THREADS];

    memset(what, GDB_CONTINUE, sizeof(what));
    what[server->thread - 1] = (uint8_t)how;
    resume(server, what);
}

/* "c" and "s", with or without an address or a signal, which a machine does not take. */
void gdb_go_all(struct gdb_server *server, struct gdb_input *in)
{
    (void)in;
    resume_all(server, GDB_CONTINUE);
}

void gdb_step(struct gdb_server *server, struct gdb_input *in)
{
    (void)in;
    resume_all(server, GDB_STEP);
}

/* One action of vCont, with the mark before it taken: what it is, and for which thread, 0 for all. */
static bool take_action(struct gdb_server *server, struct gdb_input *in, bool *steps, unsigned *thread)
{
    *steps = gdb_next_is(in, 's') || gdb_next_is(in, 'S');
    *thread = 0;
    if (!*steps && !gdb_next_is(in, 'c') && !gdb_next_is(in, 'C'))
        return false;
    while (in->at < in->end && *in->at != ':' && *in->at != ';')
        in->at++;
    return !gdb_next_is(in, ':') || gdb_thread(server, in, thread);
}

/* vCont: for each thread the leftmost action that names it counts. */
void gdb_go_each(struct gdb_server *server, struct gdb_input *in)
{
    uint8_t what[GDB_THREADS];
    bool said[GDB_THREADS] = {false};

    memset(what, GDB_STAY, sizeof(what));
    do {
        unsigned thread;
        bool steps;

        if (!take_action(server, in, &steps, &thread)) {
            gdb_say_error(server);
            return;
        }
        for (unsigned i = thread ? thread - 1 : 0; i < (thread ? thread : GDB_THREADS); i++)
            if (!said[i]) {
                said[i] = true;
                what[i] = steps ? GDB_STEP : GDB_CONTINUE;
            }
    } while (gdb_next_is(in, ';'));
    resume(server, what);
}

/*
 * The first packet of a connection: whatever the one before it has left is forgotten. The target is stopped,
 * if it runs, and the stop is the answer: only then can it be said what the target is.
 */
static void begin(struct gdb_server *server, unsigned owes)
{
    gdb_link_anew(&server->link);
    server->begins = true;
    server->owes = owes;
    server->later = true;
    server->state = GDB_RUNS;
    server->ops->interrupt(server->target);
}

void gdb_answer_supported(struct gdb_server *server, struct gdb_input *in)
{
    (void)in;
    begin(server, OWES_FEATURES);
}

/* GDB asks as it connects. */
void gdb_why_stopped(struct gdb_server *server, struct gdb_input *in)
{
    (void)in;
    if (server->state & (GDB_STANDS | GDB_GONE))
        gdb_say_stop(server);
    else
        begin(server, OWES_STOP);
}

void gdb_be_quiet(struct gdb_server *server, struct gdb_input *in)
{
    (void)in;
    gdb_link_be_quiet(&server->link);
    gdb_say(server, "OK");
}

void gdb_server_leave(struct gdb_server *server)
{
    server->state = GDB_AWAY;
    server->owes = OWES_NOTHING;
    server->begins = false;
}

static void let_go(struct gdb_server *server, bool kill)
{
    gdb_server_leave(server);
    server->ops->detach(server->target, kill);
    gdb_link_over(&server->link);
    gdb_say(server, "OK");
}

void gdb_detach(struct gdb_server *server, struct gdb_input *in)
{
    (void)in;
    let_go(server, false);
}

void gdb_kill(struct gdb_server *server, struct gdb_input *in)
{
    (void)in;
    let_go(server, true);
}
