/*
 * The local APIC's timer (SDM, "APIC Timer"). Its input clock is the TSC, as CPUID leaf 0x15 tells the guest.
 * Counts are computed when they are read: the host's timer is armed only while the entry is not masked.
 */
#include "devices/irq/apic_internal.h"
#include "hv/host/clock.h"
#include "hv/run/vm_timer.h"

/*
 * The host's timer runs at most this often a second for one guest's periodic timer, so that a guest cannot
 * keep a core busy with ticks alone. Ticks in between coalesce; the phase is kept.
 */
#define TICKS_MOST 50000

static bool counts(const struct local_apic *apic)
{
    return apic->timer.mode <= TIMER_PERIODIC;
}

/* The first time after `after` at which a periodic count reaches 0. */
static uint64_t next_expiry(const struct apic_timer *timer, uint64_t after)
{
    if (after < timer->expiry)
        return timer->expiry;
    return timer->expiry + ((after - timer->expiry) / timer->period + 1) * timer->period;
}

static void stop(struct apic_timer *timer)
{
    timer->running = false;
    timer->deadline = 0;
    timer_cancel(&timer->timer);
}

/* Masked, the end of a count is for nobody: it is noticed when somebody looks. */
static bool masked(const struct local_apic *apic)
{
    return apic_load(apic, APIC_LVT_TIMER) & LVT_MASKED;
}

static void pass_masked(struct local_apic *apic)
{
    struct apic_timer *timer = &apic->timer;

    if (timer->running && !timer->period && masked(apic) && timer->expiry <= clock_now())
        stop(timer);
}

/* The host's timer for the next end of the count, if anybody is to be told of it. */
static void watch(struct local_apic *apic)
{
    struct apic_timer *timer = &apic->timer;

    if (!timer->running || masked(apic))
        timer_cancel(&timer->timer);
    else
        timer_arm(&timer->timer, timer->period ? next_expiry(timer, clock_now()) : timer->expiry);
}

/* Runs for `count` from now on; a periodic timer then from `initial` again and again. */
static void start(struct local_apic *apic, uint32_t count, uint32_t initial)
{
    struct apic_timer *timer = &apic->timer;

    timer->running = true;
    timer->expiry = clock_now() + ((uint64_t)count << timer->shift);
    timer->period = timer->mode == TIMER_PERIODIC ? (uint64_t)initial << timer->shift : 0;
    watch(apic);
}

static uint32_t current_count(const struct local_apic *apic)
{
    const struct apic_timer *timer = &apic->timer;
    uint64_t now = clock_now(), left = 0;

    if (!timer->running || !counts(apic))
        return 0;
    if (timer->period)
        left = next_expiry(timer, now) - now;
    else if (now < timer->expiry)
        left = timer->expiry - now;
    return (left + BIT(timer->shift) - 1) >> timer->shift;
}

/* On the core that armed the timer, with its lock held. */
static void expired(struct timer *host_timer)
{
    struct apic_timer *timer = container_of(host_timer, struct apic_timer, timer);
    struct local_apic *apic = container_of(timer, struct local_apic, timer);

    /* While this waited for the lock the vCPU, on another core, may have stopped the timer or set it anew. */
    if (!timer->running || timer_armed(host_timer))
        return;
    if (!timer->period)
        stop(timer);
    else if (vm_timer_at_home(apic->vcpu->vm, apic->vcpu))
        timer_arm(host_timer, next_expiry(timer, clock_now() + timer->shortest));
    local_apic_raise_lvt(apic, APIC_LVT_TIMER);
}

void apic_timer_set_count(struct local_apic *apic, uint32_t count)
{
    spin_lock(&apic->timer.lock);
    if (counts(apic)) { /* written in TSC-deadline mode it is ignored */
        apic->timer.initial = count;
        if (count)
            start(apic, count, count);
        else
            stop(&apic->timer);
    }
    apic->reg[APIC_INITIAL_COUNT].low = apic->timer.initial;
    spin_unlock(&apic->timer.lock);
}

uint32_t apic_timer_count(struct local_apic *apic)
{
    uint32_t count;

    spin_lock(&apic->timer.lock);
    pass_masked(apic);
    count = current_count(apic);
    spin_unlock(&apic->timer.lock);
    return count;
}

void apic_timer_resumed(struct local_apic *apic)
{
    spin_lock(&apic->timer.lock);
    if (!timer_armed(&apic->timer.timer))
        watch(apic);
    spin_unlock(&apic->timer.lock);
}

/* Bits 3, 1 and 0 are the power of two less one, 7 meaning 0. */
static unsigned divide_shift(uint32_t value)
{
    return ((value & 3) + (value >> 1 & 4) + 1) & 7;
}

/* A count that runs goes on from where it is, at the new rate. */
void apic_timer_set_divide(struct local_apic *apic, uint32_t value)
{
    uint32_t count;

    spin_lock(&apic->timer.lock);
    count = current_count(apic);
    apic->reg[APIC_DIVIDE].low = value;
    apic->timer.shift = divide_shift(value);
    if (count)
        start(apic, count, apic->timer.initial);
    spin_unlock(&apic->timer.lock);
}

/*
 * SDM, "TSC-Deadline Mode": a change into this mode or out of it disarms the timer. Between the other two the
 * count goes on from where it is, as in all processors, whatever "APIC Timer" says of a new mode.
 */
void apic_timer_set_lvt(struct local_apic *apic, uint32_t value)
{
    struct apic_timer *timer = &apic->timer;
    unsigned mode = LVT_TIMER_MODE(value);
    bool was_masked = masked(apic);

    spin_lock(&timer->lock);
    pass_masked(apic);
    if (mode != timer->mode) {
        uint32_t left = mode <= TIMER_PERIODIC ? current_count(apic) : 0;

        if (mode > TIMER_PERIODIC || timer->mode > TIMER_PERIODIC)
            stop(timer);
        timer->mode = mode;
        if (left)
            start(apic, left, timer->initial);
    }
    apic_store(apic, APIC_LVT_TIMER, value);
    if (was_masked != masked(apic))
        watch(apic);
    spin_unlock(&timer->lock);
}

/*
 * The deadline is in the guest's TSC, which may be anywhere in its 64 bits; one that has passed already fires
 * at once (SDM, "TSC-Deadline Mode").
 */
static void set_deadline(struct local_apic *apic, uint64_t deadline)
{
    struct apic_timer *timer = &apic->timer;
    uint64_t now = clock_now(), guest_now = now + apic->vcpu->arch.tsc_offset;

    if (deadline <= guest_now) {
        stop(timer);
        if (deadline)
            local_apic_raise_lvt(apic, APIC_LVT_TIMER);
        return;
    }
    timer->running = true;
    timer->deadline = deadline;
    timer->period = 0;
    timer->expiry = deadline - guest_now > UINT64_MAX - now ? UINT64_MAX : now + (deadline - guest_now);
    watch(apic);
}

void apic_timer_tsc_changed(struct local_apic *apic)
{
    spin_lock(&apic->timer.lock);
    pass_masked(apic);
    if (apic->timer.deadline)
        set_deadline(apic, apic->timer.deadline);
    spin_unlock(&apic->timer.lock);
}

static bool deadline_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    struct local_apic *apic = device->state;

    (void)offset, (void)size;
    spin_lock(&apic->timer.lock);
    pass_masked(apic);
    *value = apic->timer.deadline;
    spin_unlock(&apic->timer.lock);
    return true;
}

/* In the other modes a write is ignored. */
static bool deadline_write(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct local_apic *apic = device->state;

    (void)offset, (void)size;
    spin_lock(&apic->timer.lock);
    if (apic->timer.mode == TIMER_TSC_DEADLINE)
        set_deadline(apic, value);
    spin_unlock(&apic->timer.lock);
    return true;
}

bool local_apic_timer_may_raise(struct local_apic *apic)
{
    bool running;

    spin_lock(&apic->timer.lock);
    running = apic->timer.running;
    spin_unlock(&apic->timer.lock);
    return running && apic_accepts(apic) && !(apic_load(apic, APIC_LVT_TIMER) & LVT_MASKED);
}

static void describe(struct device *device, struct writer *out)
{
    static const char *const modes[4] = {"one-shot", "periodic", "tsc-deadline", "reserved mode"};
    struct local_apic *apic = device->state;
    uint32_t count = apic_timer_count(apic);

    print_to(out, "timer %s%s initial 0x%08x current 0x%08x divide by %u deadline 0x%lx\n",
             modes[apic->timer.mode], apic->timer.running ? " running" : "", apic->timer.initial, count,
             1u << apic->timer.shift, (unsigned long)apic->timer.deadline);
}

const struct device_ops apic_deadline_ops = {
    .read = deadline_read, .write = deadline_write, .describe = describe, .width = 8};

void apic_timer_init(struct local_apic *apic)
{
    apic->timer.timer.expired = expired;
    apic->timer.timer.lock = &apic->timer.lock;
    apic->timer.timer.payer = &apic->vcpu->runner;
    apic->timer.shortest = clock_hz() / TICKS_MOST;
    apic_timer_reset(apic);
}

void apic_timer_reset(struct local_apic *apic)
{
    spin_lock(&apic->timer.lock);
    stop(&apic->timer);
    apic_store(apic, APIC_LVT_TIMER, LVT_MASKED);
    apic->reg[APIC_INITIAL_COUNT].low = apic->timer.initial = 0;
    apic->timer.mode = TIMER_ONE_SHOT;
    apic->reg[APIC_DIVIDE].low = 0;
    apic->timer.shift = divide_shift(0);
    spin_unlock(&apic->timer.lock);
}
