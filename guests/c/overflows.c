/*
 * A guest with a fault for docs/debugging.md: it counts the nodes of a list that goes round, by a function
 * that calls itself, until the stack's end. The handler of the page fault has no other stack.
 */
#include <stdint.h>

#define COM1        0x3f8
#define PAGE_FAULTS 14
#define LARGE       0x200000u
#define GUARD       (3 * LARGE) /* what lies below the stack is not mapped */
#define STACK_TOP   (GUARD + LARGE + 0x4000)

static struct gate {
    uint16_t low, selector, attributes, middle;
    uint32_t high, zero;
} idt[PAGE_FAULTS + 1];

static struct node {
    const struct node *next;
    unsigned value;
} nodes[3] = {{&nodes[1], 1}, {&nodes[2], 2}, {&nodes[0], 3}};

void cpu_main(unsigned cpu);

static void text(const char *string)
{
    for (; *string; string++)
        __asm__ volatile("outb %0, %1" : : "a"(*string), "Nd"((uint16_t)COM1));
}

__attribute__((interrupt)) static void fault(void *frame, uint64_t error)
{
    (void)frame, (void)error;
    text("overflows: an exception\n");
    for (;;)
        __asm__ volatile("hlt");
}

static void handle_faults(void)
{
    struct __attribute__((packed)) {
        uint16_t limit;
        const void *base;
    } where = {sizeof(idt) - 1, idt};
    uint64_t at = (uint64_t)fault;
    uint16_t code;

    __asm__("mov %%cs, %0" : "=r"(code));
    for (unsigned vector = 8; vector <= PAGE_FAULTS; vector++)
        idt[vector] =
            (struct gate){(uint16_t)at, code, 0x8e00, (uint16_t)(at >> 16), (uint32_t)(at >> 32), 0};
    __asm__ volatile("lidt %0" : : "m"(where));
}

/* In the tables that Keel made: low memory mapped to itself, by 2 MiB. */
static void unmap_guard(void)
{
    uint64_t *table;

    __asm__("mov %%cr3, %0" : "=r"(table));
    for (unsigned level = 4; level > 2; level--)
        table = (uint64_t *)(table[0] & ~UINT64_C(0xfff));
    table[GUARD / LARGE] = 0;
    __asm__ volatile("invlpg (%0)" : : "r"((uint64_t)GUARD) : "memory");
}

static unsigned length_of(const struct node *list)
{
    return list ? 1 + length_of(list->next) : 0;
}

static void count_list(void)
{
    text("overflows: counting\n");
    if (length_of(nodes) == 3)
        text("overflows: three\n");
}

void cpu_main(unsigned cpu)
{
    (void)cpu;
    handle_faults();
    unmap_guard();
    __asm__ volatile("mov %0, %%rsp\n xor %%ebp, %%ebp\n push %%rbp\n call *%1"
                     :
                     : "r"((uint64_t)STACK_TOP), "r"(count_list)
                     : "memory");
    __builtin_unreachable();
}
