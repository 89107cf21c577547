/* The monitor over VMs, a console and a vendor that are stand-ins: two VMs, of which `one` runs and `two` is
 * off. */
#pragma once

#include "hv/monitor/monitor_internal.h"
#include "tests/unit/core_fixture.h"

/* The console: who takes keys (NULL: nobody does), what was shown, and what the monitor gave back unread. */
extern void (*taker)(int key);
extern char shown[65536];
extern struct text_buffer screen;
extern unsigned broken, focus;
extern bool full;
extern int unused[16];
extern unsigned unused_count;

/* What VM `one` is and was told. `stays`: it does not stand still for a pause. */
extern bool paused, still, off, stays;
extern unsigned pauses, resumes, stops;
extern uint64_t resumed_some;
extern struct signalled {
    enum board_signal what;
    unsigned code;
} signals[8];
extern unsigned signal_count;
extern bool deaf; /* the guest takes no signal */

/* The vendor's loads, and the debugger's work. */
extern unsigned loads, puts_back;
extern struct vm_debug *attached;
extern unsigned steps, given_up;
extern int top_key; /* the latest that `top` was given */

/* In each test: the machine with the monitor open; and its end, which checks that nothing is left loaded. */
void begin(void);
void end(void);

void turn(void);
void wait_for(uint64_t ticks);

/* Types, and looks at what is shown: a line and all of its answer, or a part of it. */
void type(const char *keys);
void expect(const char *line, const char *said);
void holds(const char *line, const char *part);
