#include "hv/host/idt.h"

#include "hv/host/cpu.h"
#include "hv/x86/x86.h"

/* SDM, "64-Bit Mode Task Gates": a gate of the IDT. */
struct PACKED gate {
    uint16_t offset_low;
    uint16_t selector;
    uint8_t ist;
    uint8_t attributes; /* present, DPL, type */
    uint16_t offset_middle;
    uint32_t offset_high;
    uint32_t reserved;
};

#define INTERRUPT_GATE 0x8e

/* These may come on a stack that is broken, or between any two instructions: each has a stack of its own
 * (TSS, IST). */
static const struct {
    uint8_t vector, ist;
} own_stack[] = {{EXC_NMI, 1}, {EXC_DF, 2}, {EXC_MC, 3}};

/* Of hv/host/interrupts.asm: a stub, and 32 of them with two jumps of 5 bytes. */
#define STUB_SIZE  4
#define GROUP_SIZE (32 * STUB_SIZE + 10)
extern const char trap_stubs[];

static struct gate idt[256];

void interrupts_enter_at(uint8_t vector, uint64_t entry)
{
    idt[vector] = (struct gate){
        .offset_low = (uint16_t)entry,
        .offset_middle = (uint16_t)(entry >> 16),
        .offset_high = (uint32_t)(entry >> 32),
        .selector = SELECTOR_CODE,
        .attributes = INTERRUPT_GATE,
    };
}

void interrupts_init(void)
{
    for (unsigned v = 0; v < 256; v++)
        interrupts_enter_at((uint8_t)v, (uint64_t)trap_stubs + v / 32 * GROUP_SIZE + v % 32 * STUB_SIZE);
    for (unsigned i = 0; i < ARRAY_LENGTH(own_stack); i++)
        idt[own_stack[i].vector].ist = own_stack[i].ist;
}

void interrupts_load(void)
{
    struct PACKED {
        uint16_t limit;
        uint64_t base;
    } pointer = {sizeof(idt) - 1, (uint64_t)idt};

    __asm__ volatile("lidt %0" : : "m"(pointer));
}
