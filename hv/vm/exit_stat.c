#include "hv/vm/exit_stat.h"

#include "hv/host/paging.h"
#include "hv/vm/virt.h"
#include "hv/vm/vm.h"

#define REASONS_MOST (STAT_ROWS - 1)

static struct {
    uint32_t reason;
    enum stat_parts parts;
} reasons[REASONS_MOST];
static unsigned reason_count = 1; /* the first is STAT_OTHER */

unsigned stats_reasons(void)
{
    return reason_count;
}

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
    return row ? virt->show.exit_name(reasons[row].reason) : "other exits";
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

unsigned stats_rows(const struct vm *vm)
{
    return reason_count + vm->ports.count + vm->mmio.count + 1;
}

static size_t rows_size(const struct vm *vm)
{
    return stats_rows(vm) * sizeof(struct exit_stat);
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
        for (unsigned row = 0; row < stats_rows(vm); row++)
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

void stats_sum_rows(const struct vm *vm, const struct vcpu *vcpu, unsigned first, unsigned count,
                    struct exit_stat *sum)
{
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        for (unsigned row = first; row < first + count; row++)
            if (vm->vcpus[i]->stats && (!vcpu || vcpu == vm->vcpus[i]))
                add(sum, &vm->vcpus[i]->stats[row]);
}

unsigned stats_parts(const struct vm *vm, unsigned row, unsigned *first)
{
    *first = reason_count;
    if (row >= reason_count || reasons[row].parts == STAT_ALONE)
        return 0;
    if (reasons[row].parts == STAT_PORTS)
        return vm->ports.count;
    *first += vm->ports.count;
    return vm->mmio.count;
}

void stats_sum_reason(const struct vm *vm, const struct vcpu *vcpu, unsigned row, struct exit_stat *sum)
{
    unsigned first, count = stats_parts(vm, row, &first);

    exit_stat_clear(sum);
    stats_sum_rows(vm, vcpu, row, 1, sum);
    stats_sum_rows(vm, vcpu, first, count, sum);
}

uint64_t stats_count(const struct vm *vm, const struct vcpu *vcpu, unsigned row)
{
    struct exit_stat stat;

    if (row >= reason_count && row != STAT_ROWS - 1)
        return 0;
    stats_sum_reason(vm, vcpu, row < reason_count ? row : stats_rows(vm) - 1, &stat);
    return exit_stat_count(&stat);
}
