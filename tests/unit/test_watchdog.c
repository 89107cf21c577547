/* The watchdog: who is asked, who is reported, and when. */
#include "tests/unit/fake.h"

#include <string.h>

#include "hv/debug/panic.h"
#include "hv/debug/watchdog.h"
#include "hv/host/apic.h"
#include "hv/host/cpu.h"
#include "tests/unit/privileged.h"

#define SECOND fake_hz

struct cpu *cpus[CPUS_MOST];
unsigned cpu_count;
static struct cpu cores[3];
static unsigned asked, reported;

void host_apic_send_nmi(uint32_t to)
{
    asked |= 1u << to;
}

void panic_print_core(const struct cpu *cpu, const struct trap_frame *where)
{
    (void)where;
    reported |= 1u << cpu->index;
}

static void one_that_ticks_is_well(void **state)
{
    struct watch watch = {0};

    (void)state;
    for (uint64_t i = 1; i < 100; i++)
        assert_int_equal(watch_judge(&watch, i), WATCH_WELL);
}

static void one_that_is_quiet_is_asked_once_then_reported_once(void **state)
{
    struct watch watch = {0};
    unsigned asks = 0, reports = 0;

    (void)state;
    watch_judge(&watch, 7);
    for (unsigned i = 1; i < 1000; i++) {
        enum watch_verdict verdict = watch_judge(&watch, 7);

        asks += verdict == WATCH_ASK;
        reports += verdict == WATCH_STUCK;
        assert_int_equal(asks, i >= STUCK_SECONDS);
        assert_int_equal(reports, i > STUCK_SECONDS);
    }
}

static void one_that_answers_when_asked_is_well(void **state)
{
    struct watch watch = {0};

    (void)state;
    for (uint64_t ticks = 1; ticks < 100; ticks++)
        for (unsigned i = 0; i <= STUCK_SECONDS; i++)
            assert_int_not_equal(watch_judge(&watch, ticks), WATCH_STUCK);
}

/* Timers of all cores are the fake's: a core of which `runs` is false has none fire. */
static void begin(unsigned count)
{
    fake_reset();
    asked = reported = 0;
    cpu_count = count;
    for (unsigned i = 0; i < count; i++) {
        cores[i] = (struct cpu){.self = &cores[i], .index = i, .apic_id = i};
        cpus[i] = &cores[i];
    }
}

static void one_core_alone_is_told_that_nobody_watches(void **state)
{
    (void)state;
    begin(1);
    privileged_set_core(&cores[0]);
    watchdog_start();
    assert_non_null(strstr(fake_log, "watchdog: none"));
    assert_int_equal(fake_next_deadline(), UINT64_MAX);
}

/* Only core 0's timer fires: core 1 began, and is stuck. */
static void a_core_that_stops_ticking_is_reported(void **state)
{
    (void)state;
    begin(2);
    privileged_set_core(&cores[1]);
    watchdog_start();
    fake_run_until(fake_now + SECOND);
    privileged_set_core(&cores[0]);
    fake_reset(); /* core 1's timer never fires again */
    watchdog_start();
    fake_run_until(fake_now + (STUCK_SECONDS - 1) * SECOND);
    assert_int_equal(asked, 0);
    fake_run_until(fake_now + 2 * SECOND);
    assert_int_equal(asked, 2);
    assert_int_equal(reported, 0);
    fake_run_until(fake_now + 60 * SECOND);
    assert_int_equal(reported, 2);
    assert_non_null(strstr(fake_log, "cpu 1 makes no progress"));
    assert_null(strstr(strstr(fake_log, "no progress") + 1, "no progress"));
    privileged_set_core(&cores[1]); /* and now it does */
    fake_reset();
    watchdog_start();
    fake_run_until(fake_now + SECOND);
    assert_non_null(strstr(fake_log, "watchdog: cpu 1 goes on"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_ticks_is_well),
        cmocka_unit_test(one_that_is_quiet_is_asked_once_then_reported_once),
        cmocka_unit_test(one_that_answers_when_asked_is_well),
        cmocka_unit_test(one_core_alone_is_told_that_nobody_watches),
        cmocka_unit_test(a_core_that_stops_ticking_is_reported),
    };
    return cmocka_run_group_tests_name("watchdog", tests, NULL, NULL);
}
