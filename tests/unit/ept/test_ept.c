#include "tests/unit/fake.h"

#include <stdlib.h>
#include <string.h>

#include "ept/table.h"

/* A page source that counts, poisons what it gets back, and runs dry when it is told to. */
#define SOURCE_PAGES 4096
#define SOURCE_BASE  UINT64_C(0x7f00000000)

static uint64_t *pages[SOURCE_PAGES];
static unsigned next_page, in_use, allowed = UINT32_MAX;

static bool source_allocate(void *context, uint64_t *physical)
{
    assert_ptr_equal(context, pages);
    if (in_use >= SOURCE_PAGES || !allowed)
        return false;
    if (allowed != UINT32_MAX)
        allowed--;
    while (pages[next_page])
        next_page = (next_page + 1) % SOURCE_PAGES;
    pages[next_page] = calloc(512, 8);
    in_use++;
    *physical = SOURCE_BASE + next_page * PAGE_SIZE;
    return true;
}

static uint64_t *source_at(void *context, uint64_t physical)
{
    uint64_t index = (physical - SOURCE_BASE) / PAGE_SIZE;

    assert_ptr_equal(context, pages);
    assert_true(physical % PAGE_SIZE == 0 && index < SOURCE_PAGES && pages[index]);
    return pages[index];
}

static void source_release(void *context, uint64_t physical)
{
    free(source_at(context, physical));
    pages[(physical - SOURCE_BASE) / PAGE_SIZE] = NULL;
    in_use--;
}

static const struct page_source source = {source_allocate, source_release, source_at, pages};

static struct table table;

#define RWX (TABLE_READ | TABLE_WRITE | TABLE_EXECUTE)
#define RW  (TABLE_READ | TABLE_WRITE)
#define RX  (TABLE_READ | TABLE_EXECUTE)

static void begin(const struct table_format *format, unsigned levels, unsigned largest)
{
    assert_int_equal(in_use, 0);
    assert_true(table_init(&table, format, &source, levels, largest));
}

static void end(void)
{
    table_destroy(&table);
    assert_int_equal(in_use, 0);
}

static uint64_t entry_at(uint64_t address)
{
    struct table_leaf leaf;

    assert_true(table_query(&table, address, &leaf));
    return leaf.entry;
}

/* The entry of level `level` on the way to `address`. */
static uint64_t *link_at(uint64_t address, unsigned level)
{
    uint64_t physical = table.root;

    for (unsigned l = table.levels;; l--) {
        uint64_t *entry = &source_at(pages, physical)[address >> (12 + 9 * (l - 1)) & 511];
        if (l == level)
            return entry;
        physical = *entry & 0xffffffffff000;
    }
}

static void ept_entries_are_the_manuals(void **state)
{
    /* SDM, "Format of an EPT Page-Table Entry that Maps a 4-KByte Page", and those of 2 MiB and 1 GiB */
    static const struct {
        unsigned access, type;
        uint64_t bits;
    } cases[] = {
        {RWX, EPT_WB, 0x37},
        {RWX | TABLE_IGNORE_PAT, EPT_WB, 0x77},
        {TABLE_READ, EPT_UC, 0x01},
        {RW, EPT_WC, 0x0b},
        {RX, EPT_WT, 0x25},
        {TABLE_EXECUTE, EPT_WP, 0x2c},
        {RWX | TABLE_USER | TABLE_GLOBAL, EPT_WB, 0x37},
    };

    (void)state;
    begin(&table_format_ept, 4, 3);
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        assert_true(table_map(&table, 0x1000, 0xffffffffff000, 0x1000, cases[i].access, cases[i].type));
        assert_int_equal(entry_at(0x1000), 0xffffffffff000 | cases[i].bits);
        assert_true(table_map(&table, MIB(2), GIB(4) + MIB(6), MIB(2), cases[i].access, cases[i].type));
        assert_int_equal(entry_at(MIB(2)), (GIB(4) + MIB(6)) | cases[i].bits | 0x80);
        assert_true(table_map(&table, GIB(1), GIB(7), GIB(1), cases[i].access, cases[i].type));
        assert_int_equal(entry_at(GIB(1)), GIB(7) | cases[i].bits | 0x80);
    }
    for (unsigned level = 2; level <= 4; level++)
        assert_int_equal(*link_at(0x1000, level) & ~UINT64_C(0xffffffffff000), 7);
    end();
}

static void x86_entries_are_the_manuals(void **state)
{
    /* SDM, "Format of a Page-Table Entry that Maps a 4-KByte Page"; PAT moves to bit 12 in larger pages */
    static const struct {
        unsigned access, type;
        uint64_t small, large;
    } cases[] = {
        {RW, PAT_WB, 0x8000000000000003, 0x8000000000000083},
        {TABLE_READ, PAT_WT, 0x8000000000000009, 0x8000000000000089},
        {RX, PAT_UC_MINUS, 0x11, 0x91},
        {RWX | TABLE_USER, PAT_UC, 0x1f, 0x9f},
        {RX | TABLE_GLOBAL, 4, 0x181, 0x1181},
        {RW | TABLE_GLOBAL | TABLE_IGNORE_PAT, 7, 0x800000000000019b, 0x800000000000119b},
    };

    (void)state;
    begin(&table_format_x86, 4, 3);
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct table_leaf leaf;

        assert_true(table_map(&table, 0x1000, 0x12345000, 0x1000, cases[i].access, cases[i].type));
        assert_int_equal(entry_at(0x1000), 0x12345000 | cases[i].small);
        assert_true(table_map(&table, MIB(2), GIB(4) + MIB(6), MIB(2), cases[i].access, cases[i].type));
        assert_int_equal(entry_at(MIB(2)), (GIB(4) + MIB(6)) | cases[i].large);
        assert_true(table_query(&table, MIB(2) + 5, &leaf));
        assert_int_equal(leaf.to, GIB(4) + MIB(6));
        assert_int_equal(leaf.memory_type, cases[i].type);
        assert_int_equal(leaf.access, cases[i].access & ~TABLE_IGNORE_PAT);
    }
    for (unsigned level = 2; level <= 4; level++)
        assert_int_equal(*link_at(0x1000, level) & ~UINT64_C(0xffffffffff000), 7);
    end();
}

static void nested_entries_are_user_pages_and_never_global(void **state)
{
    (void)state;
    begin(&table_format_npt, 4, 3);
    assert_true(table_map(&table, 0, GIB(1), MIB(4), RWX | TABLE_GLOBAL, PAT_WB));
    assert_int_equal(entry_at(0), GIB(1) | 0x87);
    assert_true(table_map(&table, BIT(48) - 0x1000, 0x3000, 0x1000, TABLE_READ, PAT_UC));
    assert_int_equal(entry_at(BIT(48) - 0x1000), 0x800000000000301d);
    end();
}

static void what_a_format_cannot_express_is_refused(void **state)
{
    static const unsigned ept_bad[][2] = {{0, EPT_WB},
                                          {TABLE_WRITE, EPT_WB},
                                          {TABLE_WRITE | TABLE_EXECUTE, EPT_WB},
                                          {TABLE_USER, EPT_WB},
                                          {RWX, 2},
                                          {RWX, 3},
                                          {RWX, 7},
                                          {RWX, 8},
                                          {RWX, UINT32_MAX}};
    static const unsigned x86_bad[][2] = {{0, 0}, {TABLE_WRITE, 0}, {TABLE_EXECUTE, 0}, {RW, 8}};

    (void)state;
    begin(&table_format_ept, 4, 3);
    for (size_t i = 0; i < ARRAY_LENGTH(ept_bad); i++)
        assert_false(table_map(&table, 0, 0, 0x1000, ept_bad[i][0], ept_bad[i][1]));
    assert_int_equal(in_use, 1);
    end();
    begin(&table_format_x86, 4, 3);
    for (size_t i = 0; i < ARRAY_LENGTH(x86_bad); i++)
        assert_false(table_map(&table, 0, 0, 0x1000, x86_bad[i][0], x86_bad[i][1]));
    assert_int_equal(in_use, 1);
    end();
}

static void addresses_outside_the_table_are_refused(void **state)
{
    struct table_leaf leaf;

    (void)state;
    begin(&table_format_ept, 4, 3);
    assert_false(table_map(&table, 0x800, 0, 0x1000, RWX, EPT_WB));
    assert_false(table_map(&table, 0, 0x800, 0x1000, RWX, EPT_WB));
    assert_false(table_map(&table, 0, 0, 0x800, RWX, EPT_WB));
    assert_false(table_map(&table, BIT(48), 0, 0x1000, RWX, EPT_WB));
    assert_false(table_map(&table, BIT(48) - 0x1000, 0, 0x2000, RWX, EPT_WB));
    assert_false(table_map(&table, 0x1000, 0, UINT64_C(0) - 0x1000, RWX, EPT_WB));
    assert_false(table_map(&table, UINT64_C(0) - 0x1000, 0, 0x2000, RWX, EPT_WB));
    assert_false(table_map(&table, 0, BIT(52), 0x1000, RWX, EPT_WB));
    assert_false(table_map(&table, 0, BIT(52) - 0x1000, 0x2000, RWX, EPT_WB));
    assert_false(table_map(&table, 0, UINT64_C(0) - 0x1000, 0x2000, RWX, EPT_WB));
    assert_false(table_unmap(&table, BIT(48), 0x1000));
    assert_false(table_query(&table, BIT(48), &leaf));
    assert_int_equal(in_use, 1);
    assert_true(table_map(&table, BIT(48) - 0x1000, BIT(52) - 0x1000, 0x1000, RWX, EPT_WB));
    assert_true(table_map(&table, 0, 0, 0, RWX, EPT_WB));
    assert_false(table_query(&table, 0, &leaf));
    assert_true(table_unmap(&table, 0, BIT(48)));
    assert_int_equal(in_use, 1);
    end();
    begin(&table_format_ept, 5, 3);
    assert_true(table_map(&table, BIT(57) - 0x1000, 0x5000, 0x1000, RWX, EPT_WB));
    assert_int_equal(entry_at(BIT(57) - 1), 0x5037);
    assert_false(table_map(&table, BIT(57), 0x5000, 0x1000, RWX, EPT_WB));
    end();
    assert_false(table_init(&table, &table_format_ept, &source, 3, 3));
    assert_false(table_init(&table, &table_format_ept, &source, 6, 3));
    assert_false(table_init(&table, &table_format_ept, &source, 4, 0));
    assert_false(table_init(&table, &table_format_ept, &source, 4, 4));
    assert_int_equal(in_use, 0);
}

static void virtual_addresses_are_canonical(void **state)
{
    struct table_leaf leaf;

    (void)state;
    begin(&table_format_x86, 4, 3);
    assert_true(table_map(&table, 0xffffffff80000000, 0x100000, MIB(1), RX, PAT_WB));
    assert_true(table_query(&table, 0xffffffff80001234, &leaf));
    assert_int_equal(leaf.address, 0xffffffff80001000);
    assert_int_equal(leaf.to, 0x101000);
    assert_true(table_map(&table, UINT64_C(0) - 0x1000, 0x1000, 0x1000, RW, PAT_WB));
    assert_int_equal(entry_at(UINT64_MAX) & 0xfffff000, 0x1000);
    assert_false(table_map(&table, UINT64_C(0) - 0x1000, 0x1000, 0x2000, RW, PAT_WB));
    assert_false(table_map(&table, 0x800000000000, 0, 0x1000, RW, PAT_WB));
    assert_false(table_map(&table, 0x7ffffffff000, 0, 0x2000, RW, PAT_WB));
    assert_false(table_map(&table, 0x7ffffffff000, 0, 0xffff000000002000, RW, PAT_WB));
    assert_false(table_map(&table, 0xffff7ffffffff000, 0, 0x2000, RW, PAT_WB));
    assert_false(table_query(&table, 0x0000ffff80000000, &leaf));
    assert_true(table_map(&table, 0xffff800000000000, 0, GIB(1), RW, PAT_WB));
    assert_true(table_unmap(&table, 0xffff800000000000, BIT(47)));
    assert_int_equal(in_use, 1);
    end();
}

struct tally {
    unsigned leaves[4];
    uint64_t next;
};

static void count_leaves(void *context, const struct table_leaf *leaf)
{
    struct tally *tally = context;

    assert_true(leaf->address >= tally->next);
    tally->next = leaf->address + leaf->size;
    tally->leaves[leaf->size == PAGE_SIZE ? 1 : leaf->size == MIB(2) ? 2 : 3]++;
}

static void assert_leaves(unsigned gigabytes, unsigned megabytes, unsigned small)
{
    struct tally tally = {.next = 0};

    table_visit(&table, count_leaves, &tally);
    assert_int_equal(tally.leaves[3], gigabytes);
    assert_int_equal(tally.leaves[2], megabytes);
    assert_int_equal(tally.leaves[1], small);
}

static void leaves_are_the_largest_that_alignment_allows(void **state)
{
    (void)state;
    begin(&table_format_ept, 4, 3);
    assert_true(table_map(&table, GIB(1) - MIB(2) - 0x3000, GIB(5) - MIB(2) - 0x3000,
                          GIB(2) + MIB(4) + 0x4000, RWX, EPT_WB));
    assert_leaves(2, 2, 4);
    assert_true(table_unmap(&table, 0, GIB(8)));
    assert_true(
        table_map(&table, GIB(1), MIB(2), GIB(1), RWX, EPT_WB)); /* the target is not aligned to 1 GiB */
    assert_leaves(0, 512, 0);
    assert_true(table_map(&table, MIB(2), 0x1000, MIB(2), RWX, EPT_WB));
    assert_leaves(0, 512, 512);
    assert_true(table_map(&table, 0, 0, GIB(2), RWX, EPT_WB)); /* small tables give way to large leaves */
    assert_leaves(2, 0, 0);
    assert_int_equal(in_use, 2);
    end();

    begin(&table_format_ept, 4, 2);
    assert_true(table_map(&table, 0, 0, GIB(1), RWX, EPT_WB));
    assert_leaves(0, 512, 0);
    end();
    begin(&table_format_ept, 4, 1);
    assert_true(table_map(&table, 0, 0, MIB(4), RWX, EPT_WB));
    assert_leaves(0, 0, 1024);
    end();
}

static void a_split_leaf_keeps_meaning_accessed_and_dirty(void **state)
{
    static const struct table_format *const formats[] = {&table_format_ept, &table_format_x86,
                                                         &table_format_npt};

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(formats); i++) {
        const struct table_format *format = formats[i];
        struct table_leaf leaf;

        begin(format, 4, 3);
        assert_true(table_map(&table, GIB(1), GIB(3), GIB(1), RX, 5)); /* EPT: WP; x86: PAT and PWT */
        *link_at(GIB(1), 3) |= format->accessed | format->dirty;
        assert_true(table_unmap(&table, GIB(1) + MIB(6) + 0x5000, 0x1000));
        assert_leaves(0, 511, 511);
        assert_true(table_query(&table, GIB(2) - 1, &leaf));
        assert_int_equal(leaf.to, GIB(4) - MIB(2));
        assert_int_equal(leaf.entry & (format->accessed | format->dirty), format->accessed | format->dirty);
        assert_int_equal(leaf.memory_type, 5);
        assert_int_equal(leaf.access & RWX, RX);
        assert_true(table_query(&table, GIB(1) + MIB(6) + 0x6000, &leaf));
        assert_int_equal(leaf.to, GIB(3) + MIB(6) + 0x6000);
        assert_int_equal(leaf.memory_type, 5);
        assert_int_equal(leaf.access & RWX, RX);
        assert_false(table_query(&table, GIB(1) + MIB(6) + 0x5fff, &leaf));
        end();
    }
}

static void rights_of_all_levels_count(void **state)
{
    struct table_leaf leaf;

    (void)state;
    begin(&table_format_x86, 4, 3);
    assert_true(table_map(&table, 0, 0, 0x1000, RWX | TABLE_GLOBAL, PAT_WB));
    *link_at(0, 3) &= ~BIT(1);
    *link_at(0, 2) |= BIT(63);
    assert_true(table_query(&table, 0, &leaf));
    assert_int_equal(leaf.access, TABLE_READ | TABLE_GLOBAL);
    end();
}

static void borrowed_tables_are_shared_and_stay_the_lenders(void **state)
{
    struct table lender;
    struct table_leaf leaf;
    const uint64_t high = 0xffff800000000000, slot = GIB(512);
    unsigned before;

    (void)state;
    begin(&table_format_x86, 4, 3);
    assert_true(table_init(&lender, &table_format_x86, &source, 4, 3));
    assert_true(table_map(&lender, high, 0, MIB(4), RW, PAT_WB));
    before = in_use;
    assert_false(table_borrow(&table, &lender, high + GIB(1), slot));
    allowed = 0;
    assert_false(table_borrow(&table, &lender, high, 2 * slot));
    allowed = UINT32_MAX;
    assert_int_equal(in_use, before);
    assert_true(table_borrow(&table, &lender, high, 2 * slot));
    assert_int_equal(in_use, before + 1);
    assert_false(table_borrow(&table, &lender, high, slot)); /* something is there already */

    assert_true(table_query(&table, high + 0x1234, &leaf));
    assert_true(table_map(&lender, high + slot, GIB(9), GIB(1), RX, PAT_WB));
    assert_true(table_query(&table, high + slot, &leaf));
    assert_int_equal(leaf.to, GIB(9));
    assert_int_equal(leaf.access, RX);

    assert_false(table_map(&table, high + GIB(3), 0, 0x1000, RW, PAT_WB));
    assert_false(table_unmap(&table, high, slot));
    assert_true(table_map(&table, high + 2 * slot, 0, GIB(4), RW, PAT_WB));
    assert_false(table_query(&lender, high + 2 * slot, &leaf));

    assert_true(table_unmap(&lender, high, 2 * slot)); /* emptied, but not freed under the borrower */
    assert_false(table_query(&table, high, &leaf));
    assert_true(table_map(&lender, high, 0, MIB(4), RW, PAT_WB));
    assert_true(table_query(&table, high, &leaf));
    table_destroy(&table);
    assert_true(table_query(&lender, high, &leaf));
    table_destroy(&lender);
    assert_int_equal(in_use, 0);
}

/* The model: one element a page over a stretch that holds a whole aligned gigabyte and parts of two others.
 */
#define MODEL_FIRST (GIB(3) - MIB(4))
#define MODEL_PAGES ((GIB(1) + MIB(10)) / PAGE_SIZE)

struct model_page {
    uint32_t to; /* page number */
    uint8_t access, type;
};
static struct model_page model[MODEL_PAGES], saved[MODEL_PAGES];

struct comparison {
    size_t at;
};

static void compare_leaf(void *context, const struct table_leaf *leaf)
{
    struct comparison *comparison = context;
    size_t first = (leaf->address - MODEL_FIRST) / PAGE_SIZE, count = leaf->size / PAGE_SIZE;

    assert_true(leaf->address >= MODEL_FIRST && first + count <= MODEL_PAGES && first >= comparison->at);
    for (; comparison->at < first; comparison->at++)
        if (model[comparison->at].access)
            fail_msg("page 0x%zx is not mapped", comparison->at);
    for (size_t i = 0; i < count; i++) {
        const struct model_page *page = &model[first + i];

        if (page->to != leaf->to / PAGE_SIZE + i || page->access != leaf->access ||
            page->type != leaf->memory_type)
            fail_msg("page 0x%zx: 0x%lx %x %u, not 0x%x %x %u", first + i, leaf->to / PAGE_SIZE + i,
                     leaf->access, leaf->memory_type, page->to, page->access, page->type);
    }
    comparison->at = first + count;
}

static void assert_as_model(void)
{
    struct comparison comparison = {0};

    table_visit(&table, compare_leaf, &comparison);
    for (; comparison.at < MODEL_PAGES; comparison.at++)
        if (model[comparison.at].access)
            fail_msg("page 0x%zx is not mapped", comparison.at);
}

/* One random change to table and model. Returns whether the table took it. */
static bool random_change(void)
{
    static const unsigned lengths[] = {4, 600, 5000, MODEL_PAGES},
                          aligns[] = {1, 1, 512, 512, GIB(1) / PAGE_SIZE};
    static const uint8_t rights[] = {TABLE_READ, RW, RX, RWX, TABLE_EXECUTE, RWX | TABLE_IGNORE_PAT};
    static const uint8_t types[] = {EPT_UC, EPT_WC, EPT_WT, EPT_WP, EPT_WB};
    size_t align = aligns[(unsigned)rand() % ARRAY_LENGTH(aligns)];
    size_t base = MODEL_FIRST / PAGE_SIZE, first, count = (unsigned)rand() % lengths[rand() % 4] + 1;
    uint32_t to = (uint32_t)(ALIGN_DOWN((unsigned)rand(), align));
    uint8_t access = rights[(unsigned)rand() % ARRAY_LENGTH(rights)];
    uint8_t type = types[(unsigned)rand() % ARRAY_LENGTH(types)];
    bool map = rand() % 3;
    bool done;

    first = ALIGN_DOWN(base + (unsigned)rand() % MODEL_PAGES, align);
    first = first < base ? 0 : first - base;
    count = MIN(count, MODEL_PAGES - first);
    if (map)
        done = table_map(&table, MODEL_FIRST + first * PAGE_SIZE, to * PAGE_SIZE, count * PAGE_SIZE, access,
                         type);
    else
        done = table_unmap(&table, MODEL_FIRST + first * PAGE_SIZE, count * PAGE_SIZE);
    for (size_t i = first; done && i < first + count; i++)
        model[i] =
            map ? (struct model_page){(uint32_t)(to + (i - first)), access, type} : (struct model_page){0};
    return done;
}

static void random_changes_agree_with_a_flat_map(void **state)
{
    (void)state;
    for (unsigned largest = 1; largest <= 3; largest++) {
        srand(largest);
        memset(model, 0, sizeof(model));
        begin(&table_format_ept, largest == 2 ? 5 : 4, largest);
        for (unsigned round = 0; round < 200; round++) {
            assert_true(random_change());
            assert_as_model();
        }
        assert_true(table_unmap(&table, MODEL_FIRST, MODEL_PAGES * PAGE_SIZE));
        assert_int_equal(in_use, 1); /* no empty table stays behind */
        end();
    }
}

static void running_out_of_pages_at_any_allocation_changes_nothing(void **state)
{
    unsigned failures = 0;

    (void)state;
    srand(9);
    memset(model, 0, sizeof(model));
    begin(&table_format_ept, 4, 3);
    for (unsigned round = 0; round < 30; round++) {
        unsigned seed = (unsigned)rand(), pages_before = in_use;

        memcpy(saved, model, sizeof(model));
        for (unsigned most = 0;; most++) {
            bool done;

            allowed = most > 3 ? most * most : most;
            srand(seed);
            done = random_change();
            allowed = UINT32_MAX;
            assert_as_model();
            if (done)
                break;
            failures++;
            assert_memory_equal(saved, model, sizeof(model));
            assert_true(in_use >= pages_before);
        }
        srand(seed + 1);
    }
    assert_true(failures > 20);
    assert_true(table_unmap(&table, MODEL_FIRST, MODEL_PAGES * PAGE_SIZE));
    assert_int_equal(in_use, 1);
    end();
    allowed = 0;
    assert_false(table_init(&table, &table_format_ept, &source, 4, 3));
    allowed = UINT32_MAX;
}

static void a_failed_map_into_nothing_leaves_no_table_behind(void **state)
{
    (void)state;
    begin(&table_format_ept, 4, 1);
    for (unsigned most = 0; most < 6; most++) {
        allowed = most;
        assert_false(table_map(&table, GIB(1) - MIB(2), 0, MIB(4), RWX, EPT_WB)); /* needs 5 + 1 */
        allowed = UINT32_MAX;
        if (most == 4)
            break;
        assert_int_equal(in_use, 1);
    }
    assert_true(table_map(&table, GIB(1) - MIB(2), 0, MIB(4), RWX, EPT_WB));
    assert_int_equal(in_use, 6);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ept_entries_are_the_manuals),
        cmocka_unit_test(x86_entries_are_the_manuals),
        cmocka_unit_test(nested_entries_are_user_pages_and_never_global),
        cmocka_unit_test(what_a_format_cannot_express_is_refused),
        cmocka_unit_test(addresses_outside_the_table_are_refused),
        cmocka_unit_test(virtual_addresses_are_canonical),
        cmocka_unit_test(leaves_are_the_largest_that_alignment_allows),
        cmocka_unit_test(a_split_leaf_keeps_meaning_accessed_and_dirty),
        cmocka_unit_test(rights_of_all_levels_count),
        cmocka_unit_test(borrowed_tables_are_shared_and_stay_the_lenders),
        cmocka_unit_test(random_changes_agree_with_a_flat_map),
        cmocka_unit_test(running_out_of_pages_at_any_allocation_changes_nothing),
        cmocka_unit_test(a_failed_map_into_nothing_leaves_no_table_behind),
    };
    return cmocka_run_group_tests_name("ept", tests, NULL, NULL);
}
