/*
 * Keel's own work on a core: what an interrupt begins and may not do itself, and what has to be done on a
 * certain core. It runs in the scheduler's loop, between two vCPUs, with interrupts off.
 */
#pragma once

#include "hv/lib/base.h"

struct work {
    void (*run)(struct work *work);
    struct work *next;
    bool queued; /* it may be queued again as soon as `run` begins */
};

/* Once, before the first use. */
void work_init(void);

/* Has it run on the core, soon; a guest there is left for it. From any core, from interrupts too. */
void work_post(unsigned core, struct work *work);

/* For the scheduler: runs what is there for this core. Returns whether there was anything. */
bool work_run(void);
