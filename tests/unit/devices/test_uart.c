#include "tests/unit/devices/uart_fixture.h"

static void comes_up_as_after_master_reset(void **state)
{
    (void)state;
    assert_int_equal(in(IER), 0);
    assert_int_equal(in(IIR), 0x01);
    assert_int_equal(in(MCR), 0);
    assert_int_equal(in(LSR), 0x60);
    assert_int_equal(in(MSR), 0xb0);
    assert_int_equal(in(LCR), 3);
    out(LCR, DLAB);
    assert_int_equal(in(DLL), 12);
    assert_int_equal(in(DLM), 0);
}

static void keeps_registers_and_masks_reserved_bits(void **state)
{
    (void)state;
    out(SCR, 0xa5);
    out(IER, 0xff);
    out(MCR, 0xff);
    assert_int_equal(in(SCR), 0xa5);
    assert_int_equal(in(IER), 0x0f);
    assert_int_equal(in(MCR), 0x1f);
    out(MCR, 0);
    out(LSR, 0xff);
    out(MSR, 0x0f);
    assert_int_equal(in(LSR), 0x60);
    in(MSR);
    assert_int_equal(in(MSR), 0xb0);
    out(LCR, 0xff);
    assert_int_equal(in(LCR), 0xff);
}

static void the_divisor_hides_behind_dlab(void **state)
{
    (void)state;
    out(IER, 5);
    out(LCR, DLAB | 3);
    out(DLL, 0x34);
    out(DLM, 0x12);
    assert_int_equal(in(DLL), 0x34);
    assert_int_equal(in(DLM), 0x12);
    out(LCR, 3);
    assert_int_equal(in(IER), 5);
    assert_int_equal(sent_count, 0);
    assert_int_equal(uart.divisor, 0x1234);
}

static void words_are_as_long_as_line_control_says(void **state)
{
    (void)state;
    for (unsigned bits = 5; bits <= 8; bits++) {
        sent_count = 0;
        out(LCR, bits - 5);
        out(THR, 0xff);
        assert_int_equal(sent[0], (1 << bits) - 1);
        assert_true(uart_input(&uart, 0xff));
        assert_int_equal(in(RBR), (1 << bits) - 1);
    }
}

static void sends_at_once_and_without_a_backend_drops(void **state)
{
    static const struct serial_backend nowhere;

    (void)state;
    for (unsigned i = 0; i < 300; i++) {
        out(THR, i & 0xff);
        assert_int_equal(in(LSR), 0x60);
    }
    assert_int_equal(sent_count, 300);
    assert_int_equal(sent[299], 299 & 0xff);
    uart_init(&uart, "com2", &lock, &nowhere);
    out(THR, 'x');
    assert_int_equal(in(LSR), 0x60);
    assert_int_equal(sent_count, 300);
}

static void the_transmitter_interrupt_comes_once_for_each_cause(void **state)
{
    (void)state;
    set_up_line();
    out(IER, 2); /* enabling it while the transmitter is empty */
    assert_int_equal(rises, 1);
    assert_int_equal(in(IIR), 0x02);
    assert_false(line);
    assert_int_equal(in(IIR), 0x01); /* reading IIR has cleared it */
    out(IER, 2);                     /* was enabled already */
    assert_int_equal(in(IIR), 0x01);
    out(THR, 'x'); /* written, and empty again */
    assert_int_equal(rises, 2);
    out(THR, 'y'); /* clears that one and raises the next */
    assert_int_equal(rises, 3);
    assert_true(line);
    out(IER, 0);
    assert_false(line);
    assert_int_equal(in(IIR), 0x01);
}

/* What drivers do to find chips that do not raise it again. */
static void a_backend_without_room_keeps_the_transmitter_busy(void **state)
{
    (void)state;
    refuses_from = 2;
    out(MCR, OUT2);
    out(IER, 2);
    out(THR, 'a');
    assert_true(line);
    out(THR, 'b');
    assert_false(line);
    assert_int_equal(in(LSR), 0);
    assert_int_equal(in(IIR)&15, 1);
    out(IER, 0);
    out(IER, 2); /* it is not empty: nothing to tell */
    assert_false(line);
    out(THR, 'c'); /* a driver that does not look */
    assert_int_equal(sent_count, 3);
    assert_int_equal(in(LSR), 0);
    refuses_from = 0;
    uart_output_ready(&uart);
    assert_true(line);
    assert_int_equal(in(LSR), 0x60);
    assert_int_equal(in(IIR)&15, 2);
    uart_output_ready(&uart); /* told once */
    assert_false(line);
    refuses_from = 1;
    out(THR, 'd');
    assert_int_equal(in(LSR), 0);
    uart.device.ops->reset(&uart.device);
    refuses_from = 0;
    assert_int_equal(in(LSR), 0x60);
}

static void the_transmitter_interrupt_returns_when_enabled_again(void **state)
{
    (void)state;
    out(IER, 2);
    assert_int_equal(in(IIR), 0x02);
    out(IER, 0);
    out(IER, 2);
    assert_int_equal(in(IIR), 0x02);
    out(IER, 0);
    out(IER, 2);
    assert_int_equal(in(LSR)&0x40, 0x40);
    assert_int_equal(in(IIR), 0x02);
}

static void another_source_does_not_clear_the_transmitter_interrupt(void **state)
{
    (void)state;
    set_up_line();
    out(IER, 3);
    type(1);
    assert_int_equal(in(IIR), 0x04);
    assert_int_equal(in(RBR), 'a');
    assert_int_equal(in(IIR), 0x02);
    assert_int_equal(in(IIR), 0x01);
}

static void out2_gates_the_line_but_not_iir(void **state)
{
    (void)state;
    out(IER, 1);
    type(1);
    assert_false(line);
    assert_int_equal(in(IIR), 0x04);
    out(MCR, OUT2);
    assert_true(line);
    out(MCR, 0);
    assert_false(line);
}

static void sources_come_in_order_of_priority(void **state)
{
    (void)state;
    set_up_line();
    in(MSR);
    out(FCR, 0x01);
    assert_true(uart_input_break(&uart)); /* line status and data */
    out(MCR, 0x10 | OUT2);                /* loopback: CTS and DSR drop */
    out(IER, 0x0f);
    assert_int_equal(in(IIR), 0xc6);
    assert_int_equal(in(LSR), 0xf9); /* FIFO error, break, framing, ready */
    assert_int_equal(in(IIR), 0xc4);
    assert_int_equal(in(RBR), 0);
    assert_int_equal(in(IIR), 0xc2);
    assert_int_equal(in(IIR), 0xc0);
    assert_int_equal(in(MSR), 0x83); /* DCD is OUT2; CTS and DSR changed */
    assert_int_equal(in(IIR), 0xc1);
    assert_false(line);
}

static void loopback_returns_characters_and_cuts_the_line(void **state)
{
    (void)state;
    out(FCR, 0x01);
    out(MCR, 0x10);
    out(THR, 0x5a);
    assert_int_equal(sent_count, 0);
    assert_false(uart_input(&uart, 'a'));
    assert_false(uart_input_break(&uart));
    assert_int_equal(in(LSR), 0x61);
    assert_int_equal(in(RBR), 0x5a);
    out(MCR, 0);
    out(THR, 'b');
    assert_int_equal(sent_count, 1);
    assert_true(uart_input(&uart, 'a'));
}

static void loopback_connects_the_modem_lines(void **state)
{
    static const struct {
        uint8_t mcr, msr;
    } cases[] = {{0x10, 0x00}, {0x11, 0x20}, {0x12, 0x10}, {0x14, 0x40},
                 {0x18, 0x80}, {0x1a, 0x90}, {0x1f, 0xf0}};

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        out(MCR, cases[i].mcr);
        assert_int_equal(in(MSR)&0xf0, cases[i].msr);
    }
    out(MCR, 0);
    assert_int_equal(in(MSR)&0xf0, 0xb0);
}

static void modem_deltas_show_until_read(void **state)
{
    (void)state;
    out(MCR, 0x10);
    assert_int_equal(in(MSR), 0x0b); /* CTS, DSR, DCD dropped; RI was low */
    assert_int_equal(in(MSR), 0x00);
    out(IER, 8);
    out(MCR, 0x1c); /* RI and OUT2 (DCD) rise: a rising ring is no delta */
    assert_int_equal(in(MSR), 0xc8);
    assert_false(line);
    out(MCR, 0x18); /* RI falls */
    assert_true(line);
    assert_int_equal(in(IIR), 0x00);
    assert_int_equal(in(MSR), 0x84);
    assert_false(line);
}

/* The probes by which drivers tell 8250, 16450, 16550, 16550A, 16650, 16750 and others apart. */
static void drivers_find_a_16550a(void **state)
{
    (void)state;
    out(IER, 0);
    assert_int_equal(in(IER), 0);
    out(IER, 0x0f);
    assert_int_equal(in(IER), 0x0f);
    out(IER, 0);
    out(MCR, 0x1a);
    assert_int_equal(in(MSR)&0xf0, 0x90);
    out(MCR, 0);
    out(LCR, 0xbf); /* an enhanced chip would show another register now */
    out(FCR, 0);
    out(LCR, 0);
    out(FCR, 1);
    assert_int_equal(in(IIR) >> 6, 3);
    out(LCR, 0xbf);
    assert_int_not_equal(in(FCR), 0);
    out(LCR, 0xe0);
    assert_int_equal(in(FCR)&0x10, 0);
    out(LCR, 0);
    out(MCR, 0x10);
    out(LCR, 0xe0);
    assert_int_equal(in(FCR)&0x10, 0);
    out(FCR, 0x21); /* 64-byte FIFO mode, with and without DLAB */
    assert_int_equal(in(IIR)&0x20, 0);
    out(LCR, 0);
    out(FCR, 0x21);
    assert_int_equal(in(IIR)&0x20, 0);
    out(IER, 0x40);
    assert_int_equal(in(IER), 0);
}

static void reset_drops_everything(void **state)
{
    (void)state;
    set_up_line();
    out(FCR, 0x81);
    out(IER, 0x0f);
    type(3);
    assert_true(line);
    uart.device.ops->reset(&uart.device);
    assert_false(line);
    assert_int_equal(fake_next_deadline(), UINT64_MAX);
    comes_up_as_after_master_reset(state);
}

static void describes_its_registers(void **state)
{
    char text[512];
    struct text_buffer buffer;

    (void)state;
    text_buffer_init(&buffer, text, sizeof(text));
    out(IER, 0x0f);
    out(SCR, 0x77);
    type(1);
    uart.device.ops->describe(&uart.device, &buffer.writer);
    assert_non_null(strstr(text, "divisor 12 ier 0f"));
    assert_non_null(strstr(text, "scr 77"));
    assert_non_null(strstr(text, "received 1 of 1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(comes_up_as_after_master_reset, setup),
        cmocka_unit_test_setup(keeps_registers_and_masks_reserved_bits, setup),
        cmocka_unit_test_setup(the_divisor_hides_behind_dlab, setup),
        cmocka_unit_test_setup(words_are_as_long_as_line_control_says, setup),
        cmocka_unit_test_setup(sends_at_once_and_without_a_backend_drops, setup),
        cmocka_unit_test_setup(the_transmitter_interrupt_comes_once_for_each_cause, setup),
        cmocka_unit_test_setup(a_backend_without_room_keeps_the_transmitter_busy, setup),
        cmocka_unit_test_setup(the_transmitter_interrupt_returns_when_enabled_again, setup),
        cmocka_unit_test_setup(another_source_does_not_clear_the_transmitter_interrupt, setup),
        cmocka_unit_test_setup(out2_gates_the_line_but_not_iir, setup),
        cmocka_unit_test_setup(sources_come_in_order_of_priority, setup),
        cmocka_unit_test_setup(loopback_returns_characters_and_cuts_the_line, setup),
        cmocka_unit_test_setup(loopback_connects_the_modem_lines, setup),
        cmocka_unit_test_setup(modem_deltas_show_until_read, setup),
        cmocka_unit_test_setup(drivers_find_a_16550a, setup),
        cmocka_unit_test_setup(reset_drops_everything, setup),
        cmocka_unit_test_setup(describes_its_registers, setup),
    };
    return cmocka_run_group_tests_name("uart", tests, NULL, NULL);
}
