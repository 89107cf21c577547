#include "hv/walk/walk.h"

#include "hv/cpu/cpuid.h"
#include "hv/cpu/native.h"
#include "hv/host/quirks.h"
#include "hv/vm/vm.h"

#define PTE_P          BIT(0)
#define PTE_RW         BIT(1)
#define PTE_US         BIT(2)
#define PTE_A          BIT(5)
#define PTE_D          BIT(6)
#define PTE_PS         BIT(7)
#define PTE_XD         BIT(63)

#define PF_PRESENT     BIT(0)
#define PF_WRITE       BIT(1)
#define PF_USER        BIT(2)
#define PF_RESERVED    BIT(3)
#define PF_FETCH       BIT(4)
#define PF_KEY         BIT(5)

#define ADDRESS_52     (BIT(52) - 1)
#define PDPTE_RESERVED UINT64_C(0x1e6) /* bits 8:5 and 2:1 of an entry of PAE */
#define CPUID_PSE36    BIT(17)         /* 1:EDX */
#define CPUID_PDPE1GB  BIT(26)         /* 80000001:EDX */

/* How often a walk begins anew because another vCPU changed an entry under it. */
#define WALK_TRIES     16

enum paging_mode { PAGING_32, PAGING_PAE, PAGING_LONG };

struct step {
    void *where; /* NULL: not RAM, read as all ones */
    uint64_t value;
    bool flags; /* has accessed (and, in a leaf, dirty) flags */
};

struct walk {
    struct vcpu *vcpu;
    gva_t gva;
    unsigned access;
    enum paging_mode mode;
    uint64_t cr0, cr4, efer;
    uint64_t address_mask; /* bits below MAXPHYADDR */
    bool user;             /* a user-mode access */
    struct step steps[WALK_LEVELS_MOST];
    unsigned count;
    uint64_t rights; /* RW and US as every level allows them, XD as any level forbids */
};

static bool page_fault(const struct walk *walk, uint32_t cause, struct fault *fault)
{
    uint32_t error = cause;

    if (walk->access & ACCESS_WRITE)
        error |= PF_WRITE;
    if (walk->user)
        error |= PF_USER;
    if ((walk->access & ACCESS_FETCH) &&
        ((walk->cr4 & CR4_SMEP) || (walk->mode != PAGING_32 && (walk->efer & EFER_NXE))))
        error |= PF_FETCH;
    *fault = (struct fault){.vector = EXC_PF, .has_error = true, .error = error, .address = walk->gva};
    return false;
}

/* Bits 20:13 of a 4 MiB page's entry hold address bits 39:32 where PSE-36 is supported (SDM, "32-Bit
 * Paging").
 */
static uint64_t reserved_4m(const struct walk *walk)
{
    if (!(cpuid_lookup(walk->vcpu, 1, 0)->edx & CPUID_PSE36))
        return 0x3fe000;
    return BIT(21) | ((~walk->address_mask >> 32 & 0xff) << 13);
}

static bool has_1g_pages(const struct walk *walk)
{
    return cpuid_lookup(walk->vcpu, 0x80000001, 0)->edx & CPUID_PDPE1GB;
}

/* Whether an entry of `level` (1: page table) maps a page. */
static bool is_leaf(const struct walk *walk, unsigned level, uint64_t entry)
{
    if (level == 1)
        return true;
    if (!(entry & PTE_PS))
        return false;
    if (walk->mode == PAGING_32)
        return walk->cr4 & CR4_PSE;
    return level == 2 || (level == 3 && walk->mode == PAGING_LONG);
}

/* The bits that must be 0 in a present entry. */
static uint64_t reserved_bits(const struct walk *walk, unsigned level, uint64_t entry)
{
    uint64_t bits = ADDRESS_52 & ~walk->address_mask;

    if (walk->mode == PAGING_32)
        return level == 2 && is_leaf(walk, level, entry) ? reserved_4m(walk) : 0;
    if (walk->mode == PAGING_PAE) {
        bits |= ~ADDRESS_52 & ~PTE_XD;
        if (level == 3)
            return bits | PTE_XD | (PDPTE_RESERVED & ~PDPTE_SET_ALL_THE_SAME);
    }
    if (!(walk->efer & EFER_NXE))
        bits |= PTE_XD;
    if (level >= 4)
        bits |= PTE_PS;
    else if (level == 3 && (entry & PTE_PS))
        bits |= has_1g_pages(walk) ? 0x3fffe000 : PTE_PS;
    else if (level == 2 && (entry & PTE_PS))
        bits |= 0x1fe000;
    return bits;
}

static void read_entry(struct walk *walk, gpa_t table, unsigned level)
{
    struct step *step = &walk->steps[walk->count++];
    unsigned size = walk->mode == PAGING_32 ? 4 : 8, bits = walk->mode == PAGING_32 ? 10 : 9;
    gpa_t at = table + (walk->gva >> (PAGE_SHIFT + bits * (level - 1)) & ((1u << bits) - 1)) * size;

    step->flags = walk->mode != PAGING_PAE || level != 3;
    step->where = guest_ptr(&walk->vcpu->vm->memory, at, size);
    if (!step->where)
        step->value = UINT64_MAX >> (64 - 8 * size);
    else if (size == 4)
        step->value = __atomic_load_n((uint32_t *)step->where, __ATOMIC_RELAXED);
    else
        step->value = __atomic_load_n((uint64_t *)step->where, __ATOMIC_RELAXED);
}

static void collect_rights(struct walk *walk, unsigned level, uint64_t entry)
{
    if (walk->mode == PAGING_PAE && level == 3)
        return; /* these entries give every right */
    walk->rights &= entry | PTE_XD;
    if (walk->mode != PAGING_32 && (walk->efer & EFER_NXE))
        walk->rights |= entry & PTE_XD;
}

static gpa_t leaf_address(const struct walk *walk, unsigned level, uint64_t entry)
{
    uint64_t inside = BIT(PAGE_SHIFT + (walk->mode == PAGING_32 ? 10 : 9) * (level - 1)) - 1;
    uint64_t high = 0;

    if (walk->mode == PAGING_32 && level == 2)
        high = (entry >> 13 & 0xff) << 32 & walk->address_mask;
    return (entry & walk->address_mask & ~inside & ~PAGE_MASK) | high | (walk->gva & inside);
}

/* Follows the tables down to the leaf. */
static bool descend(struct walk *walk, gpa_t table, unsigned level, gpa_t *gpa, struct fault *fault)
{
    walk->count = 0;
    walk->rights = PTE_RW | PTE_US;
    for (;; level--) {
        uint64_t entry;

        read_entry(walk, table, level);
        entry = walk->steps[walk->count - 1].value;
        if (!(entry & PTE_P))
            return page_fault(walk, 0, fault);
        if (entry & reserved_bits(walk, level, entry))
            return page_fault(walk, PF_PRESENT | PF_RESERVED, fault);
        collect_rights(walk, level, entry);
        if (is_leaf(walk, level, entry)) {
            *gpa = leaf_address(walk, level, entry);
            return true;
        }
        table = entry & walk->address_mask & ~PAGE_MASK;
    }
}

/* SDM, "Protection Keys": PKRU governs data accesses to user-mode addresses. */
static bool key_forbids(const struct walk *walk)
{
    uint64_t leaf = walk->steps[walk->count - 1].value;
    uint32_t rights;

    if (walk->mode != PAGING_LONG || !(walk->cr4 & CR4_PKE) || !(walk->rights & PTE_US) ||
        (walk->access & ACCESS_FETCH))
        return false;
    rights = vcpu_pkru(walk->vcpu) >> (2 * (leaf >> 59 & 0xf));
    if (rights & 1)
        return true;
    return (rights & 2) && (walk->access & ACCESS_WRITE) && (walk->user || (walk->cr0 & CR0_WP));
}

/* SDM, "Determination of Access Rights". */
static bool rights_forbid(const struct walk *walk)
{
    bool user_page = walk->rights & PTE_US, fetch = walk->access & ACCESS_FETCH;

    if (fetch && (walk->rights & PTE_XD))
        return true;
    if ((walk->access & ACCESS_WRITE) && !(walk->rights & PTE_RW) && (walk->user || (walk->cr0 & CR0_WP)))
        return true;
    if (walk->user)
        return !user_page;
    if (!user_page)
        return false;
    if (fetch)
        return walk->cr4 & CR4_SMEP;
    if (!(walk->cr4 & CR4_SMAP))
        return false;
    return (walk->access & ACCESS_SYSTEM) || !(vcpu_get(walk->vcpu, REG_RFLAGS) & RFLAGS_AC);
}

/* Sets accessed and dirty flags; false if an entry is no longer what the walk saw. */
static bool mark_used(struct walk *walk)
{
    for (unsigned i = 0; i < walk->count; i++) {
        struct step *step = &walk->steps[i];
        uint64_t used = step->value | PTE_A;

        if (i == walk->count - 1 && (walk->access & ACCESS_WRITE))
            used |= PTE_D;
        if (!step->flags || !step->where || used == step->value)
            continue;
        if (walk->mode == PAGING_32) {
            uint32_t seen = step->value;
            if (!__atomic_compare_exchange_n((uint32_t *)step->where, &seen, used, false, __ATOMIC_SEQ_CST,
                                             __ATOMIC_RELAXED))
                return false;
        } else if (!__atomic_compare_exchange_n((uint64_t *)step->where, &step->value, used, false,
                                                __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
            return false;
        }
        step->value = used;
    }
    return true;
}

static void tell_path(const struct walk *walk, struct walk_path *path)
{
    path->count = walk->count;
    path->exact = true;
    for (unsigned i = 0; i < walk->count; i++) {
        const struct step *step = &walk->steps[i];
        const uint64_t *where = (const uint64_t *)((uintptr_t)step->where & ~(uintptr_t)7);
        unsigned shift = (uintptr_t)step->where & 4 ? 32 : 0;

        path->entries[i].where = where;
        if (!where) {
            path->exact = false;
        } else {
            path->entries[i].value = __atomic_load_n(where, __ATOMIC_RELAXED);
            if (walk->mode != PAGING_32 ? path->entries[i].value != step->value
                                        : (uint32_t)(path->entries[i].value >> shift) != step->value)
                path->exact = false;
        }
    }
}

static void walk_begin(struct walk *walk, struct vcpu *vcpu, gva_t gva, unsigned access, uint64_t cr0)
{
    unsigned width = cpuid_lookup(vcpu, 0x80000008, 0)->eax & 0xff;

    *walk = (struct walk){.vcpu = vcpu,
                          .gva = gva,
                          .access = access,
                          .cr0 = cr0,
                          .cr4 = vcpu_get(vcpu, REG_CR4),
                          .efer = vcpu_get(vcpu, REG_EFER),
                          .user = !(access & ACCESS_SYSTEM) && vcpu_cpl(vcpu) == 3};
    walk->mode = walk->efer & EFER_LMA ? PAGING_LONG : walk->cr4 & CR4_PAE ? PAGING_PAE : PAGING_32;
    walk->address_mask = BIT(width < 32 ? 32 : width > 52 ? 52 : width) - 1;
}

/* Where the table is that CR3 points to. PAE's has 32 bytes. */
static gpa_t walk_root(const struct walk *walk, uint64_t cr3)
{
    if (walk->mode == PAGING_LONG)
        return cr3 & walk->address_mask & ~PAGE_MASK;
    return (uint32_t)cr3 & (walk->mode == PAGING_PAE ? ~UINT64_C(31) : ~PAGE_MASK);
}

bool guest_pdptes_valid(struct vcpu *vcpu, uint64_t cr3)
{
    uint64_t cr0 = vcpu_get(vcpu, REG_CR0);
    struct walk walk;

    walk_begin(&walk, vcpu, 0, ACCESS_SYSTEM, cr0);
    if (!(cr0 & CR0_PG) || walk.mode != PAGING_PAE)
        return true;
    for (unsigned i = 0; i < 4; i++, walk.gva += GIB(1)) {
        uint64_t entry;

        read_entry(&walk, walk_root(&walk, cr3), 3);
        entry = walk.steps[i].value;
        if (walk.steps[i].where && entry & PTE_P && entry & (reserved_bits(&walk, 3, entry) | PTE_A))
            return false;
    }
    return true;
}

bool guest_walk(struct vcpu *vcpu, gva_t gva, unsigned access, struct walk_path *path, gpa_t *gpa,
                struct fault *fault)
{
    uint64_t cr0 = vcpu_get(vcpu, REG_CR0);
    struct walk walk;
    unsigned levels = 2;
    gpa_t root;

    if (path)
        *path = (struct walk_path){.exact = true};
    if (!(cr0 & CR0_PG)) {
        *gpa = (uint32_t)gva;
        return true;
    }
    walk_begin(&walk, vcpu, gva, access, cr0);
    root = walk_root(&walk, vcpu_get(vcpu, REG_CR3));
    if (walk.mode == PAGING_LONG)
        levels = walk.cr4 & CR4_LA57 ? 5 : 4;
    else
        walk.gva = (uint32_t)gva;
    if (walk.mode == PAGING_PAE) /* read from memory, as AMD's processors do at each walk (APM, "CR3") */
        levels = 3;
    for (unsigned i = 0; i < WALK_TRIES; i++) {
        if (!descend(&walk, root, levels, gpa, fault))
            return false;
        if (key_forbids(&walk))
            return page_fault(&walk, PF_PRESENT | PF_KEY, fault);
        if (rights_forbid(&walk))
            return page_fault(&walk, PF_PRESENT, fault);
        if ((access & ACCESS_NO_ALTER) || mark_used(&walk)) {
            if (path)
                tell_path(&walk, path);
            return true;
        }
    }
    return page_fault(&walk, PF_PRESENT, fault); /* spurious: the guest tries again */
}

bool guest_translate(struct vcpu *vcpu, gva_t gva, unsigned access, gpa_t *gpa, struct fault *fault)
{
    return guest_walk(vcpu, gva, access, NULL, gpa, fault);
}
