/* The timers of one core, in the order of their deadlines, which fire when a test moves time on. */
#include "hv/host/timer.h"

#include "tests/unit/fake.h"

void (*timer_paid)(struct runner *payer, uint64_t from, uint64_t until);

void timer_cancel(struct timer *timer)
{
    for (struct timer **at = &fake_timers; *at; at = &(*at)->next)
        if (*at == timer) {
            *at = timer->next;
            break;
        }
    timer->queue = NULL;
}

void timer_stop(struct timer *timer)
{
    timer_cancel(timer);
}

void timer_arm(struct timer *timer, uint64_t deadline)
{
    struct timer **at = &fake_timers;

    timer_cancel(timer);
    timer->deadline = deadline;
    timer->queue = (struct timer_queue *)&fake_timers;
    while (*at && (*at)->deadline <= deadline)
        at = &(*at)->next;
    timer->next = *at;
    *at = timer;
}

uint64_t fake_next_deadline(void)
{
    return fake_timers ? fake_timers->deadline : UINT64_MAX;
}

void fake_run_until(uint64_t when)
{
    while (fake_timers && fake_timers->deadline <= when) {
        struct timer *timer = fake_timers;

        if (fake_now < timer->deadline)
            fake_now = timer->deadline;
        timer_cancel(timer);
        if (timer->lock)
            spin_lock(timer->lock);
        timer->expired(timer);
        if (timer->lock)
            spin_unlock(timer->lock);
    }
    fake_now = when;
}
