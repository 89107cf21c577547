#include "tests/unit/fake.h"

#include <stdlib.h>
#include <string.h>

#include "devices/pit.h"
#include "hv/vm/bus.h"
#include "tests/unit/pit_model.h"

#define SECOND 1000000000ull

static struct pit pit;
static struct spinlock lock;
static struct bus bus;
static struct bus_range ranges[2];
static unsigned rises;
static uint64_t last_rise;
static bool line;

static void set_line(void *owner, unsigned pin, bool asserted)
{
    (void)owner, (void)pin;
    if (asserted && !line)
        rises++, last_rise = fake_now;
    line = asserted;
}

static uint8_t in(unsigned port)
{
    uint64_t value;

    bus_read(&bus, port, 1, &value);
    return (uint8_t)value;
}

static void out(unsigned port, uint8_t value)
{
    assert_true(bus_write(&bus, port, 1, value));
}

static unsigned in_16(unsigned port)
{
    unsigned low = in(port);

    return low | in(port) << 8;
}

static void out_16(unsigned port, unsigned value)
{
    out(port, value & 0xff);
    out(port, value >> 8);
}

static void power_on(uint64_t hz)
{
    fake_reset();
    fake_hz = hz;
    pit_init(&pit, &lock);
    pit.irq = (struct irq_line){set_line, NULL, 0};
    ranges[0] = (struct bus_range){0x40, 0x43, &pit.counter_ports};
    ranges[1] = (struct bus_range){0x61, 0x61, &pit.control_port};
    assert_true(bus_init(&bus, "port", ranges, 2));
    bus_reset(&bus);
    out(0x43, 0x30); /* counter 0 is quiet: mode 0 without a count */
    rises = 0, line = false;
}

/* A nanosecond a tick. */
static int setup(void **state)
{
    (void)state;
    power_on(SECOND);
    return 0;
}

/* A CLK pulse a tick. */
static int setup_clk(void **state)
{
    (void)state;
    power_on(PIT_HZ);
    return 0;
}

static void clk(unsigned pulses)
{
    fake_run_until(fake_now + pulses);
}

/* Compares counter 2 after each CLK pulse with the data sheet's figure: counts, and OUT as `_` and `-`. */
static void expect_figure(const char *levels, const uint16_t *counts)
{
    for (unsigned i = 0; levels[i]; i++) {
        clk(1);
        out(0x43, 0x80);
        if (in(0x42) != (counts[i] & 0xff))
            fail_msg("pulse %u: count is not %#x", i, counts[i]);
        if (!(in(0x61) & 0x20) != (levels[i] == '_'))
            fail_msg("pulse %u: OUT is not %c", i, levels[i]);
    }
}

static void gate(bool high)
{
    out(0x61, high);
}

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

static void mode_0_interrupts_on_terminal_count(void **state)
{
    (void)state;
    gate(true);
    out(0x43, 0x90);
    out(0x42, 4);
    expect_figure("____----", (uint16_t[]){4, 3, 2, 1, 0, 0xff, 0xfe, 0xfd});
    out(0x42, 3); /* a new count: OUT falls at once */
    assert_int_equal(in(0x61) & 0x20, 0);
    expect_figure("__", (uint16_t[]){3, 2});
    gate(false);
    expect_figure("__", (uint16_t[]){2, 2});
    gate(true);
    expect_figure("_--", (uint16_t[]){1, 0, 0xff});
}

static void mode_0_stops_between_the_bytes_of_a_count(void **state)
{
    (void)state;
    gate(true);
    out(0x43, 0xb0);
    out_16(0x42, 5);
    clk(3);
    out(0x42, 2);
    clk(100);
    out(0x43, 0x80);
    assert_int_equal(in_16(0x42), 3);
    out(0x42, 0);
    clk(2);
    assert_int_equal(in(0x61) & 0x20, 0);
    clk(1);
    assert_int_equal(in(0x61) & 0x20, 0x20);
}

static void mode_1_is_a_retriggerable_one_shot(void **state)
{
    (void)state;
    out(0x43, 0x92);
    out(0x42, 3);
    clk(10);
    assert_int_equal(in(0x61) & 0x20, 0x20);
    gate(true);
    expect_figure("___--", (uint16_t[]){3, 2, 1, 0, 0xff});
    gate(false); /* has no effect on OUT */
    gate(true);
    expect_figure("__", (uint16_t[]){3, 2});
    out(0x42, 2); /* not before the next trigger */
    expect_figure("_-", (uint16_t[]){1, 0});
    gate(false);
    gate(true);
    expect_figure("__-", (uint16_t[]){2, 1, 0});
}

static void mode_2_divides_by_n(void **state)
{
    (void)state;
    gate(true);
    out(0x43, 0x94);
    out(0x42, 3);
    expect_figure("--_--_--", (uint16_t[]){3, 2, 1, 3, 2, 1, 3, 2});
    gate(false);
    expect_figure("--", (uint16_t[]){2, 2});
    gate(true); /* the trigger reloads */
    expect_figure("--_-", (uint16_t[]){3, 2, 1, 3});
    out(0x42, 5); /* at the end of the cycle */
    expect_figure("-_----_-", (uint16_t[]){2, 1, 5, 4, 3, 2, 1, 5});
    clk(3);
    assert_int_equal(in(0x42), 2);
    clk(1);
    assert_int_equal(in(0x61) & 0x20, 0);
    gate(false); /* OUT rises at once */
    assert_int_equal(in(0x61) & 0x20, 0x20);
}

static void mode_3_is_a_square_wave(void **state)
{
    (void)state;
    gate(true);
    out(0x43, 0x96);
    out(0x42, 4);
    expect_figure("--__--__--", (uint16_t[]){4, 2, 4, 2, 4, 2, 4, 2, 4, 2});
    out(0x43, 0x96);
    out(0x42, 5);
    expect_figure("---__---__", (uint16_t[]){4, 2, 0, 4, 2, 4, 2, 0, 4, 2});
    out(0x42, 6); /* at the end of the half cycle */
    expect_figure("---___", (uint16_t[]){6, 4, 2, 6, 4, 2});
    clk(4);
    assert_int_equal(in(0x61) & 0x20, 0);
    gate(false);
    assert_int_equal(in(0x61) & 0x20, 0x20);
    gate(true);
    expect_figure("---_", (uint16_t[]){6, 4, 2, 6});
}

static void mode_4_strobes_by_software(void **state)
{
    (void)state;
    gate(true);
    out(0x43, 0x98);
    out(0x42, 3);
    expect_figure("---_--", (uint16_t[]){3, 2, 1, 0, 0xff, 0xfe});
    out(0x42, 3);
    expect_figure("--", (uint16_t[]){3, 2});
    out(0x42, 2); /* a new count begins again */
    expect_figure("--", (uint16_t[]){2, 1});
    gate(false);
    expect_figure("--", (uint16_t[]){1, 1});
    gate(true);
    expect_figure("_", (uint16_t[]){0});
    gate(false); /* does not lengthen the strobe */
    expect_figure("-", (uint16_t[]){0});
}

static void mode_5_strobes_by_hardware(void **state)
{
    (void)state;
    out(0x43, 0x9a);
    out(0x42, 3);
    clk(7);
    gate(true);
    expect_figure("---_--", (uint16_t[]){3, 2, 1, 0, 0xff, 0xfe});
    gate(false);
    gate(true);
    expect_figure("--", (uint16_t[]){3, 2});
    gate(false);
    gate(true);
    expect_figure("---_-", (uint16_t[]){3, 2, 1, 0, 0xff});
}

static void modes_6_and_7_are_2_and_3(void **state)
{
    (void)state;
    gate(true);
    out(0x43, 0x9c);
    out(0x42, 3);
    expect_figure("--_--_", (uint16_t[]){3, 2, 1, 3, 2, 1});
    out(0x43, 0xe8);
    assert_int_equal(in(0x42) & 0x3f, 0x1c); /* the status shows the mode as it was written */
    out(0x43, 0x9e);
    out(0x42, 4);
    expect_figure("--__--", (uint16_t[]){4, 2, 4, 2, 4, 2});
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

static void decimal_counts_wrap_at_ten_thousand(void **state)
{
    (void)state;
    gate(true);
    out(0x43, 0xb1);
    out_16(0x42, 0);
    clk(1);
    assert_int_equal(in_16(0x42), 0);
    clk(1);
    assert_int_equal(in_16(0x42), 0x9999);
    clk(9998);
    assert_int_equal(in_16(0x42), 0x0001);
    assert_int_equal(in(0x61) & 0x20, 0);
    clk(1);
    assert_int_equal(in(0x61) & 0x20, 0x20);
    clk(1);
    assert_int_equal(in_16(0x42), 0x9999);
    out_16(0x42, 0xffff); /* no decimal number, and no harm */
    clk(100000);
    in_16(0x42);
}

/* Latches both of counter 2 and compares with the model what its access mode lets be seen. */
static void compare(const struct pit_model *model, unsigned *half_read)
{
    unsigned expected = model_count(model), status;

    out(0x43, 0xc8);
    status = in(0x42);
    if (status >> 7 != model->out || (status >> 6 & 1) != model->null)
        fail_msg("status %#x in mode %u, but OUT %u, null %u", status, model->mode, model->out, model->null);
    for (unsigned i = 0; i < (model->access == 3 ? 2 : 1); i++) {
        bool high = model->access == 2 || (model->access == 3 && (*half_read)++ % 2);

        if (model->running) /* the data sheet leaves CE undefined before */
            assert_int_equal(in(0x42), high ? expected >> 8 : expected & 0xff);
        else
            in(0x42);
    }
}

static unsigned random_count(bool bcd)
{
    unsigned value = rand() % 4 ? rand() % 40 + 2 : rand() % 65536;

    if (!bcd)
        return value;
    value %= 10000;
    return value / 1000 << 12 | value / 100 % 10 << 8 | value / 10 % 10 << 4 | value % 10;
}

/* One random act of the guest on counter 2, on both. A count of 1 stays out of modes 2 and 3. */
static void act(struct pit_model *model, unsigned *half_read)
{
    unsigned what = rand() % 16, value;

    if (what == 0) {
        value = 0x80 | (rand() % 3 + 1) << 4 | (rand() & 0x0f);
        out(0x43, value);
        model_control(model, value);
        *half_read = 0;
    } else if (what < 6) {
        value = random_count(model->bcd);
        if (model->access == 3 && model->second_byte)
            value = rand() % 4 ? 0 : rand() % 10;
        value &= 0xff;
        if ((model->mode == 2 || model->mode == 3) && value < 2)
            value = 2;
        out(0x42, value);
        model_write(model, value);
    } else if (what < 10) {
        value = rand() & 1;
        gate(value);
        model_gate(model, value);
    }
}

static void every_mode_agrees_with_a_model_that_ticks(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 400; seed++) {
        struct pit_model model = {0};
        unsigned half_read = 0;

        setup_clk(NULL);
        srand(seed);
        out(0x43, 0x80 | (rand() % 3 + 1) << 4 | seed % 16);
        model_control(&model, 0x80 | pit.counters[2].control);
        for (unsigned step = 0; step < 200; step++) {
            unsigned pulses = rand() % 3 ? rand() % 4 : rand() % 60 ? rand() % 200 : rand() % 150000;

            act(&model, &half_read);
            clk(pulses);
            while (pulses--)
                model_clk(&model);
            compare(&model, &half_read);
        }
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
                value = 0x10 | (rand() % 6) << 1 | (rand() & 1) << 7 >> 7;
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

static void a_latched_count_stays_until_it_is_read(void **state)
{
    (void)state;
    gate(true);
    out(0x43, 0xb4);
    out_16(0x42, 0x1234);
    clk(1);
    out(0x43, 0x80);
    clk(0x100);
    out(0x43, 0x80); /* the second latch is ignored */
    assert_int_equal(in_16(0x42), 0x1234);
    assert_int_equal(in_16(0x42), 0x1134);
    out(0x43, 0x80);
    out(0x43, 0x94); /* programming the counter drops the latch */
    out(0x42, 9);
    clk(1);
    assert_int_equal(in(0x42), 9);
}

static void reads_and_writes_may_be_interleaved(void **state)
{
    (void)state;
    gate(true);
    out(0x43, 0xb4);
    out_16(0x42, 0x1234);
    clk(1);
    assert_int_equal(in(0x42), 0x34);
    out(0x42, 0x78);
    assert_int_equal(in(0x42), 0x12);
    out(0x42, 0x56);
    clk(0x1234);
    assert_int_equal(in_16(0x42), 0x5678);
}

static void single_bytes_are_read_and_written_alone(void **state)
{
    (void)state;
    gate(true);
    out(0x43, 0xa0); /* mode 0, high byte only */
    out(0x42, 0x12);
    clk(1);
    assert_int_equal(in(0x42), 0x12);
    clk(1);
    assert_int_equal(in(0x42), 0x11);
    out(0x43, 0x90);
    out(0x42, 0x12);
    clk(3);
    assert_int_equal(in(0x42), 0x10);
    assert_int_equal(in(0x42), 0x10);
}

/* The data sheet's example of read-back commands, in its order. */
static void read_back_latches_status_before_count(void **state)
{
    (void)state;
    out(0x43, 0x36);
    out_16(0x40, 1000);
    out(0x43, 0x76);
    out_16(0x41, 2000);
    gate(true);
    out(0x43, 0xb6);
    out_16(0x42, 3000);
    clk(1);
    out(0x43, 0xc2); /* count and status of 0 */
    out(0x43, 0xe4); /* status of 1 */
    out(0x43, 0xec); /* status of 2 and 1: 1 is latched already */
    out(0x43, 0xd8); /* count of 2 */
    out(0x43, 0xc4); /* count and status of 1: its status is latched already */
    clk(1);
    out(0x43, 0xe2); /* status of 0: latched already */
    assert_int_equal(in(0x40), 0xb6);
    assert_int_equal(in_16(0x40), 1000);
    assert_int_equal(in_16(0x40), 998);
    assert_int_equal(in(0x41), 0xb6);
    assert_int_equal(in_16(0x41), 2000);
    assert_int_equal(in(0x42), 0xb6);
    assert_int_equal(in_16(0x42), 3000);
    assert_int_equal(in_16(0x42), 2998);
}

static void null_count_shows_what_is_not_loaded_yet(void **state)
{
    (void)state;
    gate(true);
    out(0x43, 0xb4);
    out(0x43, 0xe8);
    assert_int_equal(in(0x42), 0xf4); /* the control word sets it */
    out_16(0x42, 10);
    out(0x43, 0xe8);
    clk(1);
    out(0x43, 0xe8);
    assert_int_equal(in(0x42), 0xf4); /* as first latched */
    out(0x43, 0xe8);
    assert_int_equal(in(0x42), 0xb4); /* loaded */
    out(0x42, 20);
    out(0x43, 0xe8);
    assert_int_equal(in(0x42), 0xb4); /* the first byte of two does not */
    out(0x42, 0);
    out(0x43, 0xe8);
    assert_int_equal(in(0x42), 0xf4);
    clk(9);
    out(0x43, 0xe8);
    assert_int_equal(in(0x42), 0x74); /* OUT is low, the cycle not over */
    clk(1);
    out(0x43, 0xe8);
    assert_int_equal(in(0x42), 0xb4);
}

static void port_61_shows_gate_speaker_refresh_and_out(void **state)
{
    unsigned toggles = 0;
    uint8_t last;

    (void)state;
    out(0x61, 0xff);
    assert_int_equal(in(0x61) & 0xcf, 0x0f);
    out(0x61, 0x00);
    assert_int_equal(in(0x61) & 0xcf, 0x00);
    last = in(0x61) & 0x10;
    for (unsigned us = 0; us < 15085; us++) { /* 15.085 ms are a thousand times 15.085 us */
        fake_run_until(fake_now + 1000);
        toggles += (in(0x61) & 0x10) != last;
        last = in(0x61) & 0x10;
    }
    assert_in_range(toggles, 999, 1001);
}

static void counters_0_and_1_ignore_gate_2(void **state)
{
    (void)state;
    out(0x43, 0x74);
    out_16(0x41, 1000);
    gate(true);
    gate(false);
    clk(11);
    assert_int_equal(in_16(0x41), 990);
}

static void the_control_register_cannot_be_read(void **state)
{
    (void)state;
    assert_int_equal(in(0x43), 0xff);
    assert_int_equal(bus.misses.count, 1);
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

static void describes_its_counters(void **state)
{
    char text[1024];
    struct text_buffer buffer;

    (void)state;
    text_buffer_init(&buffer, text, sizeof(text));
    out(0x43, 0x35);
    out_16(0x40, 0x1000);
    pit.counter_ports.ops->describe(&pit.counter_ports, &buffer.writer);
    pit.control_port.ops->describe(&pit.control_port, &buffer.writer);
    assert_non_null(strstr(text, "counter 0: mode 2 bcd access 3 initial 1000"));
    assert_non_null(strstr(text, "gate 2 0 speaker 0"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(mode_0_interrupts_on_terminal_count, setup_clk),
        cmocka_unit_test_setup(mode_0_stops_between_the_bytes_of_a_count, setup_clk),
        cmocka_unit_test_setup(mode_1_is_a_retriggerable_one_shot, setup_clk),
        cmocka_unit_test_setup(mode_2_divides_by_n, setup_clk),
        cmocka_unit_test_setup(mode_3_is_a_square_wave, setup_clk),
        cmocka_unit_test_setup(mode_4_strobes_by_software, setup_clk),
        cmocka_unit_test_setup(mode_5_strobes_by_hardware, setup_clk),
        cmocka_unit_test_setup(modes_6_and_7_are_2_and_3, setup_clk),
        cmocka_unit_test_setup(a_count_of_one_is_illegal_and_makes_no_edges, setup_clk),
        cmocka_unit_test_setup(decimal_counts_wrap_at_ten_thousand, setup_clk),
        cmocka_unit_test_setup(every_mode_agrees_with_a_model_that_ticks, setup_clk),
        cmocka_unit_test_setup(the_line_rises_as_often_as_the_models_out, setup_clk),
        cmocka_unit_test_setup(ticks_keep_their_phase_without_drift, setup),
        cmocka_unit_test_setup(late_ticks_are_made_up_for_one_by_one, setup),
        cmocka_unit_test_setup(a_burst_of_late_ticks_is_bounded, setup),
        cmocka_unit_test_setup(a_rate_beyond_reason_leaves_the_guest_time, setup),
        cmocka_unit_test_setup(a_write_does_not_lose_an_edge_that_is_due, setup),
        cmocka_unit_test_setup(one_shots_raise_the_line_once, setup),
        cmocka_unit_test_setup(a_latched_count_stays_until_it_is_read, setup_clk),
        cmocka_unit_test_setup(reads_and_writes_may_be_interleaved, setup_clk),
        cmocka_unit_test_setup(single_bytes_are_read_and_written_alone, setup_clk),
        cmocka_unit_test_setup(read_back_latches_status_before_count, setup_clk),
        cmocka_unit_test_setup(null_count_shows_what_is_not_loaded_yet, setup_clk),
        cmocka_unit_test_setup(port_61_shows_gate_speaker_refresh_and_out, setup),
        cmocka_unit_test_setup(counters_0_and_1_ignore_gate_2, setup_clk),
        cmocka_unit_test_setup(the_control_register_cannot_be_read, setup),
        cmocka_unit_test_setup(starts_as_firmware_leaves_it, setup),
        cmocka_unit_test_setup(describes_its_counters, setup),
    };
    return cmocka_run_group_tests_name("pit", tests, NULL, NULL);
}
