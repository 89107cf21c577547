/*
 * The machine's physical memory, over the memory map of the boot loader. Keel's own frames come from one
 * contiguous pool, which Keel keeps mapped; all other memory is for guests, in pieces as large and as aligned
 * as there are, and is never touched here. Any core may call these.
 */
#pragma once

#include "hv/lib/base.h"
#include "hv/lib/spinlock.h"

/* Bytes of physical memory. */
struct memory_range {
    uint64_t first, size;
};

struct frames {
    struct spinlock lock;
    struct memory_range pool;
    uintptr_t window;       /* where physical address 0 would be seen: the pool is at its address plus this */
    hpa_t bitmap;           /* in the pool: a bit for each frame from `base` on, set when in use */
    hpa_t base;             /* the border of 2 MiB at or below the pool */
    size_t bits, pool_used; /* pool_used, in frames, includes what these lists themselves take */
    size_t hint;            /* where the next search begins */
    hpa_t ranges;           /* in the pool: the free guest memory, sorted, merged, page-aligned */
    size_t range_count, range_most; /* range_most holds for free ranges and pieces in use together */
    size_t pieces;                  /* of guest memory, in use */
    uint64_t guest_total, guest_free;
};

#define FRAME_NONE UINT64_MAX

/*
 * The machine's memory map: `usable` may be unsorted, overlapping, unaligned or empty in parts; what any of
 * `reserved` touches is not used. So pass as reserved every range of the map that is not RAM, the first MiB,
 * Keel's image, modules and boot information.
 */
struct memory_map {
    const struct memory_range *usable;
    size_t usable_count;
    const struct memory_range *reserved;
    size_t reserved_count;
};

/*
 * The lowest free range of whole pages at or after `from`. false if there is none. Needs no memory, so it
 * works before there is any.
 */
bool memory_map_next(const struct memory_map *map, uint64_t from, struct memory_range *free);

/*
 * Chooses a pool of `pool_bytes` that ends at or below `pool_end`, and takes stock. The pool must be mapped,
 * writable, at its physical address plus `window`; the caller may set frames->window anew when it maps it
 * elsewhere. Returns false if no free range is large enough: frames->pool is then the largest that there is
 * below `pool_end`.
 */
bool frames_init(struct frames *frames, const struct memory_map *map, uint64_t pool_bytes, hpa_t pool_end,
                 uintptr_t window);

/*
 * `count` contiguous frames of the pool, the first of them aligned to `align` frames (a power of two, at most
 * 512), not zeroed. FRAME_NONE if there are none. frame_free takes what was allocated, or any part of it.
 */
hpa_t frame_allocate(struct frames *frames, size_t count, size_t align);
void frame_free(struct frames *frames, hpa_t first, size_t count);

/*
 * Takes `bytes`, rounded up to whole pages, of guest memory: first all in 1 GiB units that there are, then in
 * 2 MiB units, then the rest, sparing larger free blocks where it can. A piece may be many units long and
 * begins aligned to its unit. Returns the number of pieces, at most `most`; 0 if memory does not suffice or
 * is too scattered, or bytes is 0. Nothing is then taken. guest_memory_free takes all of the pieces of an
 * allocation.
 */
size_t guest_memory_allocate(struct frames *frames, uint64_t bytes, struct memory_range *pieces, size_t most);
void guest_memory_free(struct frames *frames, const struct memory_range *pieces, size_t count);

/* In bytes. */
struct memory_counts {
    uint64_t pool_total, pool_used, guest_total, guest_free, largest_free;
};
struct memory_counts memory_count(struct frames *frames);
