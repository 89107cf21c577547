#include "hv/host/apic.h"

#include "hv/host/calibrate.h"
#include "hv/host/clock.h"
#include "hv/host/cpu.h"
#include "hv/host/feature.h"
#include "hv/host/instructions.h"
#include "hv/host/interrupts.h"
#include "hv/host/log.h"
#include "hv/host/paging.h"
#include "hv/host/quirks.h"
#include "hv/host/wait.h"
#include "hv/lib/arith.h"
#include "hv/x86/apic.h"
#include "hv/x86/interrupts.h"

#define DIVIDE_BY_1   0xb

/* An interrupt message is on its way for microseconds. */
#define SEND_PATIENCE 1000000

static bool x2apic, deadline_mode;
static volatile uint32_t *page;
static uint64_t timer_hz;

static inline uint32_t apic_read(unsigned reg)
{
    return x2apic ? (uint32_t)rdmsr(X2APIC_FIRST + reg) : page[reg * 4];
}

static inline void apic_write(unsigned reg, uint32_t value)
{
    if (x2apic)
        wrmsr(X2APIC_FIRST + reg, value);
    else
        page[reg * 4] = value;
}

void host_apic_init(void)
{
    x2apic = cpu_has(1, 0, 2, 21);
    deadline_mode = cpu_has(1, 0, 2, 24);
    if (!x2apic) {
        page = host_map(rdmsr(IA32_APIC_BASE) & ALIGN_DOWN(BIT(52) - 1, PAGE_SIZE), PAGE_SIZE, HOST_DEVICE);
        if (!page)
            panic("no memory to map the local APIC");
    }
}

void host_apic_enable(void)
{
    wrmsr(IA32_APIC_BASE, rdmsr(IA32_APIC_BASE) | APIC_BASE_EN | (x2apic ? APIC_BASE_EXTD : 0));
    apic_write(APIC_TPR, 0);
    apic_write(APIC_LVT_LINT0, LVT_MASKED);
    apic_write(APIC_LVT_LINT1, LVT_MASKED);
    apic_write(APIC_LVT_ERROR, LVT_MASKED);
    apic_write(APIC_SVR, SVR_ENABLED | VECTOR_SPURIOUS);
    apic_write(APIC_DIVIDE, DIVIDE_BY_1);
    apic_write(APIC_LVT_TIMER, VECTOR_TIMER | (deadline_mode ? LVT_TIMER(TIMER_TSC_DEADLINE) : 0));
    /* SDM, "TSC-Deadline Mode": before the first write of the deadline */
    __asm__ volatile("mfence; lfence" : : : "memory");
}

uint32_t host_apic_id(void)
{
    return x2apic ? apic_read(APIC_ID) : apic_read(APIC_ID) >> 24;
}

bool host_apic_reaches(uint32_t apic_id)
{
    return x2apic || apic_id < 0xff;
}

void host_apic_eoi(void)
{
    apic_write(APIC_EOI, 0);
}

void host_apic_look_again(void)
{
    if (x2apic || page)
        apic_write(APIC_TPR, 0);
}

static void send(uint32_t destination, uint32_t command)
{
    if (x2apic) {
        __asm__ volatile("mfence; lfence"
                         :
                         :
                         : "memory"); /* SDM, "WRMSR to x2APIC registers is not serializing" */
        wrmsr(X2APIC_FIRST + APIC_ICR, (uint64_t)destination << 32 | command);
        return;
    }
    for (unsigned i = 0; i < SEND_PATIENCE && (apic_read(APIC_ICR) & ICR_PENDING); i++)
        cpu_pause();
    apic_write(APIC_ICR2, destination << 24);
    apic_write(APIC_ICR, command);
}

void host_apic_send(uint32_t to, uint8_t vector)
{
    send(to, ICR_ASSERT | vector);
}

void host_apic_send_nmi(uint32_t to)
{
    send(to, ICR_ASSERT | ICR_DELIVERY(APIC_NMI));
}

void host_apic_send_nmi_others(void)
{
    send(0, ICR_ASSERT | ICR_TO(SHORTHAND_ALL_OTHERS) | ICR_DELIVERY(APIC_NMI));
}

void host_apic_send_init(uint32_t to)
{
    send(to, ICR_ASSERT | ICR_DELIVERY(APIC_INIT));
}

void host_apic_send_startup(uint32_t to, uint8_t start_page)
{
    send(to, ICR_ASSERT | ICR_DELIVERY(APIC_STARTUP) | start_page);
}

static bool timer_pends(void)
{
    return apic_read(APIC_IRR + VECTOR_TIMER / 32) & BIT(VECTOR_TIMER % 32);
}

static uint32_t read_timer(void)
{
    return -apic_read(APIC_CURRENT_COUNT);
}

void host_apic_timer_init(void)
{
    static const struct counter timer = {.read = read_timer, .mask = UINT32_MAX};

    deadline_mode = deadline_mode && host_deadline_works(timer_pends);
    if (deadline_mode)
        return;
    apic_write(APIC_LVT_TIMER, LVT_MASKED | LVT_TIMER(TIMER_PERIODIC) | VECTOR_TIMER);
    apic_write(APIC_INITIAL_COUNT, UINT32_MAX);
    timer_hz = clock_compare(&timer);
    apic_write(APIC_INITIAL_COUNT, 0);
    apic_write(APIC_LVT_TIMER, VECTOR_TIMER);
    if (!timer_hz)
        panic("the local APIC timer does not count");
}

void host_apic_timer_set(uint64_t deadline)
{
    uint64_t now, ticks;

    if (deadline_mode) {
        wrmsr(IA32_TSC_DEADLINE, deadline == UINT64_MAX ? 0 : MAX(deadline, 1));
        return;
    }
    if (deadline == UINT64_MAX) {
        apic_write(APIC_INITIAL_COUNT, 0);
        return;
    }
    now = clock_now();
    ticks = deadline > now ? mul_div(deadline - now, timer_hz, clock_hz()) : 0;
    apic_write(APIC_INITIAL_COUNT,
               (uint32_t)MIN(ticks, UINT32_MAX - 1) + 1); /* fires early: the queue arms it again */
}

uint64_t host_apic_timer_hz(void)
{
    return timer_hz;
}

const char *host_apic_description(void)
{
    static const char *const names[2][2] = {{"xAPIC, one-shot timer", "xAPIC, TSC-deadline timer"},
                                            {"x2APIC, one-shot timer", "x2APIC, TSC-deadline timer"}};

    return names[x2apic][deadline_mode];
}
