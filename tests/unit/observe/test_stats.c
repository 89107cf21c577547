/* What exits cost: the sums, their edges, and the tables made of them. */
#include "hv/observe/stats.h"
#include "hv/vm/exit_stat.h"

#include <stdlib.h>
#include <string.h>

#include "hv/host/paging.h"
#include "hv/lib/format.h"
#include "tests/unit/fake.h"

static struct vm vm;
static struct vcpu vcpus[2];
static const struct device_ops silent;
static struct device pic = {.name = "pic", .ops = &silent}, ioapic = {.name = "ioapic", .ops = &silent};
static struct bus_range ports[] = {{0x20, 0x21, &pic}, {0xa0, 0xa1, &pic}},
                        pages[] = {{0x1000, 0x1fff, &ioapic}};
static unsigned cpuid_at, io_at, memory_at;
static char text[8192];
static struct text_buffer out;

static const char *exit_name(uint32_t reason)
{
    return reason == 10 ? "CPUID" : reason == 30 ? "I/O" : "violation";
}

static const struct virt_ops vendor = {
    .show =
        {
            .exit_name = exit_name,
        },
};
const struct virt_ops *virt = &vendor;

static int setup(void **state)
{
    (void)state;
    memset(&vm, 0, sizeof(vm));
    memset(vcpus, 0, sizeof(vcpus));
    strcpy(vm.name, "a");
    for (unsigned i = 0; i < 2; i++) {
        vcpus[i] = (struct vcpu){.vm = &vm, .id = i};
        vm.vcpus[i] = &vcpus[i];
    }
    vm.vcpu_count = 2;
    bus_init(&vm.ports, "port", ports, 2);
    bus_init(&vm.mmio, "memory", pages, 1);
    fake_reset();
    if (!cpuid_at) {
        cpuid_at = stats_add_reason(10, STAT_ALONE);
        io_at = stats_add_reason(30, STAT_PORTS);
        memory_at = stats_add_reason(48, STAT_MEMORY);
    }
    assert_true(stats_create(&vm));
    text_buffer_init(&out, text, sizeof(text));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    stats_destroy(&vm, &vcpus[0]);
    stats_destroy(&vm, &vcpus[1]);
    return (unsigned)fake_memory.blocks;
}

static struct exit_stat *row(unsigned vcpu, unsigned at)
{
    return (struct exit_stat *)((uint8_t *)vcpus[vcpu].stats + at);
}

static void a_cost_is_in_every_sum(void **state)
{
    struct exit_stat *stat = row(0, cpuid_at);

    (void)state;
    exit_stat_add(stat, 100);
    exit_stat_add(stat, 40);
    exit_stat_add(stat, 70);
    assert_int_equal(exit_stat_count(stat), 3);
    assert_int_equal(stat->total, 210);
    assert_int_equal(stat->min, 40);
    assert_int_equal(stat->max, 100);
    assert_int_equal(stat->buckets[5], 1);
    assert_int_equal(stat->buckets[6], 2);
}

static void buckets_begin_at_powers_of_two(void **state)
{
    (void)state;
    for (unsigned n = 0; n < STAT_BUCKETS; n++) {
        struct exit_stat stat;

        exit_stat_clear(&stat);
        exit_stat_add(&stat, (uint32_t)BIT(n));
        assert_int_equal(stat.buckets[n], 1);
        exit_stat_add(&stat, (uint32_t)(BIT(n + 1) - 1));
        assert_int_equal(stat.buckets[n], 2);
        assert_int_equal(exit_stat_count(&stat), 2);
    }
}

static void a_cost_of_nothing_counts_as_a_tick(void **state)
{
    struct exit_stat *stat = row(0, cpuid_at);

    (void)state;
    exit_stat_add(stat, 0);
    assert_int_equal(stat->min, 1);
    exit_stat_add(stat, 0);
    assert_int_equal(stat->buckets[0], 2);
    exit_stat_add(stat, UINT32_MAX);
    assert_int_equal(stat->max, UINT32_MAX);
    assert_int_equal(stat->buckets[31], 1);
    assert_int_equal(stat->total, 2 + UINT64_C(0xffffffff));
}

static void every_range_has_a_row_of_its_own(void **state)
{
    (void)state;
    assert_int_not_equal(ports[0].stat_at, ports[1].stat_at);
    assert_int_equal(pages[0].stat_at, ports[1].stat_at + sizeof(struct exit_stat));
    assert_int_equal(vcpus[0].local.stat_at, pages[0].stat_at + sizeof(struct exit_stat));
    assert_true(ports[0].stat_at > memory_at);
}

static void a_reason_is_the_sum_of_its_devices(void **state)
{
    (void)state;
    exit_stat_add(row(0, cpuid_at), 1000);
    exit_stat_add(row(0, io_at), 100);
    exit_stat_add(row(0, ports[0].stat_at), 200);
    exit_stat_add(row(1, ports[1].stat_at), 300);
    exit_stat_add(row(1, pages[0].stat_at), 400);
    stats_print(&vm, NULL, &out.writer);
    assert_non_null(strstr(text, "exits of a, costs in ticks:\n"));
    assert_non_null(
        strstr(text, "\nCPUID                                         1           1000      1000    1000"
                     "       1000  50.0%\n"));
    assert_non_null(
        strstr(text, "\nI/O                                           3            600       200     100"
                     "        300  30.0%\n  pic 20-21    "));
    assert_non_null(strstr(text, "\n  pic a0-a1  "));
    assert_non_null(strstr(text, "\nviolation                                     1            400"));
    assert_non_null(strstr(text, "\n  ioapic 1000-1fff"));
    assert_non_null(strstr(text, "\nall                                           5           2000"));
    assert_null(strstr(text, "local APIC"));
    assert_null(strstr(text, "other exits"));
}

static void counts_are_those_of_the_table(void **state)
{
    unsigned io = io_at / (unsigned)sizeof(struct exit_stat);

    (void)state;
    exit_stat_add(row(0, io_at), 100);
    exit_stat_add(row(1, ports[1].stat_at), 300);
    exit_stat_add(row(1, vcpus[1].local.stat_at), 300);
    assert_int_equal(stats_count(&vm, NULL, io), 2);
    assert_int_equal(stats_count(&vm, &vcpus[1], io), 1);
    assert_int_equal(stats_count(&vm, NULL, STAT_ROWS - 1), 1);
    assert_string_equal(stats_row_name(STAT_ROWS - 1), "local APIC page");
    assert_int_equal(stats_count(&vm, NULL, STAT_ROWS - 2), 0);
}

static void one_vcpu_is_shown_alone(void **state)
{
    (void)state;
    exit_stat_add(row(0, cpuid_at), 8);
    exit_stat_add(row(1, memory_at), 16);
    exit_stat_add(row(1, vcpus[1].local.stat_at), 32);
    stats_print(&vm, &vcpus[1], &out.writer);
    assert_non_null(strstr(text, "exits of a.1,"));
    assert_non_null(strstr(text, "\nviolation                                     1             16"));
    assert_non_null(strstr(text, "\nlocal APIC page                               1             32"));
    assert_null(strstr(text, "CPUID"));
}

static void bars_are_as_long_as_their_share_of_the_longest(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++)
        exit_stat_add(row(0, cpuid_at), 64);
    exit_stat_add(row(0, cpuid_at), 256);
    stats_print_bars(&vm, NULL, &out.writer);
    assert_non_null(strstr(text,
                           "\nCPUID\n"
                           "          64          4 ##################################################\n"
                           "         128          0 \n"
                           "         256          1 ############\n"));
}

static void an_empty_table_divides_by_nothing(void **state)
{
    (void)state;
    stats_print(&vm, NULL, &out.writer);
    stats_print_bars(&vm, NULL, &out.writer);
    assert_non_null(
        strstr(text, "\nall                                           0              0         0       0"));
}

static void a_reset_forgets_all(void **state)
{
    (void)state;
    exit_stat_add(row(1, cpuid_at), 5);
    stats_reset(&vm);
    assert_int_equal(exit_stat_count(row(1, cpuid_at)), 0);
    assert_int_equal(row(1, cpuid_at)->max, 0);
    exit_stat_add(row(1, cpuid_at), 7);
    assert_int_equal(row(1, cpuid_at)->min, 7);
}

static void missing_memory_leaves_nothing_behind(void **state)
{
    teardown(state);
    fake_memory.refused_at = 2;
    assert_false(stats_create(&vm));
    teardown(state);
    assert_int_equal(fake_memory.blocks, 0);
    fake_memory.refused_at = 0;
    assert_true(stats_create(&vm));
}

static void reasons_beyond_the_last_row_are_others(void **state)
{
    unsigned at = cpuid_at;

    (void)state;
    assert_string_equal(stats_row_name(cpuid_at / sizeof(struct exit_stat)), "CPUID");
    assert_string_equal(stats_row_name(STAT_OTHER), "other exits");
    for (unsigned i = 0; i < 200 && at != STAT_OTHER; i++)
        at = stats_add_reason(10, STAT_ALONE);
    assert_int_equal(at, STAT_OTHER);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(a_cost_is_in_every_sum),
        EACH(buckets_begin_at_powers_of_two),
        EACH(a_cost_of_nothing_counts_as_a_tick),
        EACH(every_range_has_a_row_of_its_own),
        EACH(a_reason_is_the_sum_of_its_devices),
        EACH(counts_are_those_of_the_table),
        EACH(one_vcpu_is_shown_alone),
        EACH(bars_are_as_long_as_their_share_of_the_longest),
        EACH(an_empty_table_divides_by_nothing),
        EACH(a_reset_forgets_all),
        EACH(missing_memory_leaves_nothing_behind),
        cmocka_unit_test(reasons_beyond_the_last_row_are_others), /* rows are full from here on */
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
