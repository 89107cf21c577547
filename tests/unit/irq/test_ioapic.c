#include "tests/unit/fake.h"

#include <string.h>

#include "devices/irq/ioapic.h"

static struct ioapic ioapic;
static struct spinlock lock;
static struct apic_message messages[32];
static unsigned sent;
static bool accepts;

static bool deliver(void *owner, const struct apic_message *message)
{
    assert_ptr_equal(owner, &messages);
    assert_true(sent < ARRAY_LENGTH(messages));
    messages[sent++] = *message;
    return accepts;
}

static void store(uint64_t offset, unsigned size, uint64_t value)
{
    assert_true(ioapic.device.ops->write(&ioapic.device, offset, size, value));
}

static uint32_t load(uint64_t offset, unsigned size)
{
    uint64_t value = UINT64_MAX;

    assert_true(ioapic.device.ops->read(&ioapic.device, offset, size, &value));
    assert_in_range(value, 0, size_mask(size));
    return value;
}

static uint32_t get(uint8_t index)
{
    store(0, 4, index);
    return load(0x10, 4);
}

static void put(uint8_t index, uint32_t value)
{
    store(0, 4, index);
    store(0x10, 4, value);
}

static void put_entry(unsigned pin, uint64_t entry)
{
    put(0x10 + 2 * pin, 1 << 16);
    put(0x11 + 2 * pin, entry >> 32);
    put(0x10 + 2 * pin, entry);
}

static uint64_t get_entry(unsigned pin)
{
    return get(0x10 + 2 * pin) | (uint64_t)get(0x11 + 2 * pin) << 32;
}

static void set(unsigned pin, bool asserted)
{
    ioapic_set_line(&ioapic, pin, asserted);
}

#define LEVEL      (1 << 15)
#define MASKED     (1 << 16)
#define REMOTE_IRR (1 << 14)
#define PENDING    (1 << 12)

static int setup(void **state)
{
    const struct apic_fabric fabric = {deliver, &messages};

    (void)state;
    ioapic_init(&ioapic, 3, &fabric, &lock);
    ioapic.device.ops->reset(&ioapic.device);
    sent = 0;
    accepts = true;
    return 0;
}

static void it_names_itself(void **state)
{
    (void)state;
    assert_ptr_equal(ioapic.device.lock, &lock);
    assert_int_equal(get(0), 3 << 24);
    assert_int_equal(get(1), 0x00170020); /* version 0x20, 24 entries */
    put(1, 0);
    assert_int_equal(get(1), 0x00170020);
    put(0, 0xffffffff);
    assert_int_equal(get(0), 0x0f000000);
    assert_int_equal(get(2), 0x0f000000);
    ioapic.device.ops->reset(&ioapic.device);
    assert_int_equal(get(0), 3 << 24);
}

static void everything_is_masked_after_reset(void **state)
{
    (void)state;
    put_entry(7, 0x0300000000000040);
    ioapic.device.ops->reset(&ioapic.device);
    assert_int_equal(load(0, 4), 0);
    for (unsigned pin = 0; pin < 24; pin++) {
        assert_int_equal(get_entry(pin), MASKED);
        set(pin, true);
    }
    assert_int_equal(sent, 0);
}

static void reserved_and_read_only_bits_stay_clear(void **state)
{
    (void)state;
    put(0x10, 0xffffffff);
    put(0x11, 0xffffffff);
    assert_int_equal(get(0x10), 0x0001afff);
    assert_int_equal(get(0x11), 0xff000000);
    assert_int_equal(get(0x40), 0); /* past the table */
    assert_int_equal(get(0x0f), 0);
    assert_int_equal(get(0xff), 0);
    put(0x40, 0xffffffff);
    put(0x03, 0xffffffff);
    assert_int_equal(get(0x3f), 0);
    assert_int_equal(sent, 0);
}

static void registers_past_the_window_do_not_answer(void **state)
{
    uint64_t value;

    (void)state;
    assert_false(ioapic.device.ops->read(&ioapic.device, 0x04, 4, &value));
    assert_false(ioapic.device.ops->read(&ioapic.device, 0x14, 1, &value));
    assert_false(ioapic.device.ops->write(&ioapic.device, 0x20, 4, 0));
    assert_false(ioapic.device.ops->read(&ioapic.device, 0xffc, 4, &value));
    assert_int_equal(load(0x40, 4), 0); /* EOI is write-only */
}

static void narrow_accesses_see_their_bytes(void **state)
{
    (void)state;
    store(0, 1, 0x01);
    assert_int_equal(load(0x10, 1), 0x20);
    assert_int_equal(load(0x12, 1), 0x17);
    assert_int_equal(load(0x12, 2), 0x0017);
    assert_int_equal(load(0x11, 4), 0x001700);
    put(0x10, MASKED | 0x31);
    store(0x10, 1, 0x42);
    assert_int_equal(get(0x10), MASKED | 0x42);
    store(0x11, 1, 0x01); /* lowest priority */
    assert_int_equal(get(0x10), MASKED | 0x142);
    store(0x12, 4, 0xffff0000); /* half of it beyond the register */
    assert_int_equal(get(0x10), 0x142);
}

static void an_edge_sends_one_message(void **state)
{
    (void)state;
    put_entry(4, 0x0200000000000031);
    set(4, true);
    assert_int_equal(sent, 1);
    assert_int_equal(messages[0].destination, 2);
    assert_int_equal(messages[0].vector, 0x31);
    assert_int_equal(messages[0].delivery, APIC_FIXED);
    assert_false(messages[0].level);
    assert_false(messages[0].logical);
    assert_false(messages[0].x2apic);
    assert_int_equal(get_entry(4), 0x0200000000000031);
    set(4, true);
    assert_int_equal(sent, 1);
    set(4, false);
    assert_int_equal(sent, 1);
    ioapic_eoi(&ioapic, 0x31);
    assert_int_equal(sent, 1);
    set(4, true);
    assert_int_equal(sent, 2);
}

static void every_delivery_mode_is_passed_on(void **state)
{
    (void)state;
    for (unsigned mode = 0; mode < 8; mode++) {
        put_entry(mode, UINT64_C(0xff00000000000800) | mode << 8 | LEVEL | 0x55);
        set(mode, true);
        assert_int_equal(sent, mode + 1);
        assert_int_equal(messages[mode].delivery, mode);
        assert_int_equal(messages[mode].destination, 0xff);
        assert_int_equal(messages[mode].vector, 0x55);
        assert_true(messages[mode].logical);
        assert_int_equal(messages[mode].level,
                         mode <= APIC_LOWEST); /* the others are edges, whatever it says */
        assert_int_equal(!!(get_entry(mode) & REMOTE_IRR), mode <= APIC_LOWEST);
    }
}

static void a_masked_edge_is_lost(void **state)
{
    (void)state;
    put_entry(4, MASKED | 0x31);
    set(4, true);
    put_entry(4, 0x31);
    assert_int_equal(sent, 0);
    set(4, false);
    set(4, true);
    assert_int_equal(sent, 1);
}

static void a_masked_level_waits(void **state)
{
    (void)state;
    put_entry(9, LEVEL | MASKED | 0x39);
    set(9, true);
    assert_int_equal(sent, 0);
    put_entry(9, LEVEL | 0x39);
    assert_int_equal(sent, 1);
    assert_true(messages[0].level);
    assert_int_equal(get_entry(9), LEVEL | REMOTE_IRR | 0x39);
}

static void a_level_comes_again_after_its_eoi(void **state)
{
    (void)state;
    put_entry(9, LEVEL | 0x39);
    set(9, true);
    set(9, false);
    set(9, true);
    assert_int_equal(sent, 1); /* still being served */
    ioapic_eoi(&ioapic, 0x38);
    assert_int_equal(sent, 1);
    ioapic_eoi(&ioapic, 0x39);
    assert_int_equal(sent, 2);
    set(9, false);
    ioapic_eoi(&ioapic, 0x39);
    assert_int_equal(sent, 2);
    assert_int_equal(get_entry(9), LEVEL | 0x39);
}

static void entries_may_share_a_vector(void **state)
{
    (void)state;
    put_entry(10, LEVEL | 0x50);
    put_entry(11, LEVEL | 0x50);
    set(10, true);
    set(11, true);
    set(10, false);
    ioapic_eoi(&ioapic, 0x50);
    assert_int_equal(sent, 3);
    assert_int_equal(get_entry(10), LEVEL | 0x50);
    assert_int_equal(get_entry(11), LEVEL | REMOTE_IRR | 0x50);
}

static void a_masked_level_is_ended_and_not_sent(void **state)
{
    (void)state;
    put_entry(9, LEVEL | 0x39);
    set(9, true);
    put(0x10 + 18, LEVEL | MASKED | 0x39);
    ioapic_eoi(&ioapic, 0x39);
    assert_int_equal(sent, 1);
    assert_int_equal(get_entry(9), LEVEL | MASKED | 0x39);
    put(0x10 + 18, LEVEL | 0x39);
    assert_int_equal(sent, 2);
}

static void the_eoi_register_ends_a_level(void **state)
{
    (void)state;
    put_entry(9, LEVEL | 0x39);
    set(9, true);
    store(0x41, 1, 0x39); /* not the vector's byte */
    assert_int_equal(sent, 1);
    put_entry(10, LEVEL);
    set(10, true);
    store(0x42, 2, 0); /* does not end vector 0 either */
    assert_int_equal(sent, 2);
    sent = 1;
    store(0x40, 4, 0xffffff39);
    assert_int_equal(sent, 2);
    store(0x40, 1, 0x39);
    assert_int_equal(sent, 3);
}

/* How software for version 0x11 clears remote IRR: mask and edge, then as it was. */
static void turning_to_edge_clears_remote_irr(void **state)
{
    (void)state;
    put_entry(9, LEVEL | 0x39);
    set(9, true);
    put(0x10 + 18, MASKED | 0x39);
    assert_int_equal(get_entry(9), MASKED | 0x39);
    put(0x10 + 18, LEVEL | 0x39);
    assert_int_equal(sent, 2);
}

static void the_polarity_is_kept_and_does_not_invert(void **state)
{
    (void)state;
    put_entry(9, LEVEL | 1 << 13 | 0x39);
    assert_int_equal(sent, 0);
    set(9, true);
    assert_int_equal(sent, 1);
    assert_int_equal(get_entry(9), LEVEL | REMOTE_IRR | 1 << 13 | 0x39);
}

static void a_level_that_nobody_accepts_stays_pending(void **state)
{
    (void)state;
    accepts = false;
    put_entry(9, LEVEL | 0x39);
    set(9, true);
    assert_int_equal(get_entry(9), LEVEL | PENDING | 0x39);
    set(9, false);
    assert_int_equal(get_entry(9), LEVEL | 0x39);
    set(9, true);
    accepts = true;
    put_entry(9, LEVEL | 0x39);
    assert_int_equal(get_entry(9), LEVEL | REMOTE_IRR | 0x39);
}

static void pins_that_do_not_exist_are_ignored(void **state)
{
    (void)state;
    set(24, true);
    set(32, true); /* not pin 0 */
    set(UINT32_MAX, true);
    put_entry(0, LEVEL | 0x30);
    assert_int_equal(sent, 0);
    assert_int_equal(ioapic.lines, 0);
}

static void it_describes_itself(void **state)
{
    static char text[2048];
    struct text_buffer buffer;

    (void)state;
    put_entry(9, UINT64_C(0x0500000000000000) | LEVEL | 0x39);
    put_entry(2, UINT64_C(0x0100000000000900) | 0x30);
    set(9, true);
    text_buffer_init(&buffer, text, sizeof(text));
    ioapic.device.ops->describe(&ioapic.device, &buffer.writer);
    assert_non_null(strstr(text, "pin  9 vector 0x39 fixed level to physical 0x05 remote-irr\n"));
    assert_non_null(strstr(text, "pin  2 vector 0x30 lowest edge to logical 0x01\n"));
    assert_null(strstr(text, "pin 10"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(it_names_itself, setup),
        cmocka_unit_test_setup(everything_is_masked_after_reset, setup),
        cmocka_unit_test_setup(reserved_and_read_only_bits_stay_clear, setup),
        cmocka_unit_test_setup(registers_past_the_window_do_not_answer, setup),
        cmocka_unit_test_setup(narrow_accesses_see_their_bytes, setup),
        cmocka_unit_test_setup(an_edge_sends_one_message, setup),
        cmocka_unit_test_setup(every_delivery_mode_is_passed_on, setup),
        cmocka_unit_test_setup(a_masked_edge_is_lost, setup),
        cmocka_unit_test_setup(a_masked_level_waits, setup),
        cmocka_unit_test_setup(a_level_comes_again_after_its_eoi, setup),
        cmocka_unit_test_setup(entries_may_share_a_vector, setup),
        cmocka_unit_test_setup(a_masked_level_is_ended_and_not_sent, setup),
        cmocka_unit_test_setup(the_eoi_register_ends_a_level, setup),
        cmocka_unit_test_setup(turning_to_edge_clears_remote_irr, setup),
        cmocka_unit_test_setup(the_polarity_is_kept_and_does_not_invert, setup),
        cmocka_unit_test_setup(a_level_that_nobody_accepts_stays_pending, setup),
        cmocka_unit_test_setup(pins_that_do_not_exist_are_ignored, setup),
        cmocka_unit_test_setup(it_describes_itself, setup),
    };
    return cmocka_run_group_tests_name("ioapic", tests, NULL, NULL);
}
