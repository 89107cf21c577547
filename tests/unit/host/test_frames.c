#include "tests/unit/fake.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "hv/host/frames.h"

/* Where the tests' physical memory is seen: only what is touched becomes real. */
#define POOL_END GIB(4)
static uint8_t *window;

static int map_window(void **state)
{
    (void)state;
    window = mmap(NULL, POOL_END, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return window == MAP_FAILED;
}

static int unmap_window(void **state)
{
    (void)state;
    return munmap(window, POOL_END);
}

static struct frames frames;

static bool init(const struct memory_map *map, uint64_t pool_bytes)
{
    return frames_init(&frames, map, pool_bytes, POOL_END, (uintptr_t)window);
}

#define MAP_OF(usable_ranges, reserved_ranges)                                                               \
    {                                                                                                        \
        usable_ranges, ARRAY_LENGTH(usable_ranges), reserved_ranges, ARRAY_LENGTH(reserved_ranges)           \
    }

/* A PC with 6 GiB: a hole below 4 GiB, Keel at 1 MiB, a module. */
static const struct memory_range pc_usable[] = {{GIB(4), GIB(3)}, {0, 0x9fc00}, {MIB(1), GIB(3) - MIB(1)}};
static const struct memory_range pc_reserved[] = {
    {0, MIB(1)}, {MIB(1), 0x45678}, {MIB(32) + 0x123, MIB(10)}, {0xfec00000, 0x1400000}};
static const struct memory_map pc = MAP_OF(pc_usable, pc_reserved);

static void free_ranges_of_a_pc_are_found(void **state)
{
    struct memory_range range;

    (void)state;
    assert_true(memory_map_next(&pc, 0, &range));
    assert_int_equal(range.first, 0x146000);
    assert_int_equal(range.first + range.size, MIB(32));
    assert_true(memory_map_next(&pc, MIB(32), &range));
    assert_int_equal(range.first, MIB(42) + 0x1000);
    assert_int_equal(range.first + range.size, GIB(3));
    assert_true(memory_map_next(&pc, GIB(3), &range));
    assert_int_equal(range.first, GIB(4));
    assert_int_equal(range.size, GIB(3));
    assert_true(memory_map_next(&pc, GIB(5) + 1, &range)); /* from the middle of one */
    assert_int_equal(range.first, GIB(5) + 0x1000);
    assert_false(memory_map_next(&pc, GIB(7), &range));
    assert_false(memory_map_next(&pc, UINT64_MAX, &range));
}

static void nonsense_in_a_map_is_harmless(void **state)
{
    static const struct memory_range usable[] = {
        {0x5000, 0},
        {0x7000, 0x800},
        {0x7800, 0x800},                /* a page only together with the last */
        {0x9001, 0xffe},                /* no whole page */
        {BIT(52) - 0x2000, UINT64_MAX}, /* goes on past all addresses */
        {UINT64_MAX, 1},
        {UINT64_MAX - 5, UINT64_MAX}};
    static const struct memory_range reserved[] = {
        {0x7400, 0}, {BIT(52) - 1, UINT64_MAX}, {UINT64_MAX, UINT64_MAX}};
    static const struct memory_map map = MAP_OF(usable, reserved), nothing = {NULL, 0, NULL, 0};
    struct memory_range range;

    (void)state;
    assert_true(memory_map_next(&map, 0, &range));
    assert_int_equal(range.first, 0x7000);
    assert_int_equal(range.size, 0x1000);
    assert_true(memory_map_next(&map, 0x8000, &range));
    assert_int_equal(range.first, BIT(52) - 0x2000);
    assert_int_equal(range.size, 0x1000);
    assert_false(memory_map_next(&map, BIT(52) - 0x1000, &range));
    assert_false(memory_map_next(&nothing, 0, &range));
    assert_false(init(&nothing, MIB(1)));
    assert_int_equal(frames.pool.size, 0);
}

/* Random maps over a small space, against an array of its bytes. */
#define SPACE MIB(1)
static uint8_t bytes[SPACE];

static void random_maps_agree_with_an_array_of_bytes(void **state)
{
    (void)state;
    srand(3);
    for (unsigned round = 0; round < 60; round++) {
        struct memory_range usable[200], reserved[20], range = {0, 0};
        struct memory_map map = {usable, (unsigned)rand() % 201, reserved, (unsigned)rand() % 21};
        unsigned longest = 1u << (8 + rand() % 10);

        memset(bytes, 0, sizeof(bytes));
        for (size_t i = 0; i < map.usable_count; i++) {
            usable[i].first = (unsigned)rand() % SPACE;
            if (rand() % 2)
                usable[i].first &= ~PAGE_MASK;
            usable[i].size = (unsigned)rand() % longest % (SPACE - usable[i].first);
            memset(bytes + usable[i].first, 1, usable[i].size);
        }
        for (size_t i = 0; i < map.reserved_count; i++) {
            reserved[i].first = (unsigned)rand() % SPACE;
            reserved[i].size = (unsigned)rand() % 0x3000 % (SPACE - reserved[i].first);
            memset(bytes + reserved[i].first, 0, reserved[i].size);
        }
        for (uint64_t page = 0, previous = 0; page < SPACE; page += PAGE_SIZE) {
            bool expected = !memchr(bytes + page, 0, PAGE_SIZE);

            if (page >= range.first + range.size) {
                previous = range.first + range.size;
                if (!memory_map_next(&map, previous, &range))
                    range = (struct memory_range){SPACE, 0};
                assert_true(range.first > previous || previous == 0); /* neighbours would have been one */
            }
            assert_int_equal(page >= range.first && page < range.first + range.size, expected);
        }
    }
}

static void the_pool_comes_from_the_smallest_range_that_will_do(void **state)
{
    struct memory_counts counts;

    (void)state;
    assert_true(init(&pc, MIB(16)));
    assert_int_equal(frames.pool.first, MIB(2));
    assert_int_equal(frames.pool.size, MIB(16));
    counts = memory_count(&frames);
    assert_int_equal(counts.pool_total, MIB(16));
    assert_true(counts.pool_used > 0 && counts.pool_used < KIB(64));
    assert_int_equal(counts.guest_total, GIB(6) - 0x146000 - MIB(10) - 0x1000 - MIB(16));
    assert_int_equal(counts.guest_free, counts.guest_total);
    assert_int_equal(counts.largest_free, GIB(3));

    assert_true(init(&pc, MIB(31))); /* now only the range above the module does */
    assert_int_equal(frames.pool.first, MIB(44));
    assert_false(init(&pc, GIB(3)));
    assert_int_equal(frames.pool.first, MIB(42) + 0x1000);
    assert_int_equal(frames.pool.size, GIB(3) - MIB(42) - 0x1000);
    assert_false(init(&pc, UINT64_MAX));
    assert_false(init(&pc, 0x3000));
}

static void a_pool_off_the_border_of_2_mib_aligns_by_address(void **state)
{
    static const struct memory_range usable[] = {{MIB(1) + 0x3000, KIB(900)}};
    static const struct memory_map map = {usable, 1, NULL, 0};
    hpa_t one;

    (void)state;
    assert_true(init(&map, KIB(900)));
    assert_int_equal(frames.pool.first, MIB(1) + 0x3000);
    one = frame_allocate(&frames, 3, 16);
    assert_int_equal(one % KIB(64), 0);
    assert_int_equal(frame_allocate(&frames, 1, 512), FRAME_NONE);
    assert_int_equal(memory_count(&frames).guest_total, 0);
    assert_int_equal(guest_memory_allocate(&frames, 1, &(struct memory_range){0}, 1), 0);
}

static void frames_are_distinct_aligned_and_come_back(void **state)
{
    enum { MOST = 400 };
    static struct {
        hpa_t first;
        size_t count;
    } held[MOST];
    static uint8_t used[MIB(4) / PAGE_SIZE];
    uint64_t at_first;
    bool ran_dry = false;

    (void)state;
    srand(4);
    assert_true(init(&pc, MIB(4)));
    at_first = memory_count(&frames).pool_used;
    memset(used, 0, sizeof(used));
    for (unsigned round = 0; round < 30000; round++) {
        unsigned slot = (unsigned)rand() % MOST;

        if (held[slot].count) {
            frame_free(&frames, held[slot].first, held[slot].count);
            memset(used + (held[slot].first - frames.pool.first) / PAGE_SIZE, 0, held[slot].count);
            held[slot].count = 0;
        } else {
            size_t count = (unsigned)rand() % 7 + 1, align = (size_t)1 << rand() % 4, index;
            hpa_t first = frame_allocate(&frames, count, align);

            if (first == FRAME_NONE) {
                ran_dry = true;
                continue;
            }
            assert_int_equal(first % (align * PAGE_SIZE), 0);
            assert_true(first >= frames.pool.first &&
                        first + count * PAGE_SIZE <= frames.pool.first + MIB(4));
            index = (first - frames.pool.first) / PAGE_SIZE;
            for (size_t i = 0; i < count; i++)
                assert_int_equal(used[index + i]++, 0);
            held[slot].first = first, held[slot].count = count;
            memset(window + first, 0xcc, count * PAGE_SIZE); /* the lists must not lie in there */
        }
    }
    assert_true(ran_dry);
    for (unsigned slot = 0; slot < MOST; slot++)
        if (held[slot].count)
            frame_free(&frames, held[slot].first, held[slot].count);
    assert_int_equal(memory_count(&frames).pool_used, at_first);
    assert_int_equal(frame_allocate(&frames, 0, 1), FRAME_NONE);
    assert_int_equal(frame_allocate(&frames, SIZE_MAX, 1), FRAME_NONE);
}

static void a_part_of_an_allocation_may_be_freed(void **state)
{
    hpa_t first;

    (void)state;
    assert_true(init(&pc, MIB(4)));
    first = frame_allocate(&frames, 8, 8);
    frame_free(&frames, first + 3 * PAGE_SIZE, 2);
    frames.hint = 0;
    assert_int_equal(frame_allocate(&frames, 2, 1) != FRAME_NONE, true);
    frame_free(&frames, first, 3);
    frame_free(&frames, first + 5 * PAGE_SIZE, 3);
}

static void a_full_pool_serves_again_what_was_freed_anywhere(void **state)
{
    hpa_t first, last = 0;

    (void)state;
    assert_true(init(&pc, MIB(4)));
    first = frame_allocate(&frames, 1, 1);
    for (hpa_t frame = first; frame != FRAME_NONE; frame = frame_allocate(&frames, 1, 1))
        last = frame;
    assert_int_equal(last, frames.pool.first + MIB(4) - PAGE_SIZE);
    assert_int_equal(memory_count(&frames).pool_used, MIB(4));
    frame_free(&frames, first, 1);
    assert_int_equal(frame_allocate(&frames, 1, 1), first);
    assert_int_equal(frame_allocate(&frames, 1, 1), FRAME_NONE);
}

static void fragments_behind_a_whole_gib_are_taken_before_it(void **state)
{
    static const struct memory_range usable[] = {{MIB(16), MIB(2)}, {GIB(1), GIB(1) + MIB(8) + 0x3000}};
    static const struct memory_map map = {usable, 2, NULL, 0};
    struct memory_range pieces[4];

    (void)state;
    assert_true(init(&map, MIB(2)));
    assert_int_equal(guest_memory_allocate(&frames, MIB(8), pieces, 4), 1);
    assert_int_equal(pieces[0].first, GIB(2));
    assert_int_equal(guest_memory_allocate(&frames, PAGE_SIZE, pieces, 4), 1);
    assert_int_equal(pieces[0].first, GIB(2) + MIB(8));
    assert_int_equal(guest_memory_allocate(&frames, GIB(1), pieces, 4), 1);
    assert_int_equal(pieces[0].first, GIB(1));
}

static void guests_get_the_largest_units_first(void **state)
{
    struct memory_range pieces[16];
    size_t count;

    (void)state;
    assert_true(init(&pc, MIB(16)));
    count = guest_memory_allocate(&frames, GIB(2) + MIB(2) + 0x1800, pieces, 16);
    assert_true(count >= 3);
    assert_int_equal(pieces[0].size, GIB(2));
    assert_int_equal(pieces[0].first % GIB(1), 0);
    assert_int_equal(pieces[1].size, MIB(2));
    assert_int_equal(pieces[1].first % MIB(2), 0);
    assert_int_equal(pieces[2].size, 0x2000);
    guest_memory_free(&frames, pieces, count);

    /* A small guest breaks no whole GiB and no 2 MiB while there are fragments. */
    count = guest_memory_allocate(&frames, MIB(8) + 0x1000, pieces, 16);
    assert_true(pieces[0].first + pieces[0].size <= GIB(1));
    assert_true(pieces[count - 1].first < MIB(2)); /* in the fragment behind the image */
    guest_memory_free(&frames, pieces, count);
    assert_int_equal(memory_count(&frames).guest_free, memory_count(&frames).guest_total);
}

static void what_cannot_be_had_takes_nothing(void **state)
{
    struct memory_range pieces[64];
    struct memory_counts before, after;

    (void)state;
    assert_true(init(&pc, MIB(16)));
    before = memory_count(&frames);
    assert_int_equal(guest_memory_allocate(&frames, before.guest_total + 1, pieces, 64), 0);
    assert_int_equal(guest_memory_allocate(&frames, UINT64_MAX, pieces, 64), 0);
    assert_int_equal(guest_memory_allocate(&frames, before.guest_total, pieces, 2), 0); /* too many pieces */
    assert_int_equal(guest_memory_allocate(&frames, 0, pieces, 64), 0);
    assert_int_equal(guest_memory_allocate(&frames, 0x1000, pieces, 0), 0);
    after = memory_count(&frames);
    assert_memory_equal(&before, &after, sizeof(before));
    assert_int_not_equal(guest_memory_allocate(&frames, before.guest_total, pieces, 64), 0); /* every page */
    assert_int_equal(memory_count(&frames).guest_free, 0);
}

/* A map as UEFI leaves it: 200 ranges of all sizes. */
static void uefi_map(struct memory_range ranges[200])
{
    uint64_t at = 0;

    for (unsigned i = 0; i < 200; i++) {
        uint64_t size = (uint64_t)(rand() % 64 + 1) << (12 + rand() % (i % 20 == 0 ? 16 : 7));

        ranges[i] = (struct memory_range){at, size};
        at += size + (rand() % 3 ? PAGE_SIZE * (uint64_t)(rand() % 40 + 1) : 0);
    }
}

#define MODEL_PAGES (GIB(16) / PAGE_SIZE)
static uint8_t owner[MODEL_PAGES]; /* 0: not free memory, 1: free, 2: a guest's */

static void mark(const struct memory_range *piece, uint8_t from, uint8_t to)
{
    assert_true(piece->first % PAGE_SIZE == 0 && piece->size % PAGE_SIZE == 0 && piece->size);
    for (uint64_t page = piece->first / PAGE_SIZE; page < (piece->first + piece->size) / PAGE_SIZE; page++) {
        if (owner[page] != from)
            fail_msg("page 0x%lx is %u, not %u", page, owner[page], from);
        owner[page] = to;
    }
}

static void model_of(const struct memory_map *map)
{
    struct memory_range range = {0, 0};

    memset(owner, 0, sizeof(owner));
    while (memory_map_next(map, range.first + range.size, &range)) {
        assert_true(range.first + range.size <= GIB(16));
        mark(&range, 0, 1);
    }
    mark(&frames.pool, 1, 0);
}

static void a_thousand_guests_come_and_go_without_a_leak(void **state)
{
    enum { GUESTS = 12, MOST = 96 };
    static struct memory_range usable[200], pieces[GUESTS][MOST];
    static const struct memory_range reserved[] = {{0, MIB(1)}};
    struct memory_map map = {usable, 200, reserved, 1};
    size_t counts[GUESTS] = {0};
    struct memory_counts before, after;
    unsigned created = 0, refused = 0;

    (void)state;
    srand(5);
    uefi_map(usable);
    assert_true(init(&map, MIB(1)));
    model_of(&map);
    before = memory_count(&frames);
    while (created < 1000) {
        unsigned guest = (unsigned)rand() % GUESTS;
        uint64_t size = 0;

        if (counts[guest]) {
            guest_memory_free(&frames, pieces[guest], counts[guest]);
            for (size_t i = 0; i < counts[guest]; i++)
                mark(&pieces[guest][i], 2, 1);
            counts[guest] = 0;
            continue;
        }
        size = (uint64_t)(rand() % 200 + 1) << (12 + rand() % 8);
        counts[guest] = guest_memory_allocate(&frames, size, pieces[guest], MOST);
        if (!counts[guest]) {
            refused++;
            continue;
        }
        created++;
        for (size_t i = 0; i < counts[guest]; i++) {
            mark(&pieces[guest][i], 1, 2);
            size -= pieces[guest][i].size;
        }
        assert_int_equal(size, 0);
    }
    assert_true(refused < 1000);
    for (unsigned guest = 0; guest < GUESTS; guest++)
        guest_memory_free(&frames, pieces[guest], counts[guest]);
    after = memory_count(&frames);
    assert_memory_equal(&before, &after, sizeof(before));
    assert_int_equal(frames.pieces, 0);
}

static void scattering_ends_in_a_refusal_and_never_in_a_lost_page(void **state)
{
    enum { GUESTS = 3000 };
    static const struct memory_range usable[] = {{MIB(1), MIB(64)}};
    static const struct memory_map map = {usable, 1, NULL, 0};
    static struct memory_range pieces[GUESTS];
    struct memory_counts before, after;
    unsigned held = 0;

    (void)state;
    assert_true(init(&map, MIB(1)));
    before = memory_count(&frames);
    while (held < GUESTS && guest_memory_allocate(&frames, PAGE_SIZE, &pieces[held], 1))
        held++;
    assert_true(held >= 500 && held < GUESTS); /* the list is full, not the memory */
    assert_true(memory_count(&frames).guest_free > MIB(32));
    for (unsigned i = 0; i < held; i += 2)
        guest_memory_free(&frames, &pieces[i], 1);
    for (unsigned i = 1; i < held; i += 2)
        guest_memory_free(&frames, &pieces[i], 1);
    after = memory_count(&frames);
    assert_memory_equal(&before, &after, sizeof(before));
    assert_int_equal(frames.range_count, 2); /* below the pool and above it */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(free_ranges_of_a_pc_are_found),
        cmocka_unit_test(nonsense_in_a_map_is_harmless),
        cmocka_unit_test(random_maps_agree_with_an_array_of_bytes),
        cmocka_unit_test(the_pool_comes_from_the_smallest_range_that_will_do),
        cmocka_unit_test(a_pool_off_the_border_of_2_mib_aligns_by_address),
        cmocka_unit_test(frames_are_distinct_aligned_and_come_back),
        cmocka_unit_test(a_part_of_an_allocation_may_be_freed),
        cmocka_unit_test(a_full_pool_serves_again_what_was_freed_anywhere),
        cmocka_unit_test(fragments_behind_a_whole_gib_are_taken_before_it),
        cmocka_unit_test(guests_get_the_largest_units_first),
        cmocka_unit_test(what_cannot_be_had_takes_nothing),
        cmocka_unit_test(a_thousand_guests_come_and_go_without_a_leak),
        cmocka_unit_test(scattering_ends_in_a_refusal_and_never_in_a_lost_page),
    };
    return cmocka_run_group_tests_name("frames", tests, map_window, unmap_window);
}
