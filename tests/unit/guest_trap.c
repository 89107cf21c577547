/* Signals of instructions that this process runs in a guest's place. */
#define _GNU_SOURCE /* names of registers */
#include "tests/unit/guest_trap.h"

#include <signal.h>
#include <stdlib.h>
#include <ucontext.h>

static const int signals[] = {SIGILL, SIGFPE, SIGSEGV, SIGBUS};
static struct sigaction old[sizeof(signals) / sizeof(signals[0])];
static void *trap_at;
static unsigned trap_length, trap_vector;

static void take(int number, siginfo_t *info, void *context)
{
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;

    (void)number, (void)info;
    if (registers[REG_RIP] != (greg_t)trap_at)
        abort();
    trap_vector = (unsigned)registers[REG_TRAPNO];
    registers[REG_RIP] += trap_length;
}

void guest_trap_begin(void *at, unsigned length)
{
    struct sigaction action = {.sa_sigaction = take, .sa_flags = SA_SIGINFO | SA_NODEFER};

    trap_at = at, trap_length = length, trap_vector = GUEST_NO_TRAP;
    for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        sigaction(signals[i], &action, &old[i]);
}

unsigned guest_trap_end(void)
{
    for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        sigaction(signals[i], &old[i], NULL);
    return trap_vector;
}
