#include "hv/load/acpi.h"
#include "hv/load/guest_map.h"
#include "hv/x86/pc.h"
#include "tests/unit/fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Offsets are read from the ACPI specification here, not from Keel's own structures. */
static struct guest_mem memory;
static uint8_t *ram;

static int begin(void **state)
{
    (void)state;
    fake_reset();
    ram = calloc(1, MIB(1));
    memory.count = guest_map_split(MIB(1), memory.regions);
    for (unsigned i = 0; i < memory.count; i++)
        memory.regions[i].host = ram + memory.regions[i].first;
    return 0;
}

static int end(void **state)
{
    (void)state;
    free(ram);
    return 0;
}

static uint64_t get(const uint8_t *at, unsigned size)
{
    uint64_t value = 0;

    memcpy(&value, at, size);
    return value;
}

static unsigned sum(const uint8_t *at, size_t length)
{
    uint8_t total = 0;

    while (length--)
        total += *at++;
    return total;
}

static const uint8_t *rsdp_at(gpa_t at)
{
    const uint8_t *rsdp = ram + at;

    assert_in_range(at, 0xe0000, 0xfffff);
    assert_int_equal(at % 16, 0);
    assert_memory_equal(rsdp, "RSD PTR ", 8);
    return rsdp;
}

/* A table that is whole, in the firmware's area, and sums to zero. */
static const uint8_t *table_at(uint64_t at, const char *signature)
{
    const uint8_t *table = ram + at;

    assert_in_range(at, 0xe0000, 0xfffff);
    assert_memory_equal(table, signature, 4);
    assert_in_range(at + get(table + 4, 4), 0xe0000, 0x100000);
    if (strcmp(signature, "FACS") != 0) {
        assert_int_equal(sum(table, get(table + 4, 4)), 0);
        assert_memory_equal(table + 10, "KEEL  ", 6);
    }
    return table;
}

static const uint8_t *find_table(gpa_t rsdp, const char *signature)
{
    const uint8_t *xsdt = table_at(get(rsdp_at(rsdp) + 24, 8), "XSDT");

    for (unsigned at = 36; at < get(xsdt + 4, 4); at += 8)
        if (memcmp(ram + get(xsdt + at, 8), signature, 4) == 0)
            return table_at(get(xsdt + at, 8), signature);
    fail_msg("no %s", signature);
    return NULL;
}

static void the_rsdp_is_of_revision_2_and_sums_to_zero_twice(void **state)
{
    const uint8_t *rsdp;

    (void)state;
    rsdp = rsdp_at(acpi_build(&memory, 1));
    assert_int_equal(rsdp[15], 2);
    assert_int_equal(get(rsdp + 20, 4), 36);
    assert_int_equal(sum(rsdp, 20), 0);
    assert_int_equal(sum(rsdp, 36), 0);
    assert_memory_equal(rsdp + 9, "KEEL  ", 6);
}

static void a_search_as_the_specification_says_finds_it(void **state)
{
    gpa_t rsdp, at;

    (void)state;
    rsdp = acpi_build(&memory, 4);
    for (at = 0xe0000; at < 0x100000 && (memcmp(ram + at, "RSD PTR ", 8) != 0 || sum(ram + at, 20) != 0);)
        at += 16;
    assert_int_equal(at, rsdp);
}

static void rsdt_and_xsdt_list_the_same_tables(void **state)
{
    const uint8_t *rsdp, *rsdt, *xsdt;
    unsigned count;

    (void)state;
    rsdp = rsdp_at(acpi_build(&memory, 2));
    rsdt = table_at(get(rsdp + 16, 4), "RSDT");
    xsdt = table_at(get(rsdp + 24, 8), "XSDT");
    count = (unsigned)(get(rsdt + 4, 4) - 36) / 4;
    assert_int_equal(count, 3);
    assert_int_equal(get(xsdt + 4, 4), 36 + 8 * count);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(get(rsdt + 36 + 4 * i, 4), get(xsdt + 36 + 8 * i, 8));
}

/* A generic address in port space. */
static void assert_port(const uint8_t *at, unsigned bits, uint64_t port)
{
    assert_int_equal(at[0], 1);
    assert_int_equal(at[1], bits);
    assert_int_equal(at[2], 0);
    assert_int_equal(get(at + 4, 8), port);
}

static void the_fadt_describes_the_pm_block_twice_alike(void **state)
{
    const uint8_t *fadt;

    (void)state;
    fadt = find_table(acpi_build(&memory, 1), "FACP");
    assert_int_equal(get(fadt + 4, 4), 276);
    assert_int_equal(fadt[8], 6);
    assert_int_equal(get(fadt + 46, 2), PC_SCI_IRQ);
    assert_int_equal(get(fadt + 48, 4), PC_SMI_CMD);
    assert_int_equal(fadt[52], PC_ACPI_ENABLE);
    assert_int_equal(fadt[53], PC_ACPI_DISABLE);
    assert_int_equal(get(fadt + 56, 4), PC_PM1A_EVT);
    assert_int_equal(fadt[88], PC_PM1A_EVT_LENGTH);
    assert_port(fadt + 148, 32, PC_PM1A_EVT);
    assert_int_equal(get(fadt + 64, 4), PC_PM1A_CNT);
    assert_int_equal(fadt[89], PC_PM1A_CNT_LENGTH);
    assert_port(fadt + 172, 16, PC_PM1A_CNT);
    assert_int_equal(get(fadt + 76, 4), PC_PM_TMR);
    assert_int_equal(fadt[91], 4);
    assert_port(fadt + 208, 32, PC_PM_TMR);
    assert_int_equal(get(fadt + 80, 4), PC_GPE0);
    assert_int_equal(fadt[92], PC_GPE0_LENGTH);
    assert_port(fadt + 220, PC_GPE0_LENGTH * 8, PC_GPE0);
}

static void the_fadt_says_what_this_pc_has(void **state)
{
    const uint8_t *fadt;
    uint32_t flags;

    (void)state;
    fadt = find_table(acpi_build(&memory, 1), "FACP");
    assert_int_equal(fadt[108], PC_RTC_CENTURY);
    assert_int_equal(get(fadt + 109, 2), 0x7); /* legacy devices, 8042, no VGA; an RTC */
    flags = (uint32_t)get(fadt + 112, 4);
    assert_true(flags & BIT(0));           /* WBINVD */
    assert_true(flags & BIT(2));           /* C1 */
    assert_false(flags & BIT(4));          /* the power button is fixed hardware */
    assert_true(flags & BIT(5));           /* no sleep button there */
    assert_true(flags & BIT(8));           /* PM timer of 32 bits */
    assert_true(flags & BIT(10));          /* reset register */
    assert_false(flags & BIT(20));         /* not hardware-reduced */
    assert_true(get(fadt + 96, 2) > 100);  /* no C2 */
    assert_true(get(fadt + 98, 2) > 1000); /* no C3 */
    assert_port(fadt + 116, 8, 0xcf9);
    assert_int_equal(fadt[128], 6);
}

static void the_fadt_finds_facs_and_dsdt(void **state)
{
    const uint8_t *fadt, *facs, *dsdt;

    (void)state;
    fadt = find_table(acpi_build(&memory, 1), "FACP");
    facs = table_at(get(fadt + 36, 4), "FACS");
    assert_int_equal((facs - ram) % 64, 0);
    assert_int_equal(get(facs + 4, 4), 64);
    assert_int_equal(get(fadt + 132, 8), 0);
    dsdt = table_at(get(fadt + 40, 4), "DSDT");
    assert_int_equal(get(fadt + 140, 8), dsdt - ram);
    assert_int_equal(dsdt[8], 2); /* 64-bit integers */
}

/* Counts the MADT's structures of a type, and keeps the latest; each must have the size of its type. */
static const uint8_t *latest;

static unsigned count_entries(const uint8_t *madt, unsigned type)
{
    static const uint8_t sizes[] = {[0] = 8, [1] = 12, [2] = 10, [4] = 6, [9] = 16, [10] = 12};
    unsigned count = 0, length = (unsigned)get(madt + 4, 4), at = 44;

    for (; at < length; at += madt[at + 1]) {
        assert_true(madt[at] < sizeof(sizes) && sizes[madt[at]]);
        assert_int_equal(madt[at + 1], sizes[madt[at]]);
        if (madt[at] == type) {
            count++;
            latest = madt + at;
        }
    }
    assert_int_equal(at, length);
    return count;
}

static void the_madt_lists_every_vcpu_and_no_more(void **state)
{
    (void)state;
    for (unsigned vcpus = 1; vcpus <= 64; vcpus += 7) {
        const uint8_t *madt = find_table(acpi_build(&memory, vcpus), "APIC");
        assert_int_equal(get(madt + 36, 4), 0xfee00000);
        assert_int_equal(get(madt + 40, 4), 1);
        assert_int_equal(count_entries(madt, 0), vcpus);
        assert_int_equal(latest[3], vcpus - 1);
        assert_int_equal(get(latest + 4, 4), 1);
        assert_int_equal(count_entries(madt, 9), 0);
    }
}

static void apic_ids_from_255_on_are_x2apic_ids(void **state)
{
    const uint8_t *madt;

    (void)state;
    madt = find_table(acpi_build(&memory, 300), "APIC");
    assert_int_equal(count_entries(madt, 0), 255);
    assert_int_equal(count_entries(madt, 9), 45);
    assert_int_equal(get(latest + 4, 4), 299);
    assert_int_equal(get(latest + 12, 4), 299);
    assert_int_equal(count_entries(madt, 10), 1);
}

static void the_madt_wires_the_interrupts_as_the_board_does(void **state)
{
    const uint8_t *madt;

    (void)state;
    madt = find_table(acpi_build(&memory, 1), "APIC");
    assert_int_equal(count_entries(madt, 1), 1);
    assert_int_equal(latest[2], PC_IOAPIC_ID);
    assert_int_equal(get(latest + 4, 4), 0xfec00000);
    assert_int_equal(get(latest + 8, 4), 0);
    assert_int_equal(count_entries(madt, 2), 2);
    assert_int_equal(latest[3], 9); /* the SCI: active high, level */
    assert_int_equal(get(latest + 4, 4), 9);
    assert_int_equal(get(latest + 8, 2), 0xd);
    assert_int_equal(latest[-10 + 3], 0); /* the timer, as the bus has it */
    assert_int_equal(get(latest - 10 + 4, 4), 2);
    assert_int_equal(get(latest - 10 + 8, 2), 0);
    assert_int_equal(count_entries(madt, 4), 1);
    assert_int_equal(latest[2], 0xff);
    assert_int_equal(latest[5], 1);
}

static void too_many_vcpus_or_no_ram_are_refused(void **state)
{
    struct guest_mem none = {.count = 0};

    (void)state;
    assert_int_equal(acpi_build(&memory, 0), 0);
    assert_int_equal(acpi_build(&memory, 1025), 0);
    assert_non_null(strstr(fake_log, "1025 vcpus"));
    assert_int_equal(acpi_build(&none, 1), 0);
    assert_int_not_equal(acpi_build(&memory, 1024), 0);
    find_table(0xe0000, "SSDT");
}

static void dump(const uint8_t *table, const char *folder, const char *name)
{
    char path[128];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s.dat", folder, name);
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(table, 1, get(table + 4, 4), file), get(table + 4, 4));
    fclose(file);
}

/* Runs a command whose output must have, or must not have, a text. */
static void assert_output(const char *command, const char *wanted, const char *unwanted)
{
    static char output[200000];
    FILE *pipe = popen(command, "r");
    size_t length;

    assert_non_null(pipe);
    length = fread(output, 1, sizeof(output) - 1, pipe);
    output[length] = 0;
    pclose(pipe);
    if ((wanted && !strstr(output, wanted)) || (unwanted && strstr(output, unwanted)))
        fail_msg("%s: %s", command, output);
}

/* The reference interpreter's own disassembler reads the tables; what it writes for AML compiles again. */
static void iasl_disassembles_every_table(void **state)
{
    static const char *const names[] = {"FACP", "APIC", "SSDT", "DSDT"};
    char folder[] = "/tmp/keel-acpi-XXXXXX", command[256];
    gpa_t rsdp;

    (void)state;
    if (system("command -v iasl > /dev/null 2>&1") != 0)
        skip();
    assert_non_null(mkdtemp(folder));
    rsdp = acpi_build(&memory, 64);
    for (unsigned i = 0; i < ARRAY_LENGTH(names); i++) {
        const uint8_t *fadt = find_table(rsdp, "FACP");

        dump(i == 3 ? table_at(get(fadt + 40, 4), "DSDT") : find_table(rsdp, names[i]), folder, names[i]);
        snprintf(command, sizeof(command), "cd %s && iasl -d %s.dat 2>&1; cat %s.dsl", folder, names[i],
                 names[i]);
        assert_output(command, names[i], "rror");
        assert_output(command, names[i], "arning");
        assert_output(command, names[i], "nvalid");
    }
    snprintf(command, sizeof(command), "cat %s/SSDT.dsl", folder);
    assert_output(command, "Device (C03F)", "C040");
    assert_output(command, "ACPI0007", NULL);
    snprintf(command, sizeof(command), "cd %s && iasl -oa -p out SSDT.dsl 2>&1", folder);
    assert_output(command, "0 Errors, 0 Warnings", NULL);
    snprintf(command, sizeof(command), "cd %s && iasl -oa -p out DSDT.dsl 2>&1", folder);
    assert_output(command, "0 Errors, 0 Warnings", NULL);
    snprintf(command, sizeof(command), "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_rsdp_is_of_revision_2_and_sums_to_zero_twice, begin, end),
        cmocka_unit_test_setup_teardown(a_search_as_the_specification_says_finds_it, begin, end),
        cmocka_unit_test_setup_teardown(rsdt_and_xsdt_list_the_same_tables, begin, end),
        cmocka_unit_test_setup_teardown(the_fadt_describes_the_pm_block_twice_alike, begin, end),
        cmocka_unit_test_setup_teardown(the_fadt_says_what_this_pc_has, begin, end),
        cmocka_unit_test_setup_teardown(the_fadt_finds_facs_and_dsdt, begin, end),
        cmocka_unit_test_setup_teardown(the_madt_lists_every_vcpu_and_no_more, begin, end),
        cmocka_unit_test_setup_teardown(apic_ids_from_255_on_are_x2apic_ids, begin, end),
        cmocka_unit_test_setup_teardown(the_madt_wires_the_interrupts_as_the_board_does, begin, end),
        cmocka_unit_test_setup_teardown(too_many_vcpus_or_no_ram_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(iasl_disassembles_every_table, begin, end),
    };
    return cmocka_run_group_tests_name("acpi_tables", tests, NULL, NULL);
}
