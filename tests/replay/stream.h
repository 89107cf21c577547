/* Reads a recording: its header, and one record after another, each checked before it is believed. */
#pragma once

#include "hv/cpu/cpuid.h"
#include "hv/observe/record_format.h"

#define STREAM_DEPTH 8

struct stream {
    const uint8_t *bytes;
    size_t size, at;
    uint8_t sum;
    uint64_t time;
    unsigned depth;
    uint8_t tags[STREAM_DEPTH]; /* of the regions that are open */
    uint64_t exits;             /* begun so far */
    unsigned word_count;
    char error[160]; /* what is wrong at `at`; "" as long as nothing is */
    bool ended;      /* RECORD_LAST was read */
    bool cut;        /* the bytes ended too early */
};

struct header {
    char vendor[16], name[64];
    uint64_t clock_hz;
    struct cpuid_limits limits;
    uint64_t memory;
    bool testdev, serial;
    const uint8_t *constants[2];
    uint64_t constant_sizes[2];
    unsigned count; /* of the vendor's words */
    uint16_t numbers[RECORD_WORDS - RECORD_VENDOR];
};

struct record {
    enum record_tag tag;
    uint64_t time; /* of a region's begin */
    uint64_t value, value2;
    const uint8_t *bytes; /* of memory; of words, encoded */
    uint64_t length;
    enum record_tag region; /* RECORD_END: of this */
};

/* false: it is no recording, or of another version; `error` says what was found. */
bool stream_open(struct stream *stream, const uint8_t *bytes, size_t size, struct header *header);

/* false: there is none; `error`, `ended` or `cut` says why. */
bool stream_next(struct stream *stream, struct record *record);

/* The next of the words of a record: its number, counted from 1, in *word, and how much it has grown. Both
 * `at` and *word begin at 0. */
bool stream_word(const struct record *record, size_t *at, unsigned *word, uint64_t *difference);

/* A record in words. */
const char *stream_tag_name(enum record_tag tag);
