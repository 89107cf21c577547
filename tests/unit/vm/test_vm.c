#include "tests/unit/core_fixture.h"

#include <string.h>

#include "hv/cpu/apic_page.h"
#include "hv/x86/pc.h"

/* A device that says which of its bytes are asked for: 0x10 + offset. */
static struct probe {
    unsigned reads, writes;
    uint64_t offset, value;
} on_bus, local;

static bool probe_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    struct probe *probe = device->state;

    probe->reads++, probe->offset = offset;
    *value = (0x10 + offset) & size_mask(size);
    return true;
}

static bool probe_write(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct probe *probe = device->state;

    (void)size;
    probe->writes++, probe->offset = offset, probe->value = value;
    return true;
}

static const struct device_ops ops = {.read = probe_read, .write = probe_write, .width = 4};
static const struct device_ops deaf_ops = {.width = 4};
static struct device bus_device = {"on bus", &ops, &on_bus, NULL},
                     local_device = {"APIC", &ops, &local, NULL}, deaf = {"deaf", &deaf_ops, NULL, NULL};
static struct bus_range ranges[3];

/* Devices in RAM (0x8000), in the hole below 4 GiB, and in RAM above 4 GiB. */
static int setup(void **state)
{
    core_setup(state);
    memset(&on_bus, 0, sizeof(on_bus));
    memset(&local, 0, sizeof(local));
    ranges[0] = (struct bus_range){0x8000, 0x8fff, &bus_device};
    ranges[1] = (struct bus_range){0xfed00000, 0xfed00fff, &bus_device};
    ranges[2] = (struct bus_range){GIB(4) + 0x2000, GIB(4) + 0x2fff, &bus_device};
    assert_true(bus_init(&core.vm.mmio, "memory", ranges, 3));
    for (unsigned i = 0; i < ARRAY_LENGTH(core.vcpus); i++)
        core.vcpus[i].local = (struct bus_range){1, 0, &local_device};
    return 0;
}

static uint64_t read(gpa_t gpa, unsigned size)
{
    uint64_t value;

    vm_memory_read_quick(core.vcpu, gpa, size, &value);
    return value;
}

static void ram_is_read_and_written_little_endian(void **state)
{
    (void)state;
    vm_memory_write_quick(core.vcpu, 0x1000, 8, 0x1122334455667788);
    assert_int_equal(core.ram[0x1000], 0x88);
    assert_int_equal(read(0x1000, 8), 0x1122334455667788);
    assert_int_equal(read(0x1002, 2), 0x5566);
    vm_memory_write_quick(core.vcpu, 0x1001, 1, 0xffffffffffffffaa);
    assert_int_equal(read(0x1000, 4), 0x5566aa88);
    vm_memory_write_quick(core.vcpu, GIB(4) + 8, 4, 0xcafe);
    assert_int_equal(core.high_ram[8], 0xfe);
    assert_int_equal(read(GIB(4) + 8, 4), 0xcafe);
    assert_int_equal(core.vm.mmio.misses.count, 0);
}

static void devices_come_before_ram(void **state)
{
    (void)state;
    core.ram[0x8004] = 0x77;
    assert_int_equal(read(0x8004, 1), 0x14);
    vm_memory_write_quick(core.vcpu, 0x8004, 1, 0x99);
    assert_int_equal(core.ram[0x8004], 0x77);
    assert_int_equal(on_bus.value, 0x99);
    assert_int_equal(read(GIB(4) + 0x2008, 4), 0x18);
    vm_memory_write_quick(core.vcpu, GIB(4) + 0x2008, 4, 0x55);
    assert_int_equal(on_bus.value, 0x55);
    assert_int_equal(core.high_ram[0x2008], 0);
    assert_int_equal(read(0xfed00040, 4), 0x50);
    vm_memory_write_quick(core.vcpu, 0xfed00044, 4, 3);
    assert_int_equal(on_bus.offset, 0x44);
}

static void what_nobody_answers_reads_as_ones_and_swallows_writes(void **state)
{
    static const gpa_t nobody[] = {0xa0000, 0xfec00000, 0xffffffff, GIB(5), UINT64_MAX & ~PAGE_MASK};

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(nobody); i++) {
        assert_int_equal(read(nobody[i], 1), 0xff);
        vm_memory_write_quick(core.vcpu, nobody[i], 1, 0);
    }
    assert_int_equal(read(0xfec00000, 8), UINT64_MAX);
    assert_int_equal(core.vm.mmio.misses.count, 2 * ARRAY_LENGTH(nobody) + 1);
}

static void the_apics_page_comes_before_ram_and_bus(void **state)
{
    (void)state;
    vcpu_place_apic(core.vcpu, APIC_XAPIC, 0x8000);
    core.ram[0x8010] = 0x77;
    assert_int_equal(read(0x8010, 4), 0x20);
    assert_int_equal(local.reads, 1);
    assert_int_equal(on_bus.reads, 0);
    vm_memory_write_quick(core.vcpu, 0x8fff, 1, 0x42);
    assert_int_equal(local.offset, 0xfff);
    assert_int_equal(local.value, 0x42);
    core.vcpus[1].local = (struct bus_range){0xfed00000, 0xfed00fff, &local_device};
    bus_range_prepare(&core.vcpus[1].local);
    assert_int_equal(read(0xfed00004, 4), 0x14); /* another vCPU's APIC hides nothing */
    assert_int_equal(on_bus.reads, 1);
    assert_int_equal(read(0x7ffc, 4), 0); /* RAM, one byte before */
    assert_int_equal(read(0x9000, 4), 0);
}

static void an_apic_that_does_not_answer_reads_as_ones(void **state)
{
    (void)state;
    vcpu_place_apic(core.vcpu, APIC_XAPIC, 0xfee00000);
    core.vcpu->local.device = &deaf;
    bus_range_prepare(&core.vcpu->local);
    assert_int_equal(read(0xfee00020, 4), 0xffffffff);
    assert_int_equal(read(0xfee00020, 2), 0xffff);
    vm_memory_write_quick(core.vcpu, 0xfee00020, 4, 0);
    assert_int_equal(core.vm.mmio.misses.count, 0);
}

static void a_disabled_apic_is_nowhere(void **state)
{
    (void)state;
    core.ram[0] = 0x11, core.ram[1] = 0x22;
    vcpu_place_apic(core.vcpu, APIC_DISABLED, 0xfee00000);
    assert_int_equal(read(0, 1), 0x11);
    assert_int_equal(read(1, 1), 0x22);
    assert_int_equal(read(0xfee00020, 4), 0xffffffff);
    assert_int_equal(read(UINT64_MAX - 7, 8), UINT64_MAX);
    assert_int_equal(local.reads, 0);
}

static void an_apic_over_ram_takes_the_page_away_and_gives_it_back(void **state)
{
    (void)state;
    vcpu_place_apic(core.vcpu, APIC_XAPIC, 0xfee00000);
    assert_int_equal(core.page_count, 0);
    assert_int_equal(fake_asked.requests[0], REQUEST_FLUSH);
    vcpu_place_apic(core.vcpu, APIC_XAPIC, 0x3000);
    assert_int_equal(core.page_count, 1);
    assert_int_equal(core.pages[0].page, 0x3000);
    assert_false(core.pages[0].present);
    vcpu_place_apic(core.vcpu, APIC_XAPIC, 0x5000);
    assert_int_equal(core.page_count, 3);
    assert_int_equal(core.pages[1].page, 0x3000);
    assert_true(core.pages[1].present);
    assert_int_equal(core.pages[2].page, 0x5000);
    assert_false(core.pages[2].present);
    vcpu_place_apic(core.vcpu, APIC_DISABLED, 0x5000);
    assert_int_equal(core.page_count, 4);
    assert_true(core.pages[3].present);
    vcpu_place_apic(core.vcpu, APIC_DISABLED, 0x5000);
    assert_int_equal(core.page_count, 4);
}

static void a_page_under_two_apics_is_back_when_both_are_gone(void **state)
{
    (void)state;
    vcpu_place_apic(&core.vcpus[0], APIC_XAPIC, 0x3000);
    vcpu_place_apic(&core.vcpus[1], APIC_XAPIC, 0x3000);
    vcpu_place_apic(&core.vcpus[0], APIC_X2APIC, 0x3000);
    assert_false(core.pages[core.page_count - 1].present);
    vcpu_place_apic(&core.vcpus[1], APIC_XAPIC, 0);
    assert_int_equal(core.pages[core.page_count - 2].page, 0x3000);
    assert_true(core.pages[core.page_count - 2].present);
    assert_int_equal(core.pages[core.page_count - 1].page, 0);
    assert_false(core.pages[core.page_count - 1].present);
}

static void an_apic_over_ram_without_memory_for_page_tables_ends_the_vm(void **state)
{
    (void)state;
    core.pages_refused = true;
    vcpu_place_apic(core.vcpu, APIC_XAPIC, 0x3000);
    assert_int_equal(core.vm.end, VM_CRASHED);
    assert_non_null(strstr(core.vm.reason, "no memory left"));
    assert_non_null(strstr(core.vm.reason, "0x3000"));
}

static void the_first_stop_counts(void **state)
{
    (void)state;
    vm_stop(&core.vm, VM_EXITED, 33);
    for (unsigned i = 0; i < CORE_VCPUS; i++)
        assert_int_equal(fake_asked.requests[i], REQUEST_STOP);
    vm_stop(&core.vm, VM_RESET, 44);
    vm_crash(&core.vm, "late");
    assert_int_equal(core.vm.end, VM_EXITED);
    assert_int_equal(core.vm.status, 33);
    assert_string_equal(core.vm.reason, "");
}

static void a_crash_keeps_its_reason(void **state)
{
    (void)state;
    vm_crash(&core.vm, "at %d: %s", 7, "why");
    vm_crash(&core.vm, "again");
    vm_stop(&core.vm, VM_POWERED_OFF, 1);
    assert_int_equal(core.vm.end, VM_CRASHED);
    assert_int_equal(core.vm.status, 0);
    assert_string_equal(core.vm.reason, "at 7: why");
    assert_int_equal(fake_asked.requests[2], REQUEST_STOP);
}

static void a_long_reason_is_cut(void **state)
{
    (void)state;
    vm_crash(&core.vm, "%0500d", 1);
    assert_int_equal(strlen(core.vm.reason), sizeof(core.vm.reason) - 1);
}

static void registers_are_where_they_are_kept(void **state)
{
    (void)state;
    for (enum vcpu_reg reg = REG_RAX; reg < REG_COUNT; reg++)
        vcpu_set(core.vcpu, reg, 0x100 + reg);
    for (enum vcpu_reg reg = REG_RAX; reg < REG_COUNT; reg++) {
        bool general = reg < REG_RIP && reg != REG_RSP;

        assert_int_equal(vcpu_get(core.vcpu, reg), 0x100 + reg);
        assert_int_equal(fake_cpu.regs[reg], general ? 0 : 0x100 + reg);
        if (reg < REG_RIP)
            assert_int_equal(core.vcpu->arch.gpr[reg], general ? 0x100 + reg : 0);
    }
}

static void cpl_is_the_stacks_but_for_real_and_virtual_8086_mode(void **state)
{
    (void)state;
    for (unsigned cpl = 0; cpl < 4; cpl++) {
        core_set_cpl(cpl);
        vcpu_set(core.vcpu, REG_CR0, CR0_PE);
        vcpu_set(core.vcpu, REG_RFLAGS, RFLAGS_1);
        assert_int_equal(vcpu_cpl(core.vcpu), cpl);
        vcpu_set(core.vcpu, REG_RFLAGS, RFLAGS_1 | RFLAGS_VM);
        assert_int_equal(vcpu_cpl(core.vcpu), 3);
        vcpu_set(core.vcpu, REG_CR0, 0);
        assert_int_equal(vcpu_cpl(core.vcpu), 0);
    }
}

static void advance_is_the_vendors(void **state)
{
    (void)state;
    vcpu_set(core.vcpu, REG_RIP, 0xfffffffd);
    fake_cpu.interrupt_shadow = true;
    vcpu_advance(core.vcpu, 5);
    assert_int_equal(vcpu_get(core.vcpu, REG_RIP), 0x100000002);
    assert_false(fake_cpu.interrupt_shadow);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, core_teardown)

static void a_hidden_page_is_back_at_its_next_access(void **state)
{
    (void)state;
    assert_false(vm_find_page(&core.vm, 0));
    vm_hide_page(&core.vm, 0x3000);
    assert_int_equal(core.page_count, 1);
    assert_int_equal(core.pages[0].page, 0x3000);
    assert_false(core.pages[0].present);
    assert_true(core.vcpu->requests & REQUEST_FLUSH);
    assert_false(vm_find_page(&core.vm, 0x4000));
    assert_true(vm_find_page(&core.vm, 0x3fff));
    assert_true(core.pages[1].present);
    assert_false(vm_find_page(&core.vm, 0x3fff));
    vm_hide_page(&core.vm, 0); /* page 0 is one too */
    vm_hide_page(&core.vm, 0x5000);
    assert_int_equal(core.page_count, 5);
    assert_int_equal(core.pages[3].page, 0);
    assert_true(core.pages[3].present); /* one at a time */
    vm_hide_page(&core.vm, 0xfee00000); /* no RAM */
    assert_int_equal(core.page_count, 6);
    core.vcpu->local = (struct bus_range){0x7000, 0x7fff, &local_device};
    bus_range_prepare(&core.vcpu->local);
    vm_hide_page(&core.vm, 0x7000); /* hidden already, by an APIC */
    assert_int_equal(core.page_count, 6);
    assert_int_equal(core.vm.hidden, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_hidden_page_is_back_at_its_next_access),
        TEST(ram_is_read_and_written_little_endian),
        TEST(devices_come_before_ram),
        TEST(what_nobody_answers_reads_as_ones_and_swallows_writes),
        TEST(the_apics_page_comes_before_ram_and_bus),
        TEST(an_apic_that_does_not_answer_reads_as_ones),
        TEST(a_disabled_apic_is_nowhere),
        TEST(an_apic_over_ram_takes_the_page_away_and_gives_it_back),
        TEST(a_page_under_two_apics_is_back_when_both_are_gone),
        TEST(an_apic_over_ram_without_memory_for_page_tables_ends_the_vm),
        TEST(the_first_stop_counts),
        TEST(a_crash_keeps_its_reason),
        TEST(a_long_reason_is_cut),
        TEST(registers_are_where_they_are_kept),
        TEST(cpl_is_the_stacks_but_for_real_and_virtual_8086_mode),
        TEST(advance_is_the_vendors),
    };
    return cmocka_run_group_tests_name("vm", tests, NULL, NULL);
}
