/*
 * The frame of GDB's remote serial protocol (GDB manual, "Remote Protocol Overview"): packets with a check
 * sum over a line of bytes, acknowledged until both sides agree not to.
 */
#pragma once

#include "hv/lib/base.h"
#include "hv/lib/format.h"

#define GDB_PACKET    4096 /* bytes that a packet may have, either way */

/* What one byte of the line can bring about is no more: an acknowledgement, and a packet with its frame. */
#define GDB_LINK_ROOM (GDB_PACKET + 8)

enum gdb_heard { GDB_NOTHING, GDB_A_PACKET, GDB_A_BREAK };

struct gdb_link {
    struct writer writer; /* into the packet being made: escapes what must be */
    void (*put)(void *owner, uint8_t byte);
    void *owner;
    bool quiet;  /* no acknowledgements any more: QStartNoAckMode */
    bool agrees; /* and the one that this was agreed on with is still to come */

    enum { LINK_IDLE, LINK_BODY, LINK_ESCAPED, LINK_SUM_HIGH, LINK_SUM_LOW } state;
    char packet[GDB_PACKET + 1]; /* what came last, without frame and escapes, and a 0 behind it */
    size_t length;
    bool too_long;
    uint8_t sum, stated;

    char sent[GDB_PACKET];
    size_t sent_length;
    unsigned repeats; /* how often it may still be asked for again */
};

void gdb_link_init(struct gdb_link *link, void (*put)(void *owner, uint8_t byte), void *owner);

/* One byte of the line. A packet is acknowledged before this returns, and is in link->packet. */
enum gdb_heard gdb_link_byte(struct gdb_link *link, uint8_t byte);

/* The packet that has just come is the first of a new connection, which knows of no agreement. */
void gdb_link_anew(struct gdb_link *link);

/* Both sides have agreed to acknowledge nothing from the next answer on; and the connection is over. */
void gdb_link_be_quiet(struct gdb_link *link);
void gdb_link_over(struct gdb_link *link);

/*
 * An answer: begin, print to link->writer, end. What does not fit is dropped: nobody may write more than
 * half of GDB_PACKET, since an escape doubles a byte. Bytes that repeat go out as one and their count (GDB
 * manual, "Overview": run-length encoding): a vector register of zeroes costs 3 bytes, not 32.
 */
void gdb_link_begin(struct gdb_link *link);
void gdb_link_end(struct gdb_link *link);
