/* GDB's remote protocol against a target of arrays: what is sent to the server, and what it says. */
#pragma once

#include "tests/unit/fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hv/gdb/gdb_internal.h"

static struct gdb_server server;
static char line[65536]; /* what the server has sent */
static size_t line_length;
static uint8_t memory[256];
static struct gdb_registers registers[4];
static uint8_t resumed[GDB_THREADS];
static unsigned attaches, resumes, interrupts, detaches, kills;
static char points[8][40];
static unsigned point_count;
static unsigned accesses; /* of memory */
static bool is_wide, is_full;

static void put(void *owner, uint8_t byte)
{
    (void)owner;
    line[line_length++] = (char)byte;
    line[line_length] = 0;
}

static void attach(void *target)
{
    (void)target;
    attaches++;
}

static bool wide(void *target)
{
    (void)target;
    return is_wide;
}

static unsigned threads(void *target)
{
    (void)target;
    return 4;
}

static void describe(void *target, unsigned thread, struct writer *out)
{
    (void)target;
    print_to(out, "cpu %u", thread);
}

static bool get(void *target, unsigned thread, struct gdb_registers *out)
{
    (void)target;
    *out = registers[thread - 1];
    return true;
}

static bool set(void *target, unsigned thread, const struct gdb_registers *in)
{
    (void)target;
    registers[thread - 1] = *in;
    return true;
}

static size_t reachable(uint64_t address, size_t count)
{
    return address >= sizeof(memory) ? 0 : MIN(count, sizeof(memory) - address);
}

static size_t read_memory(void *target, unsigned thread, uint64_t address, uint8_t *bytes, size_t count)
{
    (void)target;
    (void)thread;
    accesses++;
    count = reachable(address, count);
    memcpy(bytes, memory + (count ? address : 0), count);
    return count;
}

static size_t write_memory(void *target, unsigned thread, uint64_t address, const uint8_t *bytes,
                           size_t count)
{
    (void)target;
    (void)thread;
    accesses++;
    count = reachable(address, count);
    memcpy(memory + (count ? address : 0), bytes, count);
    return count;
}

static bool insert(void *target, unsigned thread, enum gdb_point point, uint64_t address, unsigned length)
{
    (void)target;
    (void)thread;
    snprintf(points[point_count++], sizeof(points[0]), "+%u %lx %u", point, address, length);
    return !is_full;
}

static bool take_out(void *target, unsigned thread, enum gdb_point point, uint64_t address, unsigned length)
{
    (void)target;
    (void)thread;
    snprintf(points[point_count++], sizeof(points[0]), "-%u %lx %u", point, address, length);
    return true;
}

static void resume(void *target, const uint8_t *what)
{
    (void)target;
    resumes++;
    memcpy(resumed, what, sizeof(resumed));
}

static void interrupt(void *target)
{
    (void)target;
    interrupts++;
}

static void detach(void *target, bool kill)
{
    (void)target;
    detaches++;
    kills += kill;
}

static void command(void *target, const char *text, struct writer *out)
{
    (void)target;
    print_to(out, "you said %s", text);
    for (unsigned i = 0; i < 3000 && strcmp(text, "much") == 0; i++)
        print_to(out, "x");
}

static const struct gdb_target ops = {
    .attach = attach,
    .wide = wide,
    .threads = threads,
    .describe = describe,
    .get = get,
    .set = set,
    .read = read_memory,
    .write = write_memory,
    .insert = insert,
    .remove = take_out,
    .resume = resume,
    .interrupt = interrupt,
    .detach = detach,
    .command = command,
};

static void clear_line(void)
{
    line_length = 0;
    line[0] = 0;
}

static void stop_with(struct gdb_stop stop)
{
    gdb_server_stopped(&server, &stop);
}

static void send_bytes(const char *packet, size_t length);

static int begin(void **state)
{
    (void)state;
    memset(memory, 0, sizeof(memory));
    memset(registers, 0, sizeof(registers));
    attaches = resumes = interrupts = detaches = kills = point_count = 0;
    is_wide = true;
    is_full = false;
    gdb_server_init(&server, &ops, NULL, put, NULL);
    return 0;
}

/* GDB connects, and the target comes to stand still. */
static void reconnect(void)
{
    send_bytes("qSupported", 10);
    stop_with((struct gdb_stop){GDB_STOPPED, 5, 1, GDB_SOFTWARE, 0});
}

static inline int connect(void **state)
{
    begin(state);
    reconnect();
    attaches = interrupts = 0;
    clear_line();
    return 0;
}

static void type(const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        gdb_server_byte(&server, (uint8_t)bytes[i]);
}

static void send_bytes(const char *packet, size_t length)
{
    char end[4];
    uint8_t sum = 0;

    for (size_t i = 0; i < length; i++)
        sum += (uint8_t)packet[i];
    snprintf(end, sizeof(end), "#%02x", sum);
    clear_line();
    type("$", 1);
    type(packet, length);
    type(end, 3);
    while (gdb_server_busy(&server))
        gdb_server_go_on(&server);
}

/* Takes a packet apart that begins at `from`: what is in it, with its runs spelled out, and what is behind
 * it.
 */
static const char *unpack(const char *from, char *text)
{
    unsigned stated;
    uint8_t sum = 0;

    assert_int_equal(*from++, '$');
    for (; *from != '#'; from++) {
        assert_true(*from);
        sum += (uint8_t)*from;
        if (*from != '*') {
            *text++ = *from;
            continue;
        }
        sum += (uint8_t) * ++from;
        assert_in_range(*from, 32, 126);
        for (int more = *from - 29; more > 0; more--, text++)
            text[0] = text[-1];
    }
    *text = 0;
    assert_int_equal(sscanf(from, "#%2x", &stated), 1);
    assert_int_equal(sum, stated);
    return from + 3;
}

/* What the line has, without "+" and frame; NULL: nothing. It is one packet, behind those with text to show.
 */
static const char *said(void)
{
    static char answer[65536];
    const char *from = line + (line[0] == '+');

    if (!*from)
        return NULL;
    do
        from = unpack(from, answer);
    while (answer[0] == 'O' && answer[1] != 'K');
    assert_string_equal(from, "");
    return answer;
}

/* What the server answers. */
static inline const char *ask(const char *packet)
{
    bool quiet = server.link.quiet;

    send_bytes(packet, strlen(packet));
    if (!quiet)
        assert_int_equal(line[0], '+');
    return said();
}

static inline void begins(const char *text, const char *with)
{
    assert_non_null(text);
    assert_memory_equal(text, with, strlen(with));
}
