/* Round robin over the vCPUs of each core, a slice of time each when more than one has something to do. */
#include "hv/vm/sched.h"

#include "hv/host/apic.h"
#include "hv/host/clock.h"
#include "hv/host/cpu.h"
#include "hv/host/interrupts.h"
#include "hv/host/timer.h"
#include "hv/host/x86.h"
#include "hv/vm/hygiene.h"
#include "hv/vm/virt.h"
#include "hv/vm/vm.h"

#define SLICES_A_SECOND 100

/* A core's vCPUs: a ring through vcpu->next_on_core. */
static struct run_list {
    struct spinlock lock;
    struct vcpu *last; /* ran last; NULL: the core has none */
    struct timer slice;
} lists[CPUS_MOST];

void sched_kick(unsigned core)
{
    if (core != this_cpu()->index)
        host_apic_send(cpus[core]->apic_id, VECTOR_KICK);
}

void vcpu_request(struct vcpu *vcpu, uint64_t requests)
{
    __atomic_fetch_or(&vcpu->requests, requests, __ATOMIC_ACQ_REL);
    sched_kick(vcpu->core);
}

void sched_add(struct vcpu *vcpu)
{
    struct run_list *list = &lists[vcpu->core];

    spin_lock(&list->lock);
    if (list->last) {
        vcpu->next_on_core = list->last->next_on_core;
        list->last->next_on_core = vcpu;
    } else {
        vcpu->next_on_core = vcpu;
        list->last = vcpu;
    }
    spin_unlock(&list->lock);
    sched_kick(vcpu->core);
}

void sched_remove(struct vcpu *vcpu)
{
    struct run_list *list = &lists[vcpu->core];
    struct vcpu *before = vcpu;

    spin_lock(&list->lock);
    while (before->next_on_core != vcpu)
        before = before->next_on_core;
    before->next_on_core = vcpu->next_on_core;
    list->last = before == vcpu ? NULL : before;
    spin_unlock(&list->lock);
}

static bool has_work(const struct vcpu *vcpu)
{
    return vcpu->activity == VCPU_RUNNABLE || __atomic_load_n(&vcpu->requests, __ATOMIC_ACQUIRE);
}

/* The next vCPU in the ring with something to do; *others says whether there is one more. */
static struct vcpu *choose(struct run_list *list, bool *others)
{
    struct vcpu *chosen = NULL, *vcpu;

    *others = false;
    spin_lock(&list->lock);
    vcpu = list->last;
    if (vcpu)
        do {
            vcpu = vcpu->next_on_core;
            if (!has_work(vcpu))
                continue;
            if (chosen)
                *others = true;
            else
                chosen = vcpu;
        } while (vcpu != list->last);
    if (chosen)
        list->last = chosen;
    spin_unlock(&list->lock);
    return chosen;
}

static void slice_over(struct timer *timer)
{
    struct vcpu *vcpu = this_cpu()->current;

    (void)timer;
    if (vcpu)
        vcpu_note(vcpu, REQUEST_YIELD);
}

static void make_current(struct cpu *cpu, struct vcpu *vcpu)
{
    if (cpu->current == vcpu)
        return;
    if (cpu->current)
        virt->vcpu_put(cpu->current);
    hygiene_switch(&cpu->served, vcpu->vm->id);
    virt->vcpu_load(vcpu);
}

_Noreturn void sched_loop(void (*stopped)(struct vcpu *vcpu))
{
    struct cpu *cpu = this_cpu();
    struct run_list *list = &lists[cpu->index];

    list->slice.expired = slice_over;
    for (;;) {
        bool others;
        struct vcpu *vcpu = choose(list, &others);

        if (!vcpu) {
            timer_cancel(&list->slice);
            interrupts_wait();
            continue;
        }
        make_current(cpu, vcpu);
        if (others && !timer_armed(&list->slice))
            timer_arm(&list->slice, clock_now() + clock_hz() / SLICES_A_SECOND);
        virt->run(vcpu);
        if (__atomic_load_n(&vcpu->requests, __ATOMIC_ACQUIRE) & REQUEST_STOP)
            stopped(vcpu);
    }
}
