/* What the files of the GDB server know of each other: nobody else includes this. */
#pragma once

#include "hv/debug/gdb_server.h"

/* A byte is two digits, and an answer has to fit into half a packet. */
#define GDB_BYTES (GDB_PACKET / 4)

/* What is left of a packet. */
struct gdb_input {
    const char *at, *end;
};

/* gdb_input.c. Each takes from the packet what it names, and returns false if that is not there. */
bool gdb_next_is(struct gdb_input *in, char byte);
bool gdb_number(struct gdb_input *in, uint64_t *value);                    /* hexadecimal */
bool gdb_range(struct gdb_input *in, uint64_t *address, uint64_t *length); /* "address,length" */

/* Pairs of digits. Returns how many bytes there were, at most `most`. */
size_t gdb_take_bytes(struct gdb_input *in, uint8_t *bytes, size_t most);

void gdb_say(struct gdb_server *server, const char *text);
void gdb_say_error(struct gdb_server *server); /* GDB shows the number only */
void gdb_say_bytes(struct gdb_server *server, const uint8_t *bytes, size_t count);

/* gdb_access.c: registers, memory, and breakpoints. Each serves a packet and leaves the answer in the link.
 */
typedef void gdb_serve(struct gdb_server *server, struct gdb_input *in);
gdb_serve gdb_read_registers, gdb_write_registers, gdb_read_register, gdb_write_register, gdb_read_memory,
    gdb_write_memory, gdb_write_binary, gdb_insert_point, gdb_remove_point;
