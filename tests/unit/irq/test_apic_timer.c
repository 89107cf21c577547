#include "tests/unit/irq/apic_fixture.h"

/* The timer in its three modes. The fake clock makes 10^9 ticks a second. */

#define DIVIDE_BY_1 0xb

/* How many timer interrupts came until `when`, taken and ended each time. */
static unsigned ticks_until(uint64_t when, uint8_t vector)
{
    unsigned ticks = 0;

    while (fake_next_deadline() <= when) {
        fake_run_until(fake_next_deadline());
        if (pending(0) >= 0) {
            assert_int_equal(acknowledge(0), vector);
            put(APIC_EOI, 0);
            ticks++;
        }
    }
    fake_run_until(when);
    return ticks;
}

static void one_shot_fires_once(void **state)
{
    (void)state;
    put(APIC_DIVIDE, DIVIDE_BY_1);
    put(APIC_LVT_TIMER, 0x40);
    put(APIC_INITIAL_COUNT, 5000);
    fake_run_until(5999);
    assert_int_equal(pending(0), -1);
    assert_int_equal(get(APIC_CURRENT_COUNT), 1);
    forget();
    fake_run_until(6000);
    assert_int_equal(asked(REQUEST_EVENT), BIT(0));
    assert_int_equal(acknowledge(0), 0x40);
    put(APIC_EOI, 0);
    assert_int_equal(get(APIC_CURRENT_COUNT), 0);
    assert_int_equal(get(APIC_INITIAL_COUNT), 5000);
    assert_int_equal(fake_next_deadline(), UINT64_MAX);
    fake_run_until(100000);
    assert_int_equal(pending(0), -1);
}

static void every_divisor_divides(void **state)
{
    static const struct {
        uint8_t code, divisor;
    } divisors[] = {{0, 2}, {1, 4}, {2, 8}, {3, 16}, {8, 32}, {9, 64}, {0xa, 128}, {0xb, 1}};

    (void)state;
    put(APIC_LVT_TIMER, 0x40);
    for (unsigned i = 0; i < ARRAY_LENGTH(divisors); i++) {
        uint64_t start = fake_now;
        unsigned divisor = divisors[i].divisor;

        put(APIC_DIVIDE, divisors[i].code);
        put(APIC_INITIAL_COUNT, 100);
        assert_int_equal(get(APIC_CURRENT_COUNT), 100);
        if (divisor > 1) {
            fake_run_until(start + divisor - 1);
            assert_int_equal(get(APIC_CURRENT_COUNT), 100);
        }
        fake_run_until(start + divisor);
        assert_int_equal(get(APIC_CURRENT_COUNT), 99);
        assert_int_equal(fake_next_deadline(), start + 100 * divisor);
        fake_run_until(start + 100 * divisor);
        assert_int_equal(acknowledge(0), 0x40);
        put(APIC_EOI, 0);
    }
}

static void the_longest_count_is_not_cut(void **state)
{
    (void)state;
    put(APIC_DIVIDE, 0xa);
    put(APIC_LVT_TIMER, 0x40);
    put(APIC_INITIAL_COUNT, UINT32_MAX);
    assert_int_equal(fake_next_deadline(), 1000 + (UINT64_C(0xffffffff) << 7));
    assert_int_equal(get(APIC_CURRENT_COUNT), UINT32_MAX);
}

static void periodic_keeps_its_phase(void **state)
{
    (void)state;
    put(APIC_DIVIDE, DIVIDE_BY_1);
    put(APIC_LVT_TIMER, PERIODIC | 0x40);
    put(APIC_INITIAL_COUNT, 100003);
    assert_int_equal(ticks_until(1000 + 100 * UINT64_C(100003), 0x40), 100);
    assert_int_equal(fake_next_deadline(), 1000 + 101 * UINT64_C(100003));
    assert_int_equal(get(APIC_CURRENT_COUNT), 100003);
    fake_run_until(fake_now + 100002);
    assert_int_equal(get(APIC_CURRENT_COUNT), 1);
}

static void missed_ticks_coalesce_without_drift(void **state)
{
    (void)state;
    put(APIC_DIVIDE, DIVIDE_BY_1);
    put(APIC_LVT_TIMER, PERIODIC | 0x40);
    put(APIC_INITIAL_COUNT, 100000);
    fake_now = 1000 + 750000; /* the host was away for seven ticks and a half */
    assert_int_equal(get(APIC_CURRENT_COUNT), 50000);
    fake_run_until(fake_now);
    assert_int_equal(acknowledge(0), 0x40);
    put(APIC_EOI, 0);
    assert_int_equal(pending(0), -1);
    assert_int_equal(fake_next_deadline(), 1000 + 800000);
    fake_run_until(1000 + 1600000); /* the guest takes none of them for a while */
    assert_int_equal(acknowledge(0), 0x40);
    put(APIC_EOI, 0);
    assert_int_equal(pending(0), -1);
    assert_int_equal(fake_next_deadline(), 1000 + 1700000);
}

/* A guest that asks for a tick at every tick of the TSC gets many, and the host has time for other things. */
static void the_shortest_periods_leave_the_host_alive(void **state)
{
    (void)state;
    put(APIC_DIVIDE, DIVIDE_BY_1);
    put(APIC_LVT_TIMER, PERIODIC | 0x40);
    for (unsigned period = 1; period < 50; period += 7) {
        unsigned ticks;
        uint64_t start = fake_now;

        put(APIC_INITIAL_COUNT, period);
        ticks = ticks_until(start + 1000000, 0x40);
        assert_in_range(ticks, 40, 51);
        assert_int_equal((fake_next_deadline() - start) % period, 0);
        assert_in_range(get(APIC_CURRENT_COUNT), 1, period);
    }
}

static void a_count_of_zero_stops_it(void **state)
{
    (void)state;
    put(APIC_LVT_TIMER, PERIODIC | 0x40);
    put(APIC_INITIAL_COUNT, 1000);
    put(APIC_INITIAL_COUNT, 0);
    assert_int_equal(fake_next_deadline(), UINT64_MAX);
    assert_int_equal(get(APIC_CURRENT_COUNT), 0);
    fake_run_until(100000);
    assert_int_equal(pending(0), -1);
}

static void a_new_count_starts_over(void **state)
{
    (void)state;
    put(APIC_DIVIDE, DIVIDE_BY_1);
    put(APIC_LVT_TIMER, 0x40);
    put(APIC_INITIAL_COUNT, 1000);
    fake_run_until(1900);
    put(APIC_INITIAL_COUNT, 500);
    fake_run_until(2399);
    assert_int_equal(pending(0), -1);
    fake_run_until(2400);
    assert_int_equal(pending(0), 0x40);
}

static void a_new_divisor_takes_effect_at_once(void **state)
{
    (void)state;
    put(APIC_DIVIDE, DIVIDE_BY_1);
    put(APIC_LVT_TIMER, PERIODIC | 0x40);
    put(APIC_INITIAL_COUNT, 100000);
    fake_run_until(1000 + 40000);
    put(APIC_DIVIDE, 0); /* by 2 */
    assert_int_equal(get(APIC_CURRENT_COUNT), 60000);
    assert_int_equal(ticks_until(1000 + 40000 + 119999, 0x40), 0);
    assert_int_equal(ticks_until(1000 + 40000 + 120000, 0x40), 1);
    assert_int_equal(get(APIC_CURRENT_COUNT), 100000);
    assert_int_equal(fake_next_deadline(), 1000 + 40000 + 120000 + 200000);
}

static void masked_it_counts_and_stays_silent(void **state)
{
    (void)state;
    put(APIC_DIVIDE, DIVIDE_BY_1);
    put(APIC_LVT_TIMER, MASKED | PERIODIC | 0x40);
    put(APIC_INITIAL_COUNT, 100000);
    fake_run_until(1000 + 250000);
    assert_int_equal(pending(0), -1);
    assert_int_equal(get(APIC_CURRENT_COUNT), 50000);
    put(APIC_LVT_TIMER, PERIODIC | 0x41);
    assert_int_equal(pending(0), -1); /* the past ones are lost */
    fake_run_until(1000 + 300000);
    assert_int_equal(acknowledge(0), 0x41);
}

/* The host's timer is for those who can be told: masked it is not armed, and what happened shows when looked
 * at. */
static void masked_it_costs_the_host_nothing(void **state)
{
    static const uint32_t modes[] = {0, PERIODIC, DEADLINE};

    (void)state;
    put(APIC_DIVIDE, DIVIDE_BY_1);
    for (unsigned i = 0; i < ARRAY_LENGTH(modes); i++) {
        uint64_t start = fake_now;

        put(APIC_LVT_TIMER, MASKED | modes[i] | 0x40);
        if (modes[i] == DEADLINE)
            assert_true(wrmsr(0, IA32_TSC_DEADLINE, start + 1000));
        else
            put(APIC_INITIAL_COUNT, 1000);
        assert_int_equal(fake_next_deadline(), UINT64_MAX);
        put(APIC_DIVIDE, DIVIDE_BY_1);
        assert_int_equal(fake_next_deadline(), UINT64_MAX);
        fake_run_until(start + 500);
        put(APIC_LVT_TIMER, modes[i] | 0x40); /* open: for the moment that it was to be */
        assert_int_equal(fake_next_deadline(), start + 1000);
        put(APIC_LVT_TIMER, MASKED | modes[i] | 0x40);
        assert_int_equal(fake_next_deadline(), UINT64_MAX);
        fake_run_until(start + 2300);
        put(APIC_LVT_TIMER, modes[i] | 0x40); /* only what repeats is still to come */
        assert_int_equal(fake_next_deadline(), modes[i] == PERIODIC ? start + 3000 : UINT64_MAX);
        assert_int_equal(pending(0), -1);
        put(APIC_LVT_TIMER, 0x40);
        put(APIC_INITIAL_COUNT, 0);
    }
    put(APIC_LVT_TIMER, PERIODIC | 0x40);
    put(APIC_INITIAL_COUNT, 1000);
    put(APIC_SVR, 0xff); /* software-disabled: every entry is masked */
    assert_int_equal(fake_next_deadline(), UINT64_MAX);
}

/* Where its vCPU does not run the first tick is in IRR; those behind it change nothing, and cost nothing. */
static void away_from_its_vcpu_it_fires_once(void **state)
{
    (void)state;
    put(APIC_DIVIDE, DIVIDE_BY_1);
    put(APIC_LVT_TIMER, PERIODIC | 0x40);
    put(APIC_INITIAL_COUNT, 100000);
    fake_at_home = false;
    fake_run_until(1000 + 100000);
    assert_int_equal(fake_next_deadline(), UINT64_MAX);
    fake_run_until(1000 + 750000);
    fake_at_home = true;
    vcpus[0].arch.interrupts.resumed(&apics[0]);
    assert_int_equal(resumptions, 1);
    assert_int_equal(fake_next_deadline(), 1000 + 800000);
    assert_int_equal(acknowledge(0), 0x40);
    put(APIC_EOI, 0);
    assert_int_equal(pending(0), -1);
    assert_int_equal(ticks_until(1000 + 1000000, 0x40), 3);
    vcpus[0].arch.interrupts.resumed(&apics[0]); /* not away: nothing changes */
    assert_int_equal(fake_next_deadline(), 1000 + 1100000);
}

static void into_deadline_mode_and_out_of_it_it_is_disarmed(void **state)
{
    static const uint32_t modes[] = {0, PERIODIC, DEADLINE, PERIODIC | DEADLINE};

    (void)state;
    for (unsigned from = 0; from < 3; from++)
        for (unsigned to = 0; to < 4; to++) {
            bool runs = from == to || (from < 2 && to < 2);

            put(APIC_LVT_TIMER, modes[from] | 0x40);
            if (modes[from] == DEADLINE)
                assert_true(wrmsr(0, IA32_TSC_DEADLINE, fake_now + 5000));
            else
                put(APIC_INITIAL_COUNT, 5000);
            assert_int_not_equal(fake_next_deadline(), UINT64_MAX);
            put(APIC_LVT_TIMER, modes[to] | 0x41);
            assert_int_equal(fake_next_deadline() == UINT64_MAX, !runs);
            if (!runs) {
                assert_int_equal(msr(IA32_TSC_DEADLINE), 0);
                assert_int_equal(get(APIC_CURRENT_COUNT), 0);
            }
        }
}

static void between_one_shot_and_periodic_the_count_goes_on(void **state)
{
    (void)state;
    put(APIC_DIVIDE, 0xb);
    put(APIC_LVT_TIMER, 0x40);
    put(APIC_INITIAL_COUNT, 5000);
    fake_run_until(fake_now + 3000);
    put(APIC_LVT_TIMER, PERIODIC | 0x40);
    assert_int_equal(get(APIC_CURRENT_COUNT), 2000);
    assert_int_equal(get(APIC_INITIAL_COUNT), 5000);
    fake_run_until(fake_now + 2000 + 1000); /* it starts over */
    assert_int_equal(acknowledge(0), 0x40);
    put(APIC_EOI, 0);
    assert_int_equal(get(APIC_CURRENT_COUNT), 4000);
    put(APIC_LVT_TIMER, 0x40);
    assert_int_equal(get(APIC_CURRENT_COUNT), 4000);
    fake_run_until(fake_now + 20000); /* once more, and no further */
    assert_int_equal(acknowledge(0), 0x40);
    put(APIC_EOI, 0);
    assert_int_equal(pending(0), -1);
    put(APIC_LVT_TIMER, PERIODIC | 0x40); /* what has reached 0 does not start by itself */
    assert_int_equal(get(APIC_CURRENT_COUNT), 0);
    assert_int_equal(fake_next_deadline(), UINT64_MAX);
}

static void a_reserved_mode_runs_nothing(void **state)
{
    (void)state;
    put(APIC_LVT_TIMER, PERIODIC | DEADLINE | 0x40);
    put(APIC_INITIAL_COUNT, 1000);
    assert_true(wrmsr(0, IA32_TSC_DEADLINE, 5000));
    assert_int_equal(fake_next_deadline(), UINT64_MAX);
    assert_int_equal(get(APIC_CURRENT_COUNT), 0);
}

static void the_deadline_fires_in_guest_time(void **state)
{
    (void)state;
    vcpus[0].arch.tsc_offset = 1000000;
    put(APIC_LVT_TIMER, DEADLINE | 0x40);
    assert_true(wrmsr(0, IA32_TSC_DEADLINE, 1006000));
    assert_int_equal(msr(IA32_TSC_DEADLINE), 1006000);
    assert_int_equal(fake_next_deadline(), 6000);
    fake_run_until(5999);
    assert_int_equal(pending(0), -1);
    fake_run_until(6000);
    assert_int_equal(acknowledge(0), 0x40);
    assert_int_equal(msr(IA32_TSC_DEADLINE), 0);
    assert_int_equal(fake_next_deadline(), UINT64_MAX);
}

static void a_deadline_that_has_passed_fires_at_once(void **state)
{
    (void)state;
    put(APIC_LVT_TIMER, DEADLINE | 0x40);
    assert_true(wrmsr(0, IA32_TSC_DEADLINE, 1001));
    assert_int_equal(pending(0), -1);
    assert_true(wrmsr(0, IA32_TSC_DEADLINE, 1000));
    assert_int_equal(acknowledge(0), 0x40);
    put(APIC_EOI, 0);
    assert_int_equal(msr(IA32_TSC_DEADLINE), 0);
    assert_int_equal(fake_next_deadline(), UINT64_MAX);
    assert_true(wrmsr(0, IA32_TSC_DEADLINE, 1));
    assert_int_equal(acknowledge(0), 0x40);
}

static void a_deadline_of_zero_disarms(void **state)
{
    (void)state;
    put(APIC_LVT_TIMER, DEADLINE | 0x40);
    assert_true(wrmsr(0, IA32_TSC_DEADLINE, 5000));
    assert_true(wrmsr(0, IA32_TSC_DEADLINE, 0));
    fake_run_until(10000);
    assert_int_equal(pending(0), -1);
}

static void deadlines_wrap_with_the_guests_tsc(void **state)
{
    (void)state;
    vcpus[0].arch.tsc_offset = -UINT64_C(500); /* the guest's TSC is behind the host's */
    put(APIC_LVT_TIMER, DEADLINE | 0x40);
    assert_true(wrmsr(0, IA32_TSC_DEADLINE, 600));
    assert_int_equal(fake_next_deadline(), 1100);
    vcpus[0].arch.tsc_offset = UINT64_MAX - 5000; /* near its end: host 1000 is guest 2^64 - 4001 */
    assert_true(wrmsr(0, IA32_TSC_DEADLINE, UINT64_MAX));
    assert_int_equal(fake_next_deadline(), 5000);
    vcpus[0].arch.tsc_offset = -UINT64_C(1000); /* guest 0: the host's would be past its end */
    assert_true(wrmsr(0, IA32_TSC_DEADLINE, UINT64_MAX));
    assert_int_equal(fake_next_deadline(), UINT64_MAX);
    assert_int_equal(msr(IA32_TSC_DEADLINE), UINT64_MAX);
    assert_int_equal(pending(0), -1);
}

static void a_jump_of_the_tsc_moves_the_deadline(void **state)
{
    struct interrupt_controller *core = &vcpus[0].arch.interrupts;

    (void)state;
    put(APIC_LVT_TIMER, DEADLINE | 0x40);
    assert_true(wrmsr(0, IA32_TSC_DEADLINE, 9000));
    vcpus[0].arch.tsc_offset = 2000;
    core->tsc_changed(core->state);
    assert_int_equal(fake_next_deadline(), 7000);
    vcpus[0].arch.tsc_offset = 8000; /* beyond it */
    core->tsc_changed(core->state);
    assert_int_equal(acknowledge(0), 0x40);
    assert_int_equal(fake_next_deadline(), UINT64_MAX);
    put(APIC_EOI, 0);
    put(APIC_LVT_TIMER, 0x40);
    put(APIC_INITIAL_COUNT, 5000);
    core->tsc_changed(core->state); /* the other modes do not look at the guest's TSC */
    assert_int_equal(fake_next_deadline(), 1000 + 10000);
}

static void each_mode_has_its_own_register(void **state)
{
    (void)state;
    put(APIC_LVT_TIMER, 0x40);
    assert_true(wrmsr(0, IA32_TSC_DEADLINE, 5000));
    assert_int_equal(msr(IA32_TSC_DEADLINE), 0);
    assert_int_equal(fake_next_deadline(), UINT64_MAX);
    put(APIC_INITIAL_COUNT, 77);
    put(APIC_LVT_TIMER, DEADLINE | 0x40);
    put(APIC_INITIAL_COUNT, 1000);
    assert_int_equal(get(APIC_INITIAL_COUNT), 77);
    assert_int_equal(fake_next_deadline(), UINT64_MAX);
    assert_true(wrmsr(0, IA32_TSC_DEADLINE, 5000));
    assert_int_equal(get(APIC_CURRENT_COUNT), 0);
    put(APIC_DIVIDE, DIVIDE_BY_1);
    assert_int_equal(fake_next_deadline(), 5000);
}

static void a_masked_deadline_passes_silently(void **state)
{
    (void)state;
    put(APIC_LVT_TIMER, MASKED | DEADLINE | 0x40);
    assert_true(wrmsr(0, IA32_TSC_DEADLINE, 5000));
    fake_run_until(5000);
    assert_int_equal(pending(0), -1);
    assert_int_equal(msr(IA32_TSC_DEADLINE), 0);
    put(APIC_LVT_TIMER, DEADLINE | 0x40);
    assert_int_equal(pending(0), -1);
}

static void an_illegal_vector_is_an_error(void **state)
{
    (void)state;
    put(APIC_LVT_TIMER, 0x0f);
    put(APIC_INITIAL_COUNT, 10);
    fake_run_until(2000);
    assert_int_equal(pending(0), -1);
    assert_int_equal(errors(), 0x40);
}

static void software_disabled_it_is_silent(void **state)
{
    (void)state;
    put(APIC_LVT_TIMER, 0x40);
    put(APIC_INITIAL_COUNT, 10);
    put(APIC_SVR, 0xff);
    fake_run_until(2000);
    assert_int_equal(pending(0), -1);
}

static void x2apic_counts_the_same(void **state)
{
    (void)state;
    put(APIC_DIVIDE, DIVIDE_BY_1);
    put(APIC_LVT_TIMER, PERIODIC | 0x40);
    put(APIC_INITIAL_COUNT, 100000);
    fake_run_until(41000);
    to_x2apic(0);
    assert_int_equal(msr(0x839), 60000); /* a running count goes on */
    fake_run_until(101000);
    assert_int_equal(acknowledge(0), 0x40);
    assert_true(wrmsr(0, 0x838, 5000));
    assert_int_equal(msr(0x838), 5000);
    assert_int_equal(fake_next_deadline(), 106000);
}

/* The timer fires on one core while the vCPU, on another, has just stopped it or set it anew. */
static void a_late_expiry_does_nothing(void **state)
{
    struct timer *timer = &apics[0].timer.timer;

    (void)state;
    put(APIC_DIVIDE, DIVIDE_BY_1);
    put(APIC_LVT_TIMER, 0x40);
    assert_ptr_equal(timer->lock, &apics[0].timer.lock);
    put(APIC_INITIAL_COUNT, 1000);
    put(APIC_INITIAL_COUNT, 0);
    timer->expired(timer);
    assert_int_equal(pending(0), -1);
    put(APIC_INITIAL_COUNT, 9000);
    timer->expired(timer);
    assert_int_equal(pending(0), -1);
    assert_int_equal(fake_next_deadline(), 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(one_shot_fires_once, setup),
        cmocka_unit_test_setup(every_divisor_divides, setup),
        cmocka_unit_test_setup(the_longest_count_is_not_cut, setup),
        cmocka_unit_test_setup(periodic_keeps_its_phase, setup),
        cmocka_unit_test_setup(missed_ticks_coalesce_without_drift, setup),
        cmocka_unit_test_setup(the_shortest_periods_leave_the_host_alive, setup),
        cmocka_unit_test_setup(a_count_of_zero_stops_it, setup),
        cmocka_unit_test_setup(a_new_count_starts_over, setup),
        cmocka_unit_test_setup(a_new_divisor_takes_effect_at_once, setup),
        cmocka_unit_test_setup(masked_it_counts_and_stays_silent, setup),
        cmocka_unit_test_setup(masked_it_costs_the_host_nothing, setup),
        cmocka_unit_test_setup(away_from_its_vcpu_it_fires_once, setup),
        cmocka_unit_test_setup(into_deadline_mode_and_out_of_it_it_is_disarmed, setup),
        cmocka_unit_test_setup(between_one_shot_and_periodic_the_count_goes_on, setup),
        cmocka_unit_test_setup(a_reserved_mode_runs_nothing, setup),
        cmocka_unit_test_setup(the_deadline_fires_in_guest_time, setup),
        cmocka_unit_test_setup(a_deadline_that_has_passed_fires_at_once, setup),
        cmocka_unit_test_setup(a_deadline_of_zero_disarms, setup),
        cmocka_unit_test_setup(deadlines_wrap_with_the_guests_tsc, setup),
        cmocka_unit_test_setup(a_jump_of_the_tsc_moves_the_deadline, setup),
        cmocka_unit_test_setup(each_mode_has_its_own_register, setup),
        cmocka_unit_test_setup(a_masked_deadline_passes_silently, setup),
        cmocka_unit_test_setup(an_illegal_vector_is_an_error, setup),
        cmocka_unit_test_setup(software_disabled_it_is_silent, setup),
        cmocka_unit_test_setup(x2apic_counts_the_same, setup),
        cmocka_unit_test_setup(a_late_expiry_does_nothing, setup),
    };
    return cmocka_run_group_tests_name("apic_timer", tests, NULL, NULL);
}
