/*
 * The bus: everything a guest can touch besides its memory hangs on one. A VM has a port bus and a memory
 * bus; each vCPU has an MSR bus and a hypercall bus. All are the same sorted, immutable array of ranges.
 */
#pragma once

#include "hv/lib/base.h"
#include "hv/lib/format.h"
#include "hv/lib/spinlock.h"

struct device;

/*
 * `offset` is relative to the range; `size` is 1, 2, 4 or 8 and never more than `width`: the bus splits wider
 * accesses into little-endian parts of `width` bytes, as an ISA bridge does. `value` has `size` significant
 * bytes, the others 0. false means "nobody answers this": all ones on a port or in memory, #GP for an MSR,
 * -1000 for a hypercall. A missing `read` or `write` answers nothing. `reset` and `describe` may be missing.
 */
struct device_ops {
    bool (*read)(struct device *device, uint64_t offset, unsigned size, uint64_t *value);
    bool (*write)(struct device *device, uint64_t offset, unsigned size, uint64_t value);
    void (*reset)(struct device *device);
    void (*describe)(struct device *device, struct writer *out);
    uint8_t width;
};

struct device {
    const char *name;
    const struct device_ops *ops;
    void *state;           /* the device's own structure */
    struct spinlock *lock; /* held around read and write; NULL for what belongs to one vCPU */
};

struct bus_range {
    uint64_t first, last; /* both inclusive */
    struct device *device;
    uint32_t stat_at; /* where exits to it are counted: hv/debug/stats.h */
};

/* What nobody answered, for the monitor: how often in all, and the latest places. */
struct bus_misses {
    uint64_t count;
    uint64_t latest[8];
};

#define BUS_REMEMBERED 32

struct bus {
    const char *name;
    const struct bus_range *ranges;
    unsigned count;
    struct bus_misses misses;
    const struct bus_range *remembered[BUS_REMEMBERED]; /* by address: the range that answered there last */
};

/*
 * Sorts `ranges` in place and makes the bus of them. Returns false, with the two that clash named in a log
 * line, if ranges overlap or one ends before it begins. The array must live as long as the bus.
 */
bool bus_init(struct bus *bus, const char *name, struct bus_range *ranges, unsigned count);

/* The range that holds `address`, or NULL. */
const struct bus_range *bus_find(const struct bus *bus, uint64_t address);

/*
 * Reads or writes `size` bytes (1, 2, 4 or 8) at `address`. Returns false if nobody answered any part of it;
 * then it is counted in `misses` and a read has put all ones (of `size` bytes) into `value`. The stat_at of
 * the range goes into `stat_at`, if there is a range.
 */
bool bus_read_exit(struct bus *bus, uint64_t address, unsigned size, uint64_t *value, uint32_t *stat_at);
bool bus_write_exit(struct bus *bus, uint64_t address, unsigned size, uint64_t value, uint32_t *stat_at);

/* The same for a range that stands alone, and that `address` is in. Nothing is counted; a read leaves `value`
 * alone. */
bool bus_range_read(const struct bus_range *range, uint64_t address, unsigned size, uint64_t *value);
bool bus_range_write(const struct bus_range *range, uint64_t address, unsigned size, uint64_t value);

/*
 * The same on a bus where an address is a number and an access is 8 bytes of that one number: MSRs and
 * hypercalls. `value` is untouched by a read that nobody answered.
 */
bool bus_read_number(struct bus *bus, uint64_t number, uint64_t *value);
bool bus_write_number(struct bus *bus, uint64_t number, uint64_t value);

/* Calls each device's reset once. */
void bus_reset(const struct bus *bus);

/* The mask of `size` bytes: 1, 2, 4 or 8. */
static inline uint64_t size_mask(unsigned size)
{
    return UINT64_MAX >> (64 - 8 * size);
}
