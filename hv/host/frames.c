#include "hv/host/frames.h"

#include "hv/host/log.h"
#include "hv/lib/bitmap.h"
#include "hv/lib/string.h"

#define PHYSICAL_END BIT(52) /* no processor has more address bits */
#define SPARE_RANGES 512     /* for what allocations split, beyond twice the ranges of the map */

/* The end of a range of the map, whatever nonsense it holds. */
static uint64_t end_of(const struct memory_range *range)
{
    if (range->first >= PHYSICAL_END)
        return range->first;
    return range->size > PHYSICAL_END - range->first ? PHYSICAL_END : range->first + range->size;
}

/* The first address at or after `from` that some entry holds; PHYSICAL_END if none. */
static uint64_t covered_from(const struct memory_range *ranges, size_t count, uint64_t from)
{
    uint64_t lowest = PHYSICAL_END;

    for (size_t i = 0; i < count; i++) {
        uint64_t first = MAX(ranges[i].first, from);

        if (end_of(&ranges[i]) > first)
            lowest = MIN(lowest, first);
    }
    return lowest;
}

/* How far from `at` entries that overlap or touch each other go on without a hole. */
static uint64_t covered_until(const struct memory_range *ranges, size_t count, uint64_t at)
{
    bool again;

    do {
        again = false;
        for (size_t i = 0; i < count; i++)
            if (ranges[i].first <= at && end_of(&ranges[i]) > at) {
                at = end_of(&ranges[i]);
                again = true;
            }
    } while (again);
    return at;
}

bool memory_map_next(const struct memory_map *map, uint64_t from, struct memory_range *free)
{
    uint64_t first = from, end;

    for (;;) {
        uint64_t reserved;

        first = covered_from(map->usable, map->usable_count, first);
        if (first >= PHYSICAL_END)
            return false;
        end = covered_until(map->usable, map->usable_count, first);
        first = ALIGN_UP(first, PAGE_SIZE);
        reserved = covered_from(map->reserved, map->reserved_count, first);
        if (ALIGN_DOWN(reserved, PAGE_SIZE) <= first && first < end) {
            first = MAX(covered_until(map->reserved, map->reserved_count, reserved), first + 1);
            continue;
        }
        end = ALIGN_DOWN(MIN(end, reserved), PAGE_SIZE);
        if (first < end)
            break;
        first = MAX(first, end + 1);
    }
    *free = (struct memory_range){first, end - first};
    return true;
}

/*
 * The smallest free range that will do, and its beginning: what is large and aligned stays for guests. On a
 * border of 2 MiB if there is such a place, so that Keel maps it by large pages.
 */
static bool choose_pool(const struct memory_map *map, uint64_t bytes, hpa_t below, uint64_t align,
                        struct memory_range *pool)
{
    struct memory_range range = {0}, best = {0, UINT64_MAX}, largest = {0};

    while (memory_map_next(map, range.first + range.size, &range)) {
        uint64_t first = ALIGN_UP(range.first, align), end = MIN(range.first + range.size, below);

        if (first >= end)
            continue;
        if (end - first > largest.size)
            largest = (struct memory_range){first, end - first};
        if (end - first >= bytes && range.size < best.size)
            best = (struct memory_range){first, range.size};
    }
    *pool = best.size == UINT64_MAX ? largest : (struct memory_range){best.first, bytes};
    return best.size != UINT64_MAX;
}

static uint64_t *bitmap_of(const struct frames *frames)
{
    return (uint64_t *)(frames->window + frames->bitmap);
}

static struct memory_range *ranges_of(const struct frames *frames)
{
    return (struct memory_range *)(frames->window + frames->ranges);
}

static void insert_range(struct frames *frames, size_t at, struct memory_range range)
{
    struct memory_range *ranges = ranges_of(frames);

    memmove(&ranges[at + 1], &ranges[at], (frames->range_count - at) * sizeof(*ranges));
    ranges[at] = range;
    frames->range_count++;
}

static void remove_range(struct frames *frames, size_t at)
{
    struct memory_range *ranges = ranges_of(frames);

    frames->range_count--;
    memmove(&ranges[at], &ranges[at + 1], (frames->range_count - at) * sizeof(*ranges));
}

static size_t count_ranges(const struct memory_map *map)
{
    struct memory_range range = {0};
    size_t count = 0;

    while (memory_map_next(map, range.first + range.size, &range))
        count++;
    return count;
}

/* Lists what the map has free beside the pool. */
static void take_stock(struct frames *frames, const struct memory_map *map)
{
    struct memory_range range = {0};
    uint64_t pool_first = frames->pool.first, pool_end = pool_first + frames->pool.size;

    while (memory_map_next(map, range.first + range.size, &range)) {
        uint64_t end = range.first + range.size;
        bool holds_pool = range.first <= pool_first && pool_end <= end;
        struct memory_range before = {range.first, holds_pool ? pool_first - range.first : range.size};

        if (before.size)
            insert_range(frames, frames->range_count, before);
        if (holds_pool && pool_end < end)
            insert_range(frames, frames->range_count, (struct memory_range){pool_end, end - pool_end});
        frames->guest_free += range.size - (holds_pool ? frames->pool.size : 0);
    }
    frames->guest_total = frames->guest_free;
}

bool frames_init(struct frames *frames, const struct memory_map *map, uint64_t pool_bytes, hpa_t pool_end,
                 uintptr_t window)
{
    size_t range_most = 2 * count_ranges(map) + SPARE_RANGES, before;
    uint64_t bytes = ALIGN_UP(MIN(pool_bytes, PHYSICAL_END), PAGE_SIZE), ranges_size, own;

    *frames = (struct frames){.window = window, .range_most = range_most};
    if (!choose_pool(map, bytes, pool_end, MIB(2), &frames->pool) &&
        !choose_pool(map, bytes, pool_end, PAGE_SIZE, &frames->pool))
        return false;
    frames->base = ALIGN_DOWN(frames->pool.first, MIB(2));
    before = (frames->pool.first - frames->base) / PAGE_SIZE;
    frames->bits = before + bytes / PAGE_SIZE;
    ranges_size = range_most * sizeof(struct memory_range);
    own = ALIGN_UP(ranges_size + BITMAP_WORDS(frames->bits) * sizeof(uint64_t), PAGE_SIZE);
    if (own >= bytes)
        return false;
    frames->ranges = frames->pool.first;
    frames->bitmap = frames->pool.first + ranges_size;
    frames->pool_used = own / PAGE_SIZE;
    frames->hint = before + frames->pool_used;
    bitmap_fill(bitmap_of(frames), 0, frames->bits, false);
    bitmap_fill(bitmap_of(frames), 0, frames->hint, true);
    take_stock(frames, map);
    return true;
}

hpa_t frame_allocate(struct frames *frames, size_t count, size_t align)
{
    uint64_t *bitmap = bitmap_of(frames);
    size_t first;

    if (!count || !align || align > MIB(2) / PAGE_SIZE)
        return FRAME_NONE;
    spin_lock(&frames->lock);
    first = bitmap_find_run(bitmap, frames->bits, frames->hint, count, align);
    if (first == BITMAP_NONE)
        first = bitmap_find_run(bitmap, frames->bits, 0, count, align);
    if (first != BITMAP_NONE) {
        bitmap_fill(bitmap, first, count, true);
        frames->pool_used += count;
        frames->hint = first + count;
    }
    spin_unlock(&frames->lock);
    return first == BITMAP_NONE ? FRAME_NONE : frames->base + first * PAGE_SIZE;
}

void frame_free(struct frames *frames, hpa_t first, size_t count)
{
    size_t own_end =
        (ALIGN_UP(frames->bitmap + BITMAP_WORDS(frames->bits) * sizeof(uint64_t), PAGE_SIZE) - frames->base) /
        PAGE_SIZE;
    size_t bit = (first - frames->base) / PAGE_SIZE;

    if (first % PAGE_SIZE || first < frames->base || bit < own_end || bit > frames->bits ||
        count > frames->bits - bit)
        panic("frame_free: 0x%lx, %zu frames, are not of the pool", (unsigned long)first, count);
    spin_lock(&frames->lock);
    if (bitmap_find(bitmap_of(frames), bit + count, bit, false) != BITMAP_NONE)
        panic("frame_free: 0x%lx, %zu frames, are free already in part", (unsigned long)first, count);
    bitmap_fill(bitmap_of(frames), bit, count, false);
    frames->pool_used -= count;
    spin_unlock(&frames->lock);
}

/* What take_piece looks for: whole units, outside of blocks of `spare` bytes that are wholly free (0:
 * anywhere). */
struct wish {
    uint64_t unit, spare, most;
};

/* The units in [first, end), as many as wished. */
static struct memory_range units_in(uint64_t first, uint64_t end, const struct wish *wish)
{
    uint64_t from = ALIGN_UP(first, wish->unit), size = from < end ? end - from : 0;

    return (struct memory_range){from, ALIGN_DOWN(MIN(size, wish->most), wish->unit)};
}

/* The units of a free range that the wish allows: size 0 if there are none. */
static struct memory_range find_units(const struct memory_range *range, const struct wish *wish)
{
    uint64_t end = range->first + range->size, blocks, blocks_end;
    struct memory_range found;

    if (!wish->spare)
        return units_in(range->first, end, wish);
    blocks = ALIGN_UP(range->first, wish->spare);
    blocks_end = ALIGN_DOWN(end, wish->spare);
    if (blocks >= blocks_end)
        return units_in(range->first, end, wish);
    found = units_in(range->first, blocks, wish);
    return found.size ? found : units_in(blocks_end, end, wish);
}

/* Takes `piece`, which lies in it, out of a free range. */
static void carve(struct frames *frames, size_t at, const struct memory_range *piece)
{
    struct memory_range *range = &ranges_of(frames)[at];
    uint64_t before = piece->first - range->first, after = range->size - before - piece->size;
    struct memory_range rest = {piece->first + piece->size, after};

    frames->guest_free -= piece->size;
    if (!before && !after) {
        remove_range(frames, at);
    } else if (!before) {
        *range = rest;
    } else {
        range->size = before;
        if (after)
            insert_range(frames, at + 1, rest);
    }
}

static bool take_piece(struct frames *frames, const struct wish *wish, struct memory_range *piece)
{
    for (size_t i = 0; i < frames->range_count; i++) {
        *piece = find_units(&ranges_of(frames)[i], wish);
        if (piece->size) {
            carve(frames, i, piece);
            return true;
        }
    }
    return false;
}

/* Puts a piece among the free ranges, merged with its neighbours. */
static void give_back(struct frames *frames, const struct memory_range *piece)
{
    struct memory_range *ranges = ranges_of(frames);
    uint64_t end = piece->first + piece->size;
    size_t at = 0;
    bool joins_before, joins_after;

    while (at < frames->range_count && ranges[at].first < piece->first)
        at++;
    if ((at < frames->range_count && ranges[at].first < end) ||
        (at > 0 && ranges[at - 1].first + ranges[at - 1].size > piece->first))
        panic("guest_memory_free: 0x%lx, 0x%lx bytes, are free already in part", (unsigned long)piece->first,
              (unsigned long)piece->size);
    joins_before = at > 0 && ranges[at - 1].first + ranges[at - 1].size == piece->first;
    joins_after = at < frames->range_count && ranges[at].first == end;
    frames->guest_free += piece->size;
    if (joins_before && joins_after) {
        ranges[at - 1].size += piece->size + ranges[at].size;
        remove_range(frames, at);
    } else if (joins_before) {
        ranges[at - 1].size += piece->size;
    } else if (joins_after) {
        ranges[at] = (struct memory_range){piece->first, piece->size + ranges[at].size};
    } else {
        insert_range(frames, at, *piece);
    }
}

/* From the best pages to the smallest, and each first where it breaks no larger block. */
static const struct {
    uint64_t unit, spare;
} preferences[] = {
    {GIB(1), 0}, {MIB(2), GIB(1)}, {MIB(2), 0}, {PAGE_SIZE, MIB(2)}, {PAGE_SIZE, GIB(1)}, {PAGE_SIZE, 0},
};

static size_t allocate_pieces(struct frames *frames, uint64_t bytes, struct memory_range *pieces, size_t most)
{
    size_t count = 0;

    for (size_t i = 0; i < ARRAY_LENGTH(preferences); i++)
        while (bytes >= preferences[i].unit && count < most) {
            struct wish wish = {preferences[i].unit, preferences[i].spare, bytes};

            /* Every piece in use may come back as a range of its own, and taking one may split one. */
            if (frames->range_count + 1 + frames->pieces + count + 1 > frames->range_most ||
                !take_piece(frames, &wish, &pieces[count]))
                break;
            bytes -= pieces[count++].size;
        }
    if (!bytes)
        return count;
    while (count)
        give_back(frames, &pieces[--count]);
    return 0;
}

size_t guest_memory_allocate(struct frames *frames, uint64_t bytes, struct memory_range *pieces, size_t most)
{
    size_t count;

    if (bytes > PHYSICAL_END)
        return 0;
    spin_lock(&frames->lock);
    count = allocate_pieces(frames, ALIGN_UP(bytes, PAGE_SIZE), pieces, most);
    frames->pieces += count;
    spin_unlock(&frames->lock);
    return count;
}

void guest_memory_free(struct frames *frames, const struct memory_range *pieces, size_t count)
{
    spin_lock(&frames->lock);
    for (size_t i = 0; i < count; i++)
        give_back(frames, &pieces[i]);
    frames->pieces -= count;
    spin_unlock(&frames->lock);
}

struct memory_counts memory_count(struct frames *frames)
{
    struct memory_counts counts = {.pool_total = frames->pool.size};

    spin_lock(&frames->lock);
    counts.pool_used = frames->pool_used * PAGE_SIZE;
    counts.guest_total = frames->guest_total;
    counts.guest_free = frames->guest_free;
    for (size_t i = 0; i < frames->range_count; i++)
        counts.largest_free = MAX(counts.largest_free, ranges_of(frames)[i].size);
    spin_unlock(&frames->lock);
    return counts;
}
