#include "hv/host/quirks.h"

#include "hv/host/clock.h"
#include "hv/host/feature.h"
#include "hv/host/instructions.h"

#define XSAVE_HEADER_END 576

/*
 * Whether XSAVEC puts AVX behind the header (SDM, "Compacted Format of Extended Region"). Bochs 2.7 does not:
 * it puts it at offset 416, and the header over it, so that a guest that switches tasks by XSAVEC or XSAVES
 * loses registers.
 */
static bool compaction_works(void)
{
    static uint8_t area[KIB(1)] __attribute__((aligned(64)));
    const uint64_t x87_sse_avx = 7, xcr0 = xgetbv(0);
    const uint32_t ones = UINT32_MAX;

    xsetbv(0, x87_sse_avx);
    __asm__ volatile("vbroadcastss %1, %%ymm0\n xsavec64 %0\n vzeroall"
                     : "+m"(area)
                     : "m"(ones), "a"(x87_sse_avx), "d"(0));
    xsetbv(0, xcr0);
    return area[XSAVE_HEADER_END] == UINT8_MAX;
}

bool host_compacts(void)
{
    enum { UNKNOWN, WORKS, BROKEN };
    static uint8_t state;

    if (!cpu_has(1, 0, 2, 26) || !cpu_has(1, 0, 2, 28) || !cpu_has(0xd, 1, 0, 1))
        return true;
    if (state == UNKNOWN)
        state = compaction_works() ? WORKS : BROKEN;
    return state == WORKS;
}

/* Bochs 2.7 counts it from its own start, not by the TSC that a reset of the machine sets to 0, and would
 * interrupt for ever. */
bool host_deadline_works(bool (*pending)(void))
{
    uint64_t wait = clock_hz() / 1000, deadline = clock_now() + wait, before;
    bool fired, passed;

    wrmsr(IA32_TSC_DEADLINE, deadline);
    do {
        before = clock_now();
        fired = pending();
    } while (!fired && before < deadline + 100 * wait);
    passed = clock_now() >= deadline;
    wrmsr(IA32_TSC_DEADLINE, 0);
    return fired && passed;
}
