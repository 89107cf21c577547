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

/*
 * Whoever makes a range says where it is and whose. The rest follows from that, for look-ups of few
 * instructions: bus_range_prepare fills it in.
 */
struct bus_range {
    uint64_t first, last; /* both inclusive */
    struct device *device;
    uint32_t stat_at; /* where exits to it are counted: hv/vm/exit_stat.h */
    bool (*read)(struct device *device, uint64_t offset, unsigned size, uint64_t *value);
    bool (*write)(struct device *device, uint64_t offset, unsigned size, uint64_t value);
    uint64_t starts[9]; /* by size: at how many offsets an access that needs no parts may begin; [0]: all */
};

/* What nobody answered, for the monitor: how often in all, and the latest places. */
struct bus_misses {
    uint64_t latest[8];
    uint64_t count;
};

#define BUS_PLACES_SHIFT 27 /* leaves 32 */
#define BUS_PLACES       32

struct bus {
    struct bus_misses misses;
    const char *name;
    const struct bus_range *ranges;
    unsigned count;
    const struct bus_range *remembered[BUS_PLACES]; /* by address: the range there, or the next above it */
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

/* Fills in what follows from a range's place and device. */
void bus_range_prepare(struct bus_range *range);

/* The same for a range that stands alone, and that `address` is in. Nothing is counted; a read
 * leaves `value` alone. */
bool bus_range_read(const struct bus_range *range, uint64_t address, unsigned size, uint64_t *value);
bool bus_range_write(const struct bus_range *range, uint64_t address, unsigned size, uint64_t value);

/* Calls each device's reset once. */
void bus_reset(const struct bus *bus);

/* The mask of `size` bytes: 1, 2, 4 or 8. */
static inline uint64_t size_mask(unsigned size)
{
    static const uint64_t masks[9] = {0, 0xff, 0xffff, 0, 0xffffffff, 0, 0, 0, UINT64_MAX};

    return masks[size];
}

/* Where the range of an address is remembered (Knuth's multiplicative hashing). */
static inline unsigned bus_place(uint64_t address)
{
    return ((uint32_t)address * 0x9e3779b1u) >> BUS_PLACES_SHIFT;
}

/*
 * The range that all of an access is in, if it needs no parts and that range is remembered; else NULL. Most
 * accesses go where one before them went. Ranges never change, so what is remembered stays right, whichever
 * vCPU wrote it. Size 0 asks for a number's range.
 */
static inline const struct bus_range *bus_remembered(const struct bus *bus, uint64_t address, unsigned size)
{
    const struct bus_range *range = LOAD_SHARED(bus->remembered[bus_place(address)]);

    return likely(address - range->first < range->starts[size]) ? range : NULL;
}

/* Whether nobody has any of it, as far as what is remembered can tell: all lies in the gap below the range.
 */
static inline bool bus_is_gap(const struct bus *bus, uint64_t address, unsigned size)
{
    const struct bus_range *above = LOAD_SHARED(bus->remembered[bus_place(address)]);

    return address < above->first && above->first - address >= size &&
           (above == bus->ranges || above[-1].last < address);
}

/* An access that needs no parts, under the device's lock. Returns whether the device answered. */
static inline __attribute__((always_inline)) bool
bus_device_read(const struct bus_range *range, uint64_t address, unsigned size, uint64_t *value)
{
    struct device *device = range->device;
    struct spinlock *lock = device->lock;
    bool answered;

    if (!lock)
        return range->read(device, address - range->first, size, value);
    spin_lock(lock);
    answered = range->read(device, address - range->first, size, value);
    spin_unlock(lock);
    return answered;
}

static inline __attribute__((always_inline)) bool
bus_device_write(const struct bus_range *range, uint64_t address, unsigned size, uint64_t value)
{
    struct device *device = range->device;
    struct spinlock *lock = device->lock;
    bool answered;

    if (!lock)
        return range->write(device, address - range->first, size, value);
    spin_lock(lock);
    answered = range->write(device, address - range->first, size, value);
    spin_unlock(lock);
    return answered;
}

/* Counts what nobody answered; returns false. */
bool bus_missed(struct bus *bus, uint64_t address);

/*
 * The same on a bus where an address is a number and an access is 8 bytes of that one number:
 * MSRs and hypercalls. Such a bus is one vCPU's own, and its devices have no lock. `value` is untouched by a
 * read that nobody answered.
 */
bool bus_read_number(struct bus *bus, uint64_t number, uint64_t *value);
bool bus_write_number(struct bus *bus, uint64_t number, uint64_t value);
