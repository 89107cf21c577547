/* The watchdog: who is asked, who is reported, and when. */
#include "tests/unit/fake.h"

#include <string.h>

#include "hv/crash/core_report.h"
#include "hv/crash/watchdog.h"
#include "hv/host/apic.h"
#include "hv/host/cpu.h"
#include "tests/unit/privileged.h"

#define SECOND fake_hz
#define CORES  64

static struct cpu cores[CORES];
static uint64_t asked, reported;
static unsigned asks;

/* Each core's one timer, which fires on that core unless it is stuck. */
static struct timer *timers[CORES];
static uint64_t deadlines[CORES];
static bool stuck[CORES];
static bool lost[CORES]; /* its timer's interrupt waits in its APIC, and nobody has told the core */

void timer_arm(struct timer *timer, uint64_t deadline)
{
    timers[this_cpu()->index] = timer;
    timer->deadline = deadlines[this_cpu()->index] = deadline;
}

void host_apic_look_again(void)
{
    lost[this_cpu()->index] = false;
}

void host_apic_send_nmi(uint32_t to)
{
    struct cpu *sender = this_cpu();

    asked |= BIT(to);
    asks++;
    privileged_set_core(&cores[to]);
    watchdog_nmi(&(struct trap_frame){.rip = 0x1000});
    privileged_set_core(sender);
}

void core_report(const struct cpu *cpu, const struct trap_frame *where, struct writer *to)
{
    (void)where;
    print_to(to, "cpu %u: its place\n", cpu->index);
    reported |= BIT(cpu->index);
}

static void begin(unsigned count)
{
    fake_reset();
    fake_now = 12345;
    asked = reported = asks = 0;
    cpu_count = count;
    memset(timers, 0, sizeof(timers));
    memset(stuck, 0, sizeof(stuck));
    memset(lost, 0, sizeof(lost));
    for (unsigned i = 0; i < count; i++) {
        cores[i] = (struct cpu){.self = &cores[i], .index = i, .apic_id = i};
        cpus[i] = &cores[i];
    }
}

static void start(unsigned core)
{
    privileged_set_core(&cores[core]);
    watchdog_start();
}

static void run_until(uint64_t when)
{
    for (;;) {
        unsigned first = CORES;

        for (unsigned i = 0; i < CORES; i++)
            if (timers[i] && !stuck[i] && !lost[i] && (first == CORES || deadlines[i] < deadlines[first]))
                first = i;
        if (first == CORES || deadlines[first] > when)
            break;
        fake_now = MAX(fake_now, deadlines[first]);
        privileged_set_core(&cores[first]);
        timers[first]->expired(timers[first]);
    }
    fake_now = when;
}

static void one_that_ticks_is_well(void **state)
{
    struct watch watch = {0};

    (void)state;
    begin(1);
    for (uint64_t i = 1; i < 100; i++)
        assert_int_equal(watch_judge(&watch, i * SECOND, i * SECOND + SECOND - 1), WATCH_WELL);
    /* its clock is a little ahead */
    assert_int_equal(watch_judge(&watch, 100 * SECOND + 50, 100 * SECOND), WATCH_WELL);
}

/* However often it is looked at. */
static void one_that_is_quiet_is_asked_once_then_reported_once(void **state)
{
    static const unsigned looks_a_second[] = {1, 3, 7, 100};

    (void)state;
    begin(1);
    for (unsigned row = 0; row < ARRAY_LENGTH(looks_a_second); row++) {
        struct watch watch = {0};
        uint64_t step = SECOND / looks_a_second[row];
        unsigned said_ask = 0, said_stuck = 0;

        for (uint64_t now = step; now < 100 * SECOND; now += step) {
            enum watch_verdict verdict = watch_judge(&watch, 0, now);

            said_ask += verdict == WATCH_ASK;
            said_stuck += verdict == WATCH_STUCK;
            assert_int_equal(said_ask, now >= STUCK_SECONDS * SECOND);
            if (now < (STUCK_SECONDS + 1) * SECOND)
                assert_int_equal(said_stuck, 0);
            if (now >= (STUCK_SECONDS + 1) * SECOND + 2 * step)
                assert_int_equal(said_stuck, 1);
        }
    }
}

static void one_that_answers_when_asked_is_well(void **state)
{
    struct watch watch = {0};

    (void)state;
    begin(1);
    for (uint64_t ticked = 0; ticked < 1000 * SECOND; ticked += 6 * SECOND)
        for (uint64_t now = ticked; now < ticked + 6 * SECOND; now += SECOND / 10)
            assert_int_not_equal(watch_judge(&watch, ticked, now), WATCH_STUCK);
}

/* The machine stood still as a whole: a virtual one was paused, or the firmware had all of it. */
static void nobody_is_stuck_after_a_pause_of_all(void **state)
{
    (void)state;
    begin(4);
    for (unsigned i = 0; i < 4; i++)
        start(i);
    run_until(fake_now + 3 * SECOND);
    fake_now += 60 * SECOND;
    run_until(fake_now + 10 * SECOND);
    assert_int_equal(reported, 0);
    assert_in_range(asks, 0, 4);
}

static void one_core_alone_is_told_that_nobody_watches(void **state)
{
    (void)state;
    begin(1);
    start(0);
    assert_non_null(strstr(fake_log, "watchdog: none"));
    assert_null(timers[0]);
}

/*
 * Cores start one after the other, each when those before it have ticked or not: while a core's neighbours
 * have not begun, many look at the same one.
 */
static void cores_that_start_late_accuse_nobody(void **state)
{
    static const unsigned counts[] = {2, 3, 8, 16, 64};

    (void)state;
    for (unsigned row = 0; row < ARRAY_LENGTH(counts); row++)
        for (unsigned late = 0; late <= 40; late += 10) {
            unsigned count = counts[row];

            begin(count);
            for (unsigned i = 1; i < count; i++) { /* the boot core begins last */
                start(i);
                run_until(fake_now + late * SECOND / 1000);
            }
            run_until(fake_now + SECOND / 2);
            start(0);
            run_until(fake_now + 20 * SECOND);
            assert_int_equal(asked, 0);
            assert_int_equal(reported, 0);
        }
}

static void a_core_that_never_begins_is_not_watched(void **state)
{
    (void)state;
    begin(4); /* core 2 could not turn virtualization on */
    start(0);
    start(1);
    start(3);
    run_until(fake_now + 30 * SECOND);
    assert_int_equal(asked, 0);
}

static void a_core_that_stops_ticking_is_reported(void **state)
{
    static const unsigned counts[] = {2, 3, 8, 64};

    (void)state;
    for (unsigned row = 0; row < ARRAY_LENGTH(counts); row++) {
        uint64_t stopped;

        begin(counts[row]);
        for (unsigned i = 0; i < counts[row]; i++)
            start(i);
        run_until(fake_now + 3 * SECOND);
        stopped = fake_now;
        stuck[1] = true;
        run_until(stopped + (STUCK_SECONDS - 1) * SECOND);
        assert_int_equal(asked, 0);
        run_until(stopped + (STUCK_SECONDS + 1) * SECOND - 1);
        assert_int_equal(asked, BIT(1));
        assert_int_equal(reported, 0);
        run_until(stopped + 60 * SECOND);
        assert_int_equal(reported, BIT(1));
        assert_int_equal(asks, 1);
        assert_non_null(strstr(fake_log, "cpu 1 makes no progress in Keel since 6 s"));
        assert_null(strstr(strstr(fake_log, "no progress") + 1, "no progress"));
        stuck[1] = false; /* and now it does */
        run_until(fake_now + SECOND);
        assert_non_null(strstr(fake_log, "watchdog: cpu 1 goes on"));
        reported = 0;
        stuck[1] = true; /* the next time is told as well */
        run_until(fake_now + 10 * SECOND);
        assert_int_equal(reported, BIT(1));
    }
}

/* As in QEMU 7.2, whose VMRUN can take the signal away. */
static void a_core_whose_timer_was_not_heard_goes_on(void **state)
{
    (void)state;
    begin(3);
    for (unsigned i = 0; i < 3; i++)
        start(i);
    run_until(fake_now + 2 * SECOND);
    lost[1] = true;
    run_until(fake_now + 30 * SECOND);
    assert_int_equal(asked, BIT(1));
    assert_int_equal(asks, 1);
    assert_int_equal(reported, 0);
}

static void those_behind_a_stuck_core_are_watched(void **state)
{
    (void)state;
    begin(4);
    for (unsigned i = 0; i < 4; i++)
        start(i);
    run_until(fake_now + 2 * SECOND);
    stuck[1] = stuck[2] = true;
    run_until(fake_now + 30 * SECOND);
    assert_int_equal(reported, BIT(1) | BIT(2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_core_that_never_begins_is_not_watched), /* first: core 2 has not begun yet */
        cmocka_unit_test(one_that_ticks_is_well),
        cmocka_unit_test(one_that_is_quiet_is_asked_once_then_reported_once),
        cmocka_unit_test(one_that_answers_when_asked_is_well),
        cmocka_unit_test(nobody_is_stuck_after_a_pause_of_all),
        cmocka_unit_test(one_core_alone_is_told_that_nobody_watches),
        cmocka_unit_test(cores_that_start_late_accuse_nobody),
        cmocka_unit_test(a_core_that_stops_ticking_is_reported),
        cmocka_unit_test(those_behind_a_stuck_core_are_watched),
        cmocka_unit_test(a_core_whose_timer_was_not_heard_goes_on),
    };
    return cmocka_run_group_tests_name("watchdog", tests, NULL, NULL);
}
