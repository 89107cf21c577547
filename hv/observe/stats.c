#include "hv/observe/stats.h"

#include "hv/lib/arith.h"
#include "hv/lib/format.h"
#include "hv/vm/exit_stat.h"
#include "hv/vm/vm.h"

#define BAR 50

bool stats_reported;

static void name_part(const struct vm *vm, unsigned row, char *text, size_t size)
{
    unsigned i = row - stats_reasons();
    const struct bus_range *range =
        i < vm->ports.count ? &vm->ports.ranges[i] : &vm->mmio.ranges[i - vm->ports.count];

    format_text(text, size, "  %s %lx-%lx", range->device->name, range->first, range->last);
}

typedef void print_row(const char *name, const struct exit_stat *stat, uint64_t all, struct writer *out);

static void print_numbers(const char *name, const struct exit_stat *stat, uint64_t all, struct writer *out)
{
    uint64_t count = exit_stat_count(stat), thousandths = mul_div(stat->total, 1000, MAX(all, 1u));

    print_to(out, "%-36s %10lu %14lu %9lu %7lu %10lu %3lu.%lu%%\n", name, count, stat->total,
             stat->total / MAX(count, 1u), count ? stat->min : 0, stat->max, thousandths / 10,
             thousandths % 10);
}

static void print_bars(const char *name, const struct exit_stat *stat, uint64_t all, struct writer *out)
{
    static const char bar[] = "##################################################";
    uint64_t most = 1;
    unsigned first = STAT_BUCKETS, last = 0;

    (void)all;
    for (unsigned i = 0; i < STAT_BUCKETS; i++) {
        most = MAX(most, stat->buckets[i]);
        if (stat->buckets[i]) {
            first = MIN(first, i);
            last = i;
        }
    }
    print_to(out, "%s\n", name);
    for (unsigned i = first; i <= last; i++)
        print_to(out, "%12lu %10lu %.*s\n", UINT64_C(1) << i, stat->buckets[i],
                 (int)mul_div(stat->buckets[i], BAR, most), bar);
}

/* The reason's row is the sum of its own and of its parts. */
static void print_reason(const struct vm *vm, const struct vcpu *vcpu, unsigned row, uint64_t all,
                         print_row *print, struct writer *out)
{
    struct exit_stat stat;
    unsigned first, count = stats_parts(vm, row, &first);
    char name[48];

    stats_sum_reason(vm, vcpu, row, &stat);
    if (!exit_stat_count(&stat))
        return;
    print(stats_row_name(row), &stat, all, out);
    for (unsigned part = first; part < first + count; part++) {
        exit_stat_clear(&stat);
        stats_sum_rows(vm, vcpu, part, 1, &stat);
        name_part(vm, part, name, sizeof(name));
        if (exit_stat_count(&stat))
            print(name, &stat, all, out);
    }
}

static void print_rows(const struct vm *vm, const struct vcpu *vcpu, const char *head, print_row *print,
                       struct writer *out)
{
    struct exit_stat all;

    exit_stat_clear(&all);
    stats_sum_rows(vm, vcpu, 0, stats_rows(vm), &all);
    print_to(out, "exits of %s", vm->name);
    if (vcpu)
        print_to(out, ".%u", vcpu->id);
    print_to(out, ", costs in ticks:\n%s", head);
    for (unsigned row = 0; row < stats_reasons(); row++)
        print_reason(vm, vcpu, row, all.total, print, out);
    print_reason(vm, vcpu, stats_rows(vm) - 1, all.total, print, out);
    print("all", &all, all.total, out);
}

void stats_print(const struct vm *vm, const struct vcpu *vcpu, struct writer *out)
{
    char head[120];

    format_text(head, sizeof(head), "%-36s %10s %14s %9s %7s %10s %6s\n", "reason", "count", "total", "mean",
                "min", "max", "share");
    print_rows(vm, vcpu, head, print_numbers, out);
}

void stats_print_bars(const struct vm *vm, const struct vcpu *vcpu, struct writer *out)
{
    print_rows(vm, vcpu, "        from      count\n", print_bars, out);
}
