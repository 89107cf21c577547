#include "tests/unit/devices/pit_fixture.h"
#include "tests/unit/devices/pit_model.h"

/* The rises that a control word itself makes do not count: OUT may have been low. */
static void program(uint8_t control, unsigned count)
{
    out(0x43, control);
    rises = 0;
    if (control & 0x10)
        out(0x40, count & 0xff);
    if (control & 0x20)
        out(0x40, count >> 8);
}

static void a_count_of_one_is_illegal_and_makes_no_edges(void **state)
{
    (void)state;
    for (unsigned control = 0x14; control <= 0x16; control += 2) {
        program(control, 1);
        fake_run_until(fake_now + PIT_HZ);
        assert_int_equal(rises, 0);
        assert_int_equal(fake_next_deadline(), UINT64_MAX);
        out(0x40, 100); /* and can be left again */
        fake_run_until(fake_now + 1000);
        assert_in_range(rises, 9, 10);
        out(0x40, 1); /* while counting: at most the edge that was under way */
        rises = 0;
        fake_run_until(fake_now + PIT_HZ);
        assert_in_range(rises, 0, 1);
    }
}

static void the_line_rises_as_often_as_the_models_out(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 100; seed++) {
        struct pit_model model = {0};
        unsigned expected = 0;

        setup_clk(NULL);
        srand(seed);
        model_control(&model, 0x30);
        model_gate(&model, true);
        for (unsigned step = 0; step < 60; step++) {
            bool was = model.out;
            uint8_t value = rand() % 200 + 50;

            if (model.access == 3 || rand() % 5 == 0) {
                value = 0x10 | (rand() % 6) << 1 | (rand() & 1);
                out(0x43, value);
                model_control(&model, value);
            } else if (rand() % 2) {
                out(0x40, value);
                model_write(&model, value);
            }
            expected += model.out && !was;
            for (unsigned pulses = rand() % 2000; pulses--;) {
                clk(1);
                was = model.out;
                model_clk(&model);
                expected += model.out && !was;
                if (rises != expected)
                    fail_msg("seed %u step %u: %u rises, not %u", seed, step, rises, expected);
            }
        }
    }
}

static void ticks_keep_their_phase_without_drift(void **state)
{
    static const uint64_t rates[] = {SECOND, 2399987654, 3579545, 1193182};

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        uint64_t first, count = 0;

        power_on(rates[i]);
        fake_now = 400 * 86400 * rates[i] + 12345; /* up for more than a year */
        program(0x34, 1193);
        first = fake_now * (__uint128_t)PIT_HZ / rates[i] + 1;
        for (uint64_t end = fake_now + 60 * rates[i]; fake_next_deadline() <= end; count++) {
            __uint128_t edge = (first + (count + 1) * 1193) * (__uint128_t)rates[i];

            fake_run_until(fake_next_deadline());
            assert_int_equal(rises, count + 1);
            assert_int_equal(last_rise, (uint64_t)((edge + PIT_HZ - 1) / PIT_HZ));
        }
        assert_in_range(count, 60 * PIT_HZ / 1193 - 1, 60 * PIT_HZ / 1193);
    }
}

static void late_ticks_are_made_up_for_one_by_one(void **state)
{
    (void)state;
    program(0x34, 1193); /* nearly a millisecond */
    fake_run_until(SECOND);
    assert_int_equal(rises, 1000);
    fake_now += SECOND / 10; /* the vCPU is not served */
    for (uint64_t before = last_rise; rises < 1100; before = last_rise) {
        unsigned count = rises;

        fake_run_until(fake_next_deadline());
        assert_int_equal(rises, count + 1);
        if (count > 1000)
            assert_true(last_rise - before >= 200000); /* time for the guest to take it */
    }
    fake_run_until(2 * SECOND);
    assert_int_equal(rises, 2000);
}

static void a_burst_of_late_ticks_is_bounded(void **state)
{
    (void)state;
    program(0x34, 1193);
    fake_now += 3600 * SECOND;
    fake_run_until(fake_now + SECOND);
    fake_run_until(fake_now + SECOND);
    assert_in_range(rises, 2990, 3010); /* two seconds, and one made up for */
}

static void a_rate_beyond_reason_leaves_the_guest_time(void **state)
{
    (void)state;
    program(0x14, 2); /* 596 kHz */
    fake_run_until(SECOND);
    assert_in_range(rises, 49000, 50001);
    out(0x40, 200); /* a legal rate again: exact at once */
    rises = 0;
    fake_run_until(2 * SECOND);
    assert_in_range(rises, PIT_HZ / 200, PIT_HZ / 200 + 2);
}

static void a_write_does_not_lose_an_edge_that_is_due(void **state)
{
    (void)state;
    program(0x34, 1193);
    fake_now += 1500000; /* due, and the timer has not come round */
    out_16(0x40, 1193);
    assert_int_equal(rises, 1);
    fake_run_until(fake_now + 510000);
    assert_int_equal(rises, 2); /* the next in phase with the first */
}

/* A core may take a timer off its queue just when another changes the counter. */
static void a_timer_that_comes_too_early_is_put_back(void **state)
{
    uint64_t deadline;

    (void)state;
    program(0x34, 1193);
    deadline = fake_next_deadline();
    timer_cancel(&pit.timer);
    pit.timer.expired(&pit.timer);
    assert_int_equal(rises, 0);
    assert_int_equal(fake_next_deadline(), deadline);
    out(0x43, 0x30);
    pit.timer.expired(&pit.timer);
    assert_int_equal(rises, 0);
    assert_int_equal(fake_next_deadline(), UINT64_MAX);
}

static void a_line_that_nobody_hears_costs_the_host_nothing(void **state)
{
    (void)state;
    unheard = true;
    program(0x34, 1193);
    assert_int_equal(fake_next_deadline(), UINT64_MAX);
    fake_now += 10500000; /* ten periods and a half */
    pit_update(&pit);     /* somebody looks: to the line they were one edge */
    assert_int_equal(rises, 1);
    assert_int_equal(fake_next_deadline(), UINT64_MAX);
    pit_update(&pit);
    assert_int_equal(rises, 1);
    unheard = false;
    pit_update(&pit); /* opened: the next in phase with those before */
    fake_run_until(fake_now + 510000);
    assert_int_equal(rises, 2);
    fake_run_until(fake_now + 10 * 1000000);
    assert_int_equal(rises, 12);
    unheard = true; /* masked while one is on its way */
    fake_run_until(fake_now + SECOND);
    assert_in_range(rises, 12, 13);
    program(0x30, 1000); /* a one-shot */
    fake_now += SECOND;
    pit_update(&pit);
    assert_int_equal(rises, 1);
    assert_true(line);
}

static void away_from_its_vm_it_is_slow_and_then_in_phase(void **state)
{
    (void)state;
    program(0x34, 24); /* 50 kHz */
    fake_run_until(SECOND);
    fake_at_home = false;
    rises = 0;
    fake_run_until(2 * SECOND);
    assert_in_range(rises, 99, 101);
    rises = 0;
    fake_at_home = true;
    pit_resume(&pit);
    assert_in_range(fake_next_deadline() - fake_now, 1, 24 * SECOND / PIT_HZ + 1);
    fake_run_until(fake_now + SECOND / 1000);
    assert_in_range(rises, 49, 50);
}

static void one_shots_raise_the_line_once(void **state)
{
    (void)state;
    for (unsigned control = 0x30; control <= 0x38; control += 8) {
        unsigned pulses = control == 0x30 ? 1001 : 1002; /* mode 4's strobe ends one later */
        uint64_t start = fake_now;

        program(control, 1000);
        fake_run_until(fake_now + SECOND);
        assert_int_equal(rises, 1);
        assert_in_range(last_rise - start, (pulses - 1) * SECOND / PIT_HZ, pulses * SECOND / PIT_HZ + 1);
        assert_int_equal(fake_next_deadline(), UINT64_MAX);
    }
    out(0x43, 0x30); /* how operating systems switch it off */
    assert_false(line);
}

static void starts_as_firmware_leaves_it(void **state)
{
    (void)state;
    bus_reset(&bus);
    rises = 0, line = false;
    fake_run_until(fake_now + 10 * SECOND);
    assert_int_equal(rises, 182);
    assert_int_equal(in(0x61) & 0xcf, 0);
    out(0x43, 0xee);
    assert_int_equal(in(0x40) & 0x3f, 0x36);
    assert_int_equal(in(0x41) & 0x3f, 0x14);
    assert_int_equal(in(0x42) & 0x3f, 0x36);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_count_of_one_is_illegal_and_makes_no_edges, setup_clk),
        cmocka_unit_test_setup(the_line_rises_as_often_as_the_models_out, setup_clk),
        cmocka_unit_test_setup(ticks_keep_their_phase_without_drift, setup),
        cmocka_unit_test_setup(late_ticks_are_made_up_for_one_by_one, setup),
        cmocka_unit_test_setup(a_burst_of_late_ticks_is_bounded, setup),
        cmocka_unit_test_setup(a_rate_beyond_reason_leaves_the_guest_time, setup),
        cmocka_unit_test_setup(a_write_does_not_lose_an_edge_that_is_due, setup),
        cmocka_unit_test_setup(a_timer_that_comes_too_early_is_put_back, setup),
        cmocka_unit_test_setup(a_line_that_nobody_hears_costs_the_host_nothing, setup),
        cmocka_unit_test_setup(away_from_its_vm_it_is_slow_and_then_in_phase, setup),
        cmocka_unit_test_setup(one_shots_raise_the_line_once, setup),
        cmocka_unit_test_setup(starts_as_firmware_leaves_it, setup),
    };
    return cmocka_run_group_tests_name("pit_irq", tests, NULL, NULL);
}
