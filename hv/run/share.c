#include "hv/run/share.h"

#include "hv/lib/arith.h"

#define CORE 65536 /* the rate of a whole core */

/* Who has run ahead of its due still takes part until that has caught up, though it sleeps. */
static bool active(const struct share *share)
{
    return share->awake || share->due < share->group->ran;
}

static uint64_t limit(const struct share *share)
{
    return MIN(share->width, (uint64_t)share->most * CORE / 100);
}

/* How many of each group's runners could run since it was last looked at, in the mean. */
static void measure(struct shares *shares, uint64_t now)
{
    for (unsigned i = 0; i < shares->count; i++) {
        struct share *share = shares->members[i];
        struct run_group *group = share->group;
        uint64_t shared = share->shared, busy = share->busy;

        run_group_pass(group, now);
        share->shared = group->shared;
        share->busy = group->busy;
        share->awake = share->busy != busy;
        if (share->awake)
            share->width = mul_div(share->shared - shared, CORE, now - shares->since);
    }
}

/* Divides the cores by weight; what is more than one can use goes to the others. */
static void divide(struct shares *shares)
{
    uint64_t left = (uint64_t)shares->cores * CORE, total = 0;
    bool again = true;

    for (unsigned i = 0; i < shares->count; i++) {
        struct share *share = shares->members[i];

        share->rate = active(share) ? UINT64_MAX : 0; /* not known yet */
        total += share->rate ? share->group->weight : 0;
    }
    while (again) {
        uint64_t of = total, rest = left;

        again = false;
        for (unsigned i = 0; i < shares->count; i++) {
            struct share *share = shares->members[i];

            if (share->rate != UINT64_MAX || mul_div(rest, share->group->weight, of) < limit(share))
                continue;
            share->rate = MIN(limit(share), left);
            left -= share->rate;
            total -= share->group->weight;
            again = true;
        }
    }
    for (unsigned i = 0; i < shares->count; i++)
        if (shares->members[i]->rate == UINT64_MAX)
            shares->members[i]->rate = mul_div(left, shares->members[i]->group->weight, total);
}

/* How long these rates last: until one that sleeps has caught up with what it has run. */
static uint64_t step(const struct shares *shares, uint64_t ticks)
{
    for (unsigned i = 0; i < shares->count; i++) {
        const struct share *share = shares->members[i];

        if (!share->awake && share->rate && share->due < share->group->ran)
            ticks = MIN(ticks, mul_div(share->group->ran - share->due, CORE, share->rate) + 1);
    }
    return ticks;
}

/* With the lock held. Each turn but the last ends somebody's part. */
static void pass(struct shares *shares, uint64_t now)
{
    if ((int64_t)(now - shares->since) <= 0)
        return;
    measure(shares, now);
    for (unsigned turns = 0; turns <= SHARES_MOST && (int64_t)(now - shares->since) > 0; turns++) {
        uint64_t ticks;

        divide(shares);
        ticks = step(shares, now - shares->since);
        for (unsigned i = 0; i < shares->count; i++)
            shares->members[i]->due += mul_div(ticks, shares->members[i]->rate, CORE);
        shares->since += ticks;
    }
}

void share_pass(struct shares *shares, uint64_t now, uint64_t ticks)
{
    if ((int64_t)(now - __atomic_load_n(&shares->since, __ATOMIC_RELAXED)) < (int64_t)ticks ||
        !spin_try_lock(&shares->lock))
        return;
    pass(shares, now);
    spin_unlock(&shares->lock);
}

bool share_add(struct shares *shares, struct share *share, struct run_group *group, unsigned most,
               uint64_t now)
{
    bool fits;

    spin_lock(&shares->lock);
    pass(shares, now);
    run_group_pass(group, now);
    *share = (struct share){.group = group,
                            .most = most,
                            .width = CORE,
                            .shared = group->shared,
                            .busy = group->busy,
                            .begin = now};
    fits = shares->count < SHARES_MOST;
    if (fits)
        shares->members[shares->count++] = share;
    spin_unlock(&shares->lock);
    return fits;
}

void share_remove(struct shares *shares, struct share *share, uint64_t now)
{
    spin_lock(&shares->lock);
    pass(shares, now);
    for (unsigned i = 0; i < shares->count; i++)
        if (shares->members[i] == share)
            shares->members[i] = shares->members[--shares->count];
    spin_unlock(&shares->lock);
}

void share_count_core(struct shares *shares, int by, uint64_t now)
{
    spin_lock(&shares->lock);
    pass(shares, now);
    shares->cores += (unsigned)by;
    spin_unlock(&shares->lock);
}
