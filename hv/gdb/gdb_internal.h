/* What the files of the GDB server know of each other: nobody else includes this. */
#pragma once

#include "hv/gdb/gdb_server.h"

/* A byte is two digits, and an answer has to fit into half a packet. */
#define GDB_BYTES (GDB_PACKET / 4)

/* What is left of a packet. */
struct gdb_input {
    const char *at, *end;
};

/* gdb_input.c. Each takes from the packet what it names, and returns false if that is not there. */
bool gdb_next_is(struct gdb_input *in, char byte);
bool gdb_next_are(struct gdb_input *in, const char *text);
bool gdb_number(struct gdb_input *in, uint64_t *value);                    /* hexadecimal */
bool gdb_range(struct gdb_input *in, uint64_t *address, uint64_t *length); /* "address,length" */
bool gdb_thread(struct gdb_server *server, struct gdb_input *in,
                unsigned *thread); /* 0: all of them, or any */

/* Pairs of digits. Returns how many bytes there were, at most `most`. */
size_t gdb_take_bytes(struct gdb_input *in, uint8_t *bytes, size_t most);

void gdb_say(struct gdb_server *server, const char *text);
void gdb_say_error(struct gdb_server *server); /* GDB shows the number only */
void gdb_say_bytes(struct gdb_server *server, const uint8_t *bytes, size_t count);
void gdb_say_register(struct gdb_server *server, unsigned number);

/* Serves a packet and leaves the answer in the link, or says that it comes later. */
typedef void gdb_serve(struct gdb_server *server, struct gdb_input *in);

/* What follows a packet's name. */
enum gdb_behind {
    BEHIND_NOTHING,  /* the name is all of it */
    BEHIND_DIRECTLY, /* its arguments, if it has any */
    BEHIND_MARK,     /* the mark, and its arguments */
    BEHIND_EITHER,   /* nothing, or the mark and its arguments */
};

struct gdb_command {
    const char *name;
    enum gdb_behind behind;
    char mark;
    uint8_t states; /* in which it is allowed: of enum gdb_state */
    gdb_serve *serve;
};

/* gdb_commands.c. NULL: there is no such packet. */
extern const struct gdb_command gdb_commands[];
extern const unsigned gdb_command_count;
const struct gdb_command *gdb_find_command(struct gdb_input *in);

/* gdb_access.c: registers, memory, and breakpoints. */
gdb_serve gdb_read_registers, gdb_write_registers, gdb_read_register, gdb_write_register, gdb_read_memory,
    gdb_write_memory, gdb_write_binary, gdb_insert_point, gdb_remove_point;

#define GDB_SIGNAL_TRAP 5

/* gdb_run.c: what is known of the latest stop, and what the server can do, as answers; and the packets of
 * connections, running and stopping. */
void gdb_say_stop(struct gdb_server *server);
void gdb_say_supported(struct gdb_server *server);
gdb_serve gdb_answer_supported, gdb_be_quiet, gdb_why_stopped, gdb_go_all, gdb_step, gdb_go_each, gdb_detach,
    gdb_kill;

/* gdb_query.c: questions, threads, and what takes long. */
gdb_serve gdb_say_resumes, gdb_choose_thread, gdb_thread_lives, gdb_first_threads, gdb_last_threads,
    gdb_about_thread, gdb_current_thread, gdb_attached, gdb_transfer, gdb_sum_up, gdb_monitor_command;
