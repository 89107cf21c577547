#include "tests/unit/fake.h"

#include <pthread.h>
#include <sched.h>

#include "hv/host/apic.h"
#include "hv/host/cpu.h"
#include "hv/host/timer.h"
#include "tests/unit/privileged.h"

static struct cpu machine_cpus[2];
static uint64_t programmed;

void host_apic_timer_set(uint64_t deadline)
{
    programmed = deadline;
}

static unsigned fired[2];
static struct timer first, second;

static void count(struct timer *timer)
{
    fired[timer == &second]++;
}

static int setup(void **state)
{
    (void)state;
    fake_reset();
    fired[0] = fired[1] = 0;
    for (unsigned i = 0; i < 2; i++) {
        machine_cpus[i] = (struct cpu){.self = &machine_cpus[i], .index = i};
        cpus[i] = &machine_cpus[i];
    }
    first = second = (struct timer){.expired = count};
    privileged_set_core(&machine_cpus[0]);
    return 0;
}

static void timers_fire_in_the_order_of_their_deadlines_and_the_hardware_has_the_next(void **state)
{
    (void)state;
    timer_arm(&second, 20);
    assert_int_equal(programmed, 20);
    timer_arm(&first, 10);
    assert_int_equal(programmed, 10);
    fake_now = 15;
    timer_interrupt();
    assert_int_equal(fired[0], 1);
    assert_int_equal(fired[1], 0);
    assert_false(timer_armed(&first));
    assert_int_equal(programmed, 20);
    timer_cancel(&second);
    fake_now = 25;
    timer_interrupt();
    assert_int_equal(fired[1], 0);
    assert_int_equal(programmed, UINT64_MAX);
}

static struct runner *paid;
static uint64_t paid_ticks;

static void note_payment(struct runner *payer, uint64_t from, uint64_t until)
{
    assert_int_equal(until, fake_now);
    paid = payer;
    paid_ticks += until - from;
}

static void take_a_while(struct timer *timer)
{
    fake_now += timer == &first ? 7 : 30;
}

static void whose_a_timer_is_pays_for_it(void **state)
{
    struct runner *payer = (struct runner *)&fired;

    (void)state;
    timer_paid = note_payment;
    first.expired = second.expired = take_a_while;
    first.payer = payer;
    timer_arm(&first, 10);
    timer_arm(&second, 10); /* Keel's own */
    fake_now = 12;
    timer_interrupt();
    assert_ptr_equal(paid, payer);
    assert_int_equal(paid_ticks, 7);
}

static void rearm(struct timer *timer)
{
    count(timer);
    timer_arm(timer, timer->deadline + 10);
}

static void a_periodic_timer_goes_on_until_it_is_stopped(void **state)
{
    (void)state;
    first.expired = rearm;
    timer_arm(&first, 10);
    for (fake_now = 10; fake_now <= 30; fake_now += 10)
        timer_interrupt();
    assert_int_equal(fired[0], 3);
    assert_true(timer_armed(&first));
    timer_stop(&first);
    assert_false(timer_armed(&first));
    timer_interrupt();
    assert_int_equal(fired[0], 3);
}

/* A periodic timer on its way on core 1 while core 0 stops it. */
static unsigned inside, may_end, done;

static void linger_and_rearm(struct timer *timer)
{
    __atomic_store_n(&inside, 1, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&may_end, __ATOMIC_ACQUIRE))
        sched_yield();
    timer_arm(timer, fake_now + 1);
    __atomic_store_n(&done, 1, __ATOMIC_RELEASE);
}

static void *other_core(void *unused)
{
    (void)unused;
    privileged_set_core(&machine_cpus[1]);
    timer_arm(&first, 0);
    timer_interrupt();
    return NULL;
}

static void *let_it_end(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < 1000; i++)
        sched_yield();
    __atomic_store_n(&may_end, 1, __ATOMIC_RELEASE);
    return NULL;
}

static void stopping_waits_for_a_callback_on_another_core_and_undoes_what_it_armed(void **state)
{
    pthread_t core, helper;

    (void)state;
    inside = may_end = done = 0;
    first.expired = linger_and_rearm;
    assert_int_equal(pthread_create(&core, NULL, other_core, NULL), 0);
    while (!__atomic_load_n(&inside, __ATOMIC_ACQUIRE))
        sched_yield();
    assert_int_equal(pthread_create(&helper, NULL, let_it_end, NULL), 0);
    timer_stop(&first);
    assert_true(__atomic_load_n(&done, __ATOMIC_ACQUIRE));
    assert_false(timer_armed(&first));
    assert_null(machine_cpus[1].timers.first);
    pthread_join(core, NULL);
    pthread_join(helper, NULL);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(whose_a_timer_is_pays_for_it),
        TEST(timers_fire_in_the_order_of_their_deadlines_and_the_hardware_has_the_next),
        TEST(a_periodic_timer_goes_on_until_it_is_stopped),
        TEST(stopping_waits_for_a_callback_on_another_core_and_undoes_what_it_armed),
    };
    cpu_count = 2;
    return cmocka_run_group_tests_name("timer", tests, NULL, NULL);
}
