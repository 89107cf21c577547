#include "hv/lib/line_budget.h"

static bool take(struct line_budget *budget, unsigned tokens, unsigned most, uint64_t now, uint64_t hz)
{
    uint64_t until = budget->full > now ? budget->full : now; /* the tokens that are out come back by then */

    until += tokens * LINE_SECONDS * hz;
    if (until - now > most * LINE_SECONDS * hz)
        return false;
    budget->full = until;
    return true;
}

bool line_budget_take(struct line_budget *budget, unsigned tokens, bool rare, uint64_t now, uint64_t hz)
{
    unsigned most = rare ? LINES_BURST : LINES_BURST - LINES_KEPT;

    if ((rare || !budget->left_out) && take(budget, tokens, most, now, hz))
        return true;
    if (!budget->left_out)
        budget->since = now;
    budget->left_out++;
    return false;
}

unsigned line_budget_sum(struct line_budget *budget, uint64_t now, uint64_t hz, uint64_t *seconds)
{
    unsigned left_out = budget->left_out;

    *seconds = (now - budget->since) / hz;
    budget->left_out = 0;
    return left_out;
}
