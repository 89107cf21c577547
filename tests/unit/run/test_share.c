/* What is due, against sums done by hand. */
#include "hv/run/share.h"

#include <string.h>

#include "tests/unit/fake.h"

static struct shares shares;
static struct share share[SHARES_MOST + 1];
static struct run_group groups[SHARES_MOST + 1];

static int setup(void **state)
{
    (void)state;
    memset(&shares, 0, sizeof(shares));
    memset(share, 0, sizeof(share));
    return 0;
}

static void add(unsigned i, unsigned weight, unsigned runnable, unsigned most)
{
    run_group_init(&groups[i], NULL, weight, 0, shares.since);
    groups[i].runnable = runnable;
    assert_true(share_add(&shares, &share[i], &groups[i], most, shares.since));
}

static void cores(unsigned count)
{
    while (count--)
        share_count_core(&shares, 1, shares.since);
}

static void assert_due(unsigned i, uint64_t due)
{
    assert_in_range(share[i].due, due - due / 1000 - 2, due + due / 1000 + 2);
}

static void time_is_divided_by_weight(void **state)
{
    (void)state;
    cores(2);
    add(0, 100, 4, 6400);
    add(1, 300, 4, 6400);
    share_pass(&shares, 100000, 0);
    assert_due(0, 50000);
    assert_due(1, 150000);
}

static void what_one_cannot_use_goes_to_the_others(void **state)
{
    (void)state;
    cores(2);
    add(0, 10000, 1, 6400); /* one vCPU: one core */
    add(1, 100, 1, 6400);
    add(2, 300, 1, 6400);
    add(3, 100, 2, 10); /* a cap */
    share_pass(&shares, 100000, 0);
    assert_due(0, 100000);
    assert_due(3, 10000);
    assert_due(1, 22500);
    assert_due(2, 67500);
}

static void nobody_is_due_more_than_there_is(void **state)
{
    (void)state;
    add(0, 100, 1, 6400);
    share_pass(&shares, 1000, 0); /* no core yet */
    assert_int_equal(share[0].due, 0);
    cores(8);
    share_pass(&shares, 2000, 0);
    assert_due(0, 1000);
}

static void who_sleeps_is_due_nothing(void **state)
{
    (void)state;
    cores(1);
    add(0, 100, 1, 6400);
    add(1, 100, 0, 6400);
    share_pass(&shares, 1000, 0);
    groups[1].runnable = 1;
    share_pass(&shares, 2000, 0);
    assert_due(0, 1500);
    assert_due(1, 500);
    share_pass(&shares, 1500, 0); /* a clock that is behind */
    assert_due(0, 1500);
}

static void who_ran_all_at_once_and_sleeps_catches_up(void **state)
{
    (void)state;
    cores(1);
    add(0, 100, 1, 6400);
    add(1, 100, 0, 6400);
    groups[1].ran = 1000; /* it had the core for itself */
    groups[0].ran = 0;
    share_pass(&shares, 10000, 0);
    assert_due(1, 1000);
    assert_due(0, 9000);
}

static void one_that_is_gone_leaves_its_part(void **state)
{
    (void)state;
    cores(1);
    for (unsigned i = 0; i < SHARES_MOST; i++)
        add(i, 100, 1, 6400);
    assert_false(share_add(&shares, &share[SHARES_MOST], &groups[SHARES_MOST], 100, 0));
    for (unsigned i = 1; i < SHARES_MOST; i++)
        share_remove(&shares, &share[i], 32000);
    share_pass(&shares, 33000, 0);
    assert_due(0, 2000);
    assert_due(1, 1000);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(time_is_divided_by_weight),
        TEST(what_one_cannot_use_goes_to_the_others),
        TEST(nobody_is_due_more_than_there_is),
        TEST(who_sleeps_is_due_nothing),
        TEST(who_ran_all_at_once_and_sleeps_catches_up),
        TEST(one_that_is_gone_leaves_its_part),
    };
    return cmocka_run_group_tests_name("share", tests, NULL, NULL);
}
