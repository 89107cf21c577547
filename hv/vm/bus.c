#include "hv/vm/bus.h"

#include "hv/host/log.h"

bool bus_init(struct bus *bus, const char *name, struct bus_range *ranges, unsigned count)
{
    *bus = (struct bus){.name = name, .ranges = ranges, .count = count};
    for (unsigned i = 1; i < count; i++) {
        struct bus_range moving = ranges[i];
        unsigned at = i;

        for (; at > 0 && ranges[at - 1].first > moving.first; at--)
            ranges[at] = ranges[at - 1];
        ranges[at] = moving;
    }
    for (unsigned i = 0; i < count; i++) {
        if (ranges[i].last < ranges[i].first) {
            log_line("%s bus: %s ends at 0x%lx before it begins at 0x%lx", name, ranges[i].device->name,
                     (unsigned long)ranges[i].last, (unsigned long)ranges[i].first);
            return false;
        }
        if (i > 0 && ranges[i].first <= ranges[i - 1].last) {
            log_line("%s bus: %s and %s both claim 0x%lx", name, ranges[i - 1].device->name,
                     ranges[i].device->name, (unsigned long)ranges[i].first);
            return false;
        }
    }
    return true;
}

const struct bus_range *bus_find(const struct bus *bus, uint64_t address)
{
    unsigned low = 0, high = bus->count;

    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (bus->ranges[middle].last < address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < bus->count && bus->ranges[low].first <= address)
        return &bus->ranges[low];
    return NULL;
}

/*
 * Most accesses go where one before them went. Ranges never change, so what is remembered stays right,
 * whichever vCPU wrote it.
 */
static inline const struct bus_range *remembered(const struct bus *bus, uint64_t address)
{
    const struct bus_range *range = bus->remembered[(address ^ address >> 4) % BUS_REMEMBERED];

    return likely(range && address - range->first <= range->last - range->first) ? range : NULL;
}

static inline const struct bus_range *find_anew(struct bus *bus, uint64_t address)
{
    const struct bus_range *range = bus_find(bus, address);

    if (range)
        bus->remembered[(address ^ address >> 4) % BUS_REMEMBERED] = range;
    return range;
}

static inline const struct bus_range *find(struct bus *bus, uint64_t address)
{
    const struct bus_range *range = remembered(bus, address);

    return likely(range) ? range : find_anew(bus, address);
}

static inline bool device_read(const struct bus_range *range, uint64_t address, unsigned size,
                               uint64_t *value)
{
    struct device *device = range->device;
    bool answered;

    if (unlikely(!device->ops->read))
        return false;
    if (!device->lock)
        return device->ops->read(device, address - range->first, size, value);
    spin_lock(device->lock);
    answered = device->ops->read(device, address - range->first, size, value);
    spin_unlock(device->lock);
    return answered;
}

static inline bool device_write(const struct bus_range *range, uint64_t address, unsigned size,
                                uint64_t value)
{
    struct device *device = range->device;
    bool answered;

    if (unlikely(!device->ops->write))
        return false;
    if (!device->lock)
        return device->ops->write(device, address - range->first, size, value);
    spin_lock(device->lock);
    answered = device->ops->write(device, address - range->first, size, value);
    spin_unlock(device->lock);
    return answered;
}

static __attribute__((noinline)) void count_miss(struct bus *bus, uint64_t address)
{
    uint64_t n = __atomic_fetch_add(&bus->misses.count, 1, __ATOMIC_RELAXED);

    bus->misses.latest[n % ARRAY_LENGTH(bus->misses.latest)] = address;
}

static inline bool fits(const struct bus_range *range, uint64_t address, unsigned size)
{
    return size <= range->device->ops->width && range->last - address >= size - 1;
}

/* The widest power of two that one cycle at `address` may have when `size` bytes are left and the whole did
 * not fit. */
static inline unsigned part_size(const struct bus_range *range, uint64_t address, unsigned size)
{
    unsigned part = range ? MIN(size, range->device->ops->width) : 1;

    while (part > 1 && (part > size || (part & (part - 1)) || range->last - address < part - 1))
        part /= 2;
    return part;
}

static __attribute__((noinline)) bool read_in_parts(struct bus *bus, uint64_t address, unsigned size,
                                                    uint64_t *value)
{
    bool answered = false;

    *value = 0;
    for (unsigned done = 0; done < size;) {
        const struct bus_range *range = bus_find(bus, address + done);
        unsigned part = part_size(range, address + done, size - done);
        uint64_t bits = size_mask(part);

        if (range && device_read(range, address + done, part, &bits))
            answered = true;
        else
            bits = size_mask(part);
        *value |= (bits & size_mask(part)) << (8 * done);
        done += part;
    }
    return answered;
}

static __attribute__((noinline)) bool write_in_parts(struct bus *bus, uint64_t address, unsigned size,
                                                     uint64_t value)
{
    bool answered = false;

    for (unsigned done = 0; done < size;) {
        const struct bus_range *range = bus_find(bus, address + done);
        unsigned part = part_size(range, address + done, size - done);

        if (range)
            answered |= device_write(range, address + done, part, value >> (8 * done) & size_mask(part));
        done += part;
    }
    return answered;
}

static inline __attribute__((always_inline)) bool read_at(struct bus *bus, const struct bus_range *range,
                                                          uint64_t address, unsigned size, uint64_t *value)
{
    if (likely(range && fits(range, address, size))) {
        if (likely(device_read(range, address, size, value)))
            return true;
    } else if (size > 1 && read_in_parts(bus, address, size, value)) {
        return true;
    }
    *value = size_mask(size);
    count_miss(bus, address);
    return false;
}

static __attribute__((noinline)) bool read_anew(struct bus *bus, uint64_t address, unsigned size,
                                                uint64_t *value, uint32_t *stat_at)
{
    const struct bus_range *range = find_anew(bus, address);

    if (range)
        *stat_at = range->stat_at;
    return read_at(bus, range, address, size, value);
}

bool bus_read_exit(struct bus *bus, uint64_t address, unsigned size, uint64_t *value, uint32_t *stat_at)
{
    const struct bus_range *range = remembered(bus, address);

    if (unlikely(!range))
        return read_anew(bus, address, size, value, stat_at);
    *stat_at = range->stat_at;
    return read_at(bus, range, address, size, value);
}

static inline __attribute__((always_inline)) bool write_at(struct bus *bus, const struct bus_range *range,
                                                           uint64_t address, unsigned size, uint64_t value)
{
    if (likely(range && fits(range, address, size))) {
        if (likely(device_write(range, address, size, value)))
            return true;
    } else if (size > 1 && write_in_parts(bus, address, size, value)) {
        return true;
    }
    count_miss(bus, address);
    return false;
}

static __attribute__((noinline)) bool write_anew(struct bus *bus, uint64_t address, unsigned size,
                                                 uint64_t value, uint32_t *stat_at)
{
    const struct bus_range *range = find_anew(bus, address);

    if (range)
        *stat_at = range->stat_at;
    return write_at(bus, range, address, size, value);
}

bool bus_write_exit(struct bus *bus, uint64_t address, unsigned size, uint64_t value, uint32_t *stat_at)
{
    const struct bus_range *range = remembered(bus, address);

    if (unlikely(!range))
        return write_anew(bus, address, size, value, stat_at);
    *stat_at = range->stat_at;
    return write_at(bus, range, address, size, value);
}

bool bus_range_read(const struct bus_range *range, uint64_t address, unsigned size, uint64_t *value)
{
    struct bus alone = {.ranges = range, .count = 1};

    if (likely(fits(range, address, size)))
        return device_read(range, address, size, value);
    return size > 1 && read_in_parts(&alone, address, size, value);
}

bool bus_range_write(const struct bus_range *range, uint64_t address, unsigned size, uint64_t value)
{
    struct bus alone = {.ranges = range, .count = 1};

    if (likely(fits(range, address, size)))
        return device_write(range, address, size, value);
    return size > 1 && write_in_parts(&alone, address, size, value);
}

bool bus_read_number(struct bus *bus, uint64_t number, uint64_t *value)
{
    const struct bus_range *range = find(bus, number);

    if (likely(range && device_read(range, number, 8, value)))
        return true;
    count_miss(bus, number);
    return false;
}

bool bus_write_number(struct bus *bus, uint64_t number, uint64_t value)
{
    const struct bus_range *range = find(bus, number);

    if (likely(range && device_write(range, number, 8, value)))
        return true;
    count_miss(bus, number);
    return false;
}

void bus_reset(const struct bus *bus)
{
    for (unsigned i = 0; i < bus->count; i++)
        if (bus->ranges[i].device->ops->reset)
            bus->ranges[i].device->ops->reset(bus->ranges[i].device);
}
