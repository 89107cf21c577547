#include "hv/vm/bus.h"

#include "hv/host/log.h"

static bool reads_nothing(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    (void)device, (void)offset, (void)size, (void)value;
    return false;
}

static bool writes_nothing(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    (void)device, (void)offset, (void)size, (void)value;
    return false;
}

void bus_range_prepare(struct bus_range *range)
{
    const struct device_ops *ops = range->device->ops;
    uint64_t length = range->last - range->first + 1;

    range->read = ops->read ? ops->read : reads_nothing;
    range->write = ops->write ? ops->write : writes_nothing;
    range->starts[0] = length;
    for (unsigned size = 1; size <= 8; size *= 2)
        range->starts[size] = size <= ops->width && size <= length ? length - size + 1 : 0;
}

/* What is remembered of an address before the first access there: no access is in it. */
static const struct bus_range nowhere;

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
        bus_range_prepare(&ranges[i]);
    }
    for (unsigned i = 0; i < BUS_PLACES; i++)
        bus->remembered[i] = &nowhere;
    return true;
}

/* The number of the first range that does not end below `address`; `count`: there is none. */
static unsigned at_or_above(const struct bus *bus, uint64_t address)
{
    unsigned low = 0, high = bus->count;

    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (bus->ranges[middle].last < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct bus_range *bus_find(const struct bus *bus, uint64_t address)
{
    unsigned at = at_or_above(bus, address);

    return at < bus->count && bus->ranges[at].first <= address ? &bus->ranges[at] : NULL;
}

/* The range of an address, or NULL; what is remembered of it from now on. */
static const struct bus_range *find_afresh(struct bus *bus, uint64_t address)
{
    unsigned at;

    if (bus_is_gap(bus, address, 1))
        return NULL;
    at = at_or_above(bus, address);
    if (at == bus->count)
        return NULL;
    __atomic_store_n(&bus->remembered[bus_place(address)], &bus->ranges[at], __ATOMIC_RELAXED);
    return bus->ranges[at].first <= address ? &bus->ranges[at] : NULL;
}

bool bus_missed(struct bus *bus, uint64_t address)
{
    uint64_t n = __atomic_fetch_add(&bus->misses.count, 1, __ATOMIC_RELAXED);

    __atomic_store_n(&bus->misses.latest[n % ARRAY_LENGTH(bus->misses.latest)], address, __ATOMIC_RELAXED);
    return false;
}

static bool fits(const struct bus_range *range, uint64_t address, unsigned size)
{
    return address - range->first < range->starts[size];
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

static bool read_in_parts(const struct bus *bus, uint64_t address, unsigned size, uint64_t *value)
{
    bool answered = false;

    *value = 0;
    for (unsigned done = 0; done < size;) {
        const struct bus_range *range = bus_find(bus, address + done);
        unsigned part = part_size(range, address + done, size - done);
        uint64_t bits = size_mask(part);

        if (range && bus_device_read(range, address + done, part, &bits))
            answered = true;
        else
            bits = size_mask(part);
        *value |= (bits & size_mask(part)) << (8 * done);
        done += part;
    }
    return answered;
}

static bool write_in_parts(const struct bus *bus, uint64_t address, unsigned size, uint64_t value)
{
    bool answered = false;

    for (unsigned done = 0; done < size;) {
        const struct bus_range *range = bus_find(bus, address + done);
        unsigned part = part_size(range, address + done, size - done);

        if (range)
            answered |= bus_device_write(range, address + done, part, value >> (8 * done) & size_mask(part));
        done += part;
    }
    return answered;
}

bool bus_read_exit(struct bus *bus, uint64_t address, unsigned size, uint64_t *value, uint32_t *stat_at)
{
    const struct bus_range *range = find_afresh(bus, address);

    if (range)
        *stat_at = range->stat_at;
    if (range && fits(range, address, size) ? bus_device_read(range, address, size, value)
                                            : size > 1 && read_in_parts(bus, address, size, value))
        return true;
    *value = size_mask(size);
    return bus_missed(bus, address);
}

bool bus_write_exit(struct bus *bus, uint64_t address, unsigned size, uint64_t value, uint32_t *stat_at)
{
    const struct bus_range *range = find_afresh(bus, address);

    if (range)
        *stat_at = range->stat_at;
    if (range && fits(range, address, size) ? bus_device_write(range, address, size, value)
                                            : size > 1 && write_in_parts(bus, address, size, value))
        return true;
    return bus_missed(bus, address);
}

bool bus_range_read(const struct bus_range *range, uint64_t address, unsigned size, uint64_t *value)
{
    struct bus alone = {.ranges = range, .count = 1};

    if (likely(fits(range, address, size)))
        return bus_device_read(range, address, size, value);
    return size > 1 && read_in_parts(&alone, address, size, value);
}

bool bus_range_write(const struct bus_range *range, uint64_t address, unsigned size, uint64_t value)
{
    struct bus alone = {.ranges = range, .count = 1};

    if (likely(fits(range, address, size)))
        return bus_device_write(range, address, size, value);
    return size > 1 && write_in_parts(&alone, address, size, value);
}

bool bus_read_number(struct bus *bus, uint64_t number, uint64_t *value)
{
    const struct bus_range *range = find_afresh(bus, number);

    return (range && range->read(range->device, number - range->first, 8, value)) || bus_missed(bus, number);
}

bool bus_write_number(struct bus *bus, uint64_t number, uint64_t value)
{
    const struct bus_range *range = find_afresh(bus, number);

    return (range && range->write(range->device, number - range->first, 8, value)) || bus_missed(bus, number);
}

void bus_reset(const struct bus *bus)
{
    for (unsigned i = 0; i < bus->count; i++)
        if (bus->ranges[i].device->ops->reset)
            bus->ranges[i].device->ops->reset(bus->ranges[i].device);
}
