/* Questions about threads and about the target, and answers that are made piece by piece. */
#include "hv/gdb/gdb_internal.h"
#include "hv/lib/string.h"

#define SUMMED_AT_ONCE KIB(4) /* bytes: some microseconds */
#define POLYNOMIAL     0x04c11db7

void gdb_say_resumes(struct gdb_server *server, struct gdb_input *in)
{
    (void)in;
    gdb_say(server, "vCont;c;C;s;S");
}

void gdb_choose_thread(struct gdb_server *server, struct gdb_input *in)
{
    bool for_resume = gdb_next_is(in, 'c');
    unsigned thread;

    if ((!for_resume && !gdb_next_is(in, 'g')) || !gdb_thread(server, in, &thread)) {
        gdb_say_error(server);
        return;
    }
    if (thread)
        server->thread = thread;
    gdb_say(server, "OK");
}

void gdb_thread_lives(struct gdb_server *server, struct gdb_input *in)
{
    unsigned thread;

    gdb_say(server, gdb_thread(server, in, &thread) && thread ? "OK" : "E01");
}

void gdb_first_threads(struct gdb_server *server, struct gdb_input *in)
{
    (void)in;
    for (unsigned i = 1; i <= server->ops->threads(server->target); i++)
        print_to(&server->link.writer, "%c%x", i == 1 ? 'm' : ',', i);
}

void gdb_last_threads(struct gdb_server *server, struct gdb_input *in)
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

void gdb_about_thread(struct gdb_server *server, struct gdb_input *in)
{
    struct digits digits = {{write_digits}, server, GDB_BYTES};
    unsigned thread;

    if (gdb_thread(server, in, &thread) && thread)
        server->ops->describe(server->target, thread, &digits.writer);
    else
        gdb_say_error(server);
}

void gdb_current_thread(struct gdb_server *server, struct gdb_input *in)
{
    (void)in;
    print_to(&server->link.writer, "QC%x", server->thread);
}

void gdb_attached(struct gdb_server *server, struct gdb_input *in)
{
    (void)in;
    gdb_say(server, "1");
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

/* qXfer:OBJECT:read:ANNEX:OFFSET,LENGTH. An object that is not known is a packet that is not. */
void gdb_transfer(struct gdb_server *server, struct gdb_input *in)
{
    struct window window = {.writer = {write_window}, .out = &server->link.writer};
    struct window measure = {.writer = {write_window}, .out = &server->link.writer};

    if (!gdb_next_are(in, "features:read:"))
        return;
    if (!gdb_next_are(in, "target.xml:") || !gdb_range(in, &window.first, &window.length)) {
        gdb_say_error(server);
        return;
    }
    window.length = MIN(window.length, GDB_BYTES);
    gdb_describe_registers(&measure.writer, server->wide);
    window.first = MIN(window.first, measure.at);
    gdb_say(server, window.first + window.length < measure.at ? "m" : "l");
    gdb_describe_registers(&window.writer, server->wide);
}

/* The CRC of GDB's own, without a last inversion (GDB manual, "General Query Packets": qCRC). */
static uint32_t add_to_sum(uint32_t sum, const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sum ^= (uint32_t)bytes[i] << 24;
        for (unsigned bit = 0; bit < 8; bit++)
            sum = sum << 1 ^ (sum >> 31 ? POLYNOMIAL : 0);
    }
    return sum;
}

static bool sum_up_piece(struct gdb_server *server)
{
    uint64_t end = server->address + MIN(server->left, SUMMED_AT_ONCE);
    uint8_t bytes[256];

    while (server->address != end) {
        size_t count = MIN(end - server->address, sizeof(bytes));

        if (server->ops->read(server->target, server->thread, server->address, bytes, count) != count) {
            gdb_say_error(server);
            return true;
        }
        server->sum = add_to_sum(server->sum, bytes, count);
        server->address += count;
        server->left -= count;
    }
    if (!server->left)
        print_to(&server->link.writer, "C%x", server->sum);
    return !server->left;
}

/* qCRC:ADDRESS,LENGTH: what `compare-sections` asks. */
void gdb_sum_up(struct gdb_server *server, struct gdb_input *in)
{
    if (!gdb_range(in, &server->address, &server->left)) {
        gdb_say_error(server);
        return;
    }
    server->sum = UINT32_MAX;
    server->piece = sum_up_piece;
    server->later = true;
}

/* What a command has left goes out in packets begun with O, before the one that ends it. */
static bool say_piece(struct gdb_server *server)
{
    size_t length = MIN(server->output.length - server->said, GDB_BYTES / 2);

    gdb_say(server, length ? "O" : "OK");
    gdb_say_bytes(server, (const uint8_t *)server->text + server->said, length);
    server->said += length;
    return !length;
}

void gdb_monitor_command(struct gdb_server *server, struct gdb_input *in)
{
    static const char cut[] = "\n(cut here: Keel's monitor at the console says all of it)\n";
    uint8_t line[256];
    size_t length = gdb_take_bytes(in, line, sizeof(line) - 1);

    line[length] = 0;
    text_buffer_init(&server->output, server->text, GDB_OUTPUT);
    server->said = 0;
    server->piece = say_piece;
    server->later = true;
    server->ops->command(server->target, (const char *)line, &server->output.writer);
    if (server->output.length == GDB_OUTPUT - 1)
        memcpy(server->text + GDB_OUTPUT - sizeof(cut), cut, sizeof(cut));
}
