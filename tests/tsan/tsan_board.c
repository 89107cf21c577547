/*
 * Three cores that each run a vCPU of one VM, with the real timers, and a fourth that brings what comes from
 * outside. What they do is chance; ThreadSanitizer judges how they meet.
 */
#include "devices/board.h"
#include "hv/host/apic.h"
#include "hv/host/clock.h"
#include "hv/host/cpu.h"
#include "hv/host/log.h"
#include "hv/host/timer.h"
#include "tests/fuzz/pc.h"
#include "tests/unit/fake.h"
#include "tests/unit/privileged.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>

#define CORES   (PC_VCPUS + 1)
#define OUTSIDE PC_VCPUS

static struct cpu machine[CORES];
static uint64_t now;
static bool over;

uint64_t clock_now(void)
{
    return __atomic_load_n(&now, __ATOMIC_RELAXED);
}

void clock_hold(uint64_t until)
{
    (void)until;
}

uint64_t clock_hz(void)
{
    return fake_hz;
}

uint64_t clock_wall_seconds(void)
{
    return fake_wall + clock_now() / fake_hz;
}

/* Cores look at their timers all the time. */
void host_apic_timer_set(uint64_t deadline)
{
    (void)deadline;
}

/* A line that a device has for people goes nowhere: the log is not what is tested. */
void log_line(const char *format, ...)
{
    (void)format;
}

static uint64_t paid; /* how often a timer's time was asked for */

static void count_payment(struct runner *payer, uint64_t from, uint64_t until)
{
    MUST(payer && from <= until);
    __atomic_fetch_add(&paid, 1, __ATOMIC_RELAXED);
}

/* New bytes of chance (xorshift64). */
static void refill(struct input *input, uint8_t bytes[256], uint64_t *state)
{
    for (unsigned i = 0; i < 256; i += 8) {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        memcpy(bytes + i, state, 8);
    }
    *input = (struct input){bytes, 256};
}

static void *run_core(void *core)
{
    struct cpu *cpu = core;
    uint64_t state = 0x9e3779b97f4a7c15 * (cpu->index + 1);
    uint8_t bytes[256];
    struct input input = {bytes, 0};

    privileged_set_core(cpu);
    while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
        if (input.left < 16)
            refill(&input, bytes, &state);
        if (cpu->index == OUTSIDE)
            pc_outside(&input);
        else
            pc_guest(&pc.vcpus[cpu->index], &input);
        /* Steps of all sizes: some that two timers see as the same moment, some that end a long one. */
        __atomic_fetch_add(&now, (state & 0xfff) << (state >> 12) % 20, __ATOMIC_RELAXED);
        timer_interrupt();
    }
    return NULL;
}

/* Runs for so many seconds; the options are those of pc_make. */
static void run(unsigned options, unsigned seconds)
{
    struct timespec rest = {.tv_sec = seconds};
    pthread_t threads[CORES];

    pc_make(options);
    __atomic_store_n(&over, false, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < CORES; i++)
        MUST(pthread_create(&threads[i], NULL, run_core, &machine[i]) == 0);
    nanosleep(&rest, NULL);
    __atomic_store_n(&over, true, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < CORES; i++)
        pthread_join(threads[i], NULL);
    board_stop(&pc.vm);
    for (unsigned i = 0; i < CORES; i++)
        MUST(!machine[i].timers.first);
}

int main(int count, char **arguments)
{
    unsigned seconds = count > 1 ? (unsigned)atoi(arguments[1]) : 10;

    cpu_count = CORES;
    for (unsigned i = 0; i < CORES; i++) {
        machine[i] = (struct cpu){.self = &machine[i], .index = i};
        cpus[i] = &machine[i];
    }
    timer_paid = count_payment;
    privileged_set_core(&machine[OUTSIDE]);
    run(PC_TESTDEV, seconds / 2);
    run(PC_SHADOWS | PC_DELIVERS, seconds - seconds / 2);
    MUST(paid);
    puts("[  PASSED  ] 1 test(s).");
    return 0;
}
