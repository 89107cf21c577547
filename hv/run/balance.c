#include "hv/run/balance.h"

#define NOTHING                                                                                              \
    (struct balance_moves)                                                                                   \
    {                                                                                                        \
        BALANCE_NOBODY, BALANCE_NOBODY                                                                       \
    }
#define TURN_SLACK                                                                                           \
    8 /* a part of the gap by which more than it may go: the loads differ by a quarter more then */

unsigned balance_heaviest(const struct balance_side *side)
{
    unsigned found = BALANCE_NOBODY;

    for (unsigned i = 0; i < side->count; i++)
        if (found == BALANCE_NOBODY || side->loads[i] > side->loads[found])
            found = i;
    return found;
}

/* The first that has no more than `most`. */
static unsigned first_within(const struct balance_side *side, uint64_t most)
{
    for (unsigned i = 0; i < side->count; i++)
        if (side->loads[i] <= most)
            return i;
    return BALANCE_NOBODY;
}

/* One that has more and one that has less change places: those whose difference is nearest to half of `gap`.
 */
static struct balance_moves choose_two(const struct balance_side *from, const struct balance_side *to,
                                       uint64_t gap)
{
    struct balance_moves found = NOTHING;
    uint64_t least = gap; /* that the loads would differ by */

    for (unsigned i = 0; i < from->count; i++)
        for (unsigned j = 0; j < to->count; j++) {
            int64_t more = (int64_t)(from->loads[i] - to->loads[j]), rest = (int64_t)gap - 2 * more;

            if ((uint64_t)MAX(rest, -rest) < least) {
                least = (uint64_t)MAX(rest, -rest);
                found = (struct balance_moves){i, j};
            }
        }
    return found;
}

struct balance_moves balance_choose(const struct balance_side *from, const struct balance_side *to,
                                    bool stale)
{
    uint64_t gap = from->load - to->load;
    struct balance_moves moves = NOTHING;

    if (from->load <= to->load)
        return moves;
    moves.given = to->empty ? balance_heaviest(from) : first_within(from, gap - 1);
    if (moves.given == BALANCE_NOBODY)
        moves = choose_two(from, to, gap);
    if (moves.given == BALANCE_NOBODY && stale)
        moves.given = first_within(from, gap + gap / TURN_SLACK);
    return moves;
}
