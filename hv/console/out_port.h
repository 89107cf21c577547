/*
 * Bytes on their way to a serial port, which is slower than those who speak. What waits is with the speakers,
 * each with a ring of its own; only one piece at a time is at the port, so that who is next is chosen late.
 */
#pragma once

#include "hv/host/serial.h"
#include "hv/lib/base.h"

/* A speaker's bytes, the oldest at `first`. */
struct out_ring {
    char *text;
    unsigned size, first, count;
};

static inline void out_ring_add(struct out_ring *ring, char byte)
{
    ring->text[(ring->first + ring->count++) % ring->size] = byte;
}

static inline char out_ring_take(struct out_ring *ring)
{
    char byte = ring->text[ring->first];

    ring->first = (ring->first + 1) % ring->size;
    ring->count--;
    return byte;
}

#define PIECE_MOST 256

struct out_port {
    const struct serial *serial;
    unsigned room;  /* bytes that the transmitter takes before it must be asked again */
    bool stuck;     /* it was waited for in vain: bytes are lost until it has room again */
    uint64_t moved; /* when the latest byte left, or the first one came after a rest */
    char piece[PIECE_MOST];
    unsigned first, count; /* of the piece: the next byte's place, and its length */
};

/* A port that has taken nothing for so long is stuck. */
#define STUCK_AFTER_SECONDS 5

/*
 * Sends what the port takes of its piece now; all of it with `wait`, which a stuck port holds up once, by the
 * patience of serial_put. Returns whether the piece is gone.
 */
bool out_port_send(struct out_port *port, bool wait);
