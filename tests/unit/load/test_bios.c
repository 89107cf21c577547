#include "hv/load/bios.h"

#include "hv/load/guest_map.h"
#include "tests/unit/fake.h"

#include <stdlib.h>
#include <string.h>

/* guests/bios.asm runs the handlers; here is where they are. */
static uint8_t *ram;

static uint64_t get(gpa_t at, unsigned size)
{
    uint64_t value = 0;

    memcpy(&value, ram + at, size);
    return value;
}

static int begin(void **state)
{
    struct guest_mem memory = {.count = 1};

    (void)state;
    ram = calloc(1, KIB(640));
    memory.regions[0] = (struct guest_region){.size = KIB(640), .host = ram};
    assert_true(bios_write(&memory));
    memory.count = 0;
    assert_false(bios_write(&memory));
    return 0;
}

static int end(void **state)
{
    (void)state;
    free(ram);
    return 0;
}

static void the_data_area_is_a_pcs(void **state)
{
    (void)state;
    assert_int_equal(get(0x400, 2), 0x3f8);
    assert_int_equal(get(0x402, 8) & 0xffffffffffff, 0); /* COM2 to COM4 */
    assert_int_equal(get(0x40e, 2), 0x9fc0);
    assert_int_equal(get(0x9fc00, 1), 1);
    assert_int_equal(get(0x410, 2) >> 9 & 7, 1); /* serial ports */
    assert_int_equal(get(0x413, 2), 639);
    assert_int_equal(get(0x41a, 2), 0x1e); /* the key buffer is empty */
    assert_int_equal(get(0x41c, 2), 0x1e);
    assert_int_equal(get(0x480, 2), 0x1e);
    assert_int_equal(get(0x482, 2), 0x3e);
    assert_int_equal(get(0x449, 1), 3);
    assert_int_equal(get(0x44a, 2), 80);
    assert_int_equal(get(0x44c, 2), 0x1000);
    assert_int_equal(get(0x463, 2), 0x3d4);
    assert_int_equal(get(0x484, 1), 24);
    assert_int_equal(get(0x485, 2), 16);
    assert_int_equal(get(0x46c, 4), 0);
}

static gpa_t handler(unsigned vector)
{
    gpa_t at = get(4 * vector + 2, 2) * 16 + get(4 * vector, 2);

    assert_in_range(at, 0x9fc10, 0x9ffff);
    return at;
}

static void each_vector_has_its_handler(void **state)
{
    (void)state;
    for (unsigned vector = 0; vector < 256; vector++) {
        gpa_t at = handler(vector);

        if (vector >= 0x10 && vector <= 0x1a)
            assert_int_equal(at, handler(0x10)); /* a service: there is none */
        else if ((vector < 8 || vector > 0x0f) && (vector < 0x70 || vector > 0x77))
            assert_int_equal(get(at, 1), 0xcf); /* IRET */
        else
            assert_int_not_equal(get(at, 1), 0xcf);
    }
    for (unsigned irq = 2; irq < 8; irq++)
        assert_int_equal(handler(8 + irq), handler(0x0a));
    assert_int_not_equal(handler(8), handler(9));
    assert_int_not_equal(handler(9), handler(0x0a));
    assert_int_not_equal(handler(0x70), handler(0x0a));
    assert_int_not_equal(handler(0x74), handler(0x70));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_data_area_is_a_pcs, begin, end),
        cmocka_unit_test_setup_teardown(each_vector_has_its_handler, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
