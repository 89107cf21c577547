/* Who moves to another core: taken by one that would idle, or given so that loads get more even. */
#include "hv/host/clock.h"
#include "hv/lib/arith.h"
#include "hv/run/balance.h"
#include "hv/run/sched_internal.h"
#include "hv/vm/vm.h"

#define CORES_LOOKED_AT 8  /* by one that has others waiting, in each slice */
#define TURN            10 /* slices: how long what cannot be made even stays as it is */

/* A core's queue, and who of it could go to another one. */
struct offer {
    struct balance_side side;
    struct vcpu *vcpus[BALANCE_MOST]; /* of side.loads */
};

static bool may_move(const struct sched_core *from, const struct runner *runner, unsigned to)
{
    const struct vcpu *vcpu = container_of(runner, struct vcpu, runner);

    return runner != from->queue.running && !runner->urgent && !runner->part->throttled &&
           sched_usable(vcpu->vm, to) &&
           __atomic_load_n(&cpus[vcpu->core]->current, __ATOMIC_ACQUIRE) != vcpu;
}

/* Of those that have been longest in a queue, locked. Who may not use the other core goes to the end, so that
 * another time others are looked at. */
static void look(struct sched_core *from, unsigned to, struct offer *offer)
{
    unsigned looked = 0, count = 0;

    list_for_each(link, &from->queue.runners)
    {
        struct runner *runner = container_of(link, struct runner, link);

        if (looked++ == BALANCE_MOST)
            break;
        if (may_move(from, runner, to)) {
            offer->side.loads[count] = runner_load(runner);
            offer->vcpus[count++] = sched_vcpu_at(runner);
        } else if (!sched_usable(sched_vcpu_at(runner)->vm, to)) {
            list_remove(link);
            list_append(&from->queue.runners, link);
        }
    }
    offer->side.load = runqueue_load(&from->queue);
    offer->side.empty = !from->queue.count;
    offer->side.count = count;
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
    unsigned heaviest = BALANCE_NOBODY;
    struct offer offer;
    bool found;

    spin_lock(&core->lock);
    for (unsigned i = 1; i < cpu_count && heaviest == BALANCE_NOBODY && !runqueue_contended(&core->queue);
         i++) {
        struct sched_core *from = &sched_cores[(index + i) % cpu_count];

        if (!__atomic_load_n(&from->queue.count, __ATOMIC_RELAXED) || !spin_try_lock(&from->lock))
            continue;
        look(from, index, &offer);
        heaviest = balance_heaviest(&offer.side);
        if (heaviest != BALANCE_NOBODY)
            move(from, index, offer.vcpus[heaviest], clock_now());
        spin_unlock(&from->lock);
    }
    found = heaviest != BALANCE_NOBODY || runqueue_contended(&core->queue);
    spin_unlock(&core->lock);
    return found;
}

/* Does what makes the loads of the two, both locked, more even. Returns whether there was something to do. */
static bool give(struct sched_core *core, unsigned to, uint64_t now)
{
    struct sched_core *other = &sched_cores[to];
    unsigned index = (unsigned)(core - sched_cores);
    bool stale = now - MAX(core->moved, other->moved) >= TURN * sched_times.slice;
    struct balance_moves moves;
    struct offer here, there;

    if (runqueue_load(&core->queue) <= runqueue_load(&other->queue))
        return false;
    look(core, to, &here);
    look(other, index, &there);
    moves = balance_choose(&here.side, &there.side, stale);
    if (moves.given == BALANCE_NOBODY)
        return false;
    move(core, to, here.vcpus[moves.given], now);
    if (moves.taken != BALANCE_NOBODY)
        move(other, index, there.vcpus[moves.taken], now);
    sched_announce(to, &here.vcpus[moves.given]->runner, now);
    return true;
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
    for (unsigned i = 0; i < MIN(cpu_count - 1, CORES_LOOKED_AT); i++) {
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
