/* Packets about threads, about running and stopping, and about the server itself. */
#include "hv/debug/gdb_internal.h"

#include "hv/lib/string.h"

#define SIGNAL_TRAP 5
/* A thread's number: -1 is all of them and 0 any; both become 0. false: there is no such thread. */
static bool take_thread(struct gdb_server *server, struct gdb_input *in, unsigned *thread)
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

static void say_stop(struct gdb_server *server)
{
    static const char *const hit[GDB_POINTS] = {"swbreak:", "hwbreak:", "watch:", "rwatch:", "awatch:"};
    const struct gdb_stop *stop = &server->last;
    struct writer *out = &server->link.writer;

    if (stop->kind == GDB_ENDED) {
        print_to(out, "W%02x", stop->signal);
        return;
    }
    print_to(out, "T%02xthread:%x;", stop->kind == GDB_HIT ? SIGNAL_TRAP : stop->signal, stop->thread);
    if (stop->kind != GDB_HIT)
        return;
    gdb_say(server, hit[stop->point]);
    if (stop->point >= GDB_WATCH_WRITE)
        print_to(out, "%lx", stop->address);
    gdb_say(server, ";");
}

/* Nothing is answered now: the stop is the answer. */
static void resume(struct gdb_server *server, const uint8_t *what)
{
    server->running = server->waiting = true;
    server->ops->resume(server->target, what);
}

/* "c" and "s", with or without an address or a signal, which a machine does not take. */
static void resume_all(struct gdb_server *server, enum gdb_resume how)
{
    uint8_t what[GDB_THREADS];

    memset(what, GDB_CONTINUE, sizeof(what));
    what[server->thread - 1] = (uint8_t)how;
    resume(server, what);
}

static void go_on(struct gdb_server *server, struct gdb_input *in)
{
    (void)in;
    resume_all(server, GDB_CONTINUE);
}

static void step(struct gdb_server *server, struct gdb_input *in)
{
    (void)in;
    resume_all(server, GDB_STEP);
}

/* vCont: for each thread the leftmost action that names it counts. */
static void resume_each(struct gdb_server *server, struct gdb_input *in)
{
    uint8_t what[GDB_THREADS];
    bool said[GDB_THREADS] = {false};

    memset(what, GDB_STAY, sizeof(what));
    while (gdb_next_is(in, ';')) {
        bool steps = gdb_next_is(in, 's') || gdb_next_is(in, 'S');
        unsigned thread = 0;

        if (!steps && !gdb_next_is(in, 'c') && !gdb_next_is(in, 'C')) {
            gdb_say_error(server);
            return;
        }
        while (in->at < in->end && *in->at != ':' && *in->at != ';')
            in->at++;
        if (gdb_next_is(in, ':') && !take_thread(server, in, &thread)) {
            gdb_say_error(server);
            return;
        }
        for (unsigned i = thread ? thread - 1 : 0; i < (thread ? thread : GDB_THREADS); i++)
            if (!said[i]) {
                said[i] = true;
                what[i] = steps ? GDB_STEP : GDB_CONTINUE;
            }
    }
    resume(server, what);
}

static void say_resumes(struct gdb_server *server, struct gdb_input *in)
{
    (void)in;
    gdb_say(server, "vCont;c;C;s;S");
}

static void choose_thread(struct gdb_server *server, struct gdb_input *in)
{
    bool for_resume = gdb_next_is(in, 'c');
    unsigned thread;

    if ((!for_resume && !gdb_next_is(in, 'g')) || !take_thread(server, in, &thread)) {
        gdb_say_error(server);
        return;
    }
    if (thread)
        server->thread = thread;
    gdb_say(server, "OK");
}

static void thread_lives(struct gdb_server *server, struct gdb_input *in)
{
    unsigned thread;

    gdb_say(server, take_thread(server, in, &thread) && thread ? "OK" : "E01");
}

/* GDB asks as it connects: a target that runs is stopped, and the stop is the answer. */
static void why_stopped(struct gdb_server *server, struct gdb_input *in)
{
    (void)in;
    if (!server->running) {
        say_stop(server);
        return;
    }
    server->waiting = true;
    server->ops->interrupt(server->target);
}

static void detach(struct gdb_server *server, struct gdb_input *in)
{
    (void)in;
    server->ops->detach(server->target, false);
    server->running = true;
    server->waiting = false;
    gdb_say(server, "OK");
}

static void kill_target(struct gdb_server *server, struct gdb_input *in)
{
    (void)in;
    server->ops->detach(server->target, true);
    server->running = true;
    server->waiting = false;
    gdb_say(server, "OK");
}

static void say_supported(struct gdb_server *server)
{
    server->wide = server->ops->wide(server->target);
    print_to(&server->link.writer,
             "PacketSize=%x;QStartNoAckMode+;qXfer:features:read+;vContSupported+;swbreak+;hwbreak+",
             GDB_PACKET / 2);
}

/* The first packet of a connection. A target that runs is stopped: only then can it be said what it is. */
static void answer_supported(struct gdb_server *server, struct gdb_input *in)
{
    (void)in;
    if (!server->running) {
        say_supported(server);
        return;
    }
    server->introduces = true;
    server->ops->interrupt(server->target);
}

static void be_quiet(struct gdb_server *server, struct gdb_input *in)
{
    (void)in;
    server->link.quiet = true;
    gdb_say(server, "OK");
}

/* A part of a text: the rest is counted and dropped. */
struct window {
    struct writer writer;
    struct writer *out;
    uint64_t first, length, at;
};

static void write_window(struct writer *self, const char *text, size_t length)
{
    struct window *window = container_of(self, struct window, writer);
    uint64_t begin = MAX(window->at, window->first),
             end = MIN(window->at + length, window->first + window->length);

    if (begin < end)
        window->out->write(window->out, text + (begin - window->at), end - begin);
    window->at += length;
}

static void describe_target(struct gdb_server *server, struct gdb_input *in)
{
    struct window window = {.writer = {write_window}, .out = &server->link.writer};
    struct window measure = {.writer = {write_window}, .out = &server->link.writer};

    if (!gdb_range(in, &window.first, &window.length)) {
        gdb_say_error(server);
        return;
    }
    window.length = MIN(window.length, GDB_BYTES);
    gdb_describe_registers(&measure.writer, server->wide);
    gdb_say(server, window.first + window.length < measure.at ? "m" : "l");
    gdb_describe_registers(&window.writer, server->wide);
}

static void first_threads(struct gdb_server *server, struct gdb_input *in)
{
    (void)in;
    for (unsigned i = 1; i <= server->ops->threads(server->target); i++)
        print_to(&server->link.writer, "%c%x", i == 1 ? 'm' : ',', i);
}

static void last_threads(struct gdb_server *server, struct gdb_input *in)
{
    (void)in;
    gdb_say(server, "l");
}

/* Text for GDB to show is sent in digits. */
struct digits {
    struct writer writer;
    struct gdb_server *server;
    size_t room;
};

static void write_digits(struct writer *self, const char *text, size_t length)
{
    struct digits *digits = container_of(self, struct digits, writer);

    length = MIN(length, digits->room);
    digits->room -= length;
    gdb_say_bytes(digits->server, (const uint8_t *)text, length);
}

static void about_thread(struct gdb_server *server, struct gdb_input *in)
{
    struct digits digits = {{write_digits}, server, GDB_BYTES};
    unsigned thread;

    if (take_thread(server, in, &thread) && thread)
        server->ops->describe(server->target, thread, &digits.writer);
    else
        gdb_say_error(server);
}

static void current_thread(struct gdb_server *server, struct gdb_input *in)
{
    (void)in;
    print_to(&server->link.writer, "QC%x", server->thread);
}

static void attached(struct gdb_server *server, struct gdb_input *in)
{
    (void)in;
    gdb_say(server, "1");
}

/* A long answer goes out in packets of its own, begun with O, before the one that ends it. */
struct console {
    struct writer writer;
    struct gdb_server *server;
    size_t used;
};

static void flush_console(struct console *console)
{
    if (console->used)
        gdb_link_end(&console->server->link);
    console->used = 0;
    gdb_link_begin(&console->server->link);
}

static void write_console(struct writer *self, const char *text, size_t length)
{
    struct console *console = container_of(self, struct console, writer);

    for (size_t i = 0; i < length; i++) {
        if (console->used == GDB_BYTES / 2)
            flush_console(console);
        if (!console->used)
            gdb_say(console->server, "O");
        gdb_say_bytes(console->server, (const uint8_t *)text + i, 1);
        console->used++;
    }
}

static void monitor(struct gdb_server *server, struct gdb_input *in)
{
    struct console console = {{write_console}, server, 0};
    uint8_t line[256];
    size_t length = gdb_take_bytes(in, line, sizeof(line) - 1);

    line[length] = 0;
    server->ops->command(server->target, (const char *)line, &console.writer);
    flush_console(&console);
    gdb_say(server, "OK");
}

/* The first row whose text the packet begins with counts: longer texts before their beginnings. */
static const struct command {
    const char *text;
    void (*run)(struct gdb_server *server, struct gdb_input *in);
    bool silent; /* answers by itself, or later */
} commands[] = {
    {"qSupported", answer_supported, true},
    {"QStartNoAckMode", be_quiet, false},
    {"qXfer:features:read:target.xml:", describe_target, false},
    {"qfThreadInfo", first_threads, false},
    {"qsThreadInfo", last_threads, false},
    {"qThreadExtraInfo,", about_thread, false},
    {"qC", current_thread, false},
    {"qAttached", attached, false},
    {"qRcmd,", monitor, false},
    {"vCont?", say_resumes, false},
    {"vCont", resume_each, true},
    {"vKill", kill_target, false},
    {"?", why_stopped, true},
    {"g", gdb_read_registers, false},
    {"G", gdb_write_registers, false},
    {"p", gdb_read_register, false},
    {"P", gdb_write_register, false},
    {"m", gdb_read_memory, false},
    {"M", gdb_write_memory, false},
    {"X", gdb_write_binary, false},
    {"Z", gdb_insert_point, false},
    {"z", gdb_remove_point, false},
    {"c", go_on, true},
    {"C", go_on, true},
    {"s", step, true},
    {"S", step, true},
    {"H", choose_thread, false},
    {"T", thread_lives, false},
    {"D", detach, false},
    {"k", kill_target, false},
};

static bool begins_with(const char *text, size_t length, const char *beginning)
{
    size_t wanted = strlen(beginning);

    return length >= wanted && memcmp(text, beginning, wanted) == 0;
}

static void serve(struct gdb_server *server)
{
    const char *packet = server->link.packet;
    size_t length = server->link.length;
    const struct command *command = NULL;

    for (unsigned i = 0; i < ARRAY_LENGTH(commands) && !command; i++)
        if (begins_with(packet, length, commands[i].text))
            command = &commands[i];
    gdb_link_begin(&server->link);
    if (command)
        command->run(server, &(struct gdb_input){packet + strlen(command->text), packet + length});
    if (!command || !command->silent || server->link.sent_length)
        gdb_link_end(&server->link); /* an empty answer: not known */
}

void gdb_server_init(struct gdb_server *server, const struct gdb_target *ops, void *target,
                     void (*put)(void *owner, uint8_t byte), void *owner)
{
    memset(server, 0, sizeof(*server));
    gdb_link_init(&server->link, put, owner);
    server->ops = ops;
    server->target = target;
    server->thread = 1;
    server->running = true;
    server->last = (struct gdb_stop){.kind = GDB_STOPPED, .signal = SIGNAL_TRAP, .thread = 1};
}

void gdb_server_byte(struct gdb_server *server, uint8_t byte)
{
    switch (gdb_link_byte(&server->link, byte)) {
    case GDB_A_PACKET:
        serve(server);
        break;
    case GDB_A_BREAK:
        if (server->running)
            server->ops->interrupt(server->target);
        break;
    default:
        break;
    }
}

void gdb_server_stopped(struct gdb_server *server, const struct gdb_stop *stop)
{
    server->running = false;
    server->last = *stop;
    if (stop->thread)
        server->thread = stop->thread;
    if (!server->waiting && !server->introduces)
        return;
    gdb_link_begin(&server->link);
    if (server->introduces)
        say_supported(server);
    else
        say_stop(server);
    server->waiting = server->introduces = false;
    gdb_link_end(&server->link);
}
