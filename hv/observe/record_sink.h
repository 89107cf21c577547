/* Where a recording goes, byte for byte: a serial port, or memory that was set aside at the start. */
#pragma once

#include "hv/life/config.h"
#include "hv/observe/record.h"

struct serial;

/* One recording at a time. */
struct record_sink {
    struct serial *port;          /* NULL: it goes to memory */
    struct record_buffer *buffer; /* or to a port */
    uint64_t left;                /* bytes that may still be written */
    uint64_t written;
    unsigned room; /* of the port */
    uint8_t sum;   /* of all bytes so far */
};
extern struct record_sink record_sink;

/* Sets memory aside for a recording of so many bytes; the first call alone counts. */
void record_reserve(uint64_t bytes);

/* A new recording begins. NULL, or why it cannot be written. */
const char *record_open_sink(const struct config_record *config);

void record_byte(uint8_t byte);
void record_number(uint64_t number);
void record_bytes(const void *bytes, uint64_t length); /* their number first */
