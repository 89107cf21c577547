#include "tests/unit/fake.h"

#include "hv/host/serial.h"
#include "tests/unit/host/host_uart.h"

static struct host_uart *const uart = &host_uarts[0];

static void a_port_is_set_up_for_its_baud(void **state)
{
    static const struct {
        unsigned baud, divisor;
    } rows[] = {{115200, 1}, {9600, 12}, {300, 384}, {0, 1}, {230400, 1}};

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct serial serial = {.port = 0x3f8, .irq = 4, .fifo = 1};

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
    struct serial serial = {.port = 0x2f8, .irq = 3, .fifo = 1};

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

static void a_port_has_one_user(void **state)
{
    static const char *const users[] = {"Keel's console", "GDB's", "another VM's", "a recording's"};

    (void)state;
    for (unsigned first = 0; first < 4; first++)
        for (unsigned second = 0; second < 4; second++) {
            struct serial serial = {.port = 0x3f8}, other = {.port = 0x2f8};

            assert_null(serial_claim(&serial, users[first]));
            assert_string_equal(serial_claim(&serial, users[second]), users[first]);
            assert_null(serial_claim(&other, users[second]));
            serial_release(&serial);
            assert_null(serial_claim(&serial, users[second]));
        }
}

static void the_firmwares_speed_may_stay(void **state)
{
    struct serial serial = {.port = 0x3f8, .irq = 4};

    (void)state;
    host_uarts_begin(0x3f8, 0);
    uart->divisor[0] = 5;
    assert_true(serial_init(&serial, SERIAL_AS_IT_IS));
    assert_int_equal(uart->divisor[0], 5);
    assert_int_equal(uart->registers[3], 3);
    assert_int_equal(uart->registers[4], 0x0b);
    privileged_end();
}

static void registers_may_lie_in_memory(void **state)
{
    uint32_t words[8] = {[5] = 0xabcdef61, [6] = 0};
    uint8_t bytes[16] = {[10] = 0x61};
    struct serial wide = {.port = (uintptr_t)words, .width = 4, .shift = 2};
    struct serial narrow = {.port = (uintptr_t)bytes, .width = 1, .shift = 1};

    (void)state;
    serial_put(&wide, 'w');
    assert_int_equal(words[0], 'w');
    assert_int_equal(serial_get(&wide), 'w');
    serial_interrupts_on(&wide);
    assert_int_equal(words[1], 1);
    serial_put(&narrow, 'n');
    serial_interrupts_on(&narrow);
    serial_drain(&narrow);
    assert_int_equal(bytes[0], 'n');
    assert_int_equal(bytes[1], 0);
    assert_int_equal(bytes[2], 1);
    assert_false(serial_init(&wide, 115200)); /* memory, and no UART */
    assert_int_equal(wide.port, 0);
}

/* 8250s have no scratch register. */
static void loopback_shows_a_port(void **state)
{
    struct serial serial = {.port = 0x3f8, .irq = 4};

    (void)state;
    host_uarts_begin(0x3f8, 0);
    uart->registers[7] = 0x77;
    assert_true(serial_init(&serial, 115200));
    assert_int_equal(uart->registers[7], 0x77);
    assert_int_equal(uart->sent_count, 0);
    privileged_end();
}

static uint8_t one_value;

static uint32_t remembers_one_value(uint16_t port, unsigned size)
{
    (void)size;
    /* A bus that still holds the byte that was written last, or a ROM; but nobody is kept waiting. */
    return port == 0x3f8 + 5 ? 0x60 : one_value;
}

static void one_value_that_is_kept_makes_no_port(void **state)
{
    struct serial serial = {.port = 0x3f8, .irq = 4, .fifo = 1};

    (void)state;
    host_uarts_begin(0, 0);
    privileged.in = remembers_one_value;
    for (unsigned value = 0; value < 0x100; value += 15, one_value = (uint8_t)value) {
        serial.port = 0x3f8;
        assert_false(serial_init(&serial, 115200));
    }
    privileged_end();
}

static void a_byte_waits_for_room(void **state)
{
    const struct serial serial = {.port = 0x3f8, .irq = 4, .fifo = 1};

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
        cmocka_unit_test(a_port_has_one_user),
        cmocka_unit_test(the_firmwares_speed_may_stay),
        cmocka_unit_test(registers_may_lie_in_memory),
        cmocka_unit_test(loopback_shows_a_port),
        cmocka_unit_test(one_value_that_is_kept_makes_no_port),
        cmocka_unit_test(a_byte_waits_for_room),
    };
    return cmocka_run_group_tests_name("serial", tests, NULL, NULL);
}
