/* Keel's log as it is kept in memory, found in a dump by its signature. */
#pragma once

#include "hv/lib/base.h"
#include "hv/lib/format.h"

struct log_ring {
    char signature[16];
    uint64_t written; /* bytes ever; the latest lies at (written - 1) % sizeof(text) */
    char text[32768];
};

extern struct log_ring log_ring;

/* A panic: whoever may have been stopped within this code does not go on. */
void log_panic(void);

/* A panic's writer, while no other core runs; a line may be written in pieces. */
extern struct writer log_writer;

/* Where what is logged is shown besides, or NULL. */
extern void (*log_screen)(const char *text, size_t length);

/* Time on the log begins now, and the sink, the console, gets each line. */
typedef void log_sink(const char *text, size_t length);
void log_start(log_sink *sink);

/* Says all lines again, on a console that was opened late. */
void log_repeat(void);

/* From here on this_cpu() is valid. */
void log_cores_known(void);
