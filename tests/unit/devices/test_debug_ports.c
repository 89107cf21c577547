#include "tests/unit/fake.h"

#include <string.h>

#include "devices/debug_ports.h"

static struct vm vm;
static struct debug_ports ports;
static struct bus bus;
static struct bus_range ranges[5];
static char said[64];
static unsigned length;

static bool put(void *owner, uint8_t byte)
{
    assert_ptr_equal(owner, &said);
    if (length < sizeof(said) - 1)
        said[length++] = byte;
    return true;
}

static struct serial_backend backend;

static uint32_t in(uint16_t port, unsigned size)
{
    uint64_t value = 0;

    bus_read(&bus, port, size, &value);
    return value;
}

static void out(uint16_t port, unsigned size, uint32_t value)
{
    bus_write(&bus, port, size, value);
}

static int setup(void **state)
{
    (void)state;
    fake_reset();
    memset(&ports, 0, sizeof(ports));
    memset(said, 0, sizeof(said));
    length = 0;
    fake_asked.end = VM_RUNS;
    backend = (struct serial_backend){put, said};
    debug_ports_init(&ports, &vm, &backend);
    ranges[0] = (struct bus_range){0x80, 0x8f, &ports.post};
    ranges[1] = (struct bus_range){0xe9, 0xe9, &ports.console};
    ranges[2] = (struct bus_range){0xed, 0xed, &ports.delay};
    ranges[3] = (struct bus_range){0xf0, 0xf1, &ports.fpu};
    ranges[4] = (struct bus_range){0xf4, 0xf7, &ports.exit};
    assert_true(bus_init(&bus, "port", ranges, 5));
    bus_reset(&bus);
    return 0;
}

static void post_codes_and_page_registers_hold(void **state)
{
    (void)state;
    assert_int_equal(in(0x80, 1), 0);
    for (unsigned port = 0x80; port <= 0x8f; port++)
        out(port, 1, port + 0x11);
    for (unsigned port = 0x80; port <= 0x8f; port++)
        assert_int_equal(in(port, 1), port + 0x11);
    out(0x80, 4, 0xddccbbaa); /* four ports of one byte */
    assert_int_equal(in(0x83, 1), 0xdd);
    bus_reset(&bus);
    assert_int_equal(in(0x83, 1), 0);
}

static void delays_are_answered_and_do_nothing(void **state)
{
    (void)state;
    out(0xed, 1, 0x12);
    assert_int_equal(in(0xed, 1), 0xff);
    out(0xf0, 1, 0);
    out(0xf1, 1, 0);
    assert_int_equal(bus.misses.count, 0);
    assert_int_equal(fake_asked.end, VM_RUNS);
}

static void the_console_says_its_name_and_passes_characters(void **state)
{
    (void)state;
    assert_int_equal(in(0xe9, 1), 0xe9);
    out(0xe9, 1, 'h');
    out(0xe9, 1, 'i');
    assert_string_equal(said, "hi");
    ports.backend.put = NULL;
    out(0xe9, 1, '!');
    assert_string_equal(said, "hi");
}

static void the_exit_port_ends_the_vm_in_every_size(void **state)
{
    (void)state;
    out(0xf4, 1, 0);
    assert_int_equal(fake_asked.end, VM_EXITED);
    assert_int_equal(fake_asked.status, 1);
    out(0xf4, 1, 0x10);
    assert_int_equal(fake_asked.status, 0x21);
    out(0xf4, 2, 0xffff);
    assert_int_equal(fake_asked.status, 0x1ffff);
    out(0xf4, 4, 0x12345678);
    assert_int_equal(fake_asked.status, 0x2468acf1);
    out(0xf4, 4, 0xffffffff);
    assert_int_equal(fake_asked.status, 0xffffffff);
    assert_int_equal(in(0xf4, 4), 0);
}

static void the_exit_port_is_its_first_byte(void **state)
{
    (void)state;
    out(0xf5, 1, 1);
    out(0xf6, 2, 1);
    assert_int_equal(fake_asked.end, VM_RUNS);
    assert_int_equal(bus.misses.count, 2);
}

static void nothing_takes_the_lock(void **state)
{
    (void)state;
    for (unsigned i = 0; i < bus.count; i++)
        assert_null(ranges[i].device->lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(post_codes_and_page_registers_hold, setup),
        cmocka_unit_test_setup(delays_are_answered_and_do_nothing, setup),
        cmocka_unit_test_setup(the_console_says_its_name_and_passes_characters, setup),
        cmocka_unit_test_setup(the_exit_port_ends_the_vm_in_every_size, setup),
        cmocka_unit_test_setup(the_exit_port_is_its_first_byte, setup),
        cmocka_unit_test_setup(nothing_takes_the_lock, setup),
    };
    return cmocka_run_group_tests_name("debug_ports", tests, NULL, NULL);
}
