#include "hv/debug/stats.h"

#include "hv/host/paging.h"
#include "hv/lib/arith.h"
#include "hv/lib/format.h"
#include "hv/vm/virt.h"
#include "hv/vm/vm.h"

#define REASONS_MOST (STAT_ROWS - 1)
#define BAR          50

static struct {
    uint32_t reason;
    enum stat_parts parts;
} reasons[REASONS_MOST];
bool stats_reported;
static unsigned reason_count = 1; /* the first is STAT_OTHER */

unsigned stats_add_reason(uint32_t reason, enum stat_parts parts)
{
    if (reason_count == REASONS_MOST)
        return STAT_OTHER;
    reasons[reason_count].reason = reason;
    reasons[reason_count].parts = parts;
    return reason_count++ * (unsigned)sizeof(struct exit_stat);
}

static const char *reason_name(unsigned row)
{
    return row ? virt->exit_name(reasons[row].reason) : "other exits";
}

const char *stats_row_name(unsigned row)
{
    return row < reason_count ? reason_name(row) : "local APIC page";
}

bool stats_row_reason(unsigned row, uint32_t *reason)
{
    if (!row || row >= reason_count)
        return false;
    *reason = reasons[row].reason;
    return true;
}

/* Rows: the reasons, then the ranges of ports and those of memory, and the local APIC's page, for which there
 * are several reasons. */
static unsigned row_count(const struct vm *vm)
{
    return reason_count + vm->ports.count + vm->mmio.count + 1;
}

static size_t rows_size(const struct vm *vm)
{
    return row_count(vm) * sizeof(struct exit_stat);
}

void exit_stat_clear(struct exit_stat *stat)
{
    *stat = (struct exit_stat){.min = UINT64_MAX};
}

uint64_t exit_stat_count(const struct exit_stat *stat)
{
    uint64_t count = 0;

    for (unsigned i = 0; i < STAT_BUCKETS; i++)
        count += stat->buckets[i];
    return count;
}

void exit_stat_add_extreme(struct exit_stat *stat, uint64_t cost)
{
    cost = MAX(cost, 1u);
    stat->min = MIN(stat->min, cost);
    stat->max = MAX(stat->max, cost);
    stat->total += cost;
    stat->buckets[exit_stat_bucket(cost)]++;
}

void stats_reset(struct vm *vm)
{
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        for (unsigned row = 0; row < row_count(vm); row++)
            exit_stat_clear(&vm->vcpus[i]->stats[row]);
}

/* The ranges are constant to all who use the bus: nobody does yet. */
static unsigned number_ranges(struct bus *bus, unsigned row)
{
    struct bus_range *ranges = (struct bus_range *)bus->ranges;

    for (unsigned i = 0; i < bus->count; i++)
        ranges[i].stat_at = row++ * (unsigned)sizeof(struct exit_stat);
    return row;
}

bool stats_create(struct vm *vm)
{
    unsigned row = reason_count;

    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        vm->vcpus[i]->stats = host_allocate(rows_size(vm));
        if (!vm->vcpus[i]->stats)
            return false;
    }
    row = number_ranges(&vm->ports, row);
    row = number_ranges(&vm->mmio, row);
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        vm->vcpus[i]->local.stat_at = row * (unsigned)sizeof(struct exit_stat);
    stats_reset(vm);
    return true;
}

void stats_destroy(const struct vm *vm, struct vcpu *vcpu)
{
    if (vcpu->stats)
        host_free(vcpu->stats, rows_size(vm));
    vcpu->stats = NULL;
}

static void add(struct exit_stat *sum, const struct exit_stat *stat)
{
    sum->total += stat->total;
    sum->min = MIN(sum->min, stat->min);
    sum->max = MAX(sum->max, stat->max);
    for (unsigned i = 0; i < STAT_BUCKETS; i++)
        sum->buckets[i] += stat->buckets[i];
}

/* Adds the rows from `first` on, of one vCPU or of all. */
static void sum_rows(const struct vm *vm, const struct vcpu *vcpu, unsigned first, unsigned count,
                     struct exit_stat *sum)
{
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        for (unsigned row = first; row < first + count; row++)
            if (vm->vcpus[i]->stats && (!vcpu || vcpu == vm->vcpus[i]))
                add(sum, &vm->vcpus[i]->stats[row]);
}

/* The rows that are parts of a reason's. */
static unsigned parts_of(const struct vm *vm, unsigned row, unsigned *first)
{
    *first = reason_count;
    if (row >= reason_count || reasons[row].parts == STAT_ALONE)
        return 0;
    if (reasons[row].parts == STAT_PORTS)
        return vm->ports.count;
    *first += vm->ports.count;
    return vm->mmio.count;
}

static void sum_reason(const struct vm *vm, const struct vcpu *vcpu, unsigned row, struct exit_stat *sum)
{
    unsigned first, count = parts_of(vm, row, &first);

    exit_stat_clear(sum);
    sum_rows(vm, vcpu, row, 1, sum);
    sum_rows(vm, vcpu, first, count, sum);
}

uint64_t stats_count(const struct vm *vm, const struct vcpu *vcpu, unsigned row)
{
    struct exit_stat stat;

    if (row >= reason_count && row != STAT_ROWS - 1)
        return 0;
    sum_reason(vm, vcpu, row < reason_count ? row : row_count(vm) - 1, &stat);
    return exit_stat_count(&stat);
}

static void name_part(const struct vm *vm, unsigned row, char *text, size_t size)
{
    unsigned i = row - reason_count;
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
    unsigned first, count = parts_of(vm, row, &first);
    char name[48];

    sum_reason(vm, vcpu, row, &stat);
    if (!exit_stat_count(&stat))
        return;
    print(stats_row_name(row), &stat, all, out);
    for (unsigned part = first; part < first + count; part++) {
        exit_stat_clear(&stat);
        sum_rows(vm, vcpu, part, 1, &stat);
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
    sum_rows(vm, vcpu, 0, row_count(vm), &all);
    print_to(out, "exits of %s", vm->name);
    if (vcpu)
        print_to(out, ".%u", vcpu->id);
    print_to(out, ", costs in ticks:\n%s", head);
    for (unsigned row = 0; row < reason_count; row++)
        print_reason(vm, vcpu, row, all.total, print, out);
    print_reason(vm, vcpu, row_count(vm) - 1, all.total, print, out);
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
