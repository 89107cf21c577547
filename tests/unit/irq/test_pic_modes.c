/* The 8259A's words of initialization and operation: what they turn on, and what they forget. */
#include "tests/unit/irq/pic_fixture.h"

static void auto_eoi_ends_at_the_acknowledge(void **state)
{
    (void)state;
    start_pair(0x03);
    pulse(5);
    pulse(6);
    pulse(12);
    assert_int_equal(pic_acknowledge(&pic), 0x2c);
    assert_int_equal(in_isr(0x20), 0);
    assert_int_equal(in_isr(0xa0), 0);
    assert_true(intr);
    assert_int_equal(pic_acknowledge(&pic), 0x25);
    assert_int_equal(pic_acknowledge(&pic), 0x26);
    assert_false(intr);
}

static void priorities_rotate_with_an_eoi(void **state)
{
    (void)state;
    pulse(4);
    pic_acknowledge(&pic);
    out(0x20, 0xa0); /* rotate on non-specific EOI: 4 is now last, 5 first */
    assert_int_equal(in_isr(0x20), 0);
    pulse(4);
    pulse(5);
    pulse(0);
    assert_int_equal(pic_acknowledge(&pic), 0x25);
    assert_false(intr);
    out(0x20, 0xe5); /* rotate on specific EOI */
    assert_int_equal(pic_acknowledge(&pic), 0x20);
    out(0x20, 0x20);
    assert_int_equal(pic_acknowledge(&pic), 0x24);
    out(0x20, 0x20);
    out(0x20, 0xa0); /* nothing in service: nothing rotates */
    out(0x20, 0xc2); /* set priority: 3 is first */
    pulse(1);
    pulse(3);
    assert_int_equal(pic_acknowledge(&pic), 0x23);
}

static void priorities_rotate_with_auto_eoi(void **state)
{
    (void)state;
    start_pair(0x03);
    out(0x20, 0x80);
    pulse(3);
    pulse(4);
    assert_int_equal(pic_acknowledge(&pic), 0x23);
    pulse(3);
    assert_int_equal(pic_acknowledge(&pic), 0x24);
    assert_int_equal(pic_acknowledge(&pic), 0x23);
    out(0x20, 0x00); /* no more: 4 stays first */
    pulse(5);
    assert_int_equal(pic_acknowledge(&pic), 0x25);
    pulse(4);
    pulse(5);
    assert_int_equal(pic_acknowledge(&pic), 0x24);
}

static void special_mask_mode_lets_the_less_urgent_in(void **state)
{
    (void)state;
    pulse(3);
    pic_acknowledge(&pic);
    pulse(6);
    assert_false(intr);
    out(0x21, 0x08);
    assert_false(intr);
    out(0x20, 0x68); /* set special mask mode */
    assert_true(intr);
    assert_int_equal(pic_acknowledge(&pic), 0x26);
    out(0x20, 0x20); /* passes over the masked 3 */
    assert_int_equal(in_isr(0x20), 0x08);
    out(0x20, 0x20);
    assert_int_equal(in_isr(0x20), 0x08);
    out(0x20, 0x28); /* ESMM 0: no change */
    pulse(7);
    assert_true(intr);
    out(0x20, 0x48); /* reset special mask mode */
    assert_false(intr);
    out(0x20, 0x63);
    assert_true(intr);
}

static void special_fully_nested_mode_lets_the_slave_nest(void **state)
{
    (void)state;
    start_pair(0x11);
    pulse(12);
    assert_int_equal(pic_acknowledge(&pic), 0x2c);
    pulse(3); /* less urgent than the slave: waits */
    assert_false(intr);
    pulse(9);
    assert_true(intr);
    assert_int_equal(pic_acknowledge(&pic), 0x29);
    assert_int_equal(in_isr(0xa0), 0x12);
    out(0xa0, 0x20);
    out(0xa0, 0x20);
    out(0x20, 0x20);
    assert_int_equal(pic_acknowledge(&pic), 0x23);
}

static void without_it_the_slave_waits(void **state)
{
    (void)state;
    pulse(12);
    assert_int_equal(pic_acknowledge(&pic), 0x2c);
    pulse(9);
    assert_false(intr);
}

static void a_poll_acknowledges(void **state)
{
    (void)state;
    out(0x20, 0x0c);
    assert_int_equal(in(0x20), 0);
    assert_int_equal(in(0x21), 0); /* only one read */
    pulse(6);
    out(0x20, 0x0c);
    assert_int_equal(in(0x21), 0x86); /* at either address */
    assert_false(intr);
    assert_int_equal(in_isr(0x20), 0x40);
    out(0x20, 0x20);
    pulse(11);
    out(0x20, 0x0c);
    assert_int_equal(in(0x20), 0x82);
    assert_int_equal(in_irr(0xa0), 0x08); /* the slave is polled by itself */
    out(0xa0, 0x0c);
    assert_int_equal(in(0xa0), 0x83);
    assert_int_equal(in_isr(0xa0), 0x08);
}

static void reads_keep_their_choice(void **state)
{
    (void)state;
    pulse(1);
    pic_acknowledge(&pic);
    pulse(3);
    out(0x20, 0x0b);
    assert_int_equal(in(0x20), 0x02);
    out(0x20, 0x08); /* RR 0: no change */
    assert_int_equal(in(0x20), 0x02);
    out(0x20, 0x09);
    assert_int_equal(in(0x20), 0x02);
    out(0x20, 0x0a);
    assert_int_equal(in(0x20), 0x08);
    out(0x20, 0x0b);
    start_chip(0x20, 0x11, 0x20, 0x04, 0x01); /* back to IRR */
    pulse(4);
    assert_int_equal(in(0x20), 0x10);
}

static void initialization_forgets_and_is_silent(void **state)
{
    (void)state;
    out(0x21, 0xf0);
    out(0x20, 0x68);
    out(0x20, 0xc2);
    pulse(1);
    pic_acknowledge(&pic);
    pulse(0);
    assert_true(intr);
    out(0x20, 0x11);
    assert_false(intr);
    assert_int_equal(in(0x21), 0);
    assert_int_equal(in_isr(0x20), 0);
    pulse(5);
    assert_false(intr); /* until it is complete */
    out(0x21, 0x20);
    out(0x21, 0x04);
    assert_false(intr);
    out(0x21, 0x01);
    assert_true(intr);
    assert_int_equal(in(0x21), 0);
    assert_int_equal(pic_acknowledge(&pic), 0x25);
}

static void icw3_and_icw4_are_optional(void **state)
{
    (void)state;
    start_pair(0x03);
    out(0x20, 0x12); /* single, no ICW4 */
    out(0x21, 0x40);
    out(0x21, 0xfe); /* is OCW1 already */
    assert_int_equal(in(0x21), 0xfe);
    pulse(0);
    assert_int_equal(pic_acknowledge(&pic), 0x40);
    assert_int_equal(in_isr(0x20), 0x01); /* without ICW4, no auto-EOI */
    out(0x20, 0x20);
    out(0x21, 0);
    pulse(8);
    assert_int_equal(pic_acknowledge(&pic), 0x42); /* single: the cascade pin is a pin as any other */
}

static void a_slave_that_is_not_there_leaves_the_bus_floating(void **state)
{
    (void)state;
    start_chip(0x20, 0x11, 0x20, 0x0c, 0x01); /* slaves on 2 and 3 */
    pulse(3);
    assert_int_equal(pic_acknowledge(&pic), 0xff);
    out(0x20, 0x20);
    start_chip(0xa0, 0x11, 0x28, 0x05, 0x01); /* answers to 5 */
    pulse(8);
    assert_int_equal(pic_acknowledge(&pic), 0xff);
    out(0x20, 0x20);
    start_chip(0xa0, 0x11, 0x28, 0x02, 0x01);
    start_chip(0xa0, 0x13, 0x28, 0x00, 0x01); /* single: does not listen to the cascade */
    pulse(8);
    assert_int_equal(pic_acknowledge(&pic), 0xff);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(auto_eoi_ends_at_the_acknowledge, setup),
        cmocka_unit_test_setup(priorities_rotate_with_an_eoi, setup),
        cmocka_unit_test_setup(priorities_rotate_with_auto_eoi, setup),
        cmocka_unit_test_setup(special_mask_mode_lets_the_less_urgent_in, setup),
        cmocka_unit_test_setup(special_fully_nested_mode_lets_the_slave_nest, setup),
        cmocka_unit_test_setup(without_it_the_slave_waits, setup),
        cmocka_unit_test_setup(a_poll_acknowledges, setup),
        cmocka_unit_test_setup(reads_keep_their_choice, setup),
        cmocka_unit_test_setup(initialization_forgets_and_is_silent, setup),
        cmocka_unit_test_setup(icw3_and_icw4_are_optional, setup),
        cmocka_unit_test_setup(a_slave_that_is_not_there_leaves_the_bus_floating, setup),
    };
    return cmocka_run_group_tests_name("pic_modes", tests, NULL, NULL);
}
