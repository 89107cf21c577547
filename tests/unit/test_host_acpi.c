#include "tests/unit/fake.h"

#include <stdlib.h>
#include <string.h>

#include "hv/host/acpi.h"
#include "hv/host/paging.h"

/* Physical memory: the low MiB, then tables. What is mapped is copied to the end of a fresh allocation, so
 * that a read beyond it is found. */
#define MEMORY    MIB(2)
#define TABLES    MIB(1)
#define HIGH_GATE GIB(5) /* seen at this address as well: only an XSDT reaches it */

static uint8_t *memory;
static void *mapped[1024];
static unsigned mapped_count;

void *host_map(hpa_t physical, uint64_t size, enum host_mapping mapping)
{
    uint8_t *copy;

    assert_true(mapping == HOST_READ || mapping == HOST_DEVICE);
    if (physical >= HIGH_GATE)
        physical -= HIGH_GATE;
    if (physical >= MEMORY || size > MEMORY - physical)
        return NULL; /* no memory for the mapping */
    assert_true(mapped_count < ARRAY_LENGTH(mapped));
    copy = malloc(size);
    memcpy(copy, memory + physical, size);
    return mapped[mapped_count++] = copy;
}

static struct boot_info info;

static int setup(void **state)
{
    (void)state;
    fake_reset();
    memory = calloc(1, MEMORY);
    memset(&info, 0, sizeof(info));
    memset(&machine, 0, sizeof(machine));
    serial_ports[1].irq = 3;
    serial_ports[SERIAL_ACPI] = (struct serial){.port = 0};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    while (mapped_count)
        free(mapped[--mapped_count]);
    free(memory);
    return 0;
}

static void put(hpa_t at, unsigned size, uint64_t value)
{
    memcpy(memory + at, &value, size);
}

static void fix_sum(hpa_t at, uint64_t length, hpa_t checksum)
{
    uint8_t sum = 0;

    memory[checksum] = 0;
    for (uint64_t i = 0; i < length; i++)
        sum += memory[at + i];
    memory[checksum] = (uint8_t)-sum;
}

/* A table of `length` bytes with this body behind its header. */
static void table(hpa_t at, const char *signature, uint32_t length, const void *body, size_t body_length)
{
    memcpy(memory + at, signature, 4);
    put(at + 4, 4, length);
    memcpy(memory + at + 36, body, body_length);
    fix_sum(at, length, at + 9);
}

static void set_rsdp(uint8_t *rsdp, unsigned revision, uint32_t rsdt, uint64_t xsdt)
{
    uint8_t sum = 0;

    memcpy(rsdp, "RSD PTR ", 8);
    rsdp[15] = (uint8_t)revision;
    memcpy(rsdp + 16, &rsdt, 4);
    if (revision >= 2)
        memcpy(rsdp + 24, &xsdt, 8);
    for (unsigned i = 0; i < 20; i++)
        sum += rsdp[i];
    rsdp[8] -= sum;
}

/* Where each table lies. */
enum {
    RSDT = TABLES,
    XSDT = RSDT + 0x100,
    MADT = XSDT + 0x100,
    FADT = MADT + 0x8000,
    DSDT = FADT + 0x1000,
    SPCR = DSDT + 0x2000
};

/* An RSDT that the boot loader's RSDP names, of the MADT and FADT. */
static void begin(void)
{
    set_rsdp(info.rsdp, 0, RSDT, 0);
    info.rsdp_length = 20;
    table(RSDT, "RSDT", 36 + 12, (const uint32_t[]){FADT, MADT, SPCR}, 12);
}

/* A MADT whose structures are these bytes. */
#define MADT_OF(...)                                                                                         \
    do {                                                                                                     \
        const uint8_t entries[] = {0, 0, 0xe0, 0xfe, 1, 0, 0, 0, __VA_ARGS__};                               \
        table(MADT, "APIC", 36 + sizeof(entries), entries, sizeof(entries));                                 \
    } while (0)

#define LE32(n) (uint8_t)(n), (uint8_t)((n) >> 8), (uint8_t)((n) >> 16), (uint8_t)((n) >> 24)

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

/* The FADT and a DSDT of these AML bytes. */
static void set_fadt(uint32_t length, const uint8_t *aml, size_t aml_length)
{
    uint8_t body[244 - 36] = {0};

    memcpy(body + 40 - 36, (const uint8_t[]){LE32(DSDT)}, 4);
    memcpy(body + 64 - 36, (const uint8_t[]){LE32(0x404)}, 4);
    memcpy(body + 68 - 36, (const uint8_t[]){LE32(0x504)}, 4);
    memcpy(body + 76 - 36, (const uint8_t[]){LE32(0x408)}, 4);
    memcpy(body + 112 - 36, (const uint8_t[]){LE32(1 << 10)}, 4);
    memcpy(body + 116 - 36, (const uint8_t[]){1, 8, 0, 1, 0xf9, 0x0c, 0, 0, 0, 0, 0, 0, 0x06}, 13);
    table(FADT, "FACP", length, body, MIN(length - 36, sizeof(body)));
    table(DSDT, "DSDT", 36 + (uint32_t)aml_length, aml, aml_length);
}

#define FADT_OF(length, ...)                                                                                 \
    set_fadt(length, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

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
        TEST(registers_may_be_named_by_their_wide_fields_alone),
        TEST(a_hardware_reduced_machine_has_a_sleep_register_alone),
        TEST(the_spcr_names_a_port),
        TEST(the_spcrs_uart_may_be_in_memory),
        TEST(an_spcr_of_no_use_names_none),
        TEST(damaged_madt_structures_end_it),
        TEST(more_than_keel_can_hold_is_counted),
        TEST(the_fadt_names_power_and_reset_registers),
        TEST(an_fadt_of_acpi_1_has_no_reset_register),
        TEST(the_wide_dsdt_address_goes_first),
        TEST(s5_is_found_in_every_encoding),
        TEST(an_s5_that_is_no_package_of_numbers_is_not_taken),
        TEST(an_xsdt_reaches_beyond_4_gib),
        TEST(the_rsdt_serves_where_the_xsdt_is_damaged),
        TEST(damaged_tables_are_not_used_and_that_is_said),
        TEST(the_rsdp_is_looked_for_where_bioses_keep_it),
        TEST(without_a_madt_one_core_is_used_and_the_fadt_still_counts),
    };
    return cmocka_run_group_tests_name("host_acpi", tests, NULL, NULL);
}
