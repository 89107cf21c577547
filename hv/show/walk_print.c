#include "hv/show/walk_print.h"

#include "hv/lib/format.h"
#include "hv/vm/vm.h"
#include "hv/walk/walk.h"

#define LARGE         BIT(7)
#define ENTRY_ADDRESS (BIT(52) - PAGE_SIZE)

/* SDM, "Paging-Structure Entries": bits 0 to 8 by letter, then execute-disable. */
static void print_entry(struct writer *out, unsigned level, gpa_t at, uint64_t entry)
{
    static const char names[][6] = {"PTE", "PDE", "PDPTE", "PML4E", "PML5E"}, letters[] = "PWUTCADSG";
    char flags[] = "---------";

    for (unsigned i = 0; i < sizeof(flags) - 1; i++)
        if (entry & BIT(i))
            flags[i] = letters[i];
    print_to(out, "  %-5s at %09lx: %016lx %s%s\n", names[level - 1], at, entry, flags,
             entry & BIT(63) ? "N" : "");
}

static void print_tables(struct vcpu *vcpu, gva_t gva, struct writer *out)
{
    uint64_t cr4 = vcpu_get(vcpu, REG_CR4), table = vcpu_get(vcpu, REG_CR3) & ENTRY_ADDRESS;
    bool long_mode = vcpu_get(vcpu, REG_EFER) & EFER_LMA, wide = long_mode || (cr4 & CR4_PAE);
    unsigned level = long_mode ? (cr4 & CR4_LA57 ? 5 : 4)
                     : wide    ? 3
                               : 2,
             bits = wide ? 9 : 10, size = wide ? 8 : 4;

    if (!long_mode)
        gva = (uint32_t)gva;
    if (wide && !long_mode)
        table = vcpu_get(vcpu, REG_CR3) & 0xffffffe0;
    for (;; level--) {
        gpa_t at = table + (gva >> (PAGE_SHIFT + bits * (level - 1)) & (BIT(bits) - 1)) * size;
        uint64_t entry = 0;

        if (!guest_read(&vcpu->vm->memory, at, &entry, size)) {
            print_to(out, "  level %u at %09lx: there is no RAM\n", level, at);
            return;
        }
        print_entry(out, level, at, entry);
        if (!(entry & 1) || level == 1)
            return;
        if ((entry & LARGE) && ((level == 2 && (wide || (cr4 & CR4_PSE))) || (level == 3 && long_mode)))
            return;
        table = entry & ENTRY_ADDRESS;
    }
}

void walk_describe(struct vcpu *vcpu, gva_t gva, struct writer *out)
{
    struct fault fault;
    gpa_t gpa;

    if (vcpu_get(vcpu, REG_CR0) & CR0_PG)
        print_tables(vcpu, gva, out);
    else
        print_to(out, "  paging is off\n");
    if (guest_translate(vcpu, gva, ACCESS_READ | ACCESS_NO_ALTER, &gpa, &fault))
        walk_describe_physical(vcpu->vm, gpa, out);
    else
        print_to(out, "  a read now is a page fault, error 0x%x\n", fault.error);
}

void walk_describe_physical(const struct vm *vm, gpa_t gpa, struct writer *out)
{
    const struct table *nested = &vm->nested;
    uint64_t table = nested->root;

    print_to(out, "  guest-physical %lx\n", gpa);
    for (unsigned level = nested->levels; level; level--) {
        uint64_t index = gpa >> (PAGE_SHIFT + 9 * (level - 1)) & 511;
        uint64_t entry = nested->source->at(nested->source->context, table)[index];
        unsigned access = nested->format->access(entry);
        bool leaf = level == 1 || (level <= 3 && (entry & LARGE));

        print_to(out, "  nested level %u at %09lx: %016lx ", level, table + index * 8, entry);
        if (!(entry & nested->format->present)) {
            print_to(out, "not mapped: an access exits, to a device or to nobody\n");
            return;
        }
        print_to(out, "%c%c%c\n", access & TABLE_READ ? 'R' : '-', access & TABLE_WRITE ? 'W' : '-',
                 access & TABLE_EXECUTE ? 'X' : '-');
        if (leaf)
            return;
        table = entry & ENTRY_ADDRESS;
    }
}

void walk_describe_latest_fault(struct vcpu *vcpu, struct writer *out)
{
    uint64_t address = vcpu_get(vcpu, REG_CR2);

    print_to(out, "walk of cr2 %lx:\n", address);
    walk_describe(vcpu, address, out);
}
