/*
 * The stream of a recording, as docs/replay.md explains it: what the recorder writes and the replay reads.
 *
 * Numbers are unsigned, seven bits a byte, the lowest first, bit 7 set in all but the last. A region is what
 * happens to the VM at one moment of its time: a record that begins it, what Keel was given meanwhile in the
 * order in which it asked, regions within it, and RECORD_END.
 */
#pragma once

#include "hv/lib/base.h"
#include "hv/show/state_words.h"
#include "hv/vm/irq.h"

#define RECORD_MAGIC     "KEELREC1"         /* the first bytes of a stream */
#define RECORD_SIGNATURE "KEEL-RECORDING-1" /* of a buffer in memory */

enum record_tag {
    RECORD_CREATE = 1, /* these begin a region; behind each its time, less that of the region before it */
    RECORD_START,      /* the kernel is loaded, devices and vCPU are reset */
    RECORD_EXIT,       /* words: the state at the exit */
    RECORD_RUN,        /* requests are served without an exit; words */
    RECORD_TIMER,      /* its deadline: a device's timer has fired */
    RECORD_INPUT,      /* a byte typed, and 0 */
    RECORD_READY,      /* there is room again for the serial port's output */
    RECORD_SIGNAL,     /* what the monitor does: enum board_signal, and its code */
    RECORD_END =
        10,       /* of a region: its result, words behind EXIT and RUN, and a byte that sums up all before */
    RECORD_VALUE, /* a number that Keel asked the machine for */
    RECORD_MEMORY,   /* guest memory that Keel looks at: address, length, bytes */
    RECORD_SAME,     /* likewise, and it is as it was when it was looked at last */
    RECORD_WROTE,    /* guest memory that Keel has changed since it looked at it: address, length, bytes */
    RECORD_PUT,      /* a byte that the guest sends, and whether its port can take another */
    RECORD_REQUESTS, /* the requests that are served */
    RECORD_LAST,     /* nothing follows: enum record_last, and how many exits there were */
    RECORD_TAGS,
};

enum record_last { RECORD_VM_OFF, RECORD_FULL, RECORD_DEBUGGED };

/*
 * Words are the state that is compared (enum state_word, then the vendor's), as differences to what they
 * were: how far the word is behind the last one that is told, and by how much it is larger, the sign in bit
 * 0; a 0 ends them.
 */
#define RECORD_VENDOR      STATE_WORDS
#define RECORD_WORDS       (RECORD_VENDOR + 224)

#define RECORD_NUMBER_MOST 10 /* bytes of a number */

static inline unsigned record_encode(uint8_t to[RECORD_NUMBER_MOST], uint64_t number)
{
    unsigned length = 0;

    for (; number > 0x7f; number >>= 7)
        to[length++] = (uint8_t)(number | 0x80);
    to[length++] = (uint8_t)number;
    return length;
}

static inline uint64_t record_signed(uint64_t difference)
{
    return difference << 1 ^ (uint64_t)((int64_t)difference >> 63);
}

static inline uint64_t record_difference(uint64_t number)
{
    return number >> 1 ^ -(number & 1);
}

/* What the sum of all bytes is after one more. */
static inline uint8_t record_sum(uint8_t sum, uint8_t byte)
{
    return (uint8_t)((sum << 1 | sum >> 7) + byte);
}

/* A buffer in memory: found in a dump by its signature and what the stream begins with. */
struct record_buffer {
    char signature[16];
    uint64_t size, used; /* of `bytes` */
    uint8_t bytes[];
};
