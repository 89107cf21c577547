/* Entry formats. EPT: SDM, "The EPT Translation Mechanism". x86: SDM, "4-Level Paging and 5-Level Paging".
 * Nested page tables: APM, "Nested Paging". */
#include "ept/table.h"

#define LARGE          (UINT64_C(1) << 7) /* a leaf above level 1 */

#define EPT_RIGHTS     UINT64_C(7) /* read, write and execute, as TABLE_READ, TABLE_WRITE and TABLE_EXECUTE */
#define EPT_TYPE_SHIFT 3
#define EPT_IGNORE_PAT (UINT64_C(1) << 6)
#define EPT_ACCESSED   (UINT64_C(1) << 8)
#define EPT_DIRTY      (UINT64_C(1) << 9)

#define X86_P          (UINT64_C(1) << 0)
#define X86_RW         (UINT64_C(1) << 1)
#define X86_US         (UINT64_C(1) << 2)
#define X86_PWT        (UINT64_C(1) << 3)
#define X86_PCD        (UINT64_C(1) << 4)
#define X86_ACCESSED   (UINT64_C(1) << 5)
#define X86_DIRTY      (UINT64_C(1) << 6)
#define X86_PAT_4K     (UINT64_C(1) << 7)
#define X86_G          (UINT64_C(1) << 8)
#define X86_PAT_LARGE  (UINT64_C(1) << 12)
#define X86_NX         (UINT64_C(1) << 63)

static uint64_t ept_encode(unsigned level, unsigned access, unsigned memory_type)
{
    unsigned rights = access & EPT_RIGHTS;

    if (!rights || (rights & (TABLE_READ | TABLE_WRITE)) == TABLE_WRITE) /* SDM, "EPT Misconfigurations" */
        return 0;
    if (memory_type > EPT_WB || memory_type == 2 || memory_type == 3)
        return 0;
    return rights | (uint64_t)memory_type << EPT_TYPE_SHIFT | (level > 1 ? LARGE : 0) |
           (access & TABLE_IGNORE_PAT ? EPT_IGNORE_PAT : 0);
}

static unsigned ept_access(uint64_t entry)
{
    return (unsigned)(entry & EPT_RIGHTS) | (entry & EPT_IGNORE_PAT ? TABLE_IGNORE_PAT : 0);
}

static unsigned ept_memory_type(unsigned level, uint64_t leaf)
{
    (void)level;
    return leaf >> EPT_TYPE_SHIFT & 7;
}

const struct table_format table_format_ept = {
    .name = "EPT",
    .present = EPT_RIGHTS,
    .link = EPT_RIGHTS,
    .accessed = EPT_ACCESSED,
    .dirty = EPT_DIRTY,
    .encode = ept_encode,
    .access = ept_access,
    .memory_type = ept_memory_type,
};

static uint64_t x86_encode(unsigned level, unsigned access, unsigned memory_type)
{
    uint64_t pat = level > 1 ? X86_PAT_LARGE : X86_PAT_4K;

    if (!(access & TABLE_READ) || memory_type > 7)
        return 0;
    return X86_P | (access & TABLE_WRITE ? X86_RW : 0) | (access & TABLE_EXECUTE ? 0 : X86_NX) |
           (access & TABLE_USER ? X86_US : 0) | (access & TABLE_GLOBAL ? X86_G : 0) |
           (memory_type & 1 ? X86_PWT : 0) | (memory_type & 2 ? X86_PCD : 0) | (memory_type & 4 ? pat : 0) |
           (level > 1 ? LARGE : 0);
}

static unsigned x86_access(uint64_t entry)
{
    return TABLE_READ | (entry & X86_RW ? TABLE_WRITE : 0) | (entry & X86_NX ? 0 : TABLE_EXECUTE) |
           (entry & X86_US ? TABLE_USER : 0) | (entry & X86_G ? TABLE_GLOBAL : 0);
}

static unsigned x86_memory_type(unsigned level, uint64_t leaf)
{
    uint64_t pat = level > 1 ? X86_PAT_LARGE : X86_PAT_4K;

    return (leaf & X86_PWT ? 1 : 0) | (leaf & X86_PCD ? 2 : 0) | (leaf & pat ? 4 : 0);
}

const struct table_format table_format_x86 = {
    .name = "x86",
    .present = X86_P,
    .link = X86_P | X86_RW | X86_US,
    .accessed = X86_ACCESSED,
    .dirty = X86_DIRTY,
    .canonical = true,
    .encode = x86_encode,
    .access = x86_access,
    .memory_type = x86_memory_type,
};

/* A nested walk is a user access (APM, "Nested Table Walk"); G means nothing in it. */
static uint64_t npt_encode(unsigned level, unsigned access, unsigned memory_type)
{
    return x86_encode(level, (access & ~TABLE_GLOBAL) | TABLE_USER, memory_type);
}

const struct table_format table_format_npt = {
    .name = "NPT",
    .present = X86_P,
    .link = X86_P | X86_RW | X86_US,
    .accessed = X86_ACCESSED,
    .dirty = X86_DIRTY,
    .encode = npt_encode,
    .access = x86_access,
    .memory_type = x86_memory_type,
};
