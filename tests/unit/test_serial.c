#include "tests/unit/fake.h"

#include "hv/host/serial.h"
#include "tests/unit/host_uart.h"

static struct host_uart *const uart = &host_uarts[0];

static void a_port_is_set_up_for_its_baud(void **state)
{
    static const struct {
        unsigned baud, divisor;
    } rows[] = {{115200, 1}, {9600, 12}, {300, 384}, {0, 1}, {230400, 1}};

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct serial serial = {0x3f8, 4, 1};

        host_uarts_begin(0x3f8, 0);
        assert_true(serial_init(&serial, rows[i].baud));
        assert_int_equal(uart->divisor[0] | uart->divisor[1] << 8, rows[i].divisor);
        assert_int_equal(uart->registers[3],
                         3); /* eight bits, no parity, one stop bit; divisor latch closed */
        assert_int_equal(uart->registers[2] & 1, 1);
        assert_int_equal(uart->registers[4], 0x0b);
        assert_int_equal(uart->registers[1], 0);
        assert_int_equal(serial.port, 0x3f8);
        privileged_end();
    }
}

static void a_port_that_is_not_there_stays_silent(void **state)
{
    struct serial serial = {0x2f8, 3, 1};

    (void)state;
    host_uarts_begin(0x3f8, 0);
    assert_false(serial_init(&serial, 115200));
    assert_int_equal(serial.port, 0);
    serial_put(&serial, 'x');
    serial_interrupts_on(&serial);
    serial_drain(&serial);
    assert_int_equal(serial_get(&serial), -1);
    assert_int_equal(uart->sent_count, 0);
    privileged_end();
}

static uint32_t remembers_one_value(uint16_t port, unsigned size)
{
    (void)port, (void)size;
    return 0x5a; /* a bus that still holds the byte that was written last, or a ROM */
}

static void one_value_that_is_kept_makes_no_port(void **state)
{
    struct serial serial = {0x3f8, 4, 1};

    (void)state;
    host_uarts_begin(0, 0);
    privileged.in = remembers_one_value;
    assert_false(serial_init(&serial, 115200));
    privileged_end();
}

static void a_byte_waits_for_room(void **state)
{
    const struct serial serial = {0x3f8, 4, 1};

    (void)state;
    host_uarts_begin(0x3f8, 0);
    uart->busy = 5;
    serial_put(&serial, 'a');
    assert_int_equal(uart->busy, 0);
    serial_put(&serial, 'b');
    assert_memory_equal(uart->sent, "ab", 2);
    serial_interrupts_on(&serial);
    assert_int_equal(uart->registers[1], 1);
    host_uart_type(uart, "\xff");
    assert_int_equal(serial_get(&serial), 0xff);
    assert_int_equal(serial_get(&serial), -1);
    privileged_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_port_is_set_up_for_its_baud),
        cmocka_unit_test(a_port_that_is_not_there_stays_silent),
        cmocka_unit_test(one_value_that_is_kept_makes_no_port),
        cmocka_unit_test(a_byte_waits_for_room),
    };
    return cmocka_run_group_tests_name("serial", tests, NULL, NULL);
}
