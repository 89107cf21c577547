/* How a core waits: for another core, for an interrupt, for ever. */
#pragma once

static inline void cpu_pause(void)
{
    __asm__ volatile("pause");
}

static inline void interrupts_off(void)
{
    __asm__ volatile("cli" : : : "memory");
}

static inline _Noreturn void halt_for_ever(void)
{
    for (;;)
        __asm__ volatile("cli\n hlt");
}

/* Takes the interrupts that are pending now, and no later ones. */
static inline void interrupts_poll(void)
{
    __asm__ volatile("sti\n nop\n cli" : : : "memory");
}

/* Sleeps until an interrupt, which it takes. Nothing can slip in between: STI holds interrupts off for one
 * instruction. */
static inline void interrupts_wait(void)
{
    __asm__ volatile("sti\n hlt\n cli" : : : "memory");
}
