#include "tests/unit/fake.h"

#include <string.h>

#include "devices/i8042.h"

static struct vm vm;
static struct i8042 i8042;
static bool line[16];
static unsigned edges[16];

static void set_line(void *owner, unsigned pin, bool asserted)
{
    (void)owner;
    edges[pin] += asserted && !line[pin];
    line[pin] = asserted;
}

static uint8_t status(void)
{
    uint64_t value = 0;

    assert_true(i8042.command.ops->read(&i8042.command, 0, 1, &value));
    return value;
}

static uint8_t data(void)
{
    uint64_t value = 0;

    assert_true(i8042.data.ops->read(&i8042.data, 0, 1, &value));
    return value;
}

static void command(uint8_t value)
{
    assert_true(i8042.command.ops->write(&i8042.command, 0, 1, value));
}

static void send(uint8_t value)
{
    assert_true(i8042.data.ops->write(&i8042.data, 0, 1, value));
}

/* The output buffer is full, from the keyboard's side, and holds `byte`. */
static void expect(uint8_t byte)
{
    assert_int_equal(status() & 0x61, 0x01);
    assert_int_equal(data(), byte);
}

static void expect_nothing(void)
{
    assert_int_equal(status() & 0x01, 0);
}

static uint8_t command_byte(void)
{
    command(0x20);
    return data();
}

static void set_command_byte(uint8_t value)
{
    command(0x60);
    send(value);
}

static int setup(void **state)
{
    (void)state;
    fake_reset();
    memset(&vm, 0, sizeof(vm));
    memset(&i8042, 0, sizeof(i8042));
    memset(line, 0, sizeof(line));
    memset(edges, 0, sizeof(edges));
    fake_asked.end = VM_RUNS;
    i8042_init(&i8042, &vm);
    i8042.keyboard_irq = (struct irq_line){set_line, NULL, 1};
    i8042.aux_irq = (struct irq_line){set_line, NULL, 12};
    i8042.data.ops->reset(&i8042.data);
    return 0;
}

static void starts_as_firmware_leaves_it(void **state)
{
    (void)state;
    assert_int_equal(status(), 0x14); /* not locked, self-test passed, buffers empty */
    assert_int_equal(command_byte(), 0x65);
    assert_ptr_equal(i8042.data.lock, &vm.lock);
    assert_ptr_equal(i8042.command.lock, &vm.lock);
}

static void self_tests_pass(void **state)
{
    (void)state;
    set_command_byte(0x61);
    assert_int_equal(status() & 0x04, 0);
    command(0xaa);
    assert_int_equal(status() & 0x0c, 0x0c); /* system flag is set; the last write was a command */
    expect(0x55);
    command(0xab);
    expect(0x00);
    command(0xa9);
    expect(0x00);
    command(0xa4);
    expect(0xf1);
    command(0xc0);
    assert_int_equal(data() & 0x80, 0x80);
    expect_nothing();
}

static void controller_ram_holds_what_is_written(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 32; i++) {
        command(0x60 + i);
        send(0xa0 + i);
    }
    for (unsigned i = 0; i < 32; i++) {
        command(0x20 + i);
        assert_int_equal(data(), 0xa0 + i);
    }
}

static void ports_are_switched_by_commands(void **state)
{
    (void)state;
    command(0xa8);
    assert_int_equal(command_byte() & 0x30, 0x00);
    command(0xa7);
    command(0xad);
    assert_int_equal(command_byte() & 0x30, 0x30);
    command(0xe0);
    expect(0x00); /* both clocks held low */
    command(0xae);
    assert_int_equal(command_byte() & 0x30, 0x20);
    command(0xe0);
    expect(0x01);
}

static void an_unknown_command_does_nothing(void **state)
{
    (void)state;
    command(0x00);
    command(0xaf);
    command(0xef);
    expect_nothing();
    assert_int_equal(command_byte(), 0x65);
}

static void a_new_command_ends_the_wait_for_a_parameter(void **state)
{
    (void)state;
    command(0x60);
    command(0xaa);
    expect(0x55);
    send(0xee); /* goes to the keyboard, not into the command byte */
    expect(0xee);
    assert_int_equal(command_byte(), 0x65);
}

static void a_password_is_read_to_its_end_and_dropped(void **state)
{
    (void)state;
    command(0xa5);
    send(0x12);
    send(0xee);
    send(0x00);
    expect_nothing();
    send(0xee);
    expect(0xee);
    command(0xa4);
    expect(0xf1);
}

static void interrupts_follow_the_output_buffer(void **state)
{
    (void)state;
    send(0xf2);
    assert_true(line[1]);
    assert_int_equal(data(), 0xfa);
    assert_true(line[1]);
    assert_int_equal(data(), 0xab);
    assert_int_equal(data(), 0x41); /* 0x83, translated */
    assert_false(line[1]);
    assert_int_equal(edges[1], 3); /* one edge a byte */
    assert_int_equal(edges[12], 0);
    set_command_byte(0x64);
    send(0xee);
    assert_false(line[1]);
    set_command_byte(0x65); /* the buffer is still full */
    assert_true(line[1]);
    expect(0xee);
}

static void reading_an_empty_buffer_repeats_its_last_byte(void **state)
{
    (void)state;
    send(0xee);
    expect(0xee);
    assert_int_equal(data(), 0xee);
    assert_int_equal(edges[1], 1);
}

/* What Linux does before it believes in an aux port. */
static void aux_loop_back_is_marked_and_interrupts(void **state)
{
    (void)state;
    set_command_byte(0x47);
    command(0xd3);
    send(0xa5);
    assert_int_equal(status() & 0x61, 0x21);
    assert_true(line[12]);
    assert_false(line[1]);
    assert_int_equal(data(), 0xa5);
    assert_false(line[12]);
    assert_int_equal(status() & 0x21, 0);
}

static void an_empty_aux_socket_times_out_at_once(void **state)
{
    (void)state;
    command(0xd4);
    send(0xf2);
    assert_int_equal(status() & 0x61, 0x61);
    assert_int_equal(data(), 0xfe);
    assert_int_equal(command_byte() & 0x20, 0); /* sending turns the port on */
}

static void keyboard_loop_back_interrupts_as_the_keyboard(void **state)
{
    (void)state;
    command(0xd2);
    send(0x5a);
    assert_true(line[1]);
    expect(0x5a);
}

static void a_reply_waits_for_the_output_buffer(void **state)
{
    (void)state;
    send(0xee);
    command(0x20);
    expect(0xee);
    expect(0x65);
    expect_nothing();
}

static void keyboard_commands_are_answered(void **state)
{
    (void)state;
    set_command_byte(0x24); /* no translation */
    send(0xff);
    expect(0xfa);
    expect(0xaa);
    send(0xf2);
    expect(0xfa);
    expect(0xab);
    expect(0x83);
    send(0xed);
    expect(0xfa);
    send(0x07);
    expect(0xfa);
    assert_int_equal(i8042.keyboard.leds, 7);
    send(0xf3);
    expect(0xfa);
    send(0x00);
    expect(0xfa);
    assert_int_equal(i8042.keyboard.rate, 0);
    send(0xfe); /* resend */
    expect(0xfa);
    for (unsigned each = 0xf7; each <= 0xfa; each++) {
        send(each);
        expect(0xfa);
    }
    send(0xf6);
    expect(0xfa);
    assert_int_equal(i8042.keyboard.rate, 0x2b);
    send(0x01);
    expect(0xfe);
    expect_nothing();
}

static void scan_code_sets_one_and_two_can_be_chosen(void **state)
{
    (void)state;
    set_command_byte(0x24);
    send(0xf0);
    expect(0xfa);
    send(0x00);
    expect(0xfa);
    expect(0x02);
    send(0xf0);
    expect(0xfa);
    send(0x01);
    expect(0xfa);
    send(0xf0);
    expect(0xfa);
    send(0x03);
    expect(0xfe);
    send(0xf0);
    expect(0xfa);
    send(0x00);
    expect(0xfa);
    expect(0x01);
    assert_true(i8042_key(&i8042, false, 0x1c, false));
    assert_true(i8042_key(&i8042, true, 0x75, true));
    expect(0x1e);
    expect(0xe0);
    expect(0xc8);
    expect_nothing();
}

static void a_command_in_place_of_a_parameter_is_a_command(void **state)
{
    (void)state;
    send(0xed);
    expect(0xfa);
    send(0xf4);
    expect(0xfa);
    send(0x02);
    expect(0xfe); /* no longer waited for */
    assert_int_equal(i8042.keyboard.leds, 0);
}

static void unread_answers_go_when_a_new_command_comes(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 100; i++)
        send(0xf2);
    expect(0xfa); /* was in the output buffer already */
    expect(0xfa);
    expect(0xab);
    expect(0x41);
    expect_nothing();
}

static void keys_are_translated_to_set_one(void **state)
{
    (void)state;
    assert_true(i8042_key(&i8042, false, 0x1c, false)); /* A */
    assert_true(i8042_key(&i8042, false, 0x1c, true));
    assert_true(i8042_key(&i8042, true, 0x75, true));  /* cursor up */
    assert_true(i8042_key(&i8042, false, 0x83, true)); /* F7 */
    expect(0x1e);
    expect(0x9e);
    expect(0xe0);
    expect(0xc8);
    expect(0xc1);
    expect_nothing();
    set_command_byte(0x25);
    assert_true(i8042_key(&i8042, true, 0x75, true));
    expect(0xe0);
    expect(0xf0);
    expect(0x75);
}

static void translation_maps_every_key_once(void **state)
{
    bool seen[256] = {false};

    (void)state;
    for (unsigned code = 1; code < 0x80; code++) {
        uint8_t to = ps2_set1_code(code);

        assert_true(to > 0 && to < 0x80);
        assert_false(seen[to] && to != 0x54);
        seen[to] = true;
    }
    assert_int_equal(ps2_set1_code(0x76), 0x01); /* Esc */
    assert_int_equal(ps2_set1_code(0x5a), 0x1c); /* Enter */
    assert_int_equal(ps2_set1_code(0x29), 0x39); /* space */
    assert_int_equal(ps2_set1_code(0x78), 0x57); /* F11 */
    assert_int_equal(ps2_set1_code(0x84), 0x54); /* SysRq */
    assert_int_equal(ps2_set1_code(0xe0), 0xe0);
    assert_int_equal(ps2_set1_code(0xfa), 0xfa);
}

static void keys_wait_while_the_port_is_off(void **state)
{
    (void)state;
    command(0xad);
    assert_true(i8042_key(&i8042, false, 0x1c, false));
    expect_nothing();
    command(0xae);
    expect(0x1e);
    command(0xad);
    send(0xee); /* sending turns it on */
    expect(0xee);
    assert_int_equal(command_byte() & 0x10, 0);
}

static void keys_beyond_the_buffer_are_refused_whole(void **state)
{
    unsigned taken = 0;

    (void)state;
    command(0xad);
    while (i8042_key(&i8042, true, 0x75, true))
        taken++;
    assert_int_equal(taken, PS2_KEYBOARD_QUEUE / 3);
    command(0xae);
    for (unsigned i = 0; i < taken; i++) {
        expect(0xe0);
        expect(0xc8);
    }
    expect_nothing();
}

static void no_keys_while_scanning_is_off(void **state)
{
    (void)state;
    send(0xf5);
    expect(0xfa);
    assert_false(i8042_key(&i8042, false, 0x1c, false));
    expect_nothing();
    send(0xf4);
    expect(0xfa);
    assert_true(i8042_key(&i8042, false, 0x1c, false));
    expect(0x1e);
}

static void a20_is_remembered(void **state)
{
    (void)state;
    command(0xd0);
    assert_int_equal(data() & 0x03, 0x03);
    command(0xdd);
    command(0xd0);
    assert_int_equal(data() & 0x03, 0x01);
    command(0xdf);
    command(0xd0);
    assert_int_equal(data() & 0x03, 0x03);
    command(0xd1);
    send(0xdd);
    command(0xd0);
    assert_int_equal(data() & 0x03, 0x01);
    assert_int_equal(fake_asked.end, VM_RUNS);
}

static void the_output_port_shows_the_interrupt_lines(void **state)
{
    (void)state;
    command(0xd3);
    send(0x11);
    command(0xd0);
    assert_int_equal(data(), 0x11);
    assert_int_equal(data() & 0x30, 0x20);
    send(0xee);
    command(0xd0);
    expect(0xee);
    assert_int_equal(data() & 0x30, 0x10);
}

static void only_a_low_bit_zero_resets(void **state)
{
    (void)state;
    for (unsigned pulse = 0xf1; pulse <= 0xff; pulse += 2)
        command(pulse);
    command(0xd1);
    send(0x01);
    assert_int_equal(fake_asked.end, VM_RUNS);
    command(0xfe);
    assert_int_equal(fake_asked.end, VM_RESET);
    fake_asked.end = VM_RUNS;
    command(0xd1);
    send(0x02);
    assert_int_equal(fake_asked.end, VM_RESET);
}

/* Any bytes in any order: nothing runs away, and a reset finds the first state again. */
static void random_traffic_is_survived(void **state)
{
    uint32_t random = 1;

    (void)state;
    for (unsigned i = 0; i < 200000; i++) {
        random = random * 1664525 + 1013904223;
        switch (random >> 30) {
        case 0:
            command(random >> 16);
            break;
        case 1:
            send(random >> 16);
            break;
        case 2:
            data();
            break;
        case 3:
            i8042_key(&i8042, random & BIT(20), random >> 21 & 0x7f, random & BIT(28));
            break;
        }
    }
    i8042.data.ops->reset(&i8042.data);
    starts_as_firmware_leaves_it(state);
    expect_nothing();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(starts_as_firmware_leaves_it, setup),
        cmocka_unit_test_setup(self_tests_pass, setup),
        cmocka_unit_test_setup(controller_ram_holds_what_is_written, setup),
        cmocka_unit_test_setup(ports_are_switched_by_commands, setup),
        cmocka_unit_test_setup(an_unknown_command_does_nothing, setup),
        cmocka_unit_test_setup(a_new_command_ends_the_wait_for_a_parameter, setup),
        cmocka_unit_test_setup(a_password_is_read_to_its_end_and_dropped, setup),
        cmocka_unit_test_setup(interrupts_follow_the_output_buffer, setup),
        cmocka_unit_test_setup(reading_an_empty_buffer_repeats_its_last_byte, setup),
        cmocka_unit_test_setup(aux_loop_back_is_marked_and_interrupts, setup),
        cmocka_unit_test_setup(an_empty_aux_socket_times_out_at_once, setup),
        cmocka_unit_test_setup(keyboard_loop_back_interrupts_as_the_keyboard, setup),
        cmocka_unit_test_setup(a_reply_waits_for_the_output_buffer, setup),
        cmocka_unit_test_setup(keyboard_commands_are_answered, setup),
        cmocka_unit_test_setup(scan_code_sets_one_and_two_can_be_chosen, setup),
        cmocka_unit_test_setup(a_command_in_place_of_a_parameter_is_a_command, setup),
        cmocka_unit_test_setup(unread_answers_go_when_a_new_command_comes, setup),
        cmocka_unit_test_setup(keys_are_translated_to_set_one, setup),
        cmocka_unit_test_setup(translation_maps_every_key_once, setup),
        cmocka_unit_test_setup(keys_wait_while_the_port_is_off, setup),
        cmocka_unit_test_setup(keys_beyond_the_buffer_are_refused_whole, setup),
        cmocka_unit_test_setup(no_keys_while_scanning_is_off, setup),
        cmocka_unit_test_setup(a20_is_remembered, setup),
        cmocka_unit_test_setup(the_output_port_shows_the_interrupt_lines, setup),
        cmocka_unit_test_setup(only_a_low_bit_zero_resets, setup),
        cmocka_unit_test_setup(random_traffic_is_survived, setup),
    };
    return cmocka_run_group_tests_name("i8042", tests, NULL, NULL);
}
