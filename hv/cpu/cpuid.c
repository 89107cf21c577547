/* CPUID as a vCPU is answered: a leaf of its table, and the bits that follow its control registers. */
#include "hv/cpu/cpuid.h"

#include "hv/cpu/cpuid_table.h"
#include "hv/vm/vcpu.h"

size_t cpuid_table_size(void)
{
    return sizeof(struct cpuid_table);
}

uint32_t *cpuid_register(struct cpuid_regs *regs, unsigned reg)
{
    uint32_t *all[] = {&regs->eax, &regs->ebx, &regs->ecx, &regs->edx};

    return all[reg];
}

const struct cpuid_regs *cpuid_find(const struct cpuid_table *table, uint32_t leaf, uint32_t subleaf)
{
    uint64_t key = (uint64_t)leaf << 32 | subleaf;
    unsigned low = 0, high = table->count;

    while (low < high) {
        unsigned middle = (low + high) / 2;
        const struct cpuid_entry *entry = &table->entries[middle];

        if (((uint64_t)entry->leaf << 32 | entry->subleaf) < key)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < table->count && table->entries[low].leaf == leaf && table->entries[low].subleaf == subleaf)
        return &table->entries[low].regs;
    return NULL;
}

/* Bytes of the XSAVE area for these components, each at its own offset or one after the other. */
static uint32_t standard_size(const struct cpuid_table *table, uint64_t mask)
{
    uint32_t size = XSAVE_HEADER_END;

    for (uint32_t component = 2; component < COMPONENTS && mask >> component; component++) {
        const struct cpuid_regs *regs = mask >> component & 1 ? cpuid_find(table, 0xd, component) : NULL;

        if (regs)
            size = MAX(size, regs->ebx + regs->eax);
    }
    return size;
}

static uint32_t compacted_size(const struct cpuid_table *table, uint64_t mask)
{
    uint32_t size = XSAVE_HEADER_END;

    for (uint32_t component = 2; component < COMPONENTS && mask >> component; component++) {
        const struct cpuid_regs *regs = mask >> component & 1 ? cpuid_find(table, 0xd, component) : NULL;

        if (regs)
            size = (regs->ecx & LEAFD_ECX_ALIGN64 ? (uint32_t)ALIGN_UP(size, 64) : size) + regs->eax;
    }
    return size;
}

static void set_bits(uint32_t *value, uint64_t bits, bool on)
{
    *value = on ? *value | (uint32_t)bits : *value & ~(uint32_t)bits;
}

void cpuid_refresh(struct vcpu *vcpu, uint64_t cr4, bool apic_enabled, uint64_t xcr0, uint64_t xss)
{
    struct cpuid_table *table = vcpu->arch.cpuid;

    if (table->dynamic1) {
        set_bits(&table->dynamic1->ecx, LEAF1_ECX_OSXSAVE, table->xcr0 && (cr4 & CR4_OSXSAVE));
        set_bits(&table->dynamic1->edx, LEAF1_EDX_APIC, apic_enabled);
    }
    if (table->dynamic7)
        set_bits(&table->dynamic7->ecx, LEAF7_ECX_OSPKE,
                 (table->dynamic7->ecx & LEAF7_ECX_PKU) && (cr4 & CR4_PKE));
    if (table->dynamic_extended1 && table->amd)
        set_bits(&table->dynamic_extended1->edx, LEAF1_EDX_APIC, apic_enabled);
    if (table->dynamic_d0) {
        table->dynamic_d0->ebx = standard_size(table, xcr0 & table->xcr0);
        table->dynamic_d0->ecx = standard_size(table, table->xcr0);
    }
    if (table->dynamic_d1 && (table->dynamic_d1->eax & (LEAFD_EAX_XSAVEC | LEAFD_EAX_XSAVES)))
        table->dynamic_d1->ebx = compacted_size(table, (xcr0 & table->xcr0) | (xss & table->xss));
}

const struct cpuid_regs *cpuid_search(struct cpuid_table *table, uint32_t leaf, uint32_t subleaf)
{
    const struct cpuid_regs *regs;

    /* SDM, "CPUID": what is above the highest leaf answers as the highest basic one; AMD's processors say 0.
     */
    if (leaf > table->basic_most && leaf >> 28 != HYPERVISOR >> 28 &&
        (leaf < CPUID_EXTENDED || leaf > table->extended_most) && !table->amd)
        leaf = table->basic_most;
    if (leaf >> 28 == HYPERVISOR >> 28 || (leaf <= CPUID_BASIC_MOST && table->leaves.basic[leaf]))
        subleaf = 0; /* there are none: ECX says nothing */
    regs = cpuid_find(table, leaf, subleaf);
    if (regs)
        return regs;
    if ((leaf == 0xb || leaf == 0x1f) && leaf <= table->basic_most) {
        table->end = (struct cpuid_regs){0, 0, subleaf & 0xff, table->apic_id};
        return &table->end;
    }
    return &table->zero;
}

const struct cpuid_regs *cpuid_lookup(const struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf)
{
    return cpuid_answer(vcpu->arch.cpuid, leaf, subleaf);
}

bool cpuid_hides(const struct vcpu *vcpu, const char *name)
{
    return cpuid_is_hidden(&vcpu->arch.cpuid->choice, name);
}

const char *cpuid_wanted_missing(const struct cpuid_choice *choice, const struct vcpu *vcpu)
{
    const struct cpuid_feature *feature = NULL;

    while ((feature = cpuid_next_wanted(choice, feature))) {
        struct cpuid_regs regs = *cpuid_lookup(vcpu, feature->leaf, feature->subleaf);

        if (!(*cpuid_register(&regs, feature->reg) >> feature->bit & 1))
            return feature->name;
    }
    return NULL;
}
