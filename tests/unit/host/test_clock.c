/* The calibration of the TSC, against timers that are played from this machine's own TSC. */
#include "tests/unit/fake.h"

#include <string.h>

#include "hv/host/calibrate.h"
#include "hv/host/instructions.h"
#include "hv/lib/arith.h"
#include "tests/unit/privileged.h"

static uint16_t pm_timer;

/* What the played clocks take the TSC for. */
#define TRUE_HZ UINT64_C(2000000000)
#define PM_PORT 0x608

static uint64_t began, delayed;
static unsigned reads,
    delay_after; /* the host takes the core away behind this read, for a tenth of a second */
static bool pit_there, pit_counts, pm_counts;
static uint16_t latched;
static unsigned halves; /* of the latched count that were read */

static uint64_t scaled(uint64_t hz)
{
    return mul_div(rdtsc() - began, hz, TRUE_HZ);
}

static uint32_t in(uint16_t port, unsigned size)
{
    uint32_t value = UINT32_MAX;
    uint64_t now;

    (void)size;
    if (port == 0x42 && pit_there)
        value = (uint32_t)(latched >> (halves++ % 2 ? 8 : 0)) & 0xff;
    else if (port == PM_PORT)
        value = pm_counts ? (uint32_t)scaled(3579545) | 0xff000000 : 5;
    now = rdtsc();
    if (++reads == delay_after)
        while (rdtsc() - now < TRUE_HZ / 10)
            delayed = rdtsc() - now;
    return value;
}

static void out(uint16_t port, unsigned size, uint32_t value)
{
    (void)size;
    if (port == 0x43 && value == 0x80) {
        latched = pit_counts ? (uint16_t)-scaled(1193182) : 0;
        halves = 0;
    } else if (port == 0x42) {
        began = rdtsc();
    }
}

static void begin(void)
{
    pm_timer = 0;
    privileged_begin();
    privileged.in = in;
    privileged.out = out;
    began = rdtsc();
    reads = delay_after = halves = 0;
    delayed = 0;
    pit_there = pit_counts = pm_counts = true;
}

/* Each turn of the player's takes a few microseconds of a sample's ten thousand. */
static bool is_about(uint64_t hz)
{
    return hz >= TRUE_HZ / 100 * 97 && hz <= TRUE_HZ / 100 * 103;
}

static void assert_about(uint64_t hz)
{
    if (!is_about(hz))
        fail_msg("%lu Hz, not about %lu", hz, TRUE_HZ);
}

/* On a busy host two samples of three may be disturbed: one try of five counts. */
static const char *calibrate(void)
{
    const char *by = NULL;

    for (unsigned tries = 0; tries < 5; tries++) {
        by = clock_calibrate(pm_timer);
        if (is_about(clock_hz()))
            break;
    }
    return by;
}

static void the_median_is_the_one_in_the_middle(void **state)
{
    static const uint64_t orders[][3] = {{1, 2, 3}, {1, 3, 2}, {2, 1, 3}, {2, 3, 1}, {3, 1, 2},
                                         {3, 2, 1}, {2, 2, 1}, {2, 1, 2}, {3, 2, 2}, {2, 2, 2}};

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(orders); i++)
        assert_int_equal(median(orders[i][0], orders[i][1], orders[i][2]), 2);
    assert_true(median(0, UINT64_MAX, UINT64_MAX) == UINT64_MAX);
}

/* A counter of known rate measures the TSC, and the TSC one of unknown rate; both narrow enough to wrap. */
static uint32_t read_own(void)
{
    return (uint32_t)scaled(10000000) | 0xff000000;
}

static void either_may_measure_the_other(void **state)
{
    static const struct counter known = {read_own, 0xffffff, 10000000}, unknown = {read_own, 0xffffff, 0};
    uint64_t rate;

    (void)state;
    begin();
    pm_timer = PM_PORT;
    calibrate();
    privileged_end();
    assert_about(clock_compare(&known));
    rate = clock_compare(&unknown);
    assert_in_range(rate, 9700000, 10300000);
}

static void the_pm_timer_goes_first(void **state)
{
    (void)state;
    begin();
    pm_timer = PM_PORT;
    assert_string_equal(calibrate(), "the ACPI PM timer");
    privileged_end();
    assert_about(clock_hz());
}

/* The host of a virtual machine takes the core away between the timer's last read and the TSC's. */
static void one_delay_at_the_worst_time_does_no_harm(void **state)
{
    unsigned reads_of_one;

    (void)state;
    begin();
    pm_timer = PM_PORT;
    clock_calibrate(pm_timer);
    reads_of_one = reads / 3;
    for (unsigned at = 2; at <= 3 * reads_of_one; at += reads_of_one / 2) {
        reads = 0;
        delay_after = at;
        clock_calibrate(pm_timer);
        assert_true(delayed > 0);
        assert_about(clock_hz());
    }
    privileged_end();
}

static void the_pit_serves_where_the_pm_timer_is_missing_or_stands_still(void **state)
{
    (void)state;
    begin();
    assert_string_equal(calibrate(), "the PIT");
    assert_about(clock_hz());
    pm_timer = PM_PORT;
    pm_counts = false;
    assert_string_equal(calibrate(), "the PIT");
    privileged_end();
    assert_about(clock_hz());
}

static void a_pit_that_is_not_there_or_stands_still_measures_nothing(void **state)
{
    const char *by;

    (void)state;
    begin();
    pit_counts = false;
    by = clock_calibrate(pm_timer);
    if (by)
        assert_memory_equal(by, "CPUID leaf 0x1", 14);
    pit_there = false;
    by = clock_calibrate(pm_timer);
    privileged_end();
    if (by)
        assert_memory_equal(by, "CPUID leaf 0x1", 14);
}

static void a_wait_lasts_as_long_as_it_should(void **state)
{
    uint64_t before = rdtsc();

    (void)state;
    clock_wait(1000000);
    assert_true(rdtsc() - before >= 1000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_median_is_the_one_in_the_middle),
        cmocka_unit_test(either_may_measure_the_other),
        cmocka_unit_test(the_pm_timer_goes_first),
        cmocka_unit_test(one_delay_at_the_worst_time_does_no_harm),
        cmocka_unit_test(the_pit_serves_where_the_pm_timer_is_missing_or_stands_still),
        cmocka_unit_test(a_pit_that_is_not_there_or_stands_still_measures_nothing),
        cmocka_unit_test(a_wait_lasts_as_long_as_it_should),
    };
    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
