#include "hv/run/runqueue.h"

#include "hv/lib/arith.h"

/*
 * Virtual time of a group's part in a queue: a tick of a part that has its group's whole weight W counts
 * UNIT / W. A part's own weight is in 1/WEIGHT_PARTS, so that it can be divided. In a part all runners have
 * the same weight, and virtual time is ticks.
 */
#define UNIT          4096
#define WEIGHT_PARTS  64
#define EVEN          1

/* In slices: what a group may be owed that wakes on a core, or a runner in its group. */
#define OWED_MOST     2
/* Against nonsense: nobody can come to owe as much unless a single piece of work took so long. */
#define OWING_MOST    12000
/* Shorter than a slice / this is no time to run for. */
#define SHORTEST_PART 8

static int64_t ahead(uint64_t a, uint64_t b)
{
    return (int64_t)(a - b);
}

/* Saturated to what fits a distance in virtual time with room to spare. */
static uint64_t distance(uint64_t a, uint64_t b, uint64_t c)
{
    return MIN(mul_div(a, b, c), BIT(60));
}

static struct run_part *part_at(struct fair_member *member)
{
    return container_of(member, struct run_part, member);
}

static struct runner *runner_at(struct fair_member *member)
{
    return member ? container_of(member, struct runner, member) : NULL;
}

/* Of a part with so many of its group's runners. */
static uint64_t divided_weight(const struct run_group *group, unsigned count)
{
    unsigned runnable = MAX(__atomic_load_n(&group->runnable, __ATOMIC_RELAXED), count);

    return MAX((uint64_t)group->weight * WEIGHT_PARTS * count / runnable, 1u);
}

static uint64_t weight_of(const struct run_part *part)
{
    return divided_weight(part->group, part->runners.count);
}

static uint64_t to_virtual(const struct run_part *part, uint64_t ticks)
{
    return distance(ticks, UNIT * WEIGHT_PARTS, weight_of(part));
}

static uint64_t to_ticks(const struct run_part *part, uint64_t virtual)
{
    return distance(virtual, weight_of(part), UNIT * WEIGHT_PARTS);
}

void runqueue_init(struct run_queue *queue, const struct run_times *times, unsigned index)
{
    *queue = (struct run_queue){.times = times, .index = index};
    list_init(&queue->runners);
    list_init(&queue->hurried);
}

void run_group_init(struct run_group *group, struct run_part *parts, unsigned weight, uint64_t quota,
                    uint64_t now)
{
    *group = (struct run_group){.weight = weight,
                                .since = now,
                                .quota = quota,
                                .budget = (int64_t)quota,
                                .refilled = now,
                                .parts = parts};
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
    group->busy += group->runnable ? ticks : 0;
    group->since += ticks;
}

void run_group_pass(struct run_group *group, uint64_t now)
{
    spin_lock(&group->lock);
    pass_time(group, now);
    spin_unlock(&group->lock);
}

static void count_runnable(struct run_group *group, int by, uint64_t now)
{
    spin_lock(&group->lock);
    pass_time(group, now);
    __atomic_store_n(&group->runnable, group->runnable + (unsigned)by, __ATOMIC_RELAXED);
    spin_unlock(&group->lock);
}

static void spend(struct run_group *group, uint64_t ticks)
{
    group->ran += ticks;
    if (group->quota)
        group->budget -= (int64_t)ticks;
}

/* Refills the group's budget. Returns 0 if it has some; else when it will have. */
static uint64_t throttled_until(struct run_group *group, const struct run_times *times, uint64_t now)
{
    uint64_t periods, missing, until = 0;

    if (!group->quota)
        return 0;
    spin_lock(&group->lock);
    periods = since(now, group->refilled) / times->period;
    group->refilled += periods * times->period;
    missing = group->quota - (uint64_t)group->budget;
    group->budget += (int64_t)(periods > missing / group->quota ? missing : periods * group->quota);
    if (group->budget <= 0)
        until = group->refilled + ((uint64_t)-group->budget / group->quota + 1) * times->period;
    spin_unlock(&group->lock);
    return until;
}

static bool is_in(const struct run_part *part)
{
    return part->member.weight;
}

/* What its group's timers took here counts once it takes part; returns that in virtual time. */
static uint64_t pay(struct run_part *part)
{
    uint64_t owed = part->owes;

    part->owes = 0;
    return owed ? to_virtual(part, owed) : 0;
}

void runqueue_charge(struct run_queue *queue, uint64_t now)
{
    struct runner *runner = queue->running;
    uint64_t ticks = since(now, queue->charged), shared;
    struct run_group *group;
    struct run_part *part;

    queue->charged += ticks;
    if (!runner || !ticks)
        return;
    part = runner->part;
    group = part->group;
    spin_lock(&group->lock);
    pass_time(group, now);
    shared = distance(since(group->shared, part->shared), UNIT, group->weight * part->runners.count);
    part->shared = group->shared;
    spend(group, ticks);
    spin_unlock(&group->lock);
    shared += pay(part);
    if (is_in(part))
        fair_advance(&queue->parts, shared);
    else
        part->member.node.value += shared;
    fair_advance(&part->runners, ticks);
    runner->ran += ticks;
}

/* What its group shares is its business from now on. */
static void begin_share(struct run_part *part, uint64_t now)
{
    run_group_pass(part->group, now);
    part->shared = part->group->shared;
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
        begin_share(running->part, now);
    spin_lock(&payer->group->lock);
    spend(payer->group, ticks);
    spin_unlock(&payer->group->lock);
    payer->group->parts[queue->index].owes += ticks;
}

/* The part has runners in the queue, and is nowhere yet: it takes part unless it has used up its cap. */
static void join(struct run_queue *queue, struct run_part *part, uint64_t owed_most, uint64_t now)
{
    struct run_group *group = part->group;
    uint64_t until = throttled_until(group, queue->times, now), slice = queue->times->slice;

    part->throttled = until;
    if (until) {
        part->member.node.key = until;
        tree_insert(&queue->throttled, &part->member.node);
        return;
    }
    part->member.node.value += pay(part);
    fair_join(&queue->parts, &part->member, weight_of(part), to_virtual(part, slice), owed_most,
              to_virtual(part, OWING_MOST * slice));
}

static void leave(struct run_queue *queue, struct run_part *part)
{
    if (part->throttled)
        tree_remove(&queue->throttled, &part->member.node);
    else
        fair_leave(&queue->parts, &part->member);
    part->throttled = false;
}

/* Nobody runs from now on. */
static void step_down(struct run_queue *queue)
{
    struct run_part *part = queue->running->part;

    fair_pause(&part->runners, queue->times->slice);
    if (is_in(part)) {
        fair_weigh(&queue->parts, &part->member, weight_of(part));
        fair_pause(&queue->parts, to_virtual(part, queue->times->slice));
    }
    queue->running = NULL;
}

static void put_in(struct run_queue *queue, struct runner *runner, uint64_t owed_most, uint64_t now)
{
    struct run_part *part = &runner->group->parts[queue->index];
    uint64_t slice = queue->times->slice;

    if (runner->part != part)
        runner->member.node.value = fair_virtual(&part->runners) - (uint64_t)runner->lag;
    runner->part = part;
    part->group = runner->group;
    fair_join(&part->runners, &runner->member, EVEN, slice, OWED_MOST * slice, OWED_MOST * slice);
    list_append(&queue->runners, &runner->link);
    queue->count++;
    if (part->runners.count == 1)
        join(queue, part, owed_most, now);
    else if (is_in(part))
        fair_weigh(&queue->parts, &part->member, weight_of(part));
}

static void take_out(struct run_queue *queue, struct runner *runner)
{
    struct run_part *part = runner->part;

    if (queue->running == runner)
        step_down(queue);
    runner->lag = fair_lag(&part->runners, &runner->member);
    fair_leave(&part->runners, &runner->member);
    list_remove(&runner->link);
    if (runner->urgent)
        list_remove(&runner->hurried);
    runner->urgent = false;
    queue->count--;
    if (!part->runners.count)
        leave(queue, part);
    else if (is_in(part))
        fair_weigh(&queue->parts, &part->member, weight_of(part));
}

void runqueue_insert(struct run_queue *queue, struct runner *runner, uint64_t now)
{
    struct run_group *group = runner->group;

    runqueue_charge(queue, now);
    count_runnable(group, 1, now);
    put_in(queue, runner, distance(OWED_MOST * queue->times->slice, UNIT, group->weight), now);
}

void runqueue_remove(struct run_queue *queue, struct runner *runner, uint64_t now)
{
    runqueue_charge(queue, now);
    take_out(queue, runner);
    count_runnable(runner->group, -1, now);
}

void runqueue_move(struct run_queue *from, struct run_queue *to, struct runner *runner, uint64_t now)
{
    struct run_part *part = runner->part, *next = &runner->group->parts[to->index];
    int64_t lag = is_in(part) ? fair_lag(&from->parts, &part->member) : 0;
    uint64_t virtual;

    runqueue_charge(to, now);
    take_out(from, runner);
    virtual = fair_virtual(&to->parts) + (uint64_t)MAX(-lag, 0);
    if (!next->runners.count && ahead(virtual, next->member.node.value) > 0)
        next->member.node.value = virtual;
    put_in(to, runner, 0, now);
}

void runqueue_hurry(struct run_queue *queue, struct runner *runner)
{
    if (!runner->urgent)
        list_append(&queue->hurried, &runner->hurried);
    runner->urgent = true;
}

/* Lets those go on whose cap allows it again. */
static void release(struct run_queue *queue, uint64_t now)
{
    struct tree_node *first;

    while ((first = tree_first(queue->throttled)) && ahead(first->key, now) <= 0) {
        struct run_part *part = part_at(container_of(first, struct fair_member, node));

        leave(queue, part);
        join(queue, part, distance(OWED_MOST * queue->times->slice, UNIT, part->group->weight), now);
    }
}

/* Whether the part, which waits, may run; if not, it takes part no more. */
static bool keeps_to_cap(struct run_queue *queue, struct run_part *part, uint64_t now)
{
    if (throttled_until(part->group, queue->times, now)) {
        leave(queue, part);
        join(queue, part, 0, now);
    }
    return !part->throttled;
}

static struct runner *choose(struct run_queue *queue, struct runner *aside, uint64_t now)
{
    struct run_part *last = aside ? aside->part : NULL, *part;
    struct fair_member *next;

    if (!list_is_empty(&queue->hurried))
        return container_of(queue->hurried.next, struct runner, hurried);
    do {
        next =
            fair_next(&queue->parts, last && last->runners.count == 1 && is_in(last) ? &last->member : NULL);
        if (!next && aside && is_in(last))
            next = &last->member;
        if (!next)
            return NULL;
        part = part_at(next);
    } while (!keeps_to_cap(queue, part, now));
    next = fair_next(&part->runners, part == last ? &aside->member : NULL);
    return next ? runner_at(next) : aside;
}

static void step_up(struct run_queue *queue, struct runner *runner)
{
    if (runner->urgent)
        list_remove(&runner->hurried);
    runner->urgent = false;
    fair_serve(&runner->part->runners, &runner->member);
    if (is_in(runner->part))
        fair_serve(&queue->parts, &runner->part->member);
    queue->running = runner;
}

static uint64_t left_of(const struct fair_member *member)
{
    return (uint64_t)MAX(ahead(member->node.key, member->node.value), 0);
}

static uint64_t run_until(const struct run_queue *queue, const struct runner *runner, uint64_t now)
{
    uint64_t left = UINT64_MAX / 2, shortest = queue->times->slice / SHORTEST_PART;
    const struct run_part *part = runner->part;

    if (queue->parts.count > 1 && is_in(part))
        left = to_ticks(part, left_of(&part->member));
    if (part->runners.count > 1)
        left = MIN(left, left_of(&runner->member));
    if (part->group->quota && is_in(part))
        left = MIN(left, (uint64_t)MAX(part->group->budget, 1));
    return left == UINT64_MAX / 2 ? RUN_NEVER : now + MAX(left, shortest);
}

struct runner *runqueue_pick(struct run_queue *queue, struct runner *aside, uint64_t now, uint64_t *until)
{
    struct runner *was = queue->running, *chosen;
    struct tree_node *first;

    runqueue_charge(queue, now);
    if (was)
        step_down(queue);
    release(queue, now);
    chosen = choose(queue, aside, now);
    first = tree_first(queue->throttled);
    *until = first ? first->key : RUN_NEVER;
    if (!chosen)
        return NULL;
    step_up(queue, chosen);
    if (!was || was->part != chosen->part)
        begin_share(chosen->part, now);
    *until = MIN(*until, run_until(queue, chosen, now));
    return chosen;
}

bool runqueue_preempts(struct run_queue *queue, const struct runner *runner)
{
    const struct runner *running = queue->running;
    struct run_part *part = runner->part;

    if (!running || runner->urgent || part->throttled)
        return runner->urgent || !part->throttled;
    if (running->part == part)
        return fair_precedes(&part->runners, &runner->member, &running->member);
    return is_in(running->part) && fair_precedes(&queue->parts, &part->member, &running->part->member);
}

uint64_t runqueue_load(const struct run_queue *queue)
{
    return __atomic_load_n(&queue->parts.weight, __ATOMIC_RELAXED);
}

uint64_t runner_load(const struct runner *runner)
{
    return divided_weight(runner->group, 1);
}

bool runqueue_contended(const struct run_queue *queue)
{
    const struct run_part *part = queue->running ? queue->running->part : NULL;
    bool in = part && is_in(part);

    return !list_is_empty(&queue->hurried) || queue->parts.count > in || (in && part->runners.count > 1);
}
