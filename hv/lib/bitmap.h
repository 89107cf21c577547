/* Sets of small numbers, as bits of an array of uint64_t. */
#pragma once

#include "hv/lib/base.h"

#define BITMAP_NONE        SIZE_MAX

/* Words that hold `bits` bits. */
#define BITMAP_WORDS(bits) (((bits) + 63) / 64)

static inline bool bitmap_test(const uint64_t *map, size_t bit)
{
    return map[bit / 64] >> (bit % 64) & 1;
}

static inline void bitmap_set(uint64_t *map, size_t bit)
{
    map[bit / 64] |= BIT(bit % 64);
}

static inline void bitmap_clear(uint64_t *map, size_t bit)
{
    map[bit / 64] &= ~BIT(bit % 64);
}

/* The lowest bit at or above `from` and below `bits` that equals `value`, or BITMAP_NONE. */
static inline size_t bitmap_find(const uint64_t *map, size_t bits, size_t from, bool value)
{
    uint64_t invert = value ? 0 : UINT64_MAX, mask = UINT64_MAX << (from % 64);

    for (size_t word = from / 64; word < BITMAP_WORDS(bits); word++, mask = UINT64_MAX) {
        uint64_t found = (map[word] ^ invert) & mask;
        if (found) {
            size_t bit = word * 64 + (size_t)__builtin_ctzll(found);
            return bit < bits ? bit : BITMAP_NONE;
        }
    }
    return BITMAP_NONE;
}

/* Sets or clears `count` bits from `first`. */
static inline void bitmap_fill(uint64_t *map, size_t first, size_t count, bool value)
{
    while (count) {
        size_t offset = first % 64, part = MIN(count, 64 - offset);
        uint64_t mask = UINT64_MAX >> (64 - part) << offset;

        map[first / 64] = value ? map[first / 64] | mask : map[first / 64] & ~mask;
        first += part, count -= part;
    }
}

/*
 * The first run of `count` clear bits below `bits` that begins at a multiple of `align` (a power of two), at
 * or above `from`; or BITMAP_NONE. count is not 0.
 */
static inline size_t bitmap_find_run(const uint64_t *map, size_t bits, size_t from, size_t count,
                                     size_t align)
{
    for (;;) {
        size_t first = bitmap_find(map, bits, from, false), set;

        if (first == BITMAP_NONE)
            return BITMAP_NONE;
        first = ALIGN_UP(first, align);
        if (first >= bits || bits - first < count)
            return BITMAP_NONE;
        set = bitmap_find(map, first + count, first, true);
        if (set == BITMAP_NONE)
            return first;
        from = set + 1;
    }
}
