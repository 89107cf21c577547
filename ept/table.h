/*
 * Second-level paging, and any other paging of x86's shape: a radix tree of 512 entries a table, built in
 * pages that the caller supplies. Pure data: nothing here executes a privileged instruction or flushes a TLB.
 * Where a processor may be using the table, the caller flushes after every change, before the freed pages are
 * used again.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Access rights and options of a mapping; a format ignores the options that it does not have. */
#define TABLE_READ       0x01u
#define TABLE_WRITE      0x02u
#define TABLE_EXECUTE    0x04u
#define TABLE_USER       0x08u /* x86: U/S */
#define TABLE_GLOBAL     0x10u /* x86: G */
#define TABLE_IGNORE_PAT 0x20u /* EPT: the guest's PAT has no say in the memory type */

/* Memory types of EPT (SDM, "EPT and Memory Typing"). */
enum ept_memory_type { EPT_UC = 0, EPT_WC = 1, EPT_WT = 4, EPT_WP = 5, EPT_WB = 6 };

/* Memory types of the x86 formats are indices of IA32_PAT; the names are its value's after reset. */
enum pat_index { PAT_WB = 0, PAT_WT = 1, PAT_UC_MINUS = 2, PAT_UC = 3 };

/* How hardware wants its entries. Level 1 holds leaves of 4 KiB, 2 of 2 MiB, 3 of 1 GiB. */
struct table_format {
    const char *name;
    uint64_t present;         /* an entry with none of these bits is not present */
    uint64_t link;            /* what an entry that refers to a table has besides its address: every right */
    uint64_t accessed, dirty; /* what hardware sets in a leaf */
    bool canonical;           /* addresses are virtual: the topmost used bit extends through bit 63 */
    /* A leaf without its address; 0 if the format cannot express these rights or this type. */
    uint64_t (*encode)(unsigned level, unsigned access, unsigned memory_type);
    unsigned (*access)(uint64_t entry); /* of a leaf or a link */
    unsigned (*memory_type)(unsigned level, uint64_t leaf);
};

extern const struct table_format table_format_ept;
extern const struct table_format table_format_npt; /* AMD's nested page tables: as x86, all pages U/S */
extern const struct table_format table_format_x86;

/* Where tables come from. `allocate` gives a zeroed page of 4 KiB or returns false; `at` is where it is seen.
 */
struct page_source {
    bool (*allocate)(void *context, uint64_t *physical);
    void (*release)(void *context, uint64_t physical);
    uint64_t *(*at)(void *context, uint64_t physical);
    void *context;
};

struct table {
    const struct table_format *format;
    const struct page_source *source;
    uint64_t root;         /* physical address of the topmost table */
    unsigned levels;       /* 4 or 5 */
    unsigned largest_leaf; /* 1: 4 KiB only, 2: 2 MiB as well, 3: 1 GiB as well */
    bool keeps_tables;     /* an empty table stays: a processor may be walking it */
};

/* One mapped page, of any size. */
struct table_leaf {
    uint64_t address, to, size;
    unsigned access, memory_type; /* access: what all levels together allow */
    uint64_t entry;               /* as it stands in memory */
};

/* An empty table with a root. false if there is no page for it or the numbers are not those of struct table.
 */
bool table_init(struct table *table, const struct table_format *format, const struct page_source *source,
                unsigned levels, unsigned largest_leaf);

/* Gives back every page. */
void table_destroy(struct table *table);

/*
 * Maps [from, from + length) to [to, to + length) by the largest leaves that fit, in place of what was mapped
 * there. Addresses and length are multiples of 4 KiB; length 0 does nothing. Returns false, with every
 * mapping as it was, if the page source runs dry, an address is not one of the table's, `to` ends above 2^52,
 * the format cannot express `access` or `memory_type`, or a part is borrowed.
 */
bool table_map(struct table *table, uint64_t from, uint64_t to, uint64_t length, unsigned access,
               unsigned memory_type);

/* Unmaps the range and frees empty tables, unless `keeps_tables`. Holes do not matter. Returns false as
 * table_map does. */
bool table_unmap(struct table *table, uint64_t from, uint64_t length);

/*
 * Lets `table` use the tables that `lender`, of the same format and levels, has below its root for the range,
 * a multiple of what a root entry spans: what the lender maps there, now or later, is seen in both. The
 * lender needs a page for each root entry that it does not have yet, and must outlive the borrower. Returns
 * false as table_map does, or if `table` has something mapped there.
 */
bool table_borrow(struct table *table, struct table *lender, uint64_t from, uint64_t length);

/* The leaf that maps `address`; false if there is none. */
bool table_query(const struct table *table, uint64_t address, struct table_leaf *leaf);

/* Called for every leaf in ascending order of offset into the table, borrowed ones too. */
typedef void table_visitor(void *context, const struct table_leaf *leaf);
void table_visit(const struct table *table, table_visitor *visitor, void *context);
