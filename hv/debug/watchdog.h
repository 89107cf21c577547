/*
 * Notices a core that makes no progress in Keel. Each core ticks once a second by a timer of its own and
 * looks whether the next core does. One that has not for STUCK_SECONDS gets an NMI, which also makes it leave
 * a guest that keeps interrupts from it; one that has still not ticked a second later is reported, once, with
 * the place where the NMI found it. It costs no instruction of an exit. One core alone has nobody to watch
 * it.
 */
#pragma once

#include "hv/lib/base.h"

struct trap_frame;

/* The calling core ticks and watches from here on. */
void watchdog_start(void);

/* Nobody is reported any more: the machine is about to end. */
void watchdog_stop(void);

/* An NMI has come to the calling core. */
void watchdog_nmi(const struct trap_frame *frame);

/* What one core knows of the one that it watches. */
struct watch {
    uint64_t ticks; /* the other's, when it was looked at last */
    unsigned quiet; /* seconds since they changed */
};

enum watch_verdict { WATCH_WELL, WATCH_ASK, WATCH_STUCK };

/* Looked at once a second: what to do about a core that has ticked `ticks` times. */
enum watch_verdict watch_judge(struct watch *watch, uint64_t ticks);

#define STUCK_SECONDS 5
