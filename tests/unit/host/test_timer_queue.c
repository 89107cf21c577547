/* The queue of timers of each core. */
#include "tests/unit/fake.h"

#include <string.h>

#include "hv/host/apic.h"
#include "hv/host/cpu.h"
#include "tests/unit/privileged.h"

static struct cpu cores[2];
static uint64_t hardware[2]; /* what each core's timer is set to */

void host_apic_timer_set(uint64_t deadline)
{
    hardware[this_cpu()->index] = deadline;
}

static void on(unsigned core)
{
    privileged_set_core(&cores[core]);
}

static unsigned fired[4];
static struct timer timers[4];
static uint64_t again; /* what the timer that fires sets itself to */

static void expired(struct timer *timer)
{
    assert_false(timer_armed(timer));
    fired[timer - timers]++;
    if (again)
        timer_arm(timer, again);
}

static int setup(void **state)
{
    (void)state;
    fake_reset();
    memset(cores, 0, sizeof(cores));
    memset(timers, 0, sizeof(timers));
    memset(fired, 0, sizeof(fired));
    again = 0;
    for (unsigned i = 0; i < 2; i++) {
        cores[i].self = &cores[i];
        cores[i].index = i;
        hardware[i] = UINT64_MAX;
    }
    for (unsigned i = 0; i < ARRAY_LENGTH(timers); i++)
        timers[i].expired = expired;
    on(0);
    return 0;
}

static void interrupt_at(uint64_t now)
{
    fake_now = now;
    timer_interrupt();
}

static void the_hardware_is_set_for_the_earliest(void **state)
{
    (void)state;
    timer_arm(&timers[0], 500);
    assert_int_equal(hardware[0], 500);
    timer_arm(&timers[1], 700);
    assert_int_equal(hardware[0], 500);
    timer_arm(&timers[2], 300);
    assert_int_equal(hardware[0], 300);
    interrupt_at(600);
    assert_int_equal(fired[2], 1);
    assert_int_equal(fired[0], 1);
    assert_int_equal(fired[1], 0);
    assert_int_equal(hardware[0], 700);
    interrupt_at(700);
    assert_int_equal(fired[1], 1);
    assert_true(hardware[0] == UINT64_MAX);
}

/* A hardware timer may be too narrow for the deadline, or count a little fast. */
static void an_interrupt_that_comes_early_sets_the_hardware_again(void **state)
{
    (void)state;
    timer_arm(&timers[0], UINT64_MAX - 1);
    hardware[0] = 0;
    interrupt_at(400);
    assert_int_equal(fired[0], 0);
    assert_true(hardware[0] == UINT64_MAX - 1);
}

static void a_deadline_in_the_past_fires_with_the_next_interrupt(void **state)
{
    (void)state;
    fake_now = 1000;
    timer_arm(&timers[0], 10);
    assert_int_equal(hardware[0], 10);
    interrupt_at(1000);
    assert_int_equal(fired[0], 1);
}

static void a_timer_that_moves_is_in_the_queue_once(void **state)
{
    (void)state;
    for (uint64_t deadline = 900; deadline >= 100; deadline -= 100)
        timer_arm(&timers[0], deadline);
    timer_arm(&timers[1], 500);
    timer_arm(&timers[0], 800); /* back behind the other: the interrupt at 100 finds nothing to do */
    interrupt_at(100);
    assert_int_equal(fired[0] + fired[1], 0);
    assert_int_equal(hardware[0], 500);
    interrupt_at(2000);
    assert_int_equal(fired[0], 1);
    assert_int_equal(fired[1], 1);
}

static void one_that_is_cancelled_does_not_fire_and_the_rest_do(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++)
        timer_arm(&timers[i], 100 + i);
    timer_cancel(&timers[0]);
    timer_cancel(&timers[1]);
    timer_cancel(&timers[1]);
    assert_false(timer_armed(&timers[1]));
    interrupt_at(100); /* the hardware was not set anew */
    assert_int_equal(hardware[0], 102);
    interrupt_at(102);
    assert_int_equal(fired[0] + fired[1], 0);
    assert_int_equal(fired[2], 1);
}

/* One that arms itself for what is past already must not keep the core in the interrupt for ever. */
static void one_that_arms_itself_waits_for_the_next_interrupt(void **state)
{
    (void)state;
    timer_arm(&timers[0], 100);
    again = 201;
    interrupt_at(200);
    assert_int_equal(fired[0], 1);
    assert_int_equal(hardware[0], 201);
    again = 0;
    interrupt_at(201);
    assert_int_equal(fired[0], 2);
}

static void a_timer_fires_where_it_was_armed_last(void **state)
{
    (void)state;
    timer_arm(&timers[0], 100);
    on(1);
    timer_arm(&timers[0], 100);
    assert_int_equal(hardware[1], 100);
    on(0);
    interrupt_at(100);
    assert_int_equal(fired[0], 0);
    on(1);
    interrupt_at(100);
    assert_int_equal(fired[0], 1);
}

static void another_core_may_cancel_it(void **state)
{
    (void)state;
    timer_arm(&timers[0], 100);
    timer_arm(&timers[1], 150);
    on(1);
    timer_cancel(&timers[0]);
    assert_true(hardware[1] == UINT64_MAX);
    on(0);
    interrupt_at(100);
    assert_int_equal(fired[0], 0);
    assert_int_equal(hardware[0], 150);
}

static struct spinlock lock;

static void needs_the_lock(struct timer *timer)
{
    assert_false(spin_try_lock(timer->lock));
    fired[0]++;
}

static void the_lock_is_held_while_it_fires_only(void **state)
{
    struct timer timer = {.expired = needs_the_lock, .lock = &lock};

    (void)state;
    timer_arm(&timer, 5);
    interrupt_at(5);
    assert_int_equal(fired[0], 1);
    assert_true(spin_try_lock(&lock));
    spin_unlock(&lock);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_hardware_is_set_for_the_earliest),
        TEST(an_interrupt_that_comes_early_sets_the_hardware_again),
        TEST(a_deadline_in_the_past_fires_with_the_next_interrupt),
        TEST(a_timer_that_moves_is_in_the_queue_once),
        TEST(one_that_is_cancelled_does_not_fire_and_the_rest_do),
        TEST(one_that_arms_itself_waits_for_the_next_interrupt),
        TEST(a_timer_fires_where_it_was_armed_last),
        TEST(another_core_may_cancel_it),
        TEST(the_lock_is_held_while_it_fires_only),
    };
    return cmocka_run_group_tests_name("timer_queue", tests, NULL, NULL);
}
