/*
 * How many lines a VM may have in the log: a token bucket. A line takes a token, and tokens come back in
 * time. What there was no token for is counted, and summed up in one line. Arithmetic only: time comes as an
 * argument, in ticks of `hz` a second.
 */
#pragma once

#include "hv/lib/base.h"

#define LINES_BURST     64 /* tokens at first, and at most */
#define LINES_KEPT      32 /* of these, what usual lines leave to rare ones */
#define LINE_SECONDS    2  /* until a token comes back */
#define LINES_OF_REPORT 3  /* tokens that a report takes, however long it is */
#define LINE_SUM_SECONDS                                                                                     \
    10 /* from the first line left out until the sum: usual lines are not said meanwhile */

struct line_budget {
    uint64_t full;  /* when all tokens are back */
    uint64_t since; /* when the first was left out */
    unsigned left_out;
};

/*
 * Whether something that takes so many tokens may be said: a rare line while there are any, a usual one while
 * LINES_KEPT stay and nothing waits to be summed up. If not, it is counted.
 */
bool line_budget_take(struct line_budget *budget, unsigned tokens, bool rare, uint64_t now, uint64_t hz);

/* How many were left out since the last sum, and in how many whole seconds; usual lines are said again. */
unsigned line_budget_sum(struct line_budget *budget, uint64_t now, uint64_t hz, uint64_t *seconds);
