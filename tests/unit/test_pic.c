#include "tests/unit/fake.h"

#include <string.h>

#include "devices/pic.h"

static struct pic pic;
static struct spinlock lock;
static bool intr;
static unsigned rises; /* of INTR */

static void set_intr(void *owner, unsigned pin, bool asserted)
{
    assert_ptr_equal(owner, &pic);
    assert_int_equal(pin, 5);
    assert_int_not_equal(asserted, intr); /* told of changes only */
    intr = asserted;
    rises += asserted;
}

static void out(unsigned port, uint8_t value)
{
    struct device *device = port < PIC_SLAVE_PORT  ? &pic.master
                            : port < PIC_ELCR_PORT ? &pic.slave
                                                   : &pic.elcr;

    assert_true(device->ops->write(device, port & 1, 1, value));
}

static uint8_t in(unsigned port)
{
    struct device *device = port < PIC_SLAVE_PORT  ? &pic.master
                            : port < PIC_ELCR_PORT ? &pic.slave
                                                   : &pic.elcr;
    uint64_t value = UINT64_MAX;

    assert_true(device->ops->read(device, port & 1, 1, &value));
    assert_in_range(value, 0, 0xff);
    return value;
}

static uint8_t in_isr(unsigned port)
{
    out(port, 0x0b);
    return in(port);
}

static uint8_t in_irr(unsigned port)
{
    out(port, 0x0a);
    return in(port);
}

static void start_chip(unsigned port, uint8_t icw1, uint8_t base, uint8_t icw3, uint8_t icw4)
{
    out(port, icw1);
    out(port + 1, base);
    if (!(icw1 & 2))
        out(port + 1, icw3);
    if (icw1 & 1)
        out(port + 1, icw4);
}

/* Vectors 0x20 and 0x28, nothing masked, as a PC's operating system does it. */
static void start_pair(uint8_t icw4)
{
    start_chip(0x20, 0x11, 0x20, 0x04, icw4);
    start_chip(0xa0, 0x11, 0x28, 0x02, icw4 & ~0x10);
}

static void set(unsigned pin, bool asserted)
{
    pic_set_line(&pic, pin, asserted);
}

static void pulse(unsigned pin)
{
    set(pin, true);
    set(pin, false);
}

static int setup(void **state)
{
    (void)state;
    pic_init(&pic, &lock);
    pic.intr = (struct irq_line){set_intr, &pic, 5};
    intr = false;
    rises = 0;
    pic.master.ops->reset(&pic.master);
    start_pair(0x01);
    return 0;
}

static void all_is_masked_after_reset(void **state)
{
    (void)state;
    pulse(0);
    assert_true(intr);
    out(0x4d1, 0x0e);
    pic.master.ops->reset(&pic.master);
    assert_false(intr);
    assert_int_equal(in(0x21), 0xff);
    assert_int_equal(in(0xa1), 0xff);
    assert_int_equal(in(0x4d1), 0);
    for (unsigned pin = 0; pin < 16; pin++)
        pulse(pin);
    assert_false(intr);
    out(0x21, 0);
    assert_int_equal(pic_acknowledge(&pic), 0x08); /* the base of a PC's firmware */
    out(0x20, 0x20);
    for (unsigned pin = 1; pin < 8; pin++)
        if (pin != 2) {
            assert_int_equal(pic_acknowledge(&pic), 0x08 + pin);
            out(0x20, 0x20);
        }
    out(0xa1, 0);
    assert_int_equal(pic_acknowledge(&pic), 0x70);
}

static void accesses_are_locked(void **state)
{
    (void)state;
    assert_ptr_equal(pic.master.lock, &lock);
    assert_ptr_equal(pic.slave.lock, &lock);
    assert_ptr_equal(pic.elcr.lock, &lock);
}

static void every_pin_has_its_vector(void **state)
{
    (void)state;
    for (unsigned pin = 0; pin < 16; pin++) {
        if (pin == 2)
            continue;
        pulse(pin);
        assert_true(intr);
        assert_int_equal(pic_acknowledge(&pic), 0x20 + pin);
        assert_false(intr);
        if (pin > 7) {
            assert_int_equal(in_isr(0xa0), 1 << (pin - 8));
            assert_int_equal(in_isr(0x20), 0x04);
            out(0xa0, 0x20);
        } else {
            assert_int_equal(in_isr(0x20), 1 << pin);
        }
        out(0x20, 0x20);
        assert_int_equal(in_isr(0x20), 0);
    }
}

static void the_cascade_pin_is_not_connected(void **state)
{
    (void)state;
    set(2, true);
    assert_false(intr);
    set(16, true);
    set(UINT32_MAX, true);
    assert_false(intr);
    assert_int_equal(in_irr(0x20), 0);
}

static void the_vectors_low_bits_are_the_pins(void **state)
{
    (void)state;
    start_chip(0x20, 0x11, 0x57, 0x04, 0x01);
    pulse(3);
    assert_int_equal(pic_acknowledge(&pic), 0x53);
}

static void an_edge_interrupts_once(void **state)
{
    (void)state;
    set(4, true);
    assert_int_equal(in_irr(0x20), 0x10);
    assert_int_equal(pic_acknowledge(&pic), 0x24);
    assert_int_equal(in_irr(0x20), 0);
    out(0x20, 0x20);
    assert_false(intr);
    set(4, true); /* no edge */
    assert_false(intr);
    set(4, false);
    set(4, true);
    assert_true(intr);
}

static void an_edge_while_in_service_comes_after_it(void **state)
{
    (void)state;
    pulse(4);
    assert_int_equal(pic_acknowledge(&pic), 0x24);
    pulse(4);
    assert_false(intr);
    out(0x20, 0x20);
    assert_true(intr);
    assert_int_equal(pic_acknowledge(&pic), 0x24);
}

static void a_level_interrupts_while_it_lasts(void **state)
{
    (void)state;
    out(0x4d0, 0x20);
    set(5, true);
    assert_int_equal(pic_acknowledge(&pic), 0x25);
    assert_int_equal(in_irr(0x20), 0x20);
    out(0x20, 0x20);
    assert_true(intr);
    assert_int_equal(pic_acknowledge(&pic), 0x25);
    set(5, false);
    out(0x20, 0x20);
    assert_false(intr);
    assert_int_equal(in_irr(0x20), 0);
}

static void a_level_that_goes_away_is_spurious(void **state)
{
    (void)state;
    out(0x4d0, 0x20);
    set(5, true);
    assert_true(intr);
    set(5, false);
    assert_false(intr);
    assert_int_equal(pic_acknowledge(&pic), 0x27);
    assert_int_equal(in_isr(0x20), 0); /* needs no EOI */
    pulse(7);
    assert_int_equal(pic_acknowledge(&pic), 0x27);
    assert_int_equal(in_isr(0x20), 0x80); /* the real one does */
}

static void elcr_keeps_the_legacy_pins_edges(void **state)
{
    (void)state;
    out(0x4d0, 0xff);
    out(0x4d1, 0xff);
    assert_int_equal(in(0x4d0), 0xf8);
    assert_int_equal(in(0x4d1), 0xde);
    set(9, true);
    out(0x4d1, 0);
    assert_false(intr); /* the level that was asserted is not an edge */
    assert_int_equal(in_irr(0xa0), 0);
}

static void ltim_makes_all_pins_levels(void **state)
{
    (void)state;
    start_chip(0x20, 0x19, 0x20, 0x04, 0x01);
    pulse(1);
    assert_false(intr);
    set(1, true);
    assert_int_equal(pic_acknowledge(&pic), 0x21);
    out(0x20, 0x20);
    assert_true(intr);
    start_chip(0x20, 0x11, 0x20, 0x04, 0x01);
    assert_false(intr);
}

static void urgent_pins_come_first_and_nest(void **state)
{
    (void)state;
    pulse(6);
    pulse(3);
    assert_int_equal(pic_acknowledge(&pic), 0x23);
    assert_false(intr); /* 6 waits */
    pulse(1);
    assert_true(intr);
    assert_int_equal(pic_acknowledge(&pic), 0x21);
    assert_int_equal(in_isr(0x20), 0x0a);
    out(0x20, 0x20); /* non-specific: the most urgent in service */
    assert_int_equal(in_isr(0x20), 0x08);
    out(0x20, 0x20);
    assert_int_equal(pic_acknowledge(&pic), 0x26);
}

static void the_slaves_pins_rank_at_the_cascade(void **state)
{
    (void)state;
    pulse(3);
    pulse(15);
    pulse(8);
    assert_int_equal(pic_acknowledge(&pic), 0x28);
    pulse(1);
    assert_int_equal(pic_acknowledge(&pic), 0x21);
    out(0x20, 0x20);
    out(0xa0, 0x20);
    assert_false(intr); /* the master still serves the cascade */
    out(0x20, 0x20);
    assert_int_equal(pic_acknowledge(&pic), 0x2f);
    out(0xa0, 0x20);
    out(0x20, 0x20);
    assert_int_equal(pic_acknowledge(&pic), 0x23);
}

static void masks_hold_back_and_forget_nothing(void **state)
{
    (void)state;
    out(0x21, 0x10);
    assert_int_equal(in(0x21), 0x10);
    pulse(4);
    assert_false(intr);
    assert_int_equal(in_irr(0x20), 0x10);
    out(0x21, 0);
    assert_true(intr);
    out(0x21, 0xff);
    assert_false(intr);
    out(0xa1, 0x01);
    out(0x21, 0);
    out(0x20, 0x20);
    pulse(8);
    assert_int_equal(pic_acknowledge(&pic), 0x24);
    out(0x20, 0x20);
    assert_false(intr);
    out(0xa1, 0x00);
    assert_true(intr);
    out(0xa1, 0x01); /* a request that the slave withdraws leaves no spurious interrupt */
    assert_false(intr);
}

static void a_specific_eoi_ends_that_one(void **state)
{
    (void)state;
    pulse(6);
    pic_acknowledge(&pic);
    pulse(1);
    pic_acknowledge(&pic);
    out(0x20, 0x66);
    assert_int_equal(in_isr(0x20), 0x02);
    out(0x20, 0x65); /* not in service: nothing */
    assert_int_equal(in_isr(0x20), 0x02);
    out(0x20, 0x40); /* no operation */
    assert_int_equal(in_isr(0x20), 0x02);
    out(0x20, 0x20);
    out(0x20, 0x20);
    assert_int_equal(in_isr(0x20), 0);
}

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

static void each_acknowledge_is_a_new_edge_of_intr(void **state)
{
    (void)state;
    pulse(4);
    pulse(3);
    assert_int_equal(rises, 1);
    start_pair(0x03);
    rises = 0;
    pulse(4);
    pulse(3);
    pulse(9);
    pic_acknowledge(&pic);
    assert_int_equal(rises, 2);
    pic_acknowledge(&pic);
    assert_int_equal(rises, 3);
    pic_acknowledge(&pic);
    assert_int_equal(rises, 3);
}

static void it_describes_itself(void **state)
{
    char text[256];
    struct text_buffer buffer;

    (void)state;
    out(0x21, 0xfb);
    out(0x4d1, 0x0c);
    text_buffer_init(&buffer, text, sizeof(text));
    pic.master.ops->describe(&pic.master, &buffer.writer);
    assert_non_null(strstr(text, "imr fb"));
    assert_non_null(strstr(text, "base 20"));
    text_buffer_init(&buffer, text, sizeof(text));
    pic.slave.ops->describe(&pic.slave, &buffer.writer);
    assert_non_null(strstr(text, "base 28"));
    text_buffer_init(&buffer, text, sizeof(text));
    pic.elcr.ops->describe(&pic.elcr, &buffer.writer);
    assert_non_null(strstr(text, "0c00"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(all_is_masked_after_reset, setup),
        cmocka_unit_test_setup(accesses_are_locked, setup),
        cmocka_unit_test_setup(every_pin_has_its_vector, setup),
        cmocka_unit_test_setup(the_cascade_pin_is_not_connected, setup),
        cmocka_unit_test_setup(the_vectors_low_bits_are_the_pins, setup),
        cmocka_unit_test_setup(an_edge_interrupts_once, setup),
        cmocka_unit_test_setup(an_edge_while_in_service_comes_after_it, setup),
        cmocka_unit_test_setup(a_level_interrupts_while_it_lasts, setup),
        cmocka_unit_test_setup(a_level_that_goes_away_is_spurious, setup),
        cmocka_unit_test_setup(elcr_keeps_the_legacy_pins_edges, setup),
        cmocka_unit_test_setup(ltim_makes_all_pins_levels, setup),
        cmocka_unit_test_setup(urgent_pins_come_first_and_nest, setup),
        cmocka_unit_test_setup(the_slaves_pins_rank_at_the_cascade, setup),
        cmocka_unit_test_setup(masks_hold_back_and_forget_nothing, setup),
        cmocka_unit_test_setup(a_specific_eoi_ends_that_one, setup),
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
        cmocka_unit_test_setup(each_acknowledge_is_a_new_edge_of_intr, setup),
        cmocka_unit_test_setup(it_describes_itself, setup),
    };
    return cmocka_run_group_tests_name("pic", tests, NULL, NULL);
}
