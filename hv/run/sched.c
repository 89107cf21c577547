#include "hv/run/sched.h"

#include "hv/cpu/hygiene.h"
#include "hv/host/clock.h"
#include "hv/host/interrupts.h"
#include "hv/host/log.h"
#include "hv/host/paging.h"
#include "hv/host/wait.h"
#include "hv/lib/arith.h"
#include "hv/lib/string.h"
#include "hv/run/sched_internal.h"
#include "hv/run/share.h"
#include "hv/run/work.h"
#include "hv/vm/observe.h"
#include "hv/vm/virt.h"
#include "hv/vm/vm.h"

#define SLICES_A_SECOND  200
#define PERIODS_A_SECOND 10

static struct shares shares;
bool sched_report_shares;

/* A timer has taken the core from who runs there, as any other core's that its VM may not even use. */
static void charge_timer(struct runner *payer, uint64_t from, uint64_t until)
{
    struct sched_core *core = &sched_cores[this_cpu()->index];

    spin_lock(&core->lock);
    runqueue_charge_other(&core->queue, payer, from, until);
    spin_unlock(&core->lock);
}

void sched_init(void)
{
    struct run_times times = {clock_hz() / SLICES_A_SECOND, clock_hz() / PERIODS_A_SECOND};

    timer_paid = charge_timer;
    vcpu_wake = sched_wake;
    sched_init_queues(&times);
}

static unsigned usable_cores(const struct vm *vm)
{
    unsigned count = 0;

    for (unsigned i = 0; i < cpu_count; i++)
        count += sched_usable(vm, i);
    return count;
}

bool sched_may_run(const struct vm *vm)
{
    return usable_cores(vm) > 0;
}

static size_t parts_size(void)
{
    return cpu_count * sizeof(struct run_part);
}

bool sched_add_vm(struct vm *vm, unsigned weight, unsigned cap)
{
    unsigned most = 100 * usable_cores(vm);
    uint64_t now = clock_now();
    struct run_part *parts = host_allocate(parts_size());

    if (!parts)
        return false;
    run_group_init(&vm->group, parts, weight, sched_times.period * cap / 100, now);
    if (sched_report_shares)
        share_add(&shares, &vm->share, &vm->group, cap ? MIN(cap, most) : most, now);
    return true;
}

static uint64_t to_ms(uint64_t ticks)
{
    return mul_div(ticks, 1000, clock_hz());
}

static void report_share(struct vm *vm)
{
    uint64_t now = clock_now(), slept = 0;

    share_remove(&shares, &vm->share, now);
    vm->share.group = NULL;
    for (unsigned i = 0; i < cpu_count; i++)
        slept += sched_cores[i].slept + (sched_cores[i].sleeps ? now : 0);
    log_line("vm %s: ran %lu ms, was due %lu ms, in %lu ms; the cores have slept %lu ms", vm->name,
             to_ms(vm->group.ran), to_ms(vm->share.due), to_ms(now - vm->share.begin), to_ms(slept));
}

void sched_remove_vm(struct vm *vm)
{
    if (vm->share.group)
        report_share(vm);
    if (vm->group.parts)
        host_free(vm->group.parts, parts_size());
    vm->group.parts = NULL;
}

/* The core with the fewest vCPUs, of those that are not still busy starting VMs if there are any. */
static unsigned emptiest_core(const struct vm *vm)
{
    unsigned found = CPUS_MOST;

    for (unsigned i = 0; i < cpu_count; i++)
        if (sched_usable(vm, i) &&
            (found == CPUS_MOST || sched_cores[i].serving > sched_cores[found].serving ||
             (sched_cores[i].serving == sched_cores[found].serving &&
              sched_cores[i].homes < sched_cores[found].homes)))
            found = i;
    return found;
}

void sched_add(struct vcpu *vcpu)
{
    unsigned index = emptiest_core(vcpu->vm);
    struct sched_core *core = sched_lock_home(vcpu);

    vcpu->core = index;
    spin_unlock(&core->lock);
    core = &sched_cores[index];
    spin_lock(&core->lock);
    vcpu->runner.group = &vcpu->vm->group;
    core->homes++;
    /* A full barrier: a request that comes now finds it asleep, or is found here. */
    __atomic_store_n(&vcpu->run_state, RUN_ASLEEP, __ATOMIC_SEQ_CST);
    spin_unlock(&core->lock);
    if (sched_has_work(vcpu))
        sched_wake(vcpu, false);
}

static void slice_over(struct timer *timer)
{
    struct sched_core *core = container_of(timer, struct sched_core, slice);
    struct vcpu *running = sched_vcpu_at(core->queue.running);

    if (running) {
        core->due = true;
        vcpu_note(running, REQUEST_YIELD);
    }
}

static void set_slice(struct sched_core *core)
{
    if (core->until == RUN_NEVER)
        timer_cancel(&core->slice);
    else if (!timer_armed(&core->slice) || core->slice.deadline != core->until)
        timer_arm(&core->slice, core->until);
}

/*
 * The vCPU has left the guest. It sleeps if it has nothing to do; a request that comes now wakes it. One that
 * has been asked to stop since it left is called at once for that; what is done when it was `told` is work
 * like any other.
 */
static void settle(struct sched_core *core, struct vcpu *vcpu, bool told, struct runner **aside, uint64_t now)
{
    uint64_t requests = __atomic_fetch_and(&vcpu->requests, ~REQUEST_YIELD, __ATOMIC_ACQ_REL);

    /* One that spins in PAUSE leaves of its own accord: others go first. */
    *aside = core->due || requests & REQUEST_STOP ? NULL : &vcpu->runner;
    if (requests & REQUEST_STOP && !told)
        runqueue_hurry(&core->queue, &vcpu->runner);
    vcpu->run_state = sched_has_work(vcpu) ? RUN_QUEUED : RUN_ASLEEP;
    __atomic_store_n(&vcpu->running_on, NULL, __ATOMIC_SEQ_CST);
    if (vcpu->run_state == RUN_ASLEEP && sched_has_work(vcpu))
        vcpu->run_state = RUN_QUEUED;
    if (vcpu->run_state == RUN_ASLEEP) {
        runqueue_remove(&core->queue, &vcpu->runner, now);
        *aside = NULL;
    }
}

/* The vCPU to run, or NULL. `was`, if not NULL, has run until now; whether it was told that it is to stop. */
static struct vcpu *choose(struct sched_core *core, struct cpu *cpu, struct vcpu *was, bool told)
{
    struct runner *aside = NULL;
    struct vcpu *vcpu;
    uint64_t now;

    spin_lock(&core->lock);
    now = clock_now();
    if (was)
        settle(core, was, told, &aside, now);
    core->due = false;
    vcpu = sched_vcpu_at(runqueue_pick(&core->queue, aside, now, &core->until));
    if (vcpu) {
        /* A full barrier before its requests are looked at. */
        __atomic_store_n(&vcpu->running_on, cpu, __ATOMIC_SEQ_CST);
    }
    sched_set_idle(cpu->index, !vcpu);
    spin_unlock(&core->lock);
    return vcpu;
}

/* What each VM is due, for the report: with no lock of the scheduler's, and now and then. */
static void take_stock(void)
{
    if (unlikely(sched_report_shares))
        share_pass(&shares, clock_now(), sched_times.slice);
}

static void make_current(struct cpu *cpu, struct vcpu *vcpu)
{
    if (cpu->current == vcpu)
        return;
    if (cpu->current)
        virt->lifecycle.vcpu_put(cpu->current);
    hygiene_switch(&cpu->served, vcpu->vm->id);
    virt->lifecycle.vcpu_load(vcpu);
}

void sched_remove(struct vcpu *vcpu)
{
    struct sched_core *core = &sched_cores[vcpu->core];
    uint64_t now = clock_now();

    spin_lock(&core->lock);
    vcpu->run_state = RUN_OUT;
    vcpu->running_on = NULL;
    runqueue_remove(&core->queue, &vcpu->runner, now);
    core->homes--;
    spin_unlock(&core->lock);
}

static void rest(struct sched_core *core)
{
    core->slept -= clock_now();
    core->sleeps = true;
    interrupts_wait();
    core->sleeps = false;
    core->slept += clock_now();
}

void sched_look(unsigned index, struct sched_view *view)
{
    struct sched_core *core = &sched_cores[index];
    unsigned count = 0;

    memset(view, 0, sizeof(*view));
    spin_lock(&core->lock);
    runqueue_charge(&core->queue, clock_now());
    view->serving = core->serving;
    view->count = core->queue.count;
    view->slept = core->slept + (core->sleeps ? clock_now() : 0);
    list_for_each(link, &core->queue.runners)
    {
        const struct runner *runner = container_of(link, struct runner, link);
        const struct vcpu *vcpu = container_of(runner, struct vcpu, runner);

        if (count == SCHED_VIEW_MOST)
            break;
        view->vcpus[count].vm = vcpu->vm;
        view->vcpus[count].id = vcpu->id;
        view->vcpus[count].runs = runner == core->queue.running;
        view->vcpus[count++].throttled = runner->part->throttled;
    }
    spin_unlock(&core->lock);
}

_Noreturn void sched_loop(void (*stopped)(struct vcpu *vcpu))
{
    struct cpu *cpu = this_cpu();
    struct sched_core *core = &sched_cores[cpu->index];
    struct vcpu *vcpu = NULL;
    bool told = false;

    core->slice.expired = slice_over;
    core->serving = true;
    if (!cpu->spared) /* nobody counts on what a spared one gives */
        share_count_core(&shares, 1, clock_now());
    for (;;) {
        work_run();
        take_stock();
        vcpu = choose(core, cpu, vcpu, told);
        if (!vcpu) {
            if (sched_steal(cpu->index))
                continue;
            set_slice(core);
            rest(core);
            continue;
        }
        make_current(cpu, vcpu);
        set_slice(core);
        sched_balance(cpu->index);
        observe(vcpu, OBSERVED_RUN, 0);
        virt->run.enter(vcpu);
        observe(vcpu, OBSERVED_LEFT, 0);
        told = __atomic_load_n(&vcpu->requests, __ATOMIC_ACQUIRE) & REQUEST_STOP;
        if (told)
            stopped(vcpu);
        if (!core->queue.running) /* and it may be gone */
            vcpu = NULL;
    }
}
