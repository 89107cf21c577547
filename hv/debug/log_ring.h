/* Keel's log as it is kept in memory, found in a dump by its signature. */
#pragma once

#include "hv/lib/base.h"

struct log_ring {
    char signature[16];
    uint64_t written; /* bytes ever; the latest lies at (written - 1) % sizeof(text) */
    char text[32768];
};

extern struct log_ring log_ring;

/* Time on the log begins now. */
void log_start(void);

/* Says all lines again, on a console that was opened late. */
void log_repeat(void);

/* From here on this_cpu() is valid. */
void log_cores_known(void);
