/* Who moves to another core: taken by one that would idle, or given so that loads get more even. */
#include "hv/host/clock.h"
#include "hv/lib/arith.h"
#include "hv/run/sched_internal.h"
#include "hv/vm/vm.h"

#define LOOKED_AT  8 /* cores, and vCPUs, by one that has others waiting, in each slice */
#define WHOEVER    UINT64_MAX
#define TURN       10 /* slices: how long what cannot be made even stays as it is */
#define TURN_SLACK 8  /* a part of it by which a change of places may make it less even */

static bool may_move(const struct sched_core *from, const struct runner *runner, unsigned to, uint64_t most)
{
    const struct vcpu *vcpu = container_of(runner, struct vcpu, runner);

    return runner != from->queue.running && !runner->urgent && !runner->part->throttled &&
           runner_load(runner) <= most && sched_usable(vcpu->vm, to) &&
           __atomic_load_n(&cpus[vcpu->core]->current, __ATOMIC_ACQUIRE) != vcpu;
}

/*
 * Of those that have been longest in a queue, the first that waits, has no more of its load than `most`, and
 * may go to the other core; where nobody is (`most` is WHOEVER), the one with the most of its load, which is
 * due most. Those that may not go to the end, so that another time others are looked at.
 */
static struct vcpu *candidate(struct sched_core *from, unsigned to, uint64_t most)
{
    struct runner *found = NULL;
    unsigned looked = 0;

    list_for_each(link, &from->queue.runners)
    {
        struct runner *runner = container_of(link, struct runner, link);

        if (may_move(from, runner, to, most) && (!found || runner_load(runner) > runner_load(found)))
            found = runner;
        if (++looked > LOOKED_AT || (found && most != WHOEVER))
            break;
        if (!sched_usable(sched_vcpu_at(runner)->vm, to)) {
            list_remove(link);
            list_append(&from->queue.runners, link);
        }
    }
    return sched_vcpu_at(found);
}

/* Both locks are held. */
static void move(struct sched_core *from, unsigned to, struct vcpu *vcpu, uint64_t now)
{
    from->homes--;
    sched_cores[to].homes++;
    from->moved = sched_cores[to].moved = now;
    vcpu->core = to;
    runqueue_move(&from->queue, &sched_cores[to].queue, &vcpu->runner, now);
}

bool sched_steal(unsigned index)
{
    struct sched_core *core = &sched_cores[index];
    struct vcpu *vcpu = NULL;
    bool found;

    spin_lock(&core->lock);
    for (unsigned i = 1; i < cpu_count && !vcpu && !runqueue_contended(&core->queue); i++) {
        struct sched_core *from = &sched_cores[(index + i) % cpu_count];

        if (!__atomic_load_n(&from->queue.count, __ATOMIC_RELAXED) || !spin_try_lock(&from->lock))
            continue;
        vcpu = candidate(from, index, WHOEVER);
        if (vcpu)
            move(from, index, vcpu, clock_now());
        spin_unlock(&from->lock);
    }
    found = vcpu || runqueue_contended(&core->queue);
    spin_unlock(&core->lock);
    return found;
}

/*
 * Has one that waits here, and one that waits on the other core and has less of its load, change places,
 * where no move of one alone makes the loads more even: those whose difference is nearest to half of `gap`.
 * Both locks are held.
 */
static bool swap(struct sched_core *core, unsigned to, uint64_t gap, uint64_t now)
{
    struct sched_core *other = &sched_cores[to];
    struct runner *mine = NULL, *theirs = NULL;
    unsigned index = (unsigned)(core - sched_cores), looked = 0;
    uint64_t left = gap;

    list_for_each(here, &core->queue.runners)
    {
        struct runner *a = container_of(here, struct runner, link);
        unsigned seen = 0;

        if (++looked > LOOKED_AT)
            break;
        if (!may_move(core, a, to, WHOEVER))
            continue;
        list_for_each(there, &other->queue.runners)
        {
            struct runner *b = container_of(there, struct runner, link);
            int64_t more = (int64_t)(runner_load(a) - runner_load(b)), rest = (int64_t)gap - 2 * more;

            if (++seen > LOOKED_AT)
                break;
            if (more > 0 && (uint64_t)MAX(rest, -rest) < left && may_move(other, b, index, WHOEVER))
                left = (uint64_t)MAX(rest, -rest), mine = a, theirs = b;
        }
    }
    if (!mine)
        return false;
    move(core, to, sched_vcpu_at(mine), now);
    move(other, index, sched_vcpu_at(theirs), now);
    sched_announce(to, mine, now);
    return true;
}

/*
 * Gives the other core, both locked, what makes their loads more even, or changes two of them. Where nothing
 * does, as with three alike on two cores, they change places now and then, so that in the end all have had
 * the same.
 */
static bool give(struct sched_core *core, unsigned to, uint64_t now)
{
    struct sched_core *other = &sched_cores[to];
    uint64_t mine = runqueue_load(&core->queue), gap = mine - runqueue_load(&other->queue);
    struct vcpu *vcpu;

    if (gap == 0 || gap > mine)
        return false;
    vcpu = candidate(core, to, other->queue.count ? gap - 1 : WHOEVER);
    if (!vcpu && swap(core, to, gap, now))
        return true;
    if (!vcpu && now - MAX(core->moved, other->moved) >= TURN * sched_times.slice)
        vcpu = candidate(core, to, gap + gap / TURN_SLACK);
    if (vcpu) {
        move(core, to, vcpu, now);
        sched_announce(to, &vcpu->runner, now);
    }
    return vcpu;
}

void sched_balance(unsigned index)
{
    struct sched_core *core = &sched_cores[index];
    uint64_t now;
    unsigned first;

    if (core->queue.count < 2 || cpu_count == 1)
        return;
    now = clock_now();
    if (now - core->balanced < sched_times.slice)
        return;
    first = (unsigned)(now / sched_times.slice) % (cpu_count - 1);
    core->balanced = now;
    spin_lock(&core->lock);
    for (unsigned i = 0; i < MIN(cpu_count - 1, LOOKED_AT); i++) {
        unsigned to = (index + 1 + (first + i) % (cpu_count - 1)) % cpu_count;
        bool given;

        if (!sched_cores[to].serving || !spin_try_lock(&sched_cores[to].lock))
            continue;
        given = give(core, to, now);
        spin_unlock(&sched_cores[to].lock);
        if (given)
            break;
    }
    spin_unlock(&core->lock);
}
