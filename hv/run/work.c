#include "hv/run/work.h"

#include "hv/host/apic.h"
#include "hv/host/cpu.h"
#include "hv/host/interrupts.h"
#include "hv/lib/spinlock.h"
#include "hv/vm/vcpu.h"

static struct work_queue {
    struct spinlock lock;
    struct work *first, **end;
} queues[CPUS_MOST];

/* On the core that work has come to: its guest is left, or its HLT ends by the interrupt itself. */
static void leave_guest(void)
{
    struct vcpu *vcpu = this_cpu()->current;

    if (vcpu)
        vcpu_note(vcpu, REQUEST_YIELD);
}

void work_init(void)
{
    interrupts_handle(VECTOR_WORK, leave_guest);
}

void work_post(unsigned core, struct work *work)
{
    struct work_queue *queue = &queues[core];

    spin_lock(&queue->lock);
    if (!work->queued) {
        if (!queue->first)
            queue->end = &queue->first;
        work->queued = true;
        work->next = NULL;
        *queue->end = work;
        queue->end = &work->next;
    }
    spin_unlock(&queue->lock);
    if (core == this_cpu()->index)
        leave_guest();
    else
        host_apic_send(cpus[core]->apic_id, VECTOR_WORK);
}

static struct work *take(struct work_queue *queue)
{
    struct work *work;

    spin_lock(&queue->lock);
    work = queue->first;
    if (work) {
        queue->first = work->next;
        work->queued = false;
    }
    spin_unlock(&queue->lock);
    return work;
}

bool work_run(void)
{
    struct work_queue *queue = &queues[this_cpu()->index];
    struct work *work;
    bool any = false;

    while (__atomic_load_n(&queue->first, __ATOMIC_ACQUIRE) && (work = take(queue))) {
        work->run(work);
        any = true;
    }
    return any;
}
