/* Bytes on their way to a serial port, which is slower than those who write: each with a mark of who wrote
 * it.
 */
#pragma once

#include "hv/host/serial.h"
#include "hv/lib/base.h"

struct out_queue {
    const struct serial *port;
    uint16_t *entries; /* byte, and owner << 8 */
    unsigned size, first, count;
    unsigned room; /* bytes that the transmitter takes before it must be asked again */
    bool stuck;    /* it was waited for in vain: it is not again, and bytes are lost, until it has room */
};

static inline void out_queue_add(struct out_queue *queue, uint8_t owner, uint8_t byte)
{
    queue->entries[(queue->first + queue->count++) % queue->size] = (uint16_t)(owner << 8 | byte);
}

/* Sends one byte if the port takes it now, or in any case with `wait`. Returns whose it was, or -1. */
static inline int out_queue_send(struct out_queue *queue, bool wait)
{
    uint16_t entry = queue->entries[queue->first];

    if (!queue->count)
        return -1;
    if (!queue->room)
        queue->room = serial_room(queue->port);
    if (queue->room) {
        serial_send(queue->port, (uint8_t)entry);
        queue->room--;
        queue->stuck = false;
    } else if (!wait) {
        return -1;
    } else if (!queue->stuck) {
        queue->stuck = !serial_put(queue->port, (uint8_t)entry);
    }
    queue->first = (queue->first + 1) % queue->size;
    queue->count--;
    return entry >> 8;
}

/* What an owner that leaves has in the queue becomes nobody's. */
static inline void out_queue_disown(struct out_queue *queue, uint8_t owner)
{
    for (unsigned i = 0; i < queue->count; i++) {
        uint16_t *entry = &queue->entries[(queue->first + i) % queue->size];

        if (*entry >> 8 == owner)
            *entry &= 0xff;
    }
}
