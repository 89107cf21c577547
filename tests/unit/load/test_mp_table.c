#include "hv/load/mp_table.h"

#include "hv/load/guest_map.h"
#include "hv/x86/pc.h"
#include "tests/unit/fake.h"

#include <stdlib.h>
#include <string.h>

/* Offsets are read from the MultiProcessor Specification here, not from Keel's own structures. */
static struct guest_mem memory;
static uint8_t *ram;
static const struct mp_processor like = {0x000a0f10, 0x078bfbff};

enum { PROCESSOR, BUS, IOAPIC, INTERRUPT, LOCAL };
static const uint8_t sizes[] = {20, 8, 8, 8, 8};

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

static uint32_t get(const uint8_t *at, unsigned size)
{
    uint32_t value = 0;

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

/* What a search of the BIOS's read-only memory finds ("MP Floating Pointer Structure"). */
static const uint8_t *find_pointer(void)
{
    for (unsigned at = 0xf0000; at < 0x100000; at += 16)
        if (memcmp(ram + at, "_MP_", 4) == 0 && sum(ram + at, 16) == 0)
            return ram + at;
    fail_msg("no floating pointer structure");
    return NULL;
}

/* The configuration table of a VM, checked as a whole. */
static const uint8_t *table_of(unsigned vcpus)
{
    const uint8_t *pointer, *table;

    mp_table_build(&memory, vcpus, &like);
    pointer = find_pointer();
    assert_int_equal(pointer[8], 1);
    assert_int_equal(pointer[9], 4);
    for (unsigned i = 11; i < 16; i++)
        assert_int_equal(pointer[i], 0); /* a table, and virtual wire mode */
    table = ram + get(pointer + 4, 4);
    assert_in_range(get(pointer + 4, 4), 0xf0000, 0xfffff);
    assert_int_equal(get(pointer + 4, 4) % 16, 0);
    assert_memory_equal(table, "PCMP", 4);
    assert_int_equal(table[6], 4);
    assert_true(table + get(table + 4, 2) <= ram + 0x100000);
    assert_int_equal(sum(table, get(table + 4, 2)), 0);
    assert_memory_equal(table + 8, "KEEL    ", 8);
    assert_int_equal(get(table + 36, 4), 0xfee00000);
    assert_int_equal(get(table + 28, 4) | get(table + 32, 2) | get(table + 40, 4), 0);
    return table;
}

static const uint8_t *latest;

/* How many entries of that type the table has; `latest` is the last. They are sorted by type. */
static unsigned count_entries(const uint8_t *table, uint8_t type)
{
    const uint8_t *at = table + 44;
    unsigned count = 0, entries = get(table + 34, 2);
    uint8_t before = 0;

    for (unsigned i = 0; i < entries; i++) {
        assert_true(*at <= LOCAL && *at >= before);
        before = *at;
        if (*at == type) {
            count++;
            latest = at;
        }
        at += sizes[*at];
    }
    assert_ptr_equal(at, table + get(table + 4, 2));
    return count;
}

static void every_processor_is_listed_and_the_first_is_the_bootstrap_one(void **state)
{
    static const unsigned numbers[] = {1, 2, 3, 64, 254, 255};

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(numbers); i++) {
        const uint8_t *table = table_of(numbers[i]);

        assert_int_equal(count_entries(table, PROCESSOR), numbers[i]);
        for (unsigned id = 0; id < numbers[i]; id++) {
            const uint8_t *entry = table + 44 + 20 * id;

            assert_int_equal(entry[1], id);
            assert_int_equal(entry[2], PC_LOCAL_APIC_VERSION);
            assert_int_equal(entry[3], id == 0 ? 3 : 1);
            assert_int_equal(get(entry + 4, 4), like.signature);
            assert_int_equal(get(entry + 8, 4), like.features);
            assert_int_equal(get(entry + 12, 4) | get(entry + 16, 4), 0);
        }
    }
    assert_int_equal(count_entries(table_of(1024), PROCESSOR), 255); /* 255 as an id is all of them */
}

static void the_buses_have_the_specifications_names(void **state)
{
    const uint8_t *table = table_of(1);

    (void)state;
    assert_int_equal(count_entries(table, BUS), 2);
    assert_memory_equal(latest + 2, "ISA   ", 6);
    assert_memory_equal(latest - 8 + 2, "PCI   ", 6);
    assert_int_equal(latest[-8 + 1], 0); /* PCI bus 0 */
    assert_int_not_equal(latest[1], 0);
}

static void the_io_apic_is_the_boards(void **state)
{
    const uint8_t *table = table_of(1);

    (void)state;
    assert_int_equal(count_entries(table, IOAPIC), 1);
    assert_int_equal(latest[1], PC_IOAPIC_ID);
    assert_int_equal(latest[2], 0x20);
    assert_int_equal(latest[3], 1);
    assert_int_equal(get(latest + 4, 4), 0xfec00000);
}

/* The entry for an ISA irq of that kind (0 INT, 3 ExtINT), or NULL. */
static const uint8_t *irq_entry(const uint8_t *table, uint8_t kind, uint8_t irq)
{
    unsigned count = count_entries(table, INTERRUPT);
    const uint8_t *entry = latest - 8 * (count - 1);

    for (unsigned i = 0; i < count; i++, entry += 8)
        if (entry[1] == kind && entry[5] == irq)
            return entry;
    return NULL;
}

static void each_irq_comes_where_the_board_has_wired_it(void **state)
{
    const uint8_t *table = table_of(2), *entry;
    uint8_t isa;

    (void)state;
    count_entries(table, BUS);
    isa = latest[1];
    assert_int_equal(count_entries(table, INTERRUPT), 15);
    for (uint8_t irq = 0; irq < 16; irq++) {
        entry = irq_entry(table, 0, irq);
        if (irq == 2) {
            assert_null(entry);
            continue;
        }
        assert_non_null(entry);
        assert_int_equal(get(entry + 2, 2), irq == 9 ? 0xd : 0); /* the SCI: active high, level */
        assert_int_equal(entry[4], isa);
        assert_int_equal(entry[6], PC_IOAPIC_ID);
        assert_int_equal(entry[7], irq == 0 ? 2 : irq);
    }
    assert_null(irq_entry(table, 3, 0)); /* no I/O APIC's pin is set up for it */
}

static void lint0_is_extint_and_lint1_nmi_of_every_processor(void **state)
{
    const uint8_t *table = table_of(2);

    (void)state;
    assert_int_equal(count_entries(table, LOCAL), 2);
    assert_int_equal(latest[1], 1);
    assert_int_equal(latest[6], 0xff);
    assert_int_equal(latest[7], 1);
    assert_int_equal(latest[-8 + 1], 3);
    assert_int_equal(latest[-8 + 6], 0xff);
    assert_int_equal(latest[-8 + 7], 0);
}

static void a_vm_without_memory_there_gets_none(void **state)
{
    (void)state;
    memory.count = 0;
    mp_table_build(&memory, 1, &like);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_processor_is_listed_and_the_first_is_the_bootstrap_one, begin,
                                        end),
        cmocka_unit_test_setup_teardown(the_buses_have_the_specifications_names, begin, end),
        cmocka_unit_test_setup_teardown(the_io_apic_is_the_boards, begin, end),
        cmocka_unit_test_setup_teardown(each_irq_comes_where_the_board_has_wired_it, begin, end),
        cmocka_unit_test_setup_teardown(lint0_is_extint_and_lint1_nmi_of_every_processor, begin, end),
        cmocka_unit_test_setup_teardown(a_vm_without_memory_there_gets_none, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
