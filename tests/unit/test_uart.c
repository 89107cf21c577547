#include "tests/unit/fake.h"

#include <string.h>

#include "devices/uart.h"

enum { RBR, IER, IIR, LCR, MCR, LSR, MSR, SCR, THR = RBR, FCR = IIR, DLL = RBR, DLM = IER };

#define DLAB  0x80
#define OUT2  0x08
#define BYTES 1024

static struct uart uart;
static struct spinlock lock;
static uint8_t sent[BYTES];
static unsigned sent_count, rises;
static bool line;

static void put(void *owner, uint8_t byte)
{
    assert_ptr_equal(owner, sent);
    sent[sent_count++ % BYTES] = byte;
}

static void set_line(void *owner, unsigned pin, bool asserted)
{
    (void)owner;
    assert_int_equal(pin, 4);
    rises += asserted && !line;
    line = asserted;
}

static uint8_t in(unsigned offset)
{
    uint64_t value = 0xdead;

    assert_true(uart.device.ops->read(&uart.device, offset, 1, &value));
    assert_in_range(value, 0, 0xff);
    return (uint8_t)value;
}

static void out(unsigned offset, uint8_t value)
{
    assert_true(uart.device.ops->write(&uart.device, offset, 1, value));
}

/* Types `count` bytes 'a', 'b', … and expects all to be taken. */
static void type(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_true(uart_input(&uart, 'a' + i));
}

/* 115200 baud, 8N1, interrupts let through. */
static void set_up_line(void)
{
    out(LCR, DLAB | 3);
    out(DLL, 1);
    out(DLM, 0);
    out(LCR, 3);
    out(MCR, OUT2 | 3);
}

static int setup(void **state)
{
    static const struct serial_backend backend = {put, sent};

    (void)state;
    fake_reset();
    memset(sent, 0, sizeof(sent));
    sent_count = rises = 0;
    line = false;
    uart_init(&uart, "com1", &lock, &backend);
    uart.irq = (struct irq_line){set_line, NULL, 4};
    return 0;
}

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
    /* data bits, parity, stop bits: 5N1.5 is 8.5 half-bit pairs, 8E2 is 12, 7N1 is 9 */
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
        cmocka_unit_test_setup(the_transmitter_interrupt_returns_when_enabled_again, setup),
        cmocka_unit_test_setup(another_source_does_not_clear_the_transmitter_interrupt, setup),
        cmocka_unit_test_setup(out2_gates_the_line_but_not_iir, setup),
        cmocka_unit_test_setup(sources_come_in_order_of_priority, setup),
        cmocka_unit_test_setup(without_fifos_one_character_fits, setup),
        cmocka_unit_test_setup(the_fifo_holds_sixteen_in_order_across_its_end, setup),
        cmocka_unit_test_setup(trigger_levels_raise_and_lower_the_interrupt, setup),
        cmocka_unit_test_setup(the_time_out_comes_after_four_character_times, setup),
        cmocka_unit_test_setup(a_new_character_puts_the_time_out_off, setup),
        cmocka_unit_test_setup(the_time_out_follows_line_control_and_divisor, setup),
        cmocka_unit_test_setup(the_time_out_only_runs_for_an_enabled_interrupt, setup),
        cmocka_unit_test_setup(fifo_control_clears_as_the_data_sheet_says, setup),
        cmocka_unit_test_setup(loopback_returns_characters_and_cuts_the_line, setup),
        cmocka_unit_test_setup(loopback_connects_the_modem_lines, setup),
        cmocka_unit_test_setup(modem_deltas_show_until_read, setup),
        cmocka_unit_test_setup(overrun_in_loopback_keeps_the_fifo_and_replaces_the_single_register, setup),
        cmocka_unit_test_setup(a_break_shows_with_its_character, setup),
        cmocka_unit_test_setup(lowered_rts_holds_input_back_once_rts_was_used, setup),
        cmocka_unit_test_setup(drivers_find_a_16550a, setup),
        cmocka_unit_test_setup(reset_drops_everything, setup),
        cmocka_unit_test_setup(describes_its_registers, setup),
    };
    return cmocka_run_group_tests_name("uart", tests, NULL, NULL);
}
