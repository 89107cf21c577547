#include "tests/unit/host/host_acpi_fixture.h"

static void the_madt_names_processors_ioapics_and_overrides(void **state)
{
    (void)state;
    begin();
    MADT_OF(0, 8, 0, 4, LE32(1),                         /* enabled */
            0, 8, 1, 5, LE32(0),                         /* disabled */
            0, 8, 2, 6, LE32(2),                         /* to be plugged in later */
            9, 16, 0, 0, LE32(0x1234), LE32(1), LE32(7), /* x2APIC */
            1, 12, 9, 0, LE32(0xfec00000), LE32(0),      /* I/O APICs */
            1, 12, 10, 0, LE32(0xfec80000), LE32(24),    /**/
            2, 10, 0, 0, LE32(2), 0, 0,                  /* the timer is on pin 2 */
            2, 10, 0, 9, LE32(20), 0x0d, 0,              /* level, high */
            2, 10, 0, 11, LE32(21), 0x0f, 0,             /* level, low */
            2, 10, 0, 16, LE32(5), 0x0f, 0,              /* there is no ISA interrupt 16 */
            4, 6, 0xff, 0, 0, 1);                        /* of no interest */
    acpi_init(&info);
    assert_int_equal(machine.apic_count, 2);
    assert_int_equal(machine.apic_ids[0], 4);
    assert_int_equal(machine.apic_ids[1], 0x1234);
    assert_int_equal(machine.ioapic_count, 2);
    assert_int_equal(machine.ioapics[1].address, 0xfec80000);
    assert_int_equal(machine.ioapics[1].gsi_base, 24);
    assert_int_equal(machine.isa[0].gsi, 2);
    assert_false(machine.isa[0].level || machine.isa[0].low);
    assert_true(machine.isa[9].level && !machine.isa[9].low);
    assert_true(machine.isa[11].level && machine.isa[11].low);
    assert_int_equal(machine.isa[11].gsi, 21);
    assert_int_equal(machine.isa[1].gsi, 1); /* those that are not overridden */
    assert_string_equal(fake_log, "");
}

static void processors_may_have_any_ids(void **state)
{
    (void)state;
    begin();
    MADT_OF(9, 16, 0, 0, LE32(0xfffe), LE32(1), LE32(0),     /* far apart, in no order */
            0, 8, 1, 0xfe, LE32(1),                          /**/
            9, 16, 0, 0, LE32(0x100), LE32(1), LE32(2),      /* the first that xAPIC cannot name */
            10, 12, 5, 0, LE32(UINT32_MAX), 1, 0, 0, 0,      /* NMI of all x2APICs */
            9, 16, 0, 0, LE32(0x101), LE32(0), LE32(3),      /* disabled */
            9, 16, 0, 0, LE32(0x102), LE32(2), LE32(4),      /* to be plugged in later */
            0, 8, 5, 0xff, LE32(1),                          /* everyone's ids name no processor */
            9, 16, 0, 0, LE32(UINT32_MAX), LE32(1), LE32(6), /**/
            9, 16, 0, 0, LE32(0xff), LE32(1), LE32(7),       /* a processor of x2APIC */
            0, 8, 8, 0, LE32(1));
    acpi_init(&info);
    assert_int_equal(machine.apic_count, 5);
    assert_int_equal(machine.apic_ids[0], 0xfffe);
    assert_int_equal(machine.apic_ids[1], 0xfe);
    assert_int_equal(machine.apic_ids[2], 0x100);
    assert_int_equal(machine.apic_ids[3], 0xff);
    assert_int_equal(machine.apic_ids[4], 0);
    assert_int_equal(machine.apics_left_out, 0);
}

static void a_processor_named_twice_is_one(void **state)
{
    (void)state;
    begin();
    MADT_OF(0, 8, 0, 0, LE32(1), 0, 8, 1, 2, LE32(1), 0, 8, 2, 2, LE32(1), /**/
            9, 16, 0, 0, LE32(0), LE32(1), LE32(0), 9, 16, 0, 0, LE32(2), LE32(1), LE32(1));
    acpi_init(&info);
    assert_int_equal(machine.apic_count, 2);
    assert_int_equal(machine.apic_ids[1], 2);
}

static void the_madt_says_whether_there_are_8259s(void **state)
{
    (void)state;
    begin();
    acpi_init(&info);
    assert_false(machine.no_pics); /* without a MADT it is an old PC */
    MADT_OF(0, 8, 0, 0, LE32(1));
    acpi_init(&info);
    assert_false(machine.no_pics);
    put(MADT + 40, 4, 0);
    fix_sum(MADT, 44 + 8, MADT + 9);
    acpi_init(&info);
    assert_true(machine.no_pics);
}

static void damaged_madt_structures_end_it(void **state)
{
    (void)state;
    begin();
    MADT_OF(0, 8, 0, 4, LE32(1), 0, 0, 0, 0); /* length 0 would loop for ever */
    acpi_init(&info);
    assert_int_equal(machine.apic_count, 1);
    memset(&machine, 0, sizeof(machine));
    MADT_OF(0, 8, 0, 4, LE32(1), 1, 12, 0, 0); /* runs over the table's end */
    acpi_init(&info);
    assert_int_equal(machine.apic_count, 1);
    assert_int_equal(machine.ioapic_count, 0);
    memset(&machine, 0, sizeof(machine));
    MADT_OF(0, 2, 9, 8, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 2, 3, 0); /* all too short */
    acpi_init(&info);
    assert_int_equal(machine.apic_count, 0);
    assert_int_equal(machine.ioapic_count, 0);
    memset(&machine, 0, sizeof(machine));
    MADT_OF(0); /* one byte is left */
    acpi_init(&info);
    assert_int_equal(machine.apic_count, 0);
}

static void more_than_keel_can_hold_is_counted(void **state)
{
    static uint8_t body[8 + (CPUS_MOST + 5) * 16 + 20 * 12];
    uint8_t *at = body + 8;

    (void)state;
    begin();
    for (unsigned i = 0; i < CPUS_MOST + 5; i++, at += 16)
        memcpy(at, (const uint8_t[]){9, 16, 0, 0, LE32(i), LE32(1), LE32(i)}, 16);
    for (unsigned i = 0; i < 20; i++, at += 12)
        memcpy(at, (const uint8_t[]){1, 12, 0, 0, LE32(0xfec00000 + i * 0x1000), LE32(i * 24)}, 12);
    table(MADT, "APIC", 36 + sizeof(body), body, sizeof(body));
    acpi_init(&info);
    assert_int_equal(machine.apic_count, CPUS_MOST);
    assert_int_equal(machine.apics_left_out, 5);
    assert_int_equal(machine.ioapic_count, IOAPICS_MOST);
    assert_non_null(strstr(fake_log, "5 processors more than Keel's 256"));
}

/* The SPCR's fields that count. */
struct spcr {
    uint8_t type, space, bits, access, by, irq;
    uint32_t gsi;
    uint8_t baud;
    uint64_t address;
};

static struct serial *read_console(struct spcr spcr)
{
    uint8_t body[80 - 36] = {0};

    memset(&machine, 0, sizeof(machine));
    memcpy(body, (const uint8_t[]){spcr.type, 0, 0, 0, spcr.space, spcr.bits, 0, spcr.access}, 8);
    memcpy(body + 8, &spcr.address, 8);
    memcpy(body + 16, (const uint8_t[]){spcr.by, spcr.irq, LE32(spcr.gsi), spcr.baud}, 7);
    table(SPCR, "SPCR", 80, body, sizeof(body));
    acpi_init(&info);
    return machine.console;
}

static void the_spcr_names_a_port(void **state)
{
    struct serial *console;

    (void)state;
    begin();
    assert_null(machine.console);
    assert_ptr_equal(read_console((struct spcr){.space = 1, .bits = 8, .address = 0x2f8, .baud = 3}),
                     &serial_ports[1]);
    assert_int_equal(machine.console_baud, 9600);
    assert_int_equal(serial_ports[1].irq, 3); /* COM2's, if none is told */
    console = read_console((struct spcr){.space = 1, .by = 1, .irq = 10, .baud = 7, .address = 0xe000});
    assert_ptr_equal(console, &serial_ports[SERIAL_ACPI]);
    assert_int_equal(console->port, 0xe000);
    assert_int_equal(console->irq, 10);
    assert_int_equal(console->width, 0);
    assert_int_equal(machine.console_baud, 115200);
    read_console((struct spcr){.space = 1, .by = 3, .irq = 10, .gsi = 20, .address = 0xe000});
    assert_int_equal(console->irq, 20);
    assert_int_equal(machine.console_baud, SERIAL_AS_IT_IS);
    read_console((struct spcr){.space = 1, .baud = 5, .address = 0xe000});
    assert_int_equal(machine.console_baud, SERIAL_AS_IT_IS);
}

static void the_spcrs_uart_may_be_in_memory(void **state)
{
    static const struct {
        uint8_t bits, access, width, shift;
    } rows[] = {{8, 1, 1, 0}, {8, 0, 1, 0}, {32, 3, 4, 2}, {32, 0, 4, 2}, {32, 1, 1, 2}, {16, 1, 1, 1}};

    (void)state;
    begin();
    memory[0x3000] = 0x42;
    for (unsigned i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct serial *console = read_console((struct spcr){.type = 0x12,
                                                            .bits = rows[i].bits,
                                                            .access = rows[i].access,
                                                            .by = 2,
                                                            .gsi = 33,
                                                            .address = HIGH_GATE + 0x3000});

        assert_ptr_equal(console, &serial_ports[SERIAL_ACPI]);
        assert_int_equal(*(const uint8_t *)console->port, 0x42);
        assert_int_equal(console->width, rows[i].width);
        assert_int_equal(console->shift, rows[i].shift);
        assert_int_equal(console->irq, 33);
    }
}

static void an_spcr_of_no_use_names_none(void **state)
{
    (void)state;
    begin();
    assert_null(read_console((struct spcr){.type = 3, .space = 1, .address = 0x2f8})); /* an ARM's */
    assert_null(read_console((struct spcr){.space = 1})); /* redirection is off */
    assert_null(read_console((struct spcr){.space = 2, .address = 0x2f8}));
    read_console((struct spcr){.space = 1, .address = 0x2f8});
    assert_non_null(machine.console);
    memset(&machine, 0, sizeof(machine));
    put(SPCR + 4, 4, 58);
    fix_sum(SPCR, 58, SPCR + 9);
    acpi_init(&info);
    assert_null(machine.console);
}

static void an_xsdt_reaches_beyond_4_gib(void **state)
{
    (void)state;
    set_rsdp(info.rsdp, 2, 0, HIGH_GATE + XSDT);
    info.rsdp_length = 36;
    table(XSDT, "XSDT", 36 + 16, (const uint64_t[]){0, HIGH_GATE + MADT}, 16);
    MADT_OF(0, 8, 0, 3, LE32(1));
    acpi_init(&info);
    assert_int_equal(machine.apic_count, 1);
    assert_int_equal(machine.apic_ids[0], 3);
}

static void the_rsdt_serves_where_the_xsdt_is_damaged(void **state)
{
    (void)state;
    begin();
    set_rsdp(info.rsdp, 2, RSDT, XSDT);
    info.rsdp_length = 36;
    MADT_OF(0, 8, 0, 3, LE32(1));
    acpi_init(&info);
    assert_int_equal(machine.apic_count, 1);
}

static void damaged_tables_are_not_used_and_that_is_said(void **state)
{
    (void)state;
    begin();
    MADT_OF(0, 8, 0, 3, LE32(1));
    memory[MADT + 40] ^= 1; /* the sum is wrong now */
    acpi_init(&info);
    assert_int_equal(machine.apic_count, 0);
    assert_non_null(strstr(fake_log, "MADT"));
    fake_log[0] = 0;
    MADT_OF(0, 8, 0, 3, LE32(1));
    put(MADT + 4, 4, 35); /* shorter than a header */
    acpi_init(&info);
    put(MADT + 4, 4, 0xffffffff);
    acpi_init(&info);
    assert_int_equal(machine.apic_count, 0);
    MADT_OF(0, 8, 0, 3, LE32(1));
    put(RSDT + 4, 4, 36 + 7); /* half an entry */
    fix_sum(RSDT, 36 + 7, RSDT + 9);
    acpi_init(&info);
    assert_int_equal(machine.apic_count, 0);
    memory[RSDT + 9]++;
    acpi_init(&info);
    assert_int_equal(machine.apic_count, 0);
}

static void the_rsdp_is_looked_for_where_bioses_keep_it(void **state)
{
    (void)state;
    begin();
    MADT_OF(0, 8, 0, 3, LE32(1));
    info.rsdp_length = 0;
    acpi_init(&info);
    assert_int_equal(machine.apic_count, 0);
    assert_non_null(strstr(fake_log, "acpi: no tables found"));
    memcpy(memory + 0xfffe0 - 8, info.rsdp, 20); /* not on a border of 16 */
    acpi_init(&info);
    assert_int_equal(machine.apic_count, 0);
    memcpy(memory + 0xf1230, info.rsdp, 20);
    memory[0xf1230 + 9] ^= 1; /* damaged */
    acpi_init(&info);
    assert_int_equal(machine.apic_count, 0);
    memcpy(memory + 0xfffe0, info.rsdp, 20);
    acpi_init(&info);
    assert_int_equal(machine.apic_count, 1);
    memset(memory + 0xe0000, 0, KIB(128));
    memset(&machine, 0, sizeof(machine));
    put(0x40e, 2, 0x9fc0);
    memcpy(memory + 0x9fc00 + 0x3e0, info.rsdp, 20); /* in the EBDA's first KiB */
    acpi_init(&info);
    assert_int_equal(machine.apic_count, 1);
}

static void without_a_madt_one_core_is_used_and_the_fadt_still_counts(void **state)
{
    (void)state;
    begin();
    FADT_OF(244, 0);
    acpi_init(&info);
    assert_int_equal(machine.apic_count, 0);
    assert_int_equal(machine.pm1a_control, 0x404);
    assert_non_null(strstr(fake_log, "only the boot core is used"));
    assert_int_equal(machine.isa[15].gsi, 15);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_madt_names_processors_ioapics_and_overrides),
        TEST(processors_may_have_any_ids),
        TEST(a_processor_named_twice_is_one),
        TEST(the_madt_says_whether_there_are_8259s),
        TEST(the_spcr_names_a_port),
        TEST(the_spcrs_uart_may_be_in_memory),
        TEST(an_spcr_of_no_use_names_none),
        TEST(damaged_madt_structures_end_it),
        TEST(more_than_keel_can_hold_is_counted),
        TEST(an_xsdt_reaches_beyond_4_gib),
        TEST(the_rsdt_serves_where_the_xsdt_is_damaged),
        TEST(damaged_tables_are_not_used_and_that_is_said),
        TEST(the_rsdp_is_looked_for_where_bioses_keep_it),
        TEST(without_a_madt_one_core_is_used_and_the_fadt_still_counts),
    };
    return cmocka_run_group_tests_name("host_acpi", tests, NULL, NULL);
}
