/* The run queue in virtual time: one core that always runs whom the queue picks, for as long as it says. */
#include "hv/run/runqueue.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake.h"

#define SLICE  5000
#define PERIOD 100000
#define MOST   64

static const struct run_times times = {SLICE, PERIOD};
static struct run_queue queue, second;
static struct run_part parts[MOST][2];
static struct run_group groups[MOST];
static struct runner runners[MOST];
static uint64_t now, idle;

static int setup(void **state)
{
    (void)state;
    now = 1000000, idle = 0;
    memset(parts, 0, sizeof(parts));
    memset(groups, 0, sizeof(groups));
    memset(runners, 0, sizeof(runners));
    runqueue_init(&queue, &times, 0);
    runqueue_init(&second, &times, 1);
    return 0;
}

static struct runner *add(unsigned i, unsigned weight, uint64_t quota)
{
    run_group_init(&groups[i], parts[i], weight, quota, now);
    runners[i].group = &groups[i];
    runqueue_insert(&queue, &runners[i], now);
    return &runners[i];
}

/* The core's life until `end`. */
static void live_until(uint64_t end)
{
    while ((int64_t)(end - now) > 0) {
        uint64_t until;
        struct runner *runner = runqueue_pick(&queue, NULL, now, &until);

        assert_ptr_equal(runner, queue.running);
        if (until == RUN_NEVER || (int64_t)(until - end) > 0)
            until = end;
        assert_true(until != now);
        idle += runner ? 0 : until - now;
        now = until;
    }
    runqueue_charge(&queue, now);
}

static void assert_share(unsigned i, uint64_t due, uint64_t within)
{
    if (llabs((long long)(runners[i].ran - due)) > (long long)within)
        fail_msg("runner %u ran %lu ticks, %lu were due", i, runners[i].ran, due);
}

static void shares_are_by_weight_within_a_slice(void **state)
{
    static const unsigned weights[] = {100, 200, 50, 1000, 1, 333, 10000};
    uint64_t total = 0, begin = now;

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(weights); i++)
        total += weights[i], add(i, weights[i], 0);
    for (unsigned step = 0; step < 400; step++) {
        live_until(now + 12345);
        for (unsigned i = 0; i < ARRAY_LENGTH(weights); i++)
            assert_share(i, (now - begin) * weights[i] / total, SLICE + SLICE / 4);
    }
    assert_int_equal(idle, 0);
}

static void sixty_four_runners_share_evenly(void **state)
{
    uint64_t begin = now;

    (void)state;
    for (unsigned i = 0; i < MOST; i++)
        add(i, 100, 0);
    live_until(now + 64 * SLICE * 50);
    for (unsigned i = 0; i < MOST; i++)
        assert_share(i, (now - begin) / MOST, SLICE);
}

static void a_group_divides_its_weight_among_those_that_can_run(void **state)
{
    uint64_t begin = now;

    (void)state;
    add(0, 100, 0);
    add(1, 200, 0);
    runners[2].group = runners[3].group = &groups[1];
    runqueue_insert(&queue, &runners[2], now);
    runqueue_insert(&queue, &runners[3], now);
    live_until(now + 900 * SLICE);
    assert_share(0, (now - begin) / 3, SLICE);
    for (unsigned i = 1; i <= 3; i++)
        assert_share(i, (now - begin) * 2 / 9, SLICE);
    assert_int_equal(groups[1].ran, runners[1].ran + runners[2].ran + runners[3].ran);

    runqueue_remove(&queue, &runners[2], now); /* two sleep: the third has it all */
    runqueue_remove(&queue, &runners[3], now);
    for (unsigned i = 0; i < 4; i++)
        runners[i].ran = 0;
    begin = now;
    live_until(now + 900 * SLICE);
    assert_share(0, (now - begin) / 3, 2 * SLICE);
    assert_share(1, (now - begin) * 2 / 3, 2 * SLICE);
}

static void a_sibling_that_sleeps_when_accounts_are_made_does_not_cheat(void **state)
{
    uint64_t until;

    (void)state;
    run_group_init(&groups[0], parts[0], 100, 0, now);
    runners[0].group = runners[1].group = &groups[0];
    runqueue_insert(&queue, &runners[0], now);
    runqueue_insert(&second, &runners[1], now);
    assert_ptr_equal(runqueue_pick(&queue, NULL, now, &until), &runners[0]);
    assert_ptr_equal(runqueue_pick(&second, NULL, now, &until), &runners[1]);
    now += 1000;
    runqueue_remove(&second, &runners[1], now);
    runqueue_charge(&queue, now);
    assert_int_equal(parts[0][0].member.node.value, 1000 * 2 * 4096 / 100);
    now += 1000; /* alone */
    runqueue_charge(&queue, now);
    assert_int_equal(parts[0][0].member.node.value, 1000 * 3 * 4096 / 100);
}

static void who_slept_long_runs_at_once_but_has_saved_nothing(void **state)
{
    uint64_t until;

    (void)state;
    add(0, 100, 0);
    add(1, 100, 0);
    live_until(now + 10 * SLICE);
    runqueue_remove(&queue, &runners[1], now);
    live_until(now + 1000 * SLICE);
    runners[0].ran = runners[1].ran = 0;
    assert_ptr_equal(runqueue_pick(&queue, NULL, now, &until), &runners[0]);
    now += SLICE / 2;
    runqueue_insert(&queue, &runners[1], now);
    assert_true(runqueue_preempts(&queue, &runners[1]));
    assert_ptr_equal(runqueue_pick(&queue, NULL, now, &until), &runners[1]);
    assert_int_equal(until, now + SLICE);
    live_until(now + 100 * SLICE);
    assert_true(runners[1].ran <= 53 * SLICE && runners[1].ran >= 50 * SLICE);
}

static void who_has_had_its_share_does_not_gain_by_a_nap(void **state)
{
    uint64_t begin = now;

    (void)state;
    add(0, 100, 0);
    add(1, 100, 0);
    for (unsigned i = 0; i < 1000; i++) { /* naps of a tick before each slice's end */
        uint64_t until;
        struct runner *runner = runqueue_pick(&queue, NULL, now, &until);

        now = until - 1;
        if (runner == &runners[1]) {
            runqueue_remove(&queue, runner, now);
            now++;
            runqueue_insert(&queue, runner, now);
        }
    }
    live_until(now + SLICE);
    assert_share(0, (now - begin) / 2, 3 * SLICE);
}

static void who_wakes_often_and_briefly_waits_for_nobody(void **state)
{
    (void)state;
    add(0, 100, 0);
    add(2, 100, 0);
    add(1, 100, 0);
    runqueue_remove(&queue, &runners[1], now);
    for (unsigned i = 0; i < 100; i++) { /* a tenth of the core; a third is due */
        live_until(now + 9 * SLICE / 10);
        runqueue_insert(&queue, &runners[1], now);
        assert_true(i < 3 || runqueue_preempts(&queue, &runners[1]));
        live_until(now + SLICE / 10);
        runqueue_remove(&queue, &runners[1], now);
    }
    assert_share(1, 10 * SLICE, SLICE);
}

/* Its weight says how much it has, not how long it waits for the little that it wants. */
static void who_is_owed_something_and_wakes_waits_for_no_weight(void **state)
{
    static const unsigned weights[] = {1, 10, 50, 100, 400};

    for (unsigned weight = 0; weight < ARRAY_LENGTH(weights); weight++) {
        uint64_t begin, until;

        setup(state);
        add(0, 400, 0);
        live_until(now + 3 * SLICE / 2);
        add(1, weights[weight], 0);
        runqueue_remove(&queue, &runners[1], now);
        begin = now;
        for (unsigned i = 0; i < 100; i++) { /* half of what is due */
            uint64_t wants = 2 * SLICE * weights[weight] / (400 + weights[weight]) / 2;

            live_until(now + 2 * SLICE - wants);
            runqueue_insert(&queue, &runners[1], now);
            assert_true(runqueue_preempts(&queue, &runners[1]));
            assert_ptr_equal(runqueue_pick(&queue, NULL, now, &until), &runners[1]);
            now += wants;
            runqueue_remove(&queue, &runners[1], now);
        }
        assert_int_equal(runners[0].ran + runners[1].ran, now - begin + 3 * SLICE / 2);
    }
}

static void who_wakes_all_the_time_has_no_more_than_its_due(void **state)
{
    uint64_t begin = now;

    (void)state;
    add(0, 300, 0);
    add(1, 100, 0);
    while (now - begin < 1000 * SLICE) { /* as long as it is let, a tick's nap, and again */
        uint64_t until;
        struct runner *runner = runqueue_pick(&queue, NULL, now, &until);

        if (runner == &runners[1]) {
            now += SLICE / 20;
            runqueue_remove(&queue, runner, now);
            live_until(now + 1);
            runqueue_insert(&queue, runner, now);
        } else {
            now = until;
        }
    }
    runqueue_charge(&queue, now);
    assert_share(1, (now - begin) / 4, 3 * SLICE);
}

static void a_cap_is_kept_over_periods_even_alone(void **state)
{
    (void)state;
    add(0, 100, PERIOD * 30 / 100);
    live_until(now + 20 * PERIOD);
    assert_share(0, 6 * PERIOD, SLICE);
    assert_int_equal(idle, 20 * PERIOD - runners[0].ran);
}

static void what_a_cap_leaves_goes_to_others(void **state)
{
    (void)state;
    add(0, 10000, PERIOD / 10);
    add(1, 1, 0);
    live_until(now + 50 * PERIOD);
    assert_share(0, 5 * PERIOD, SLICE);
    assert_share(1, 45 * PERIOD, SLICE);
    assert_int_equal(idle, 0);
}

static void a_cap_is_one_for_all_of_a_group(void **state)
{
    (void)state;
    add(0, 100, PERIOD / 2);
    runners[1].group = &groups[0];
    runqueue_insert(&queue, &runners[1], now);
    live_until(now + 40 * PERIOD);
    assert_share(0, 10 * PERIOD, 2 * SLICE);
    assert_share(1, 10 * PERIOD, 2 * SLICE);
}

static void what_is_urgent_runs_though_its_cap_is_used_up(void **state)
{
    uint64_t until;

    (void)state;
    add(0, 100, PERIOD / 100);
    live_until(now + PERIOD / 2);
    assert_null(runqueue_pick(&queue, NULL, now, &until));
    assert_int_equal(until, groups[0].refilled + PERIOD);
    runqueue_hurry(&queue, &runners[0]);
    assert_true(runqueue_preempts(&queue, &runners[0]));
    assert_ptr_equal(runqueue_pick(&queue, NULL, now, &until), &runners[0]);
    now += 100;
    assert_null(runqueue_pick(&queue, NULL, now, &until)); /* once */
    assert_int_equal(runners[0].ran, PERIOD / 100 + 100);
}

/* Also what was used up in one go, such as the loading of a kernel: nothing of it is forgotten. */
static void what_a_cap_was_overdrawn_by_is_paid_back(void **state)
{
    uint64_t begin = now, until;

    (void)state;
    add(0, 100, PERIOD / 100);
    assert_ptr_equal(runqueue_pick(&queue, NULL, now, &until), &runners[0]);
    now += 30 * PERIOD / 100;
    live_until(begin + 30 * PERIOD);
    assert_share(0, 30 * PERIOD / 100, 0);
    live_until(begin + 90 * PERIOD);
    assert_share(0, 90 * PERIOD / 100, PERIOD / 100 + SLICE / 8);
}

static void who_steps_aside_lets_even_those_go_first_that_owe(void **state)
{
    uint64_t until;
    struct runner *first, *other;

    (void)state;
    add(0, 100, 0);
    add(1, 100, 0);
    first = runqueue_pick(&queue, NULL, now, &until);
    other = first == &runners[0] ? &runners[1] : &runners[0];
    runqueue_remove(&queue, other, now);
    other->part->member.node.value += 1000000;
    runqueue_insert(&queue, other, now);
    assert_ptr_equal(runqueue_pick(&queue, NULL, now, &until), first);
    assert_ptr_equal(runqueue_pick(&queue, first, now, &until), other);
    runqueue_remove(&queue, other, now);
    assert_ptr_equal(runqueue_pick(&queue, first, now, &until), first);
}

static uint64_t virtual_of(const struct runner *runner)
{
    return runner->part->member.node.value;
}

static void what_is_owed_stays_and_what_one_owes_comes_along(void **state)
{
    uint64_t far = UINT64_C(1) << 50;

    (void)state;
    add(0, 100, 0);
    run_group_init(&groups[2], parts[2], 100, 0, now);
    runners[2].group = &groups[2];
    parts[2][1].member.node.value = -far; /* very late, on the other queue */
    second.parts.virtual = 0;
    runqueue_insert(&second, &runners[2], now);
    runqueue_move(&second, &queue, &runners[2], now);
    assert_int_equal(virtual_of(&runners[2]), fair_virtual(&queue.parts));
    assert_int_equal(queue.count, 2);
    assert_int_equal(second.count, 0);
    assert_int_equal(groups[2].runnable, 1);
    run_group_init(&groups[3], parts[3], 100, 0, now);
    runners[3].group = &groups[3];
    runqueue_insert(&second, &runners[3], now);
    runqueue_remove(&queue, &runners[2], now);
    parts[2][1].member.node.value = 1000; /* ahead of the only other one there */
    runqueue_insert(&second, &runners[2], now);
    runqueue_move(&second, &queue, &runners[2], now);
    assert_int_equal(virtual_of(&runners[2]), virtual_of(&runners[0]) + 500);
}

/* Whatever its runners do, what a group has had of a core is not forgotten there. */
static void who_is_away_for_a_while_comes_back_where_it_stood(void **state)
{
    uint64_t stood, until;

    (void)state;
    add(0, 100, 0);
    add(1, 1, 0);
    runqueue_pick(&queue, NULL, now, &until);
    now += 1;
    assert_ptr_equal(runqueue_pick(&queue, &runners[0], now, &until), &runners[1]);
    now += SLICE;
    runqueue_pick(&queue, NULL, now, &until);
    stood = virtual_of(&runners[1]);
    runqueue_move(&queue, &second, &runners[1], now);
    live_until(now + SLICE);
    runqueue_move(&second, &queue, &runners[1], now);
    assert_int_equal(virtual_of(&runners[1]), stood);
}

/* The sums that are kept along the way do not drift. */
static void virtual_time_of_many_is_still_their_mean(void **state)
{
    (void)state;
    srand(2);
    for (unsigned i = 0; i < MOST; i++)
        add(i, 1 + (unsigned)rand() % 300, 0);
    for (unsigned step = 0; step < 500; step++) {
        double sum = 0, weight = 0;

        live_until(now + (unsigned)rand() % (3 * SLICE));
        for (unsigned i = 0; i < MOST; i++) {
            sum += (double)groups[i].weight * (double)virtual_of(&runners[i]);
            weight += groups[i].weight;
        }
        assert_true(fabs(sum / weight - (double)fair_virtual(&queue.parts)) < 2);
    }
}

static void virtual_time_may_wrap(void **state)
{
    uint64_t begin = now;

    (void)state;
    queue.parts.virtual = -UINT64_C(1000000);
    parts[0][0].member.node.value = parts[1][0].member.node.value = -UINT64_C(1000000);
    add(0, 1, 0);
    add(1, 2, 0);
    live_until(now + 300 * SLICE);
    assert_true(virtual_of(&runners[0]) < UINT64_MAX / 2);
    assert_share(0, (now - begin) / 3, 2 * SLICE);
}

static void clocks_that_differ_a_little_do_no_harm(void **state)
{
    uint64_t until;

    (void)state;
    add(0, 100, PERIOD / 2);
    runqueue_pick(&queue, NULL, now, &until);
    runqueue_charge(&queue, now - 5);
    runqueue_charge(&queue, now + 10);
    assert_int_equal(runners[0].ran, 10);
    runqueue_remove(&queue, &runners[0], now);
    assert_int_equal(runners[0].ran, 10);
}

/* Comings and goings by chance: the sums must hold. */
static void chance(void **state)
{
    static const unsigned weights[] = {1, 10000, 100, 250, 7, 64, 1000, 100};
    uint64_t begin = now, sum = 0;
    bool in[8] = {0};

    (void)state;
    srand(1);
    for (unsigned i = 0; i < 8; i++) {
        run_group_init(&groups[i], parts[i], weights[i], i % 4 == 3 ? PERIOD / 5 : 0, now);
        runners[i].group = &groups[i];
    }
    for (unsigned step = 0; step < 20000; step++) {
        unsigned i = (unsigned)rand() % 8;

        if (in[i] && rand() % 3 == 0)
            runqueue_remove(&queue, &runners[i], now), in[i] = false;
        else if (!in[i])
            runqueue_insert(&queue, &runners[i], now), in[i] = true;
        live_until(now + (unsigned)rand() % (2 * SLICE));
        for (unsigned k = 0; k < 8; k++)
            assert_true(groups[k].runnable == in[k] && runners[k].ran == groups[k].ran);
    }
    for (unsigned i = 0; i < 8; i++)
        sum += runners[i].ran;
    assert_int_equal(sum + idle, now - begin);
    assert_true(runners[3].ran <= (now - begin) / 5 + SLICE);
}

/* A core serves a timer of one that sleeps: who runs there is not charged, and the other pays when it takes
 * part. */
static void timers_are_charged_to_their_owner(void **state)
{
    struct runner *sleeper = add(1, 100, 0), *runs = add(0, 100, 0);
    uint64_t until, virtual, ran;

    (void)state;
    runqueue_remove(&queue, sleeper, now);
    assert_ptr_equal(runqueue_pick(&queue, NULL, now, &until), runs);
    virtual = virtual_of(runs);
    ran = runs->ran;
    now += 1000;
    runqueue_charge_other(&queue, sleeper, now - 400, now);
    runqueue_charge(&queue, now);
    assert_int_equal(runs->ran - ran, 600);
    assert_int_equal(groups[1].ran, 400);
    runqueue_insert(&queue, sleeper, now);
    assert_int_equal((virtual_of(sleeper) - virtual) / 1000, (virtual_of(runs) - virtual) * 4 / 6 / 1000);
    now += 500;
    runqueue_charge_other(&queue, runs, now - 400, now); /* its own, while it runs: as time that it runs */
    runqueue_charge(&queue, now);
    assert_int_equal(runs->ran - ran, 1100);
}

static void timers_use_up_a_cap(void **state)
{
    struct runner *capped = add(0, 100, PERIOD / 10);
    uint64_t until;

    (void)state;
    runqueue_charge_other(&second, capped, now - PERIOD / 10, now);
    assert_null(runqueue_pick(&queue, NULL, now, &until));
    assert_int_equal(until, groups[0].refilled + PERIOD);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(timers_are_charged_to_their_owner),
        TEST(timers_use_up_a_cap),
        TEST(shares_are_by_weight_within_a_slice),
        TEST(sixty_four_runners_share_evenly),
        TEST(a_group_divides_its_weight_among_those_that_can_run),
        TEST(a_sibling_that_sleeps_when_accounts_are_made_does_not_cheat),
        TEST(who_slept_long_runs_at_once_but_has_saved_nothing),
        TEST(who_has_had_its_share_does_not_gain_by_a_nap),
        TEST(who_wakes_often_and_briefly_waits_for_nobody),
        TEST(who_is_owed_something_and_wakes_waits_for_no_weight),
        TEST(who_wakes_all_the_time_has_no_more_than_its_due),
        TEST(a_cap_is_kept_over_periods_even_alone),
        TEST(what_a_cap_leaves_goes_to_others),
        TEST(a_cap_is_one_for_all_of_a_group),
        TEST(what_is_urgent_runs_though_its_cap_is_used_up),
        TEST(what_a_cap_was_overdrawn_by_is_paid_back),
        TEST(who_steps_aside_lets_even_those_go_first_that_owe),
        TEST(what_is_owed_stays_and_what_one_owes_comes_along),
        TEST(who_is_away_for_a_while_comes_back_where_it_stood),
        TEST(virtual_time_of_many_is_still_their_mean),
        TEST(virtual_time_may_wrap),
        TEST(clocks_that_differ_a_little_do_no_harm),
        TEST(chance),
    };
    return cmocka_run_group_tests_name("runqueue", tests, NULL, NULL);
}
