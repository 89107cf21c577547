#include "tests/unit/devices/uart_fixture.h"

static void without_fifos_one_character_fits(void **state)
{
    (void)state;
    set_up_line();
    out(IER, 1);
    type(1);
    assert_false(uart_input(&uart, 'b'));
    assert_int_equal(in(LSR), 0x61);
    assert_int_equal(in(RBR), 'a');
    assert_false(line);
    assert_int_equal(in(RBR), 'a'); /* an empty receiver shows the last */
    assert_int_equal(in(LSR), 0x60);
    assert_true(uart_input(&uart, 'b'));
    assert_int_equal(in(RBR), 'b');
}

static void the_fifo_holds_sixteen_in_order_across_its_end(void **state)
{
    (void)state;
    out(FCR, 0x01);
    type(10);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(in(RBR), 'a' + i);
    type(16);
    assert_false(uart_input(&uart, 'z'));
    assert_int_equal(in(LSR), 0x61); /* no overrun from the console */
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(in(RBR), 'a' + i);
    assert_int_equal(in(LSR), 0x60);
}

static void trigger_levels_raise_and_lower_the_interrupt(void **state)
{
    static const unsigned levels[] = {1, 4, 8, 14};

    (void)state;
    set_up_line();
    out(IER, 1);
    for (unsigned i = 0; i < 4; i++) {
        out(FCR, 0x03 | i << 6);
        type(levels[i] - 1);
        assert_false(line);
        type(1);
        assert_true(line);
        assert_int_equal(in(IIR), 0xc4);
        in(RBR);
        assert_false(line);
    }
}

static void the_time_out_comes_after_four_character_times(void **state)
{
    (void)state;
    set_up_line();
    out(FCR, 0xc1);
    out(IER, 1);
    type(3);
    /* 4 * 10 bits at 115200 baud: 347.2 us */
    fake_run_until(347000);
    assert_false(line);
    fake_run_until(347300);
    assert_true(line);
    assert_int_equal(in(IIR), 0xcc);
    assert_int_equal(in(IIR), 0xcc); /* only reading a character clears it */
    assert_int_equal(in(RBR), 'a');
    assert_int_equal(in(IIR), 0xc1);
    fake_run_until(347300 + 347000); /* reading began the time again */
    assert_false(line);
    fake_run_until(347300 + 347300);
    assert_int_equal(in(IIR), 0xcc);
    in(RBR);
    in(RBR);
    assert_int_equal(fake_next_deadline(), UINT64_MAX);
}

static void a_new_character_puts_the_time_out_off(void **state)
{
    (void)state;
    set_up_line();
    out(FCR, 0x81);
    out(IER, 1);
    for (unsigned i = 1; i <= 7; i++) {
        type(1);
        fake_run_until(i * 300000);
        assert_false(line);
    }
    type(1); /* the trigger level takes over */
    assert_int_equal(in(IIR), 0xc4);
    assert_int_equal(fake_next_deadline(), UINT64_MAX);
}

static void the_time_out_follows_line_control_and_divisor(void **state)
{
    /* 5N1, 5N1.5, 8E2, 7N1 at 9600 baud, 8N1 at the slowest, and a divisor that no chip can use */
    static const struct {
        uint8_t lcr;
        unsigned divisor, half_bits;
    } cases[] = {{0x00, 1, 14},  {0x04, 1, 15},      {0x1f, 1, 24},
                 {0x02, 12, 18}, {0x03, 0xffff, 20}, {0x03, 0, 20}};

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unsigned divisor = cases[i].divisor ? cases[i].divisor : 1;

        setup(NULL);
        out(LCR, DLAB);
        out(DLL, cases[i].divisor & 0xff);
        out(DLM, cases[i].divisor >> 8);
        out(LCR, cases[i].lcr);
        out(FCR, 0xc1);
        out(IER, 1);
        type(1);
        assert_int_equal(fake_next_deadline(), 4ull * cases[i].half_bits * divisor * fake_hz / 230400);
    }
}

static void the_time_out_only_runs_for_an_enabled_interrupt(void **state)
{
    (void)state;
    set_up_line();
    out(FCR, 0x41);
    type(2);
    assert_int_equal(fake_next_deadline(), UINT64_MAX);
    fake_run_until(1000000); /* long past it */
    out(IER, 1);
    fake_run_until(fake_now);
    assert_int_equal(in(IIR), 0xcc);
    out(FCR, 0x43); /* clearing the FIFO ends it */
    assert_int_equal(in(IIR), 0xc1);
    assert_false(line);
}

/* A core may take the timer off its queue just when another reads the FIFO. */
static void a_time_out_that_comes_too_early_is_put_back(void **state)
{
    (void)state;
    set_up_line();
    out(FCR, 0xc1);
    out(IER, 1);
    type(1);
    fake_run_until(300000);
    timer_cancel(&uart.timeout);
    uart.timeout.expired(&uart.timeout);
    assert_false(line);
    fake_run_until(348000);
    assert_true(line);
    in(RBR);
    uart.timeout.expired(&uart.timeout);
    assert_int_equal(in(IIR), 0xc1);
}

static void fifo_control_clears_as_the_data_sheet_says(void **state)
{
    (void)state;
    out(FCR, 0x02); /* without the enable bit nothing else counts */
    type(1);
    out(FCR, 0x02);
    assert_int_equal(in(LSR), 0x61);
    out(FCR, 0x01); /* switching FIFO mode clears */
    assert_int_equal(in(LSR), 0x60);
    assert_int_equal(in(IIR), 0xc1);
    type(5);
    out(FCR, 0xc1); /* a new trigger level does not */
    assert_int_equal(in(LSR), 0x61);
    out(FCR, 0xc3);
    assert_int_equal(in(LSR), 0x60);
    type(5);
    out(FCR, 0x00);
    assert_int_equal(in(LSR), 0x60);
    assert_int_equal(in(IIR), 0x01);
}

static void overrun_in_loopback_keeps_the_fifo_and_replaces_the_single_register(void **state)
{
    (void)state;
    out(MCR, 0x10 | OUT2);
    out(IER, 4);
    out(THR, 'x');
    out(THR, 'y');
    assert_int_equal(in(IIR), 0x06);
    assert_int_equal(in(LSR), 0x63);
    assert_int_equal(in(LSR), 0x61);
    assert_int_equal(in(RBR), 'y');
    out(FCR, 0x01);
    for (unsigned i = 0; i < 17; i++)
        out(THR, 'a' + i);
    assert_true(line);
    assert_int_equal(in(LSR), 0x63);
    assert_false(line);
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(in(RBR), 'a' + i);
    assert_int_equal(in(LSR), 0x60);
}

static void a_break_shows_with_its_character(void **state)
{
    (void)state;
    set_up_line();
    out(FCR, 0x01);
    out(IER, 4);
    type(1);
    assert_true(uart_input_break(&uart));
    assert_false(line);
    assert_int_equal(in(LSR), 0xe1); /* an error further back in the FIFO */
    assert_int_equal(in(RBR), 'a');
    assert_true(line);
    assert_int_equal(in(LSR), 0xf9);
    assert_int_equal(in(LSR), 0x61);
    assert_int_equal(in(RBR), 0);
    out(FCR, 0x00);
    out(MCR, 0x10);
    out(LCR, 0x43); /* sending a break to oneself */
    assert_int_equal(in(LSR), 0x79);
    out(LCR, 0x43); /* still the same one */
    assert_int_equal(in(LSR), 0x61);
}

static void lowered_rts_holds_input_back_once_rts_was_used(void **state)
{
    (void)state;
    out(FCR, 0x01);
    type(1); /* a driver that never touches RTS still hears */
    out(MCR, 0x02);
    type(1);
    out(MCR, 0x00);
    assert_false(uart_input(&uart, 'c'));
    assert_int_equal(uart.count, 2);
    out(MCR, 0x02);
    assert_true(uart_input(&uart, 'c'));
    out(MCR, 0x00);
    uart.device.ops->reset(&uart.device);
    assert_true(uart_input(&uart, 'd'));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(without_fifos_one_character_fits, setup),
        cmocka_unit_test_setup(the_fifo_holds_sixteen_in_order_across_its_end, setup),
        cmocka_unit_test_setup(trigger_levels_raise_and_lower_the_interrupt, setup),
        cmocka_unit_test_setup(the_time_out_comes_after_four_character_times, setup),
        cmocka_unit_test_setup(a_new_character_puts_the_time_out_off, setup),
        cmocka_unit_test_setup(the_time_out_follows_line_control_and_divisor, setup),
        cmocka_unit_test_setup(the_time_out_only_runs_for_an_enabled_interrupt, setup),
        cmocka_unit_test_setup(a_time_out_that_comes_too_early_is_put_back, setup),
        cmocka_unit_test_setup(fifo_control_clears_as_the_data_sheet_says, setup),
        cmocka_unit_test_setup(overrun_in_loopback_keeps_the_fifo_and_replaces_the_single_register, setup),
        cmocka_unit_test_setup(a_break_shows_with_its_character, setup),
        cmocka_unit_test_setup(lowered_rts_holds_input_back_once_rts_was_used, setup),
    };
    return cmocka_run_group_tests_name("uart_receiver", tests, NULL, NULL);
}
