#include "ept/table.h"

#define PAGE_BYTES   UINT64_C(4096)
#define ENTRIES      512u
#define LARGE        (UINT64_C(1) << 7)
#define BORROWED     (UINT64_C(1) << 52) /* of the bits that hardware ignores in every format's links */
#define LENT         (UINT64_C(1) << 53)
#define ADDRESS_MASK UINT64_C(0x000ffffffffff000)
#define TO_END       (UINT64_C(1) << 52)

/* Rights that a link can take from all below it; the other flags are a leaf's own. */
#define RIGHTS       (TABLE_READ | TABLE_WRITE | TABLE_EXECUTE | TABLE_USER)

/* A change to a range. Addresses in here are offsets into the table: 0 to 2^48 or 2^57. */
struct change {
    const struct table *table;
    bool map;              /* else unmap */
    uint64_t displacement; /* physical address minus offset */
    unsigned access, memory_type;
};

/* Runs over the entries of one table that a range touches. */
struct cursor {
    uint64_t *entry;    /* the current one */
    uint64_t from, end; /* the part of the range that it spans */
    bool whole;         /* that part is all that the entry spans */
    unsigned level;
    uint64_t *entries, range_end;
};

static uint64_t span_of(unsigned level)
{
    return PAGE_BYTES << 9 * (level - 1);
}

static struct cursor cursor_at(const struct table *table, uint64_t physical, unsigned level, uint64_t from,
                               uint64_t end)
{
    const struct page_source *source = table->source;

    return (struct cursor){
        .entries = source->at(source->context, physical), .level = level, .end = from, .range_end = end};
}

static bool cursor_next(struct cursor *cursor)
{
    uint64_t span = span_of(cursor->level), first, last;

    if (cursor->end >= cursor->range_end)
        return false;
    cursor->from = cursor->end;
    first = cursor->from & ~(span - 1);
    last = first + span;
    cursor->end = last < cursor->range_end ? last : cursor->range_end;
    cursor->whole = cursor->from == first && cursor->end == last;
    cursor->entry = &cursor->entries[first / span % ENTRIES];
    return true;
}

/* Hardware sets accessed and dirty bits while this runs: entries are read once, and replaced whole. */
static uint64_t load(const uint64_t *entry)
{
    return __atomic_load_n(entry, __ATOMIC_RELAXED);
}

static void store(uint64_t *entry, uint64_t value)
{
    __atomic_store_n(entry, value, __ATOMIC_RELEASE);
}

static bool replace(uint64_t *entry, uint64_t old, uint64_t value)
{
    return __atomic_compare_exchange_n(entry, &old, value, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
}

static bool is_present(const struct table *table, uint64_t entry)
{
    return entry & table->format->present;
}

static bool is_leaf(unsigned level, uint64_t entry)
{
    return level == 1 || (level <= 3 && (entry & LARGE));
}

static bool is_link(const struct table *table, unsigned level, uint64_t entry)
{
    return is_present(table, entry) && !is_leaf(level, entry);
}

/* The physical address in a leaf: its low bits have other meanings. */
static uint64_t leaf_target(unsigned level, uint64_t leaf)
{
    return leaf & ADDRESS_MASK & ~(span_of(level) - 1);
}

static uint64_t table_width(const struct table *table)
{
    return UINT64_C(1) << (12 + 9 * table->levels);
}

/* Turns an address into an offset into the table. false if it has bits that the table does not translate. */
static bool to_offset(const struct table *table, uint64_t address, uint64_t *offset)
{
    uint64_t width = table_width(table), half = width / 2;

    *offset = address & (width - 1);
    return (table->format->canonical ? (*offset ^ half) - half : *offset) == address;
}

static uint64_t to_address(const struct table *table, uint64_t offset)
{
    uint64_t half = table_width(table) / 2;

    return table->format->canonical ? (offset ^ half) - half : offset;
}

/* The range as offsets [*from, *end). false if it is not all the table's, or not of whole pages. */
static bool to_offsets(const struct table *table, uint64_t address, uint64_t length, uint64_t *from,
                       uint64_t *end)
{
    if ((address | length) % PAGE_BYTES || !to_offset(table, address, from))
        return false;
    *end = *from;
    if (!length)
        return true;
    /* An address that wraps, or a range over the hole between canonical halves, has its last page elsewhere.
     */
    if (!to_offset(table, address + (length - 1), end) || *end - *from != length - 1)
        return false;
    (*end)++;
    return true;
}

static bool new_table(const struct table *table, uint64_t *physical)
{
    return table->source->allocate(table->source->context, physical);
}

static void release(const struct table *table, uint64_t physical)
{
    table->source->release(table->source->context, physical);
}

/* Releases a table and all below it that is not borrowed. */
static void release_tree(const struct table *table, uint64_t physical, unsigned level)
{
    const uint64_t *entries = table->source->at(table->source->context, physical);

    for (unsigned i = 0; i < ENTRIES && level > 1; i++)
        if (is_link(table, level, entries[i]) && !(entries[i] & BORROWED))
            release_tree(table, entries[i] & ADDRESS_MASK, level - 1);
    release(table, physical);
}

/* A leaf's twin one level below, `index` pages of that level into it. */
static uint64_t part_of_leaf(const struct table *table, unsigned level, uint64_t leaf, unsigned index)
{
    const struct table_format *format = table->format;
    uint64_t part = format->encode(level - 1, format->access(leaf), format->memory_type(level, leaf));

    part |= leaf & (format->accessed | format->dirty);
    return part | (leaf_target(level, leaf) + index * span_of(level - 1));
}

/* Puts a table in the place of nothing, or of a leaf, with the same meaning. */
static bool install_table(const struct table *table, uint64_t *entry, unsigned level)
{
    uint64_t physical, *entries, old;

    if (!new_table(table, &physical))
        return false;
    entries = table->source->at(table->source->context, physical);
    do {
        old = load(entry);
        for (unsigned i = 0; i < ENTRIES && is_present(table, old); i++)
            entries[i] = part_of_leaf(table, level, old, i);
    } while (!replace(entry, old, physical | table->format->link));
    return true;
}

/* Whether the change can put one leaf into the cursor's entry. */
static bool takes_leaf(const struct change *change, const struct cursor *at)
{
    uint64_t to = at->from + change->displacement;

    return at->whole && at->level <= change->table->largest_leaf && to % span_of(at->level) == 0;
}

/*
 * Makes every table that the change needs, and splits the leaves that it changes only a part of. No mapping
 * changes by that, so that a change that runs out of pages has changed nothing.
 */
static bool prepare(const struct change *change, uint64_t physical, unsigned level, uint64_t from,
                    uint64_t end)
{
    const struct table *table = change->table;
    struct cursor at = cursor_at(table, physical, level, from, end);

    while (cursor_next(&at)) {
        uint64_t entry = load(at.entry);

        if (level == table->levels && (entry & BORROWED))
            return false;
        if (change->map ? takes_leaf(change, &at) : at.whole || !is_present(table, entry))
            continue;
        if (!is_link(table, level, entry) && !install_table(table, at.entry, level))
            return false;
        if (!prepare(change, load(at.entry) & ADDRESS_MASK, level - 1, at.from, at.end))
            return false;
    }
    return true;
}

static void put_leaf(const struct change *change, const struct cursor *at)
{
    const struct table_format *format = change->table->format;
    uint64_t old = load(at->entry);

    store(at->entry,
          (at->from + change->displacement) | format->encode(at->level, change->access, change->memory_type));
    if (is_link(change->table, at->level, old))
        release_tree(change->table, old & ADDRESS_MASK, at->level - 1);
}

/* Makes a prepared change: this cannot fail. */
static void apply(const struct change *change, uint64_t physical, unsigned level, uint64_t from, uint64_t end)
{
    const struct table *table = change->table;
    struct cursor at = cursor_at(table, physical, level, from, end);

    while (cursor_next(&at)) {
        uint64_t entry = load(at.entry);

        if (change->map && takes_leaf(change, &at))
            put_leaf(change, &at);
        else if (is_link(table, level, entry))
            apply(change, entry & ADDRESS_MASK, level - 1, at.from, at.end);
        else
            store(at.entry, 0);
    }
}

/* Frees the empty tables of a range. Returns whether the whole of this one is empty. */
static bool prune(const struct table *table, uint64_t physical, unsigned level, uint64_t from, uint64_t end)
{
    struct cursor at = cursor_at(table, physical, level, from, end);

    while (level > 1 && cursor_next(&at)) {
        uint64_t entry = load(at.entry), child = entry & ADDRESS_MASK;

        if (!is_link(table, level, entry) || (entry & (BORROWED | LENT)) ||
            !prune(table, child, level - 1, at.from, at.end))
            continue;
        store(at.entry, 0);
        release(table, child);
    }
    for (unsigned i = 0; i < ENTRIES; i++)
        if (load(&at.entries[i]))
            return false;
    return true;
}

static bool make_change(const struct change *change, uint64_t from, uint64_t end)
{
    const struct table *table = change->table;
    bool prepared = prepare(change, table->root, table->levels, from, end);

    if (prepared)
        apply(change, table->root, table->levels, from, end);
    if ((!prepared || !change->map) && !table->keeps_tables)
        prune(table, table->root, table->levels, from, end);
    return prepared;
}

bool table_init(struct table *table, const struct table_format *format, const struct page_source *source,
                unsigned levels, unsigned largest_leaf)
{
    *table =
        (struct table){.format = format, .source = source, .levels = levels, .largest_leaf = largest_leaf};
    return levels >= 4 && levels <= 5 && largest_leaf >= 1 && largest_leaf <= 3 &&
           new_table(table, &table->root);
}

void table_destroy(struct table *table)
{
    release_tree(table, table->root, table->levels);
    table->root = 0;
}

bool table_map(struct table *table, uint64_t from, uint64_t to, uint64_t length, unsigned access,
               unsigned memory_type)
{
    struct change change = {.table = table, .map = true, .access = access, .memory_type = memory_type};
    uint64_t first, end;

    if (!to_offsets(table, from, length, &first, &end) || to % PAGE_BYTES || to > TO_END ||
        length > TO_END - to || !table->format->encode(1, access, memory_type))
        return false;
    change.displacement = to - first;
    return make_change(&change, first, end);
}

bool table_unmap(struct table *table, uint64_t from, uint64_t length)
{
    struct change change = {.table = table};
    uint64_t first, end;

    return to_offsets(table, from, length, &first, &end) && make_change(&change, first, end);
}

bool table_borrow(struct table *table, struct table *lender, uint64_t from, uint64_t length)
{
    unsigned level = table->levels;
    uint64_t first, end;
    struct cursor mine, theirs;

    if (table->format != lender->format || level != lender->levels || (from | length) % span_of(level) ||
        !to_offsets(table, from, length, &first, &end))
        return false;
    mine = cursor_at(table, table->root, level, first, end);
    theirs = cursor_at(lender, lender->root, level, first, end);
    while (cursor_next(&mine) && cursor_next(&theirs))
        if (load(mine.entry) || (!load(theirs.entry) && !install_table(lender, theirs.entry, level))) {
            prune(lender, lender->root, level, first, end);
            return false;
        }
    mine = cursor_at(table, table->root, level, first, end);
    theirs = cursor_at(lender, lender->root, level, first, end);
    while (cursor_next(&mine) && cursor_next(&theirs)) {
        __atomic_fetch_or(theirs.entry, LENT, __ATOMIC_RELAXED);
        store(mine.entry, (load(theirs.entry) & ~LENT) | BORROWED);
    }
    return true;
}

static struct table_leaf describe(const struct table *table, unsigned level, uint64_t offset, uint64_t entry,
                                  unsigned allowed)
{
    const struct table_format *format = table->format;

    return (struct table_leaf){.address = to_address(table, offset & ~(span_of(level) - 1)),
                               .to = leaf_target(level, entry),
                               .size = span_of(level),
                               .access = format->access(entry) & (allowed | ~RIGHTS),
                               .memory_type = format->memory_type(level, entry),
                               .entry = entry};
}

bool table_query(const struct table *table, uint64_t address, struct table_leaf *leaf)
{
    const struct page_source *source = table->source;
    uint64_t offset, physical = table->root;
    unsigned allowed = RIGHTS;

    if (!to_offset(table, address, &offset))
        return false;
    for (unsigned level = table->levels; level >= 1; level--) {
        uint64_t entry = load(&source->at(source->context, physical)[offset / span_of(level) % ENTRIES]);

        if (!is_present(table, entry))
            return false;
        if (is_leaf(level, entry)) {
            *leaf = describe(table, level, offset, entry, allowed);
            return true;
        }
        allowed &= table->format->access(entry);
        physical = entry & ADDRESS_MASK;
    }
    return false;
}

static void visit_below(const struct table *table, uint64_t physical, unsigned level, uint64_t offset,
                        unsigned allowed, table_visitor *visitor, void *context)
{
    const uint64_t *entries = table->source->at(table->source->context, physical);

    for (unsigned i = 0; i < ENTRIES; i++, offset += span_of(level)) {
        uint64_t entry = load(&entries[i]);

        if (is_link(table, level, entry)) {
            visit_below(table, entry & ADDRESS_MASK, level - 1, offset,
                        allowed & table->format->access(entry), visitor, context);
        } else if (is_present(table, entry)) {
            struct table_leaf leaf = describe(table, level, offset, entry, allowed);

            visitor(context, &leaf);
        }
    }
}

void table_visit(const struct table *table, table_visitor *visitor, void *context)
{
    visit_below(table, table->root, table->levels, 0, RIGHTS, visitor, context);
}
