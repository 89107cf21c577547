#include "hv/host/cpu.h"

#include "hv/host/feature.h"
#include "hv/host/idt.h"
#include "hv/host/instructions.h"
#include "hv/host/paging.h"
#include "hv/host/stub.h"

struct cpu *cpus[CPUS_MOST];
unsigned cpu_count;

enum { EAX, EBX, ECX, EDX };

/* CR4 bits that Keel turns on where CPUID shows them. PKU and the like stay off: Keel has no user mode. */
static const struct {
    uint64_t cr4;
    uint32_t leaf;
    uint8_t reg, bit;
} features[] = {
    {CR4_OSFXSR, 1, EDX, 24},  {CR4_OSXMMEXCPT, 1, EDX, 25}, {CR4_DE, 1, EDX, 2},
    {CR4_OSXSAVE, 1, ECX, 26}, {CR4_FSGSBASE, 7, EBX, 0},    {CR4_SMEP, 7, EBX, 7},
    {CR4_SMAP, 7, EBX, 20},    {CR4_UMIP, 7, ECX, 2},
};

void cpu_enable_features(void)
{
    uint64_t cr4 = read_cr4();

    for (unsigned i = 0; i < ARRAY_LENGTH(features); i++)
        if (cpu_has(features[i].leaf, 0, features[i].reg, features[i].bit))
            cr4 |= features[i].cr4;
    write_cr4(cr4);
    /* INIT leaves the caches off. Of x87 state Keel is to get every exception of a guest's instruction. */
    write_cr0((read_cr0() | CR0_WP | CR0_MP | CR0_NE) & ~(CR0_CD | CR0_NW | CR0_EM | CR0_TS));
    wrmsr(IA32_EFER, rdmsr(IA32_EFER) | EFER_NXE | EFER_SCE);
}

/* Descriptors of SDM, "Segment Descriptor Tables in IA-32e Mode": flat code and data, and the TSS over two
 * entries. */
static void fill_gdt(struct cpu *cpu)
{
    uint64_t base = (uint64_t)&cpu->tss;

    cpu->gdt[SELECTOR_CODE / 8] = 0x00af9b000000ffff;
    cpu->gdt[SELECTOR_DATA / 8] = 0x00cf93000000ffff;
    cpu->gdt[SELECTOR_TSS / 8] =
        (sizeof(struct tss) - 1) | (base & 0xffffff) << 16 | UINT64_C(0x89) << 40 | (base >> 24 & 0xff) << 56;
    cpu->gdt[SELECTOR_TSS / 8 + 1] = base >> 32;
}

void cpu_load_tables(struct cpu *cpu)
{
    struct PACKED {
        uint16_t limit;
        uint64_t base;
    } pointer = {sizeof(cpu->gdt) - 1, (uint64_t)cpu->gdt};

    fill_gdt(cpu);
    cpu->tss.io_map = sizeof(struct tss);
    __asm__ volatile("lgdt %0\n"
                     "pushq %1\n"
                     "leaq 1f(%%rip), %%rax\n"
                     "pushq %%rax\n"
                     "lretq\n"
                     "1: movl %2, %%eax\n"
                     "movl %%eax, %%ss\n"
                     "movl %%eax, %%ds\n"
                     "movl %%eax, %%es\n"
                     "xorl %%eax, %%eax\n"
                     "movl %%eax, %%fs\n"
                     "movl %%eax, %%gs\n"
                     "ltr %w3"
                     :
                     : "m"(pointer), "i"(SELECTOR_CODE), "i"(SELECTOR_DATA), "r"(SELECTOR_TSS)
                     : "rax", "memory");
    wrmsr(IA32_GS_BASE, (uint64_t)cpu);
    interrupts_load();
}

/* A core's stacks lie in one window: each is mapped, with a page that is not mapped below it. */
#define STACKS_STRIDE KIB(64)

static const struct {
    unsigned first_page, pages;
} stacks[] = {{1, 4}, {6, 2}, {9, 2}, {12, 2}}; /* main, NMI, double fault, machine check */

#define STUB_FIRST_PAGE 14 /* hv/host/stub.h: an operand, then code */

struct cpu *cpu_create(uint32_t apic_id)
{
    struct cpu *cpu = host_allocate(sizeof(*cpu));
    uint64_t base = STACKS_WINDOW + cpu_count * STACKS_STRIDE;
    uint64_t top = 0;

    if (!cpu || cpu_count == CPUS_MOST)
        return NULL;
    *cpu = (struct cpu){.self = cpu, .index = cpu_count, .apic_id = apic_id};
    for (unsigned i = 0; i < ARRAY_LENGTH(stacks); i++) {
        uint64_t bottom = base + stacks[i].first_page * PAGE_SIZE;

        if (!host_map_new(bottom, stacks[i].pages))
            return NULL;
        top = bottom + stacks[i].pages * PAGE_SIZE;
        if (i == 0)
            cpu->stack_top = top;
        else
            cpu->tss.ist[i - 1] = top;
    }
    if (!stub_create(cpu, base + STUB_FIRST_PAGE * PAGE_SIZE))
        return NULL;
    cpus[cpu_count++] = cpu;
    return cpu;
}
