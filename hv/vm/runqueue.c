#include "hv/vm/runqueue.h"

#include "hv/lib/arith.h"

/*
 * Virtual time: a tick of a runner that has a whole group's weight W counts UNIT / W, and n times that while
 * n of its group can run. A runner's own weight is in 1/WEIGHT_PARTS, so that it can be divided.
 */
#define UNIT           4096
#define WEIGHT_PARTS   64

/* In slices: what one may be owed that wakes, or that comes from another core, and what anybody may owe. */
#define OWED_ON_WAKING 2
#define OWED_ON_MOVING 20
#define OWING_MOST     400
/* Shorter than a slice / this is no time to run for. */
#define SHORTEST_PART  8

static int64_t ahead(uint64_t a, uint64_t b)
{
    return (int64_t)(a - b);
}

/* Saturated to what fits a distance in virtual time with room to spare. */
static uint64_t distance(uint64_t a, uint64_t b, uint64_t c)
{
    return MIN(mul_div(a, b, c), BIT(62));
}

static uint64_t weight_of(const struct runner *runner)
{
    unsigned runnable = MAX(runner->group->runnable, 1u);

    return MAX((uint64_t)runner->group->weight * WEIGHT_PARTS / runnable, 1u);
}

static uint64_t to_virtual(const struct runner *runner, uint64_t ticks)
{
    return distance(ticks, UNIT * WEIGHT_PARTS, weight_of(runner));
}

static uint64_t to_ticks(const struct runner *runner, uint64_t virtual)
{
    return distance(virtual, weight_of(runner), UNIT * WEIGHT_PARTS);
}

int64_t runner_lag(const struct runner *runner, uint64_t virtual)
{
    int64_t by = ahead(virtual, runner->virtual);

    return by < 0 ? -(int64_t)to_ticks(runner, (uint64_t)-by) : (int64_t)to_ticks(runner, (uint64_t)by);
}

void runqueue_init(struct run_queue *queue, const struct run_times *times)
{
    *queue = (struct run_queue){.times = times};
    list_init(&queue->runners);
}

void run_group_init(struct run_group *group, unsigned weight, uint64_t quota, uint64_t now)
{
    *group = (struct run_group){
        .weight = weight, .since = now, .quota = quota, .budget = (int64_t)quota, .refilled = now};
}

static uint64_t since(uint64_t now, uint64_t before)
{
    return ahead(now, before) > 0 ? now - before : 0;
}

/* With the group's lock held. */
static void pass_time(struct run_group *group, uint64_t now)
{
    uint64_t ticks = since(now, group->since);

    group->shared += ticks * group->runnable;
    group->since += ticks;
}

static void count_runnable(struct run_group *group, int by, uint64_t now)
{
    spin_lock(&group->lock);
    pass_time(group, now);
    group->runnable += (unsigned)by;
    spin_unlock(&group->lock);
}

static void spend(struct run_group *group, uint64_t ticks)
{
    group->ran += ticks;
    if (group->quota)
        group->budget -= (int64_t)ticks;
}

/* What is left of the group's cap; one that has none is never used up. */
static int64_t refill(struct run_group *group, const struct run_times *times, uint64_t now)
{
    uint64_t periods, missing;
    int64_t left;

    if (!group->quota)
        return INT64_MAX;
    spin_lock(&group->lock);
    periods = since(now, group->refilled) / times->period;
    group->refilled += periods * times->period;
    missing = group->quota - (uint64_t)group->budget;
    group->budget += (int64_t)(periods > missing / group->quota ? missing : periods * group->quota);
    left = group->budget;
    spin_unlock(&group->lock);
    return left;
}

/* What its timers took counts once it takes part. */
static void pay(struct runner *runner)
{
    if (__atomic_load_n(&runner->owes, __ATOMIC_RELAXED))
        runner->virtual += to_virtual(runner, __atomic_exchange_n(&runner->owes, 0, __ATOMIC_RELAXED));
}

void runqueue_charge(struct run_queue *queue, uint64_t now)
{
    struct runner *runner = queue->running;
    uint64_t ticks = since(now, queue->charged), shared;

    queue->charged += ticks;
    if (!runner)
        return;
    spin_lock(&runner->group->lock);
    pass_time(runner->group, now);
    shared = since(runner->group->shared, runner->shared);
    runner->shared = runner->group->shared;
    spend(runner->group, ticks);
    spin_unlock(&runner->group->lock);
    runner->virtual += distance(shared, UNIT, runner->group->weight);
    runner->ran += ticks;
    pay(runner);
}

/* What its group shares is its business from now on. */
static void begin_share(struct runner *runner, uint64_t now)
{
    spin_lock(&runner->group->lock);
    pass_time(runner->group, now);
    runner->shared = runner->group->shared;
    spin_unlock(&runner->group->lock);
}

void runqueue_charge_other(struct run_queue *queue, struct runner *payer, uint64_t from, uint64_t now)
{
    struct runner *running = queue->running;
    uint64_t ticks = since(now, from);

    if (payer == running)
        return;
    runqueue_charge(queue, from);
    queue->charged += since(now, queue->charged);
    if (running)
        begin_share(running, now);
    spin_lock(&payer->group->lock);
    spend(payer->group, ticks);
    spin_unlock(&payer->group->lock);
    __atomic_fetch_add(&payer->owes, ticks, __ATOMIC_RELAXED);
}

static struct runner *runner_at(struct list_link *link)
{
    return container_of(link, struct runner, link);
}

uint64_t runqueue_virtual(struct run_queue *queue, uint64_t now)
{
    unsigned __int128 sum = 0;
    uint64_t total = 0, least = 0;

    runqueue_charge(queue, now);
    list_for_each(link, &queue->runners)
    {
        const struct runner *runner = runner_at(link);

        if (!runner->throttled && (!total++ || ahead(runner->virtual, least) < 0))
            least = runner->virtual;
    }
    if (!total)
        return queue->virtual;
    total = 0;
    list_for_each(link, &queue->runners)
    {
        const struct runner *runner = runner_at(link);
        uint64_t weight = runner->throttled ? 0 : weight_of(runner);

        sum += (unsigned __int128)weight * (runner->virtual - least);
        total += weight;
    }
    __atomic_store_n(&queue->virtual, least + div_wide(sum, total), __ATOMIC_RELAXED);
    return queue->virtual;
}

static unsigned can_run(const struct run_queue *queue)
{
    unsigned count = 0;

    for (struct list_link *link = queue->runners.next; link != &queue->runners; link = link->next)
        count += !runner_at(link)->throttled;
    return count;
}

bool runqueue_contended(const struct run_queue *queue)
{
    return can_run(queue) > (queue->running && !queue->running->throttled);
}

/* A runner that is not counted among those that can run begins a request: where it stood, within bounds. */
static void place(struct run_queue *queue, struct runner *runner, unsigned owed_most, uint64_t now)
{
    uint64_t slice = queue->times->slice, virtual = runqueue_virtual(queue, now);
    int64_t lag = runner_lag(runner, virtual);

    if (can_run(queue)) {
        if (lag > (int64_t)(owed_most * slice))
            runner->virtual = virtual - to_virtual(runner, owed_most * slice);
        else if (lag < -(int64_t)(OWING_MOST * slice))
            runner->virtual = virtual + to_virtual(runner, OWING_MOST * slice);
    }
    runner->deadline = runner->virtual + to_virtual(runner, slice);
}

static void put_in(struct run_queue *queue, struct runner *runner, unsigned owed_most, uint64_t now)
{
    runner->throttled = !runner->urgent && refill(runner->group, queue->times, now) <= 0;
    pay(runner);
    place(queue, runner, owed_most, now);
    list_append(&queue->runners, &runner->link);
    queue->count++;
}

static void take_out(struct run_queue *queue, struct runner *runner)
{
    if (queue->running == runner)
        queue->running = NULL;
    list_remove(&runner->link);
    queue->count--;
}

void runqueue_insert(struct run_queue *queue, struct runner *runner, uint64_t now)
{
    count_runnable(runner->group, 1, now);
    put_in(queue, runner, OWED_ON_WAKING, now);
    /* It asks for what it is owed and no more: it should have had that by now, so it is next, whatever its
     * weight. */
    if (ahead(runner->virtual, queue->virtual) < 0 && ahead(runner->deadline, queue->virtual) > 0)
        runner->deadline = queue->virtual;
}

void runqueue_remove(struct run_queue *queue, struct runner *runner, uint64_t now)
{
    runqueue_charge(queue, now);
    take_out(queue, runner);
    count_runnable(runner->group, -1, now);
}

void runqueue_move(struct run_queue *from, struct run_queue *to, struct runner *runner, uint64_t now)
{
    take_out(from, runner);
    put_in(to, runner, OWED_ON_MOVING, now);
}

void runqueue_lift(struct run_queue *queue, uint64_t virtual)
{
    int64_t by = ahead(virtual, queue->virtual);

    if (by <= 0)
        return;
    list_for_each(link, &queue->runners)
    {
        runner_at(link)->virtual += (uint64_t)by;
        runner_at(link)->deadline += (uint64_t)by;
    }
    __atomic_store_n(&queue->virtual, virtual, __ATOMIC_RELAXED);
}

/* Those whose group has used up its cap, or has some again. Returns when the next of them may go on. */
static uint64_t apply_caps(struct run_queue *queue, uint64_t now)
{
    uint64_t next = RUN_NEVER;

    list_for_each(link, &queue->runners)
    {
        struct runner *runner = runner_at(link);
        bool throttled = refill(runner->group, queue->times, now) <= 0 && !runner->urgent;

        if (!throttled && runner->throttled)
            place(queue, runner, OWED_ON_WAKING, now);
        runner->throttled = throttled;
        if (throttled)
            next = MIN(next, runner->group->refilled + queue->times->period);
    }
    return next;
}

static bool eligible(const struct runner *runner, uint64_t virtual)
{
    return ahead(runner->virtual, virtual) <= 0;
}

/* The earliest deadline of those that are owed something; if nobody is, whoever owes least. */
static bool better(const struct runner *a, const struct runner *b, uint64_t virtual)
{
    bool eligible_a = eligible(a, virtual);

    if (!b || eligible_a != eligible(b, virtual))
        return !b || eligible_a;
    return eligible_a ? ahead(a->deadline, b->deadline) < 0 : ahead(a->virtual, b->virtual) < 0;
}

static struct runner *best(struct run_queue *queue, const struct runner *aside, uint64_t virtual)
{
    struct runner *found = NULL;

    list_for_each(link, &queue->runners)
    {
        struct runner *runner = runner_at(link);

        if (!runner->throttled && runner != aside && better(runner, found, virtual))
            found = runner;
    }
    return found;
}

static uint64_t run_until(struct run_queue *queue, const struct runner *runner, uint64_t now)
{
    uint64_t left = UINT64_MAX / 2, shortest = queue->times->slice / SHORTEST_PART;

    if (runqueue_contended(queue))
        left = to_ticks(runner, (uint64_t)MAX(ahead(runner->deadline, runner->virtual), 0));
    if (runner->group->quota && !runner->urgent)
        left = MIN(left, (uint64_t)MAX(runner->group->budget, 1));
    return left == UINT64_MAX / 2 ? RUN_NEVER : now + MAX(left, shortest);
}

struct runner *runqueue_pick(struct run_queue *queue, struct runner *aside, uint64_t now, uint64_t *until)
{
    struct runner *was = queue->running, *chosen;
    uint64_t virtual;

    runqueue_charge(queue, now);
    if (was && ahead(was->virtual, was->deadline) >= 0)
        was->deadline = was->virtual + to_virtual(was, queue->times->slice);
    *until = apply_caps(queue, now);
    virtual = runqueue_virtual(queue, now);
    chosen = best(queue, aside, virtual);
    if (!chosen && aside && !aside->throttled)
        chosen = aside;
    queue->running = chosen;
    if (!chosen)
        return NULL;
    if (chosen != was)
        begin_share(chosen, now);
    *until = MIN(*until, run_until(queue, chosen, now));
    return chosen;
}

bool runqueue_preempts(struct run_queue *queue, const struct runner *runner)
{
    const struct runner *running = queue->running;

    if (!running || runner->throttled)
        return !running && !runner->throttled;
    return runner->urgent || (eligible(runner, runqueue_virtual(queue, queue->charged)) &&
                              (ahead(running->virtual, running->deadline) >= 0 ||
                               ahead(runner->deadline, running->deadline) < 0));
}
