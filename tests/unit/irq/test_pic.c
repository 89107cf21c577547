#include "tests/unit/irq/pic_fixture.h"

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
        cmocka_unit_test_setup(each_acknowledge_is_a_new_edge_of_intr, setup),
        cmocka_unit_test_setup(it_describes_itself, setup),
    };
    return cmocka_run_group_tests_name("pic", tests, NULL, NULL);
}
