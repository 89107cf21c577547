#include "tests/unit/fake.h"

#include <string.h>

#include "devices/pci.h"
#include "devices/reset.h"

#define ENABLED UINT32_C(0x80000000)

static struct vm vm;
static struct pci pci;
static struct reset_control control;
static struct bus bus;
static struct bus_range ranges[2];

static struct pci_function card, second;

static uint32_t in(uint16_t port, unsigned size)
{
    uint64_t value = 0;

    bus_read(&bus, port, size, &value);
    return value;
}

static void out(uint16_t port, unsigned size, uint32_t value)
{
    bus_write(&bus, port, size, value);
}

static void select_register(unsigned bus_number, unsigned devfn, unsigned offset)
{
    out(0xcf8, 4, ENABLED | bus_number << 16 | devfn << 8 | offset);
}

static int setup(void **state)
{
    (void)state;
    fake_reset();
    memset(&vm, 0, sizeof(vm));
    memset(&pci, 0, sizeof(pci));
    memset(&control, 0, sizeof(control));
    fake_asked.end = VM_RUNS;
    card = (struct pci_function){.name = "card"};
    second = (struct pci_function){.name = "second"};
    reset_control_init(&control, &vm);
    pci_init(&pci, &vm, &control.control);
    ranges[0] = (struct bus_range){0xcf8, 0xcfb, &pci.address};
    ranges[1] = (struct bus_range){0xcfc, 0xcff, &pci.data};
    assert_true(bus_init(&bus, "port", ranges, 2));
    bus_reset(&bus);
    return 0;
}

static void the_mechanism_is_found_by_its_register(void **state)
{
    (void)state;
    assert_int_equal(in(0xcf8, 4), 0);
    out(0xcf8, 4, ENABLED);
    assert_int_equal(in(0xcf8, 4), ENABLED);
    out(0xcf8, 4, 0xffffffff);
    assert_int_equal(in(0xcf8, 4), 0x80fffffc); /* reserved bits */
    assert_ptr_equal(pci.address.lock, &vm.lock);
    assert_ptr_equal(pci.data.lock, &vm.lock);
}

static void the_host_bridge_is_there_in_every_size(void **state)
{
    (void)state;
    select_register(0, 0, PCI_VENDOR_ID);
    assert_int_equal(in(0xcfc, 4), 0x0d578086);
    assert_int_equal(in(0xcfc, 2), 0x8086);
    assert_int_equal(in(0xcfe, 2), 0x0d57);
    assert_int_equal(in(0xcfd, 1), 0x80);
    select_register(0, 0, PCI_REVISION);
    assert_int_equal(in(0xcfc, 4), 0x06000000); /* host bridge */
    select_register(0, 0, PCI_HEADER_TYPE & ~3);
    assert_int_equal(in(0xcfe, 1), 0x00);
    for (unsigned offset = PCI_BAR0; offset < PCI_CAPABILITIES + 1; offset += 4) {
        select_register(0, 0, offset);
        assert_int_equal(in(0xcfc, 4), 0); /* no BARs, no capabilities */
    }
}

static void a_host_bridge_cannot_be_changed(void **state)
{
    (void)state;
    for (unsigned offset = 0; offset < PCI_CONFIG_SIZE; offset += 4) {
        uint32_t before;

        select_register(0, 0, offset);
        before = in(0xcfc, 4);
        out(0xcfc, 4, ~before);
        assert_int_equal(in(0xcfc, 4), before);
    }
}

static void absent_functions_read_as_ones(void **state)
{
    (void)state;
    select_register(0, PCI_DEVFN(1, 0), 0);
    assert_int_equal(in(0xcfc, 4), 0xffffffff);
    assert_int_equal(in(0xcfe, 2), 0xffff);
    out(0xcfc, 4, 0);
    select_register(0, PCI_DEVFN(0, 1), 0);
    assert_int_equal(in(0xcfc, 4), 0xffffffff);
    select_register(1, PCI_DEVFN(0, 0), 0); /* another bus */
    assert_int_equal(in(0xcfc, 4), 0xffffffff);
    select_register(255, 255, 0xfc);
    assert_int_equal(in(0xcff, 1), 0xff);
    assert_int_equal(bus.misses.count, 0); /* a scan is nothing to count */
}

static void data_ports_are_nobodys_while_not_enabled(void **state)
{
    (void)state;
    out(0xcf8, 4, 0);
    assert_int_equal(in(0xcfc, 4), 0xffffffff);
    out(0xcfc, 4, 0);
    assert_int_equal(bus.misses.count, 2);
}

static void smaller_accesses_are_not_the_address_register(void **state)
{
    (void)state;
    select_register(0, 0, 8);
    out(0xcf8, 1, 0x44);
    out(0xcfa, 2, 0x4444);
    out(0xcfb, 1, 0x44);
    assert_int_equal(in(0xcf8, 4), ENABLED | 8);
    assert_int_equal(in(0xcf8, 1), 0xff);
    assert_int_equal(in(0xcfa, 2), 0xffff);
}

static void the_reset_register_lies_beneath(void **state)
{
    (void)state;
    select_register(0, 0, 8);
    out(0xcf9, 1, 0x02);
    assert_int_equal(in(0xcf9, 1), 0x02);
    assert_int_equal(in(0xcf8, 2), 0x02ff);
    assert_int_equal(in(0xcf9, 2), 0xff02);
    assert_int_equal(in(0xcf8, 4), ENABLED | 8);
    assert_int_equal(fake_asked.end, VM_RUNS);
    out(0xcf9, 1, 0x06);
    assert_int_equal(fake_asked.end, VM_RESET);
    assert_int_equal(in(0xcf8, 4), ENABLED | 8);
}

static void a_word_across_the_reset_register_reaches_it(void **state)
{
    (void)state;
    out(0xcf8, 2, 0x0600);
    assert_int_equal(fake_asked.end, VM_RESET);
    fake_asked.end = VM_RUNS;
    bus_reset(&bus);
    out(0xcf9, 2, 0x0006);
    assert_int_equal(fake_asked.end, VM_RESET);
}

static void a_mechanism_without_that_register_answers_nothing_there(void **state)
{
    (void)state;
    pci.control = NULL;
    out(0xcf9, 1, 0x06);
    assert_int_equal(in(0xcf9, 1), 0xff);
    assert_int_equal(fake_asked.end, VM_RUNS);
}

static void functions_share_a_device(void **state)
{
    (void)state;
    assert_true(pci_add(&pci, PCI_DEVFN(3, 0), &second));
    assert_int_equal(second.config[PCI_HEADER_TYPE], 0x00);
    assert_true(pci_add(&pci, PCI_DEVFN(3, 5), &card));
    assert_int_equal(second.config[PCI_HEADER_TYPE], 0x80);
    assert_int_equal(card.config[PCI_HEADER_TYPE], 0x00);
    bus_reset(&bus);
    assert_int_equal(second.config[PCI_HEADER_TYPE], 0x80);
}

static void clashes_and_orphans_are_named(void **state)
{
    (void)state;
    assert_false(pci_add(&pci, PCI_DEVFN(0, 0), &card));
    assert_non_null(strstr(fake_log, "host bridge and card both claim 00:00.0"));
    assert_false(pci_add(&pci, PCI_DEVFN(31, 7), &card));
    assert_non_null(strstr(fake_log, "card is to be 00:1f.7"));
    assert_null(pci.functions[PCI_DEVFN(31, 7)]);
}

static void makers_cannot_reach_beyond_the_space(void **state)
{
    (void)state;
    pci_set(&card, PCI_CONFIG_SIZE - 2, 4, 0x11223344);
    assert_int_equal(pci_get(&card, PCI_CONFIG_SIZE - 2, 4), 0x3344);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_mechanism_is_found_by_its_register, setup),
        cmocka_unit_test_setup(the_host_bridge_is_there_in_every_size, setup),
        cmocka_unit_test_setup(a_host_bridge_cannot_be_changed, setup),
        cmocka_unit_test_setup(absent_functions_read_as_ones, setup),
        cmocka_unit_test_setup(data_ports_are_nobodys_while_not_enabled, setup),
        cmocka_unit_test_setup(smaller_accesses_are_not_the_address_register, setup),
        cmocka_unit_test_setup(the_reset_register_lies_beneath, setup),
        cmocka_unit_test_setup(a_word_across_the_reset_register_reaches_it, setup),
        cmocka_unit_test_setup(a_mechanism_without_that_register_answers_nothing_there, setup),
        cmocka_unit_test_setup(functions_share_a_device, setup),
        cmocka_unit_test_setup(clashes_and_orphans_are_named, setup),
        cmocka_unit_test_setup(makers_cannot_reach_beyond_the_space, setup),
    };
    return cmocka_run_group_tests_name("pci", tests, NULL, NULL);
}
