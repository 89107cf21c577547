#include "hv/run/sched.h"

#include "hv/cpu/hygiene.h"
#include "hv/host/apic.h"
#include "hv/host/clock.h"
#include "hv/host/cpu.h"
#include "hv/host/instructions.h"
#include "hv/host/interrupts.h"
#include "hv/host/log.h"
#include "hv/host/paging.h"
#include "hv/host/timer.h"
#include "hv/lib/arith.h"
#include "hv/lib/bitmap.h"
#include "hv/lib/string.h"
#include "hv/run/runqueue.h"
#include "hv/run/share.h"
#include "hv/run/work.h"
#include "hv/vm/observe.h"
#include "hv/vm/virt.h"
#include "hv/vm/vm.h"

#define SLICES_A_SECOND  200
#define PERIODS_A_SECOND 10
#define LOOKED_AT        8 /* cores, and vCPUs, by one that has others waiting, in each slice */
#define WHOEVER          UINT64_MAX
#define TURN             10 /* slices: how long what cannot be made even stays as it is */
#define TURN_SLACK       8  /* a part of it by which a change of places may make it less even */

/* A core's queue. Whoever holds one lock may only try another. */
static struct sched_core {
    struct spinlock lock;
    struct run_queue queue;
    struct timer slice;
    uint64_t until;    /* when to decide again */
    uint64_t balanced; /* when this core last looked at others */
    uint64_t moved;    /* when a vCPU last came or went, but by waking */
    unsigned homes;    /* vCPUs that were added here or moved here */
    bool serving;      /* the core is in sched_loop */
    bool due;          /* who runs is asked to leave for another */
    bool sleeps;       /* it halts */
    uint64_t slept;    /* ticks; while it sleeps, less the time since when */
} cores[CPUS_MOST];

_Static_assert(VM_CORES == CPUS_MOST, "a set of cores has a bit for each");

static uint64_t idle_cores[CPUS_MOST / 64];
static struct run_times times;
static struct shares shares;
bool sched_report_shares;

static struct vcpu *vcpu_at(struct runner *runner)
{
    return runner ? container_of(runner, struct vcpu, runner) : NULL;
}

void sched_kick(unsigned core)
{
    if (core != this_cpu()->index)
        host_apic_send(cpus[core]->apic_id, VECTOR_KICK);
}

bool sched_others_wait(void)
{
    return __atomic_load_n(&cores[this_cpu()->index].queue.count, __ATOMIC_RELAXED) > 1;
}

static void set_idle(unsigned core, bool idle)
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

/* A runner has come to the core, whose lock is held: who runs there leaves if it is this one's turn, and also
 * if nothing would end its slice. */
static void announce(unsigned index, struct runner *runner, uint64_t now)
{
    struct sched_core *core = &cores[index];
    struct vcpu *running = vcpu_at(core->queue.running);

    if (running) {
        if (!runqueue_preempts(&core->queue, runner) && core->until - now <= times.slice)
            return;
        core->due = true;
        vcpu_note(running, REQUEST_YIELD);
    } else {
        set_idle(index, false);
    }
    sched_kick(index);
}

/* Where a vCPU that wakes goes: to its own core if that is free or still has its state, else to a free one.
 */
static unsigned choose_core(const struct vcpu *vcpu)
{
    const struct sched_core *home = &cores[vcpu->core];

    if ((home->serving && !home->queue.count) || cpus[vcpu->core]->current == vcpu)
        return vcpu->core;
    return claim_idle(vcpu->vm, vcpu->core);
}

/*
 * The core whose queue the vCPU is or was in, locked. Until then it may change: others wake it, and it may
 * have run and slept elsewhere since. Whoever changes it holds the lock of the old one.
 */
static struct sched_core *lock_home(const struct vcpu *vcpu)
{
    for (;;) {
        unsigned index = __atomic_load_n(&vcpu->core, __ATOMIC_RELAXED);

        spin_lock(&cores[index].lock);
        if (__atomic_load_n(&vcpu->core, __ATOMIC_RELAXED) == index)
            return &cores[index];
        spin_unlock(&cores[index].lock);
    }
}

static bool has_work(const struct vcpu *vcpu)
{
    return vcpu->activity == VCPU_RUNNABLE || __atomic_load_n(&vcpu->requests, __ATOMIC_ACQUIRE);
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
        home = &cores[index];
        spin_lock(&home->lock);
        home->homes++;
    }
    runqueue_insert(&home->queue, &vcpu->runner, now);
    return home;
}

/* If it sleeps, and what it is woken for was not served since, on another core. One that is urgent does not
 * wait until its VM's weight and cap allow that. */
static void wake(struct vcpu *vcpu, bool urgent)
{
    struct sched_core *home = lock_home(vcpu);
    bool slept = vcpu->run_state == RUN_ASLEEP && has_work(vcpu);
    uint64_t now = clock_now();

    urgent = urgent && vcpu->run_state != RUN_OUT;
    if (slept)
        home = rouse(home, vcpu, now);
    if (urgent)
        runqueue_hurry(&home->queue, &vcpu->runner);
    if (slept || urgent)
        announce(vcpu->core, &vcpu->runner, now);
    spin_unlock(&home->lock);
}

/* A timer has taken the core from who runs there, as any other core's that its VM may not even use. */
static void charge_timer(struct runner *payer, uint64_t from, uint64_t until)
{
    struct sched_core *core = &cores[this_cpu()->index];

    spin_lock(&core->lock);
    runqueue_charge_other(&core->queue, payer, from, until);
    spin_unlock(&core->lock);
}

void sched_init(void)
{
    timer_paid = charge_timer;
    vcpu_wake = wake;
    times = (struct run_times){clock_hz() / SLICES_A_SECOND, clock_hz() / PERIODS_A_SECOND};
    memset(idle_cores, 0, sizeof(idle_cores));
    for (unsigned i = 0; i < CPUS_MOST; i++) {
        cores[i] = (struct sched_core){.until = RUN_NEVER};
        runqueue_init(&cores[i].queue, &times, i);
    }
}

static bool usable(const struct vm *vm, unsigned core)
{
    return cpus[core]->runs_guests && bitmap_test(vm->cores, core);
}

static unsigned usable_cores(const struct vm *vm)
{
    unsigned count = 0;

    for (unsigned i = 0; i < cpu_count; i++)
        count += usable(vm, i);
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
    run_group_init(&vm->group, parts, weight, times.period * cap / 100, now);
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
        slept += cores[i].slept + (cores[i].sleeps ? now : 0);
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
        if (usable(vm, i) &&
            (found == CPUS_MOST || cores[i].serving > cores[found].serving ||
             (cores[i].serving == cores[found].serving && cores[i].homes < cores[found].homes)))
            found = i;
    return found;
}

void sched_add(struct vcpu *vcpu)
{
    unsigned index = emptiest_core(vcpu->vm);
    struct sched_core *core = lock_home(vcpu);

    vcpu->core = index;
    spin_unlock(&core->lock);
    core = &cores[index];
    spin_lock(&core->lock);
    vcpu->runner.group = &vcpu->vm->group;
    core->homes++;
    /* A full barrier: a request that comes now finds it asleep, or is found here. */
    __atomic_store_n(&vcpu->run_state, RUN_ASLEEP, __ATOMIC_SEQ_CST);
    spin_unlock(&core->lock);
    if (has_work(vcpu))
        wake(vcpu, false);
}

static bool may_move(const struct sched_core *from, const struct runner *runner, unsigned to, uint64_t most)
{
    const struct vcpu *vcpu = container_of(runner, struct vcpu, runner);

    return runner != from->queue.running && !runner->urgent && !runner->part->throttled &&
           runner_load(runner) <= most && usable(vcpu->vm, to) &&
           __atomic_load_n(&cpus[vcpu->core]->current, __ATOMIC_ACQUIRE) != vcpu;
}

/*
 * Of those that have been longest in a queue, the first that waits, has no more of its load than `most`, and
 * may go to the other core; where nobody is (`most` is WHOEVER), the one with the most of its load, which is
 * due most. Those that may not go to the end, so that another time others are looked at.
 */
static struct vcpu *candidate(struct sched_core *from, unsigned to, uint64_t most)
{
    struct runner *found = NULL;
    unsigned looked = 0;

    list_for_each(link, &from->queue.runners)
    {
        struct runner *runner = container_of(link, struct runner, link);

        if (may_move(from, runner, to, most) && (!found || runner_load(runner) > runner_load(found)))
            found = runner;
        if (++looked > LOOKED_AT || (found && most != WHOEVER))
            break;
        if (!usable(vcpu_at(runner)->vm, to)) {
            list_remove(link);
            list_append(&from->queue.runners, link);
        }
    }
    return vcpu_at(found);
}

/* Both locks are held. */
static void move(struct sched_core *from, unsigned to, struct vcpu *vcpu, uint64_t now)
{
    from->homes--;
    cores[to].homes++;
    from->moved = cores[to].moved = now;
    vcpu->core = to;
    runqueue_move(&from->queue, &cores[to].queue, &vcpu->runner, now);
}

/*
 * For a core that would idle: takes a vCPU that waits elsewhere. Returns whether to choose again: also for
 * one that turns out to have used up its cap, since somebody must be there when that is over.
 */
static bool steal(unsigned index)
{
    struct sched_core *core = &cores[index];
    struct vcpu *vcpu = NULL;
    bool found;

    spin_lock(&core->lock);
    for (unsigned i = 1; i < cpu_count && !vcpu && !runqueue_contended(&core->queue); i++) {
        struct sched_core *from = &cores[(index + i) % cpu_count];

        if (!__atomic_load_n(&from->queue.count, __ATOMIC_RELAXED) || !spin_try_lock(&from->lock))
            continue;
        vcpu = candidate(from, index, WHOEVER);
        if (vcpu)
            move(from, index, vcpu, clock_now());
        spin_unlock(&from->lock);
    }
    found = vcpu || runqueue_contended(&core->queue);
    spin_unlock(&core->lock);
    return found;
}

/*
 * Has one that waits here, and one that waits on the other core and has less of its load, change places,
 * where no move of one alone makes the loads more even: those whose difference is nearest to half of `gap`.
 * Both locks are held.
 */
static bool swap(struct sched_core *core, unsigned to, uint64_t gap, uint64_t now)
{
    struct sched_core *other = &cores[to];
    struct runner *mine = NULL, *theirs = NULL;
    unsigned index = (unsigned)(core - cores), looked = 0;
    uint64_t left = gap;

    list_for_each(here, &core->queue.runners)
    {
        struct runner *a = container_of(here, struct runner, link);
        unsigned seen = 0;

        if (++looked > LOOKED_AT)
            break;
        if (!may_move(core, a, to, WHOEVER))
            continue;
        list_for_each(there, &other->queue.runners)
        {
            struct runner *b = container_of(there, struct runner, link);
            int64_t more = (int64_t)(runner_load(a) - runner_load(b)), rest = (int64_t)gap - 2 * more;

            if (++seen > LOOKED_AT)
                break;
            if (more > 0 && (uint64_t)MAX(rest, -rest) < left && may_move(other, b, index, WHOEVER))
                left = (uint64_t)MAX(rest, -rest), mine = a, theirs = b;
        }
    }
    if (!mine)
        return false;
    move(core, to, vcpu_at(mine), now);
    move(other, index, vcpu_at(theirs), now);
    announce(to, mine, now);
    return true;
}

/*
 * Gives the other core, both locked, what makes their loads more even, or changes two of them. Where nothing
 * does, as with three alike on two cores, they change places now and then, so that in the end all have had
 * the same.
 */
static bool give(struct sched_core *core, unsigned to, uint64_t now)
{
    struct sched_core *other = &cores[to];
    uint64_t mine = runqueue_load(&core->queue), gap = mine - runqueue_load(&other->queue);
    struct vcpu *vcpu;

    if (gap == 0 || gap > mine)
        return false;
    vcpu = candidate(core, to, other->queue.count ? gap - 1 : WHOEVER);
    if (!vcpu && swap(core, to, gap, now))
        return true;
    if (!vcpu && now - MAX(core->moved, other->moved) >= TURN * times.slice)
        vcpu = candidate(core, to, gap + gap / TURN_SLACK);
    if (vcpu) {
        move(core, to, vcpu, now);
        announce(to, &vcpu->runner, now);
    }
    return vcpu;
}

/* Once a slice, on a core on which somebody waits. The one that is to run has been loaded. */
static void balance(unsigned index)
{
    struct sched_core *core = &cores[index];
    uint64_t now;
    unsigned first;

    if (core->queue.count < 2 || cpu_count == 1)
        return;
    now = clock_now();
    if (now - core->balanced < times.slice)
        return;
    first = (unsigned)(now / times.slice) % (cpu_count - 1);
    core->balanced = now;
    spin_lock(&core->lock);
    for (unsigned i = 0; i < MIN(cpu_count - 1, LOOKED_AT); i++) {
        unsigned to = (index + 1 + (first + i) % (cpu_count - 1)) % cpu_count;
        bool given;

        if (!cores[to].serving || !spin_try_lock(&cores[to].lock))
            continue;
        given = give(core, to, now);
        spin_unlock(&cores[to].lock);
        if (given)
            break;
    }
    spin_unlock(&core->lock);
}

static void slice_over(struct timer *timer)
{
    struct sched_core *core = container_of(timer, struct sched_core, slice);
    struct vcpu *running = vcpu_at(core->queue.running);

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
    vcpu->run_state = has_work(vcpu) ? RUN_QUEUED : RUN_ASLEEP;
    __atomic_store_n(&vcpu->running_on, NULL, __ATOMIC_SEQ_CST);
    if (vcpu->run_state == RUN_ASLEEP && has_work(vcpu))
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
    vcpu = vcpu_at(runqueue_pick(&core->queue, aside, now, &core->until));
    if (vcpu) {
        /* A full barrier before its requests are looked at. */
        __atomic_store_n(&vcpu->running_on, cpu, __ATOMIC_SEQ_CST);
    }
    set_idle(cpu->index, !vcpu);
    spin_unlock(&core->lock);
    return vcpu;
}

/* What each VM is due, for the report: with no lock of the scheduler's, and now and then. */
static void take_stock(void)
{
    if (unlikely(sched_report_shares))
        share_pass(&shares, clock_now(), times.slice);
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

void sched_remove(struct vcpu *vcpu)
{
    struct sched_core *core = &cores[vcpu->core];
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
    struct sched_core *core = &cores[index];
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
    struct sched_core *core = &cores[cpu->index];
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
            if (steal(cpu->index))
                continue;
            set_slice(core);
            rest(core);
            continue;
        }
        make_current(cpu, vcpu);
        set_slice(core);
        balance(cpu->index);
        observe(vcpu, OBSERVED_RUN, 0);
        virt->run(vcpu);
        observe(vcpu, OBSERVED_LEFT, 0);
        told = __atomic_load_n(&vcpu->requests, __ATOMIC_ACQUIRE) & REQUEST_STOP;
        if (told)
            stopped(vcpu);
        if (!core->queue.running) /* and it may be gone */
            vcpu = NULL;
    }
}
