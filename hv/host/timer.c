#include "hv/host/timer.h"

#include "hv/host/apic.h"
#include "hv/host/clock.h"
#include "hv/host/cpu.h"
#include "hv/host/instructions.h"
#include "hv/host/wait.h"
#include "hv/host/witness.h"

void (*timer_paid)(struct runner *payer, uint64_t from, uint64_t until);

/* Sets the core's hardware timer for its earliest deadline. The queue's lock is held, and the queue is this
 * core's. */
static void program(struct timer_queue *queue)
{
    host_apic_timer_set(queue->first ? queue->first->deadline : UINT64_MAX);
}

static inline void unlink(struct timer_queue *queue, struct timer *timer)
{
    for (struct timer **at = &queue->first; *at; at = &(*at)->next)
        if (*at == timer) {
            *at = timer->next;
            break;
        }
    __atomic_store_n(&timer->queue, NULL, __ATOMIC_RELEASE);
}

void timer_cancel(struct timer *timer)
{
    struct timer_queue *queue = __atomic_load_n(&timer->queue, __ATOMIC_ACQUIRE);

    if (!queue)
        return;
    spin_lock(&queue->lock);
    if (__atomic_load_n(&timer->queue, __ATOMIC_RELAXED) == queue)
        unlink(queue, timer); /* a hardware timer that fires for it finds nothing to do */
    spin_unlock(&queue->lock);
}

/* A core takes a timer off its queue only after it has said, with the queue locked, that it runs it. */
static bool is_running(const struct timer *timer)
{
    for (unsigned i = 0; i < cpu_count; i++)
        if (__atomic_load_n(&cpus[i]->timers.running, __ATOMIC_ACQUIRE) == timer)
            return true;
    return false;
}

__attribute__((cold)) void timer_stop(struct timer *timer)
{
    do {
        timer_cancel(timer);
        while (is_running(timer))
            cpu_pause();
    } while (__atomic_load_n(&timer->queue, __ATOMIC_ACQUIRE));
}

void timer_arm(struct timer *timer, uint64_t deadline)
{
    struct timer_queue *queue = &this_cpu()->timers;
    struct timer *was_first;
    struct timer **at = &queue->first;

    timer_cancel(timer);
    spin_lock(&queue->lock);
    was_first = queue->first;
    while (*at && (*at)->deadline <= deadline)
        at = &(*at)->next;
    timer->deadline = deadline;
    timer->next = *at;
    __atomic_store_n(&timer->queue, queue, __ATOMIC_RELEASE);
    *at = timer;
    if (queue->first != was_first)
        program(queue);
    spin_unlock(&queue->lock);
}

/* Returns when the callback was over. */
static uint64_t fire(struct timer *timer, uint64_t began)
{
    uint64_t over;

    if (timer->lock)
        spin_lock(timer->lock);
    if (unlikely(witness))
        witness->timer(timer);
    else
        timer->expired(timer);
    if (timer->lock)
        spin_unlock(timer->lock);
    over = clock_now();
    if (timer->payer)
        timer_paid(timer->payer, began, over);
    return over;
}

void timer_interrupt(void)
{
    struct timer_queue *queue = &this_cpu()->timers;
    uint64_t now, began;

    if (unlikely(witness))
        witness->interrupt(true);
    /* Read once: a timer that arms itself again for the near future waits its turn. */
    now = began = clock_now();
    spin_lock(&queue->lock);
    while (queue->first && queue->first->deadline <= now) {
        struct timer *timer = queue->first;

        __atomic_store_n(&queue->running, timer, __ATOMIC_RELAXED);
        unlink(queue, timer);
        spin_unlock(&queue->lock);
        began = fire(timer, began);
        __atomic_store_n(&queue->running, NULL, __ATOMIC_RELEASE);
        spin_lock(&queue->lock);
    }
    program(queue);
    spin_unlock(&queue->lock);
    if (unlikely(witness))
        witness->interrupt(false);
}
