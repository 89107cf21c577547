/*
 * What exits cost, always counted: a row for each reason, and for each range of ports or memory that a device
 * answers in, of each vCPU. A cost is in ticks of the TSC, from the exit to the next entry or to the end of
 * the run loop, modulo 2^32. An exit is in one row: in the device's if there is one.
 */
#pragma once

#include "hv/lib/base.h"

struct vm;
struct vcpu;

#define STAT_BUCKETS 32

/* Off for `make bench-costs`, to see what they cost. */
#ifndef STATS_COUNTED
#define STATS_COUNTED 1
#endif

struct exit_stat {
    uint64_t total, min, max;       /* min is UINT64_MAX, and max 0, while there is none */
    uint64_t buckets[STAT_BUCKETS]; /* how many cost from 2^n to below 2^(n + 1); the sum is the count */
};

/* What a reason's row has below it. */
enum stat_parts { STAT_ALONE, STAT_PORTS, STAT_MEMORY };

#define STAT_OTHER 0 /* the offset of the row of all reasons that have none */

/*
 * A row for a vendor's reason, before the first VM: returns its offset among a vCPU's rows, STAT_OTHER if
 * there are too many.
 */
unsigned stats_add_reason(uint32_t reason, enum stat_parts parts);

/*
 * For other tables: a number for each row of a reason, and for that of the local APIC's page, and a name. How
 * many exits there were in it, those of its devices among them; `vcpu` NULL: of all. From any core.
 */
#define STAT_ROWS 97
const char *stats_row_name(unsigned row);
bool stats_row_reason(unsigned row, uint32_t *reason); /* false: it has no one reason */
uint64_t stats_count(const struct vm *vm, const struct vcpu *vcpu, unsigned row);

/* The rows of each vCPU of a VM whose devices are there; false: no memory. And away with one's. */
bool stats_create(struct vm *vm);
void stats_destroy(const struct vm *vm, struct vcpu *vcpu);

/* From any core; an exit that is counted meanwhile may be lost. */
void stats_reset(struct vm *vm);

/* Rows: first those of the reasons, then of the ranges of ports and of memory, and the local APIC's page, for
 * which there are several reasons. */
unsigned stats_reasons(void);
unsigned stats_rows(const struct vm *vm);

/* The rows that are parts of a reason's. */
unsigned stats_parts(const struct vm *vm, unsigned row, unsigned *first);

/* Adds rows to a sum: so many from `first` on; or clears it and adds a reason's with its parts. `vcpu` NULL:
 * of all. */
void stats_sum_rows(const struct vm *vm, const struct vcpu *vcpu, unsigned first, unsigned count,
                    struct exit_stat *sum);
void stats_sum_reason(const struct vm *vm, const struct vcpu *vcpu, unsigned row, struct exit_stat *sum);

void exit_stat_clear(struct exit_stat *stat);
uint64_t exit_stat_count(const struct exit_stat *stat);

/* exit_stat_add of a cost lower or higher than each before it: 0 is counted as 1. */
void exit_stat_add_extreme(struct exit_stat *stat, uint64_t cost);

static inline uint64_t exit_stat_bucket(uint64_t cost)
{
    uint64_t highest;

    __asm__("bsr %1, %0" : "=r"(highest) : "r"(cost) : "cc"); /* not 0 */
    return highest;
}

static inline void exit_stat_add(struct exit_stat *stat, uint64_t cost)
{
    /* min is at least 1: 0, which no bucket holds, is found here */
    if (unlikely(cost < stat->min) || unlikely(cost > stat->max)) {
        exit_stat_add_extreme(stat, cost);
        return;
    }
    stat->total += cost;
    stat->buckets[exit_stat_bucket(cost)]++;
}
