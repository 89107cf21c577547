/* Each core's queue, and how a vCPU that is asked for something comes into one. */
#include "hv/host/apic.h"
#include "hv/host/clock.h"
#include "hv/host/instructions.h"
#include "hv/host/interrupts.h"
#include "hv/lib/bitmap.h"
#include "hv/lib/string.h"
#include "hv/run/sched_internal.h"
#include "hv/vm/vm.h"

_Static_assert(VM_CORES == CPUS_MOST, "a set of cores has a bit for each");

struct sched_core sched_cores[CPUS_MOST];
struct run_times sched_times;
static uint64_t idle_cores[CPUS_MOST / 64];

void sched_init_queues(const struct run_times *times)
{
    sched_times = *times;
    memset(idle_cores, 0, sizeof(idle_cores));
    for (unsigned i = 0; i < CPUS_MOST; i++) {
        sched_cores[i] = (struct sched_core){.until = RUN_NEVER};
        runqueue_init(&sched_cores[i].queue, &sched_times, i);
    }
}

void sched_kick(unsigned core)
{
    if (core != this_cpu()->index)
        host_apic_send(cpus[core]->apic_id, VECTOR_KICK);
}

bool sched_others_wait(void)
{
    return __atomic_load_n(&sched_cores[this_cpu()->index].queue.count, __ATOMIC_RELAXED) > 1;
}

void sched_set_idle(unsigned core, bool idle)
{
    if (bitmap_test(idle_cores, core) == idle)
        return;
    if (idle)
        __atomic_fetch_or(&idle_cores[core / 64], BIT(core % 64), __ATOMIC_ACQ_REL);
    else
        __atomic_fetch_and(&idle_cores[core / 64], ~BIT(core % 64), __ATOMIC_ACQ_REL);
}

/* An idle core that the VM may use, which counts as idle no more; `otherwise` if there is none. */
static unsigned claim_idle(const struct vm *vm, unsigned otherwise)
{
    for (unsigned i = 0; i < ARRAY_LENGTH(idle_cores); i++) {
        uint64_t free = __atomic_load_n(&idle_cores[i], __ATOMIC_ACQUIRE) & vm->cores[i];
        uint64_t bit = free & -free;

        if (bit && __atomic_fetch_and(&idle_cores[i], ~bit, __ATOMIC_ACQ_REL) & bit)
            return i * 64 + (unsigned)__builtin_ctzll(bit);
    }
    return otherwise;
}

bool sched_usable(const struct vm *vm, unsigned core)
{
    return cpus[core]->runs_guests && bitmap_test(vm->cores, core);
}

void sched_announce(unsigned index, struct runner *runner, uint64_t now)
{
    struct sched_core *core = &sched_cores[index];
    struct vcpu *running = sched_vcpu_at(core->queue.running);

    if (running) {
        if (!runqueue_preempts(&core->queue, runner) && core->until - now <= sched_times.slice)
            return;
        core->due = true;
        vcpu_note(running, REQUEST_YIELD);
    } else {
        sched_set_idle(index, false);
    }
    sched_kick(index);
}

/* Where a vCPU that wakes goes: to its own core if that is free or still has its state, else to a free one.
 */
static unsigned choose_core(const struct vcpu *vcpu)
{
    const struct sched_core *home = &sched_cores[vcpu->core];

    if ((home->serving && !home->queue.count) || cpus[vcpu->core]->current == vcpu)
        return vcpu->core;
    return claim_idle(vcpu->vm, vcpu->core);
}

struct sched_core *sched_lock_home(const struct vcpu *vcpu)
{
    for (;;) {
        unsigned index = __atomic_load_n(&vcpu->core, __ATOMIC_RELAXED);

        spin_lock(&sched_cores[index].lock);
        if (__atomic_load_n(&vcpu->core, __ATOMIC_RELAXED) == index)
            return &sched_cores[index];
        spin_unlock(&sched_cores[index].lock);
    }
}

/* It sleeps, and its core's lock is held. Returns the core whose queue it is in then, locked. */
static struct sched_core *rouse(struct sched_core *home, struct vcpu *vcpu, uint64_t now)
{
    unsigned index = choose_core(vcpu);

    vcpu->run_state = RUN_QUEUED;
    if (index != vcpu->core) {
        home->homes--;
        vcpu->core = index;
        spin_unlock(&home->lock);
        home = &sched_cores[index];
        spin_lock(&home->lock);
        home->homes++;
    }
    runqueue_insert(&home->queue, &vcpu->runner, now);
    return home;
}

void sched_wake(struct vcpu *vcpu, bool urgent)
{
    struct sched_core *home = sched_lock_home(vcpu);
    bool slept = vcpu->run_state == RUN_ASLEEP && sched_has_work(vcpu);
    uint64_t now = clock_now();

    urgent = urgent && vcpu->run_state != RUN_OUT;
    if (slept)
        home = rouse(home, vcpu, now);
    if (urgent)
        runqueue_hurry(&home->queue, &vcpu->runner);
    if (slept || urgent)
        sched_announce(vcpu->core, &vcpu->runner, now);
    spin_unlock(&home->lock);
}
