/*
 * A guest for the debugger: each vCPU counts its rounds, and each round computes a little. It ends when the
 * debugger sets `done`, and not by itself: while one vCPU is stepped the others run on, as fast as the
 * machine lets them.
 */
#include <stdint.h>

#define CPUS        16
#define DEBUG_EXIT  0xf4
#define ICR         ((volatile uint32_t *)0xfee00300)
#define ICR_OTHERS  0xc4000u
#define ICR_INIT    0x500u
#define ICR_STARTUP 0x600u
#define TRAMPOLINE  0x7u /* page, as in start.asm */

volatile unsigned rounds[CPUS];
volatile unsigned online, total, done;

void cpu_main(unsigned cpu);

static void put(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static void text(const char *string)
{
    for (; *string; string++)
        __asm__ volatile("outb %0, %1" : : "a"(*string), "Nd"((uint16_t)0x3f8));
}

static unsigned fibonacci(unsigned n)
{
    if (n < 2)
        return n;
    return fibonacci(n - 1) + fibonacci(n - 2);
}

static void round_done(unsigned cpu, unsigned result)
{
    rounds[cpu]++;
    __atomic_add_fetch(&total, result, __ATOMIC_SEQ_CST);
}

static void start_others(void)
{
    *ICR = ICR_OTHERS | ICR_INIT;
    *ICR = ICR_OTHERS | ICR_STARTUP | TRAMPOLINE;
    for (unsigned i = 0; i < 20000; i++)
        __asm__ volatile("pause");
}

static void finish(void)
{
    text("counter: end\n");
    put(DEBUG_EXIT, 0);
}

void cpu_main(unsigned cpu)
{
    __atomic_add_fetch(&online, 1, __ATOMIC_SEQ_CST);
    if (cpu == 0)
        start_others();
    while (!done)
        round_done(cpu, fibonacci(6));
    if (cpu == 0)
        finish();
    for (;;)
        __asm__ volatile("hlt");
}
