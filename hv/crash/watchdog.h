/*
 * Notices a core that makes no progress in Keel. Each core ticks once a second by a timer of its own, notes
 * when, and looks when the next core that ticks did last. One that has not for STUCK_SECONDS gets an NMI,
 * which also makes it leave a guest that keeps interrupts from it; one that has still not ticked a second
 * later is reported, once, with the place where the NMI found it. How often it was looked at, and by how many
 * cores, does not count: while cores start, several look at the same one. It costs no instruction of an exit.
 * One core alone has nobody to watch it.
 */
#pragma once

#include "hv/lib/base.h"

struct trap_frame;

/* The calling core ticks and watches from here on. */
void watchdog_start(void);

/* Nobody is reported any more: the machine is about to end. */
void watchdog_stop(void);

/* An NMI has come to the calling core: its place is noted, and its APIC looks again for what waits. */
void watchdog_nmi(const struct trap_frame *frame);

/* What is known of a core that has not ticked for long. */
struct watch {
    bool asked;    /* by an NMI */
    bool stuck;    /* and it did not tick then */
    uint64_t when; /* it was asked */
};

enum watch_verdict { WATCH_WELL, WATCH_ASK, WATCH_STUCK };

/* Looked at now, as often as one likes: what to do about a core that has ticked last at `ticked`, by clocks
 * that may differ a little. Each of WATCH_ASK and WATCH_STUCK is said once until it ticks again. */
enum watch_verdict watch_judge(struct watch *watch, uint64_t ticked, uint64_t now);

#define STUCK_SECONDS 5
