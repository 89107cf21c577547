#include "hv/lib/line_budget.h"

#include "tests/unit/fake.h"

#define HZ 1000

static struct line_budget budget;
static uint64_t now;

static int setup(void **state)
{
    (void)state;
    budget = (struct line_budget){0};
    now = 5 * HZ;
    return 0;
}

static bool take(unsigned tokens, bool rare)
{
    return line_budget_take(&budget, tokens, rare, now, HZ);
}

/* How many of `tries` were said. */
static unsigned said(unsigned tries, unsigned tokens, bool rare)
{
    unsigned count = 0;

    for (unsigned i = 0; i < tries; i++)
        count += take(tokens, rare);
    return count;
}

static void usual_lines_leave_some_to_rare_ones(void **state)
{
    (void)state;
    assert_int_equal(said(1000, 1, false), LINES_BURST - LINES_KEPT);
    assert_int_equal(said(1000, 1, true), LINES_KEPT);
}

static void rare_lines_may_have_all(void **state)
{
    (void)state;
    assert_int_equal(said(1000, 1, true), LINES_BURST);
    assert_false(take(1, false));
}

static void a_report_takes_its_tokens_or_none(void **state)
{
    (void)state;
    assert_int_equal(said(1000, LINES_OF_REPORT, true), LINES_BURST / LINES_OF_REPORT);
    assert_int_equal(said(1000, 1, true), LINES_BURST % LINES_OF_REPORT);
}

static void tokens_come_back_and_never_more_than_there_were(void **state)
{
    (void)state;
    said(1000, 1, true);
    now += LINE_SECONDS * HZ - 1;
    assert_false(take(1, true));
    now += 1;
    assert_true(take(1, true));
    assert_false(take(1, true));
    now += 1000000ul * HZ;
    assert_int_equal(said(1000, 1, true), LINES_BURST);
}

static void what_is_left_out_is_counted_and_usual_lines_wait_for_the_sum(void **state)
{
    uint64_t seconds;

    (void)state;
    assert_int_equal(line_budget_sum(&budget, now, HZ, &seconds), 0);
    said(LINES_BURST - LINES_KEPT + 3, 1, false);
    now += LINE_SUM_SECONDS * HZ;
    assert_false(take(1, false)); /* there are tokens */
    assert_true(take(1, true));
    assert_int_equal(line_budget_sum(&budget, now, HZ, &seconds), 4);
    assert_int_equal(seconds, LINE_SUM_SECONDS);
    assert_true(take(1, false));
    assert_int_equal(line_budget_sum(&budget, now, HZ, &seconds), 0);
}

/* Whatever a guest does: lines, sums included, in a day. */
static void a_day_has_so_many_lines(void **state)
{
    unsigned lines = 0, sums = 0;
    uint64_t end = now + 86400ul * HZ, seconds;

    (void)state;
    for (; now < end; now += HZ / 10) {
        lines += take(1, now / HZ % 3 == 0);
        if (budget.left_out && now - budget.since >= LINE_SUM_SECONDS * HZ)
            sums += line_budget_sum(&budget, now, HZ, &seconds) > 0;
    }
    assert_in_range(lines, 86400 / LINE_SECONDS - 1, LINES_BURST + 86400 / LINE_SECONDS);
    assert_in_range(sums, 1, 86400 / LINE_SUM_SECONDS + 1);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(usual_lines_leave_some_to_rare_ones),
        TEST(rare_lines_may_have_all),
        TEST(a_report_takes_its_tokens_or_none),
        TEST(tokens_come_back_and_never_more_than_there_were),
        TEST(what_is_left_out_is_counted_and_usual_lines_wait_for_the_sum),
        TEST(a_day_has_so_many_lines),
    };
    return cmocka_run_group_tests_name("line_budget", tests, NULL, NULL);
}
