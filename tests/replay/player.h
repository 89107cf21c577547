/* Runs Keel's code over a recording. */
#pragma once

#include "hv/life/create.h"
#include "tests/replay/stream.h"

/* How a replay ends: the program's exit status. */
enum outcome { SAME, DIFFERENT, NOT_A_RECORDING, CUT_SHORT };

struct wish {
    const char *flipped; /* a device, of whose reads one bit is another; NULL: none */
    unsigned bit;
    bool list; /* each exit on a line */
};

/* Plays all of it, and says on stdout how that went. */
enum outcome play(const uint8_t *bytes, size_t size, const struct wish *wish);

/* For machine.c. */
extern struct life played_life;
extern struct header played_header;
extern uint64_t played_wall;
extern bool played_entered; /* the guest was entered, or its run loop not left */
void play_entry(struct entry_state *entry);
void play_pending(void); /* what comes while interrupts are on, within an exit */

/* machine.c: the timer armed first of those with this deadline, taken off; NULL: there is none. */
struct timer *machine_timer_due(uint64_t deadline);
void machine_describe_timers(char *text, size_t size);
void machine_start(void);
extern uint64_t machine_now;
