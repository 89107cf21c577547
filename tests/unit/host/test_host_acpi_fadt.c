/* The machine's FADT and DSDT: power, reset, sleep. */
#include "tests/unit/host/host_acpi_fixture.h"

static void the_fadt_names_power_and_reset_registers(void **state)
{
    (void)state;
    begin();
    MADT_OF(0, 8, 0, 0, LE32(1));
    FADT_OF(244, 0x08, '_', 'S', '5', '_', 0x12, 0x07, 0x04, 0x0a, 0x05, 0x0a, 0x06, 0x00, 0x00);
    acpi_init(&info);
    assert_int_equal(machine.pm1a_control, 0x404);
    assert_int_equal(machine.pm1b_control, 0x504);
    assert_int_equal(machine.pm_timer, 0x408);
    assert_int_equal(machine.reset.space, 1);
    assert_int_equal(machine.reset.address, 0xcf9);
    assert_int_equal(machine.reset_value, 6);
    assert_true(machine.s5_known);
    assert_int_equal(machine.s5_type_a, 5);
    assert_int_equal(machine.s5_type_b, 6);
}

static void an_fadt_of_acpi_1_has_no_reset_register(void **state)
{
    (void)state;
    begin();
    MADT_OF(0, 8, 0, 0, LE32(1));
    FADT_OF(116, 0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x02, 0x0a, 0x07, 0x01, 0x00);
    acpi_init(&info);
    assert_int_equal(machine.reset.space, 0xff);
    assert_int_equal(machine.s5_type_a, 7);
    memset(&machine, 0, sizeof(machine));
    FADT_OF(244, 0);
    put(FADT + 112, 4, 0); /* the flag says that it does not exist */
    fix_sum(FADT, 244, FADT + 9);
    acpi_init(&info);
    assert_int_equal(machine.reset.space, 0xff);
    assert_false(machine.s5_known);
    memset(&machine, 0, sizeof(machine));
    FADT_OF(100, 0); /* shorter than any version's */
    acpi_init(&info);
    assert_int_equal(machine.pm1a_control, 0);
}

static void registers_may_be_named_by_their_wide_fields_alone(void **state)
{
    (void)state;
    begin();
    FADT_OF(244, 0);
    put(FADT + 64, 4, 0);
    put(FADT + 68, 4, 0);
    put(FADT + 76, 4, 0);
    put(FADT + 172, 4, 0x01001001);
    put(FADT + 176, 8, 0x1804);
    put(FADT + 208, 4, 0x03002001);
    put(FADT + 212, 8, 0x1808);
    fix_sum(FADT, 244, FADT + 9);
    acpi_init(&info);
    assert_int_equal(machine.pm1a_control, 0x1804);
    assert_int_equal(machine.pm1b_control, 0);
    assert_int_equal(machine.pm_timer, 0x1808);
    put(FADT + 208, 4, 0x03002000); /* in memory: not used */
    fix_sum(FADT, 244, FADT + 9);
    acpi_init(&info);
    assert_int_equal(machine.pm_timer, 0);
}

static void a_hardware_reduced_machine_has_a_sleep_register_alone(void **state)
{
    (void)state;
    begin();
    FADT_OF(244, 0);
    put(FADT + 4, 4, 268);
    put(FADT + 112, 4, 1 << 20 | 1 << 10);
    put(FADT + 116, 4, 0x01000800); /* the reset register is in memory */
    put(FADT + 120, 8, 0xfed01000);
    put(FADT + 244, 4, 0x01000800);
    put(FADT + 248, 8, 0xfed00000);
    fix_sum(FADT, 268, FADT + 9);
    acpi_init(&info);
    assert_int_equal(machine.pm1a_control, 0);
    assert_int_equal(machine.pm_timer, 0);
    assert_int_equal(machine.sleep.space, 0);
    assert_int_equal(machine.sleep.address, 0xfed00000);
    assert_int_equal(machine.reset.space, 0);
    assert_int_equal(machine.reset.address, 0xfed01000);
    put(FADT + 244, 1, 2); /* in PCI's configuration space: not for this one */
    fix_sum(FADT, 268, FADT + 9);
    acpi_init(&info);
    assert_int_equal(machine.sleep.space, 0xff);
}

static void the_wide_dsdt_address_goes_first(void **state)
{
    (void)state;
    begin();
    MADT_OF(0, 8, 0, 0, LE32(1));
    FADT_OF(244, 0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x02, 0x00, 0x00, 0x00);
    memcpy(memory + DSDT + 0x1000, memory + DSDT, 0x100);
    memory[DSDT + 0x1000 + 36 + 8] = 0x01; /* OneOp in the other */
    fix_sum(DSDT + 0x1000, 36 + 12, DSDT + 0x1000 + 9);
    put(FADT + 140, 8, HIGH_GATE + DSDT + 0x1000);
    fix_sum(FADT, 244, FADT + 9);
    acpi_init(&info);
    assert_true(machine.s5_known);
    assert_int_equal(machine.s5_type_a, 1);
}

/* AML, "Package Length Encoding" and "Computational Data": as compilers write \_S5. */
static void s5_is_found_in_every_encoding(void **state)
{
    (void)state;
    begin();
    MADT_OF(0, 8, 0, 0, LE32(1));
    FADT_OF(244, 0x10, 0x20, '_', 'S', 'B', '_', 0x08, '_', 'S', '3', '_', 0x12, 0x06, 0x04, 0x0a, 0x01, 0x0a,
            0x01, 0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x01, 0x00, 0x00, 0x00);
    acpi_init(&info);
    assert_true(machine.s5_known);
    assert_int_equal(machine.s5_type_a, 1); /* OneOp */
    assert_int_equal(machine.s5_type_b, 0); /* ZeroOp */
    memset(&machine, 0, sizeof(machine));
    FADT_OF(244, 0x08, '\\', '_', 'S', '5', '_', 0x12, 0x47, 0x00, 0x02, 0x0a, 0x07, 0x0a,
            0x03); /* long length */
    acpi_init(&info);
    assert_int_equal(machine.s5_type_a, 7);
    assert_int_equal(machine.s5_type_b, 3);
    memset(&machine, 0, sizeof(machine));
    FADT_OF(244, 0x08, '_', 'S', '5', '_', 0x12, 0x0a, 0x02, 0x0b, 0x05, 0x00, 0x0c, 0x06, 0, 0,
            0); /* words */
    acpi_init(&info);
    assert_true(machine.s5_known);
    assert_int_equal(machine.s5_type_a, 5);
    assert_int_equal(machine.s5_type_b, 6);
}

static void an_s5_that_is_no_package_of_numbers_is_not_taken(void **state)
{
    (void)state;
    begin();
    MADT_OF(0, 8, 0, 0, LE32(1));
    FADT_OF(244, 0x14, 0x06, '_', 'S', '5', '_', 0x00, 0xa4, 0, 0, 0, 0); /* a method */
    acpi_init(&info);
    assert_false(machine.s5_known);
    FADT_OF(244, 0x08, '_', 'S', '5', '_', 0x12, 0x06, 0x02, 'S', 'L', 'P', 'A', 0, 0); /* a name in it */
    acpi_init(&info);
    assert_false(machine.s5_known);
    for (unsigned length = 0; length < 13; length++) { /* cut off anywhere */
        static const uint8_t aml[] = {'_',  'S',  '5',  '_',  0x12, 0x86, 0x00,
                                      0x00, 0x02, 0x0a, 0x05, 0x0a, 0x05};

        set_fadt(244, aml, length);
        acpi_init(&info);
        assert_false(machine.s5_known);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(registers_may_be_named_by_their_wide_fields_alone),
        TEST(a_hardware_reduced_machine_has_a_sleep_register_alone),
        TEST(the_fadt_names_power_and_reset_registers),
        TEST(an_fadt_of_acpi_1_has_no_reset_register),
        TEST(the_wide_dsdt_address_goes_first),
        TEST(s5_is_found_in_every_encoding),
        TEST(an_s5_that_is_no_package_of_numbers_is_not_taken),
    };
    return cmocka_run_group_tests_name("host_acpi_fadt", tests, NULL, NULL);
}
