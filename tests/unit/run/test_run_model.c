/*
 * What the run queues promise, whatever happens: a runner that stays on its core and can always run has its
 * weighted share of that core but for a few slices, and no group has more of it than its own share and as
 * much. Small machines in all ways that there are, up to a depth; large ones by chance.
 */
#include "hv/run/runqueue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake.h"

#define SLICE  5000
#define PERIOD 100000
#define QUEUES 4
#define GROUPS 8 /* the first ones: of the victims, one on each queue */
#define MOST   40

static const struct run_times times = {SLICE, PERIOD};

/* Copied as a whole: all pointers in it stay right. */
static struct machine {
    struct run_queue queues[QUEUES];
    struct run_part parts[GROUPS][QUEUES];
    struct run_group groups[GROUPS];
    struct runner runners[MOST];
    int at[MOST]; /* the queue that it is in, or -1 */
    uint64_t had[GROUPS][QUEUES];
    uint64_t now, begin;
    unsigned queue_count, group_count, victims, count;
} m;

static char path[64]; /* what was done, for a failure */

/* Runs the queue for so long. */
static void live(unsigned q, uint64_t end)
{
    struct run_queue *queue = &m.queues[q];
    uint64_t now = m.now;

    while (now != end) {
        uint64_t until, ran;
        struct runner *runner = runqueue_pick(queue, NULL, now, &until);

        if (until == RUN_NEVER || (int64_t)(until - end) > 0)
            until = end;
        now = until;
        ran = runner ? runner->ran : 0;
        runqueue_charge(queue, now);
        if (runner)
            m.had[runner->group - m.groups][q] += runner->ran - ran;
    }
}

static void pass(uint64_t ticks)
{
    for (unsigned q = 0; q < m.queue_count; q++)
        live(q, m.now + ticks);
    m.now += ticks;
}

static void go(unsigned i, int to)
{
    struct runner *runner = &m.runners[i];
    int from = m.at[i];

    if (from >= 0 && to >= 0)
        runqueue_move(&m.queues[from], &m.queues[to], runner, m.now);
    else if (from >= 0)
        runqueue_remove(&m.queues[from], runner, m.now);
    else
        runqueue_insert(&m.queues[to], runner, m.now);
    m.at[i] = to;
}

static unsigned add_runner(unsigned group)
{
    unsigned i = m.count++;

    m.runners[i].group = &m.groups[group];
    m.at[i] = -1;
    return i;
}

static unsigned add_group(unsigned weight)
{
    unsigned g = m.group_count++;

    run_group_init(&m.groups[g], m.parts[g], weight, 0, m.now);
    return g;
}

/* The first queues with one victim each, of this weight or none, which can run from now on. */
static void begin_machine(unsigned queues, const unsigned *victims)
{
    memset(&m, 0, sizeof(m));
    m.now = m.begin = 1000000;
    m.queue_count = queues;
    for (unsigned q = 0; q < queues; q++)
        runqueue_init(&m.queues[q], &times, q);
    for (unsigned q = 0; q < queues; q++)
        if (victims[q])
            go(add_runner(add_group(victims[q])), (int)q);
    m.victims = m.count;
}

/* What each is due of its own queue, if all others wanted all that they may; and no more than that. */
static void check_bounds(unsigned slices)
{
    uint64_t lived = m.now - m.begin;

    for (unsigned v = 0; v < m.victims; v++) {
        unsigned weight = m.groups[v].weight, q = v, others = 0;
        uint64_t due;

        for (unsigned g = m.victims; g < m.group_count; g++) {
            uint64_t most = lived * m.groups[g].weight / (m.groups[g].weight + weight);

            others += m.groups[g].weight;
            if (m.had[g][q] > most + slices * SLICE)
                fail_msg("%s: on queue %u group %u had %lu ticks, %lu were its due at most", path, q, g,
                         m.had[g][q], most);
        }
        due = lived * weight / (weight + others);
        if (m.had[v][q] + slices * SLICE < due)
            fail_msg("%s: on queue %u the victim had %lu ticks, %lu were due", path, q, m.had[v][q], due);
    }
}

static struct machine saved[16];
static unsigned long visited;

/*
 * All that attackers can do in so many steps: each wakes on either queue, goes to the other if it waits, or
 * sleeps; and then some time passes.
 */
static void explore(unsigned depth, unsigned left)
{
    static const uint64_t spans[] = {SLICE / 5, 4 * SLICE};

    visited++;
    if (!left)
        return;
    saved[depth] = m;
    for (unsigned i = m.victims; i < m.count; i++)
        for (int to = -1; to < (int)m.queue_count; to++)
            for (unsigned span = 0; span < ARRAY_LENGTH(spans); span++) {
                if (to == m.at[i] || (to >= 0 && m.at[i] >= 0 && m.queues[m.at[i]].running == &m.runners[i]))
                    continue;
                path[depth] = (char)('a' + (int)i * 8 + (to + 1) * 2 + (int)span);
                path[depth + 1] = 0;
                go(i, to);
                pass(spans[span]);
                check_bounds(5);
                explore(depth + 1, left - 1);
                m = saved[depth];
            }
}

static void every_small_machine_keeps_its_promise(void **state)
{
    static const struct {
        unsigned victims[2], weights[2], depth;
    } rows[] = {
        {{100, 0}, {1, 1}, 5},       {{100, 0}, {100, 1}, 5},   {{1, 0}, {100, 1}, 4},
        {{100, 100}, {100, 100}, 4}, {{100, 1}, {1, 10000}, 4},
    };

    (void)state;
    for (unsigned row = 0; row < ARRAY_LENGTH(rows); row++) {
        unsigned first;

        begin_machine(2, rows[row].victims);
        first = add_group(rows[row].weights[0]);
        add_runner(first);
        add_runner(first);
        add_runner(add_group(rows[row].weights[1]));
        go(m.victims, 1); /* an attacker, and has been running there for long */
        pass(100 * SLICE);
        memset(m.had, 0, sizeof(m.had));
        m.begin = m.now;
        explore(0, rows[row].depth);
    }
    print_message("%lu states\n", visited);
    assert_true(visited > 100000);
}

static void large_machines_keep_it_too(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 40; seed++) {
        unsigned victims[QUEUES], first;

        srand(seed);
        for (unsigned q = 0; q < QUEUES; q++)
            victims[q] = 50 + (unsigned)rand() % 200;
        begin_machine(QUEUES, victims);
        first = m.count;
        for (unsigned g = QUEUES; g < GROUPS; g++) {
            add_group(1 + (unsigned)rand() % 40);
            for (unsigned i = 0; i < (MOST - QUEUES) / (GROUPS - QUEUES); i++)
                add_runner(g);
        }
        snprintf(path, sizeof(path), "seed %u", seed);
        for (unsigned step = 0; step < 4000; step++) {
            unsigned i = first + (unsigned)rand() % (m.count - first);
            int to = rand() % (QUEUES + 1) - 1;

            if (to != m.at[i] && !(to >= 0 && m.at[i] >= 0 && m.queues[m.at[i]].running == &m.runners[i]))
                go(i, to);
            if (rand() % 3 == 0)
                pass((uint64_t)rand() % (rand() % 8 ? SLICE / 4 : 4 * SLICE));
            check_bounds(2 * (GROUPS - QUEUES) + 2);
        }
    }
}

/* Several runners that run one at a time have their group's weight once, not each for itself. */
static void who_takes_turns_has_one_weight(void **state)
{
    static const unsigned weights[] = {100, 0};
    unsigned group;

    (void)state;
    begin_machine(1, weights);
    group = add_group(100);
    for (unsigned i = 0; i < 8; i++)
        add_runner(group);
    strcpy(path, "turns");
    for (unsigned step = 0; step < 4000; step++) {
        if (step)
            go(1 + (step - 1) % 8, -1);
        go(1 + step % 8, 0);
        pass(SLICE * 3 / 4);
        check_bounds(4);
    }
}

/* One that could run a little somewhere else each time that it has had its slice here. */
static void who_goes_to_and_fro_gains_nothing(void **state)
{
    static const unsigned weights[] = {100, 0};
    unsigned attacker;

    (void)state;
    begin_machine(2, weights);
    attacker = add_runner(add_group(1));
    go(attacker, 1);
    strcpy(path, "to and fro");
    for (unsigned step = 0; step < 20000; step++) {
        go(attacker, -1);
        go(attacker, step % 3 == 0);
        pass(SLICE / 3);
        check_bounds(4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_small_machine_keeps_its_promise),
        cmocka_unit_test(large_machines_keep_it_too),
        cmocka_unit_test(who_takes_turns_has_one_weight),
        cmocka_unit_test(who_goes_to_and_fro_gains_nothing),
    };
    return cmocka_run_group_tests_name("run_model", tests, NULL, NULL);
}
