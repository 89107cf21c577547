/*
 * A guest with a fault for docs/debugging.md: it waits for ten ticks of the PIT and gets one, since its
 * handler does not tell the interrupt controller that it is done.
 */
#include <stdint.h>

#define COM1   0x3f8
#define PIC    0x20
#define SLAVE  0xa0
#define PIT    0x40
#define HZ     100
#define VECTOR 0x20
#define TICKS  10

static struct gate {
    uint16_t low, selector, attributes, middle;
    uint32_t high, zero;
} idt[VECTOR + 1];

static volatile unsigned ticks;

void cpu_main(unsigned cpu);

static void out(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static void text(const char *string)
{
    for (; *string; string++)
        out(COM1, (uint8_t)*string);
}

__attribute__((interrupt)) static void tick(void *frame)
{
    (void)frame;
    ticks++;
}

static void set_gate(unsigned vector, void (*handler)(void *frame))
{
    uint64_t at = (uint64_t)handler;
    uint16_t code;

    __asm__("mov %%cs, %0" : "=r"(code));
    idt[vector] = (struct gate){(uint16_t)at, code, 0x8e00, (uint16_t)(at >> 16), (uint32_t)(at >> 32), 0};
}

/* Both 8259s, with their vectors from 0x20 on, and only the timer's line open. */
static void start_interrupts(void)
{
    struct __attribute__((packed)) {
        uint16_t limit;
        const void *base;
    } where = {sizeof(idt) - 1, idt};

    set_gate(VECTOR, tick);
    __asm__ volatile("lidt %0" : : "m"(where));
    out(PIC, 0x11), out(PIC + 1, VECTOR), out(PIC + 1, 4), out(PIC + 1, 1);
    out(SLAVE, 0x11), out(SLAVE + 1, VECTOR + 8), out(SLAVE + 1, 2), out(SLAVE + 1, 1);
    out(PIC + 1, 0xfe), out(SLAVE + 1, 0xff);
    out(PIT + 3, 0x34), out(PIT, (1193182 / HZ) & 0xff), out(PIT, 1193182 / HZ >> 8);
    __asm__ volatile("sti");
}

static void wait_for_ticks(unsigned count)
{
    while (ticks < count)
        __asm__ volatile("hlt");
}

void cpu_main(unsigned cpu)
{
    (void)cpu;
    start_interrupts();
    text("hangs: waiting for ten ticks\n");
    wait_for_ticks(TICKS);
    text("hangs: there they were\n");
    for (;;)
        __asm__ volatile("hlt");
}
