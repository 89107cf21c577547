#include "tests/unit/devices/pit_fixture.h"
#include "tests/unit/devices/pit_model.h"

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
        cmocka_unit_test_setup(decimal_counts_wrap_at_ten_thousand, setup_clk),
        cmocka_unit_test_setup(every_mode_agrees_with_a_model_that_ticks, setup_clk),
        cmocka_unit_test_setup(a_latched_count_stays_until_it_is_read, setup_clk),
        cmocka_unit_test_setup(reads_and_writes_may_be_interleaved, setup_clk),
        cmocka_unit_test_setup(single_bytes_are_read_and_written_alone, setup_clk),
        cmocka_unit_test_setup(read_back_latches_status_before_count, setup_clk),
        cmocka_unit_test_setup(null_count_shows_what_is_not_loaded_yet, setup_clk),
        cmocka_unit_test_setup(port_61_shows_gate_speaker_refresh_and_out, setup),
        cmocka_unit_test_setup(counters_0_and_1_ignore_gate_2, setup_clk),
        cmocka_unit_test_setup(the_control_register_cannot_be_read, setup),
        cmocka_unit_test_setup(describes_its_counters, setup),
    };
    return cmocka_run_group_tests_name("pit", tests, NULL, NULL);
}
