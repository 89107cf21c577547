/*
 * The frame of GDB's remote serial protocol (GDB manual, "Remote Protocol Overview"): packets with a check
 * sum over a line of bytes, acknowledged until both sides agree not to.
 */
#pragma once

#include "hv/lib/base.h"
#include "hv/lib/format.h"

#define GDB_PACKET 4096 /* bytes that a packet may have, either way */

enum gdb_heard { GDB_NOTHING, GDB_A_PACKET, GDB_A_BREAK };

struct gdb_link {
    struct writer writer; /* into the packet being made: escapes what must be */
    void (*put)(void *owner, uint8_t byte);
    void *owner;
    bool quiet; /* no acknowledgements any more: QStartNoAckMode */

    enum { LINK_IDLE, LINK_BODY, LINK_ESCAPED, LINK_SUM_HIGH, LINK_SUM_LOW } state;
    char packet[GDB_PACKET + 1]; /* what came last, without frame and escapes, and a 0 behind it */
    size_t length;
    bool too_long;
    uint8_t sum, stated;

    char sent[GDB_PACKET];
    size_t sent_length;
};

void gdb_link_init(struct gdb_link *link, void (*put)(void *owner, uint8_t byte), void *owner);

/* One byte of the line. A packet is acknowledged before this returns, and is in link->packet. */
enum gdb_heard gdb_link_byte(struct gdb_link *link, uint8_t byte);

/*
 * An answer: begin, print to link->writer, end. What does not fit is dropped: nobody may write more than
 * half of GDB_PACKET, since an escape doubles a byte.
 */
void gdb_link_begin(struct gdb_link *link);
void gdb_link_end(struct gdb_link *link);
