/*
 * The scheduler's cores as coroutines that change places at each lock and each atomic access, by chance but
 * the same chance for the same seed. Whatever the order, no request may be left unserved, no vCPU may run on
 * two cores, and none where its state is not.
 */
#include "tests/unit/fake.h"

#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>

#include "hv/cpu/hygiene.h"
#include "hv/host/apic.h"
#include "hv/host/cpu.h"
#include "hv/host/interrupts.h"
#include "hv/host/wait.h"
#include "hv/lib/arith.h"
#include "hv/lib/bitmap.h"
#include "hv/run/sched.h"
#include "hv/run/work.h"

static void change_places(void);
static struct cpu *core_here(void);
static void lock(struct spinlock *lock);
static bool try_lock(struct spinlock *lock);
static void wait_for_interrupt(void);

/* From here on sched.c's and its parts', with a change of places at each. */
#define spin_lock(l)                lock(l)
#define spin_try_lock(l)            try_lock(l)
#define spin_unlock(l)              (change_places(), (spin_unlock)(l))
#define this_cpu()                  core_here()
#define interrupts_wait()           wait_for_interrupt()
#define __atomic_load_n(p, o)       (change_places(), __atomic_load_n(p, o))
#define __atomic_store_n(p, v, o)   (change_places(), __atomic_store_n(p, v, o), change_places())
#define __atomic_fetch_or(p, v, o)  (change_places(), __atomic_fetch_or(p, v, o))
#define __atomic_fetch_and(p, v, o) (change_places(), __atomic_fetch_and(p, v, o))
#include "hv/run/sched.c"
#include "hv/run/sched_balance.c"
#include "hv/run/sched_wake.c"
#include "hv/vm/vcpu_request.c"
#undef spin_unlock
#undef this_cpu
#undef __atomic_load_n
#undef __atomic_store_n
#undef __atomic_fetch_or
#undef __atomic_fetch_and

#define CORES 3
#define VMS   3
#define VCPUS 2 /* of each VM */
#define ALL   (VMS * VCPUS)
#define SEEDS 250
#define STEPS 60000
#define STACK KIB(256)
#define LATE  15000 /* steps that a request may wait; a slice is some 250, the period of a cap 5000 */
#define BUSY  400
#define TICKS 40000

static struct cpu machine_cpus[CORES];
static struct vm vms[VMS];

static struct model_vcpu {
    struct vcpu vcpu;
    unsigned letters; /* that came and were not read */
    unsigned read;
    int on; /* the core that runs it, or -1 */
    bool parked;
} models[ALL];

static struct model_core {
    ucontext_t context;
    void *fake_stack;
    uint8_t stack[STACK];
    unsigned still_until;
    bool interrupt; /* one is pending */
    bool posted;    /* VECTOR_POSTED is: the CPU's in a guest, as `interrupt` elsewhere */
    bool asleep;
    uint64_t timer; /* the slice's deadline, or UINT64_MAX */
    struct timer *armed;
    struct vcpu *loaded;
} model_cores[CORES];

static ucontext_t outside;
static const void *outside_bottom;
static size_t outside_size;
static struct spinlock life;
static unsigned here, steps, seed;
static unsigned quiet_at; /* the step from which on nobody asks for anything, until all is done */
static uint64_t random_state;
static const char *problem;

static unsigned chance(unsigned of)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(random_state >> 33) % of;
}

static struct model_vcpu *model_of(struct vcpu *vcpu)
{
    return container_of(vcpu, struct model_vcpu, vcpu);
}

static struct cpu *core_here(void)
{
    return &machine_cpus[here];
}

static void go_to(unsigned core)
{
    unsigned from = here;

    if (core == from)
        return;
    here = core;
    __sanitizer_start_switch_fiber(&model_cores[from].fake_stack, model_cores[core].stack, STACK);
    swapcontext(&model_cores[from].context, &model_cores[core].context);
    __sanitizer_finish_switch_fiber(model_cores[from].fake_stack, NULL, NULL);
}

/* A core may stand still for long anywhere: the emulator's host has taken its thread away. */
static void stand_still(void)
{
    model_cores[here].still_until = steps + chance(2000);
}

/* Another core's turn, perhaps. */
static void go_elsewhere(void)
{
    unsigned core = chance(cpu_count);

    if (chance(300) == 0)
        stand_still();
    if (model_cores[core].still_until <= steps)
        go_to(core);
}

static void leave(void)
{
    __sanitizer_start_switch_fiber(NULL, outside_bottom, outside_size);
    setcontext(&outside);
}

static void fails(const char *what)
{
    problem = problem ? problem : what;
    leave();
}

/* Whether one has a letter to read, or is to stop. */
static bool is_waited_for(const struct model_vcpu *model)
{
    return !model->parked && (model->letters || model->vcpu.requests & REQUEST_STOP);
}

/* Nobody asks for anything more: what was asked for has to be done soon, and then it begins anew. */
static void look_at_quiet(void)
{
    for (unsigned i = 0; i < ALL; i++)
        if (is_waited_for(&models[i])) {
            if (steps > quiet_at + LATE)
                fails("a request was not served");
            return;
        }
    quiet_at = steps + chance(BUSY);
}

static void change_places(void)
{
    if (++steps >= STEPS)
        leave();
    fake_now += chance(TICKS);
    if (steps > quiet_at)
        look_at_quiet();
    if (chance(3) == 0)
        go_elsewhere();
}

static bool try_lock(struct spinlock *lock)
{
    change_places();
    return (spin_try_lock)(lock);
}

static void lock(struct spinlock *lock)
{
    if (chance(50) == 0)
        stand_still();
    while (!try_lock(lock))
        go_elsewhere();
}

/* What the machine does for sched.c */

void host_apic_send(uint32_t apic_id, uint8_t vector)
{
    change_places();
    if (vector == VECTOR_POSTED)
        model_cores[apic_id].posted = true;
    else
        model_cores[apic_id].interrupt = true;
}

void (*timer_paid)(struct runner *payer, uint64_t from, uint64_t until);

void timer_arm(struct timer *timer, uint64_t deadline)
{
    timer->deadline = deadline;
    timer->queue = &machine_cpus[here].timers;
    model_cores[here].armed = timer;
}

void timer_cancel(struct timer *timer)
{
    timer->queue = NULL;
    model_cores[here].armed = NULL;
}

/* Letters to a vCPU: from another one, or from a device whose interrupt has come to this core. Hardware knows
 * of some. */
static void send_letter(struct model_vcpu *to)
{
    to->letters++;
    if (chance(2))
        vcpu_post(&to->vcpu);
    else
        vcpu_request(&to->vcpu, REQUEST_EVENT);
}

static void read_letters(struct model_vcpu *model)
{
    model->read += model->letters;
    model->letters = 0;
}

static void pause_or_resume(struct model_vcpu *model)
{
    lock(&life);
    if (model->parked) {
        model->parked = false;
        __atomic_fetch_and(&model->vcpu.requests, ~REQUEST_STOP, __ATOMIC_SEQ_CST);
        sched_add(&model->vcpu);
    } else {
        vcpu_request(&model->vcpu, REQUEST_STOP);
    }
    spin_unlock(&life);
}

static void park(struct vcpu *vcpu)
{
    lock(&life);
    if (model_cores[here].loaded != vcpu)
        fails("it stops where it is not loaded");
    machine_cpus[here].current = model_cores[here].loaded = NULL;
    sched_remove(vcpu);
    model_of(vcpu)->parked = true;
    spin_unlock(&life);
}

/* Interrupts that are pending on this core, and those of devices, which come to any. */
static void take_interrupts(void)
{
    struct model_core *core = &model_cores[here];
    struct timer *timer = core->armed;

    core->interrupt = core->posted = false;
    if (timer && timer->deadline <= fake_now) {
        core->armed = NULL;
        timer->queue = NULL;
        timer->expired(timer);
    }
    if (steps > quiet_at)
        return;
    if (chance(2) == 0)
        send_letter(&models[chance(ALL)]);
    if (chance(30) == 0)
        pause_or_resume(&models[chance(ALL)]);
}

static bool is_due(const struct model_core *core)
{
    return core->interrupt || (core->armed && core->armed->deadline <= fake_now);
}

/* While a core sleeps or is in a guest, a device's interrupt comes to it now and then. */
static bool is_interrupted(void)
{
    return is_due(&model_cores[here]) || (steps <= quiet_at && chance(200) == 0);
}

static void wait_for_interrupt(void)
{
    struct model_core *core = &model_cores[here];

    core->asleep = true;
    while (!core->posted && !is_interrupted())
        change_places();
    core->asleep = false;
    take_interrupts();
}

static void load(struct vcpu *vcpu)
{
    change_places();
    for (unsigned i = 0; i < CORES; i++)
        if (model_cores[i].loaded == vcpu)
            fails("its state is on another core");
    machine_cpus[here].current = model_cores[here].loaded = vcpu;
}

static void put(struct vcpu *vcpu)
{
    if (model_cores[here].loaded != vcpu)
        fails("what is put was not loaded");
    change_places();
    model_cores[here].loaded = NULL;
    machine_cpus[here].current = NULL;
}

/* As vcpu_serve_requests: false, it leaves; else the guest reads its letters. */
static bool serve(struct model_vcpu *model)
{
    struct vcpu *vcpu = &model->vcpu;
    uint64_t requests = __atomic_exchange_n(&vcpu->requests, 0, __ATOMIC_ACQ_REL);

    change_places();
    if (requests & (REQUEST_STOP | REQUEST_YIELD)) {
        vcpu_note(vcpu, requests & ~REQUEST_YIELD);
        return false;
    }
    if (vcpu->activity == VCPU_HALTED && model->letters)
        vcpu->activity = VCPU_RUNNABLE;
    if (vcpu->activity != VCPU_RUNNABLE)
        return false;
    read_letters(model);
    return true;
}

/* SDM, "Posted-Interrupt Processing": in a guest, whichever vCPU's it is, the interrupt does not exit. */
static void run_guest(struct model_vcpu *model)
{
    struct model_core *core = &model_cores[here];

    for (unsigned spins = chance(chance(20) ? 30 : STEPS); spins && !is_interrupted(); spins--) {
        if (core->posted) {
            core->posted = false;
            read_letters(model);
        }
        change_places();
    }
}

/* What a guest exits for: it writes a letter, spins in PAUSE, halts, or something else. */
static bool act(struct model_vcpu *model)
{
    unsigned what = steps > quiet_at ? 4 + chance(8) : chance(8);

    if (what < 3) {
        send_letter(&models[chance(ALL)]);
    } else if (what == 3) {
        vcpu_note(&model->vcpu, REQUEST_YIELD);
    } else if (what < 6) {
        change_places();
        if (model->letters)
            return true;
        model->vcpu.activity = VCPU_HALTED;
        return false;
    }
    return true;
}

static void run(struct vcpu *vcpu)
{
    struct model_vcpu *model = model_of(vcpu);

    if (model->on >= 0)
        fails("it runs on two cores");
    if (vcpu->core != here || model_cores[here].loaded != vcpu)
        fails("it runs where it does not belong");
    model->on = (int)here;
    for (;;) {
        if (vcpu->requests && !serve(model))
            break;
        run_guest(model);
        if (!act(model))
            break;
        take_interrupts();
    }
    model->on = -1;
}

static void describe(void)
{
    for (unsigned i = 0; i < ALL; i++) {
        const struct model_vcpu *model = &models[i];

        print_message("vCPU %u: %s, on %d, of core %u, requests %lx, %u letters, activity %u%s\n", i,
                      (const char *[]){"out", "asleep", "queued"}[model->vcpu.run_state], model->on,
                      model->vcpu.core, model->vcpu.requests, model->letters, model->vcpu.activity,
                      model->parked ? ", parked" : "");
    }
    for (unsigned i = 0; i < CORES; i++)
        print_message("core %u: %u queued, running %d, %s%s%s, timer in %ld\n", i, sched_cores[i].queue.count,
                      sched_cores[i].queue.running
                          ? (int)(model_of(sched_vcpu_at(sched_cores[i].queue.running)) - models)
                          : -1,
                      model_cores[i].asleep ? "asleep" : "awake",
                      model_cores[i].interrupt ? ", interrupt" : "",
                      spin_is_held(&sched_cores[i].lock) ? ", locked" : "",
                      model_cores[i].armed ? (long)(model_cores[i].armed->deadline - fake_now) : 0L);
}

static struct virt_ops ops;

static void live(void)
{
    __sanitizer_finish_switch_fiber(NULL, here == 0 ? &outside_bottom : NULL,
                                    here == 0 ? &outside_size : NULL);
    sched_loop(park);
}

static void begin_core(struct model_core *core)
{
    getcontext(&core->context);
    core->context.uc_stack = (stack_t){.ss_sp = core->stack, .ss_size = STACK};
    makecontext(&core->context, live, 0);
}

static void end_machine(void)
{
    for (unsigned i = 0; i < VMS; i++)
        sched_remove_vm(&vms[i]);
}

static void begin_machine(void)
{
    memset(models, 0, sizeof(models));
    memset(vms, 0, sizeof(vms));
    steps = here = quiet_at = 0;
    life = (struct spinlock){0};
    problem = NULL;
    for (unsigned i = 0; i < CORES; i++) {
        struct model_core *core = &model_cores[i];

        ASAN_UNPOISON_MEMORY_REGION(core->stack, STACK);
        core->interrupt = core->posted = core->asleep = false;
        core->armed = NULL;
        core->still_until = 0;
        core->loaded = NULL;
        machine_cpus[i] =
            (struct cpu){.self = &machine_cpus[i], .index = i, .apic_id = i, .runs_guests = true};
        cpus[i] = &machine_cpus[i];
        begin_core(core);
    }
    sched_init();
    for (unsigned i = 0; i < VMS; i++) {
        vms[i].cores[0] = i == 2 ? 6 : 7;
        vms[i].vcpu_count = VCPUS;
        assert_true(sched_add_vm(&vms[i], 50 + 100 * i, i == 1 && seed % 2 == 0 ? 30 : 0));
    }
    for (unsigned i = 0; i < ALL; i++) {
        models[i].on = -1;
        models[i].vcpu.vm = &vms[i / VCPUS];
        models[i].vcpu.id = i % VCPUS;
        models[i].parked = true;
        models[i].vcpu.activity = i % VCPUS ? VCPU_HALTED : VCPU_RUNNABLE;
    }
}

/* One machine's life of so many steps. */
static void live_by(unsigned this_seed)
{
    volatile bool begun = false;

    seed = this_seed;
    random_state = seed;
    fake_reset();
    cpu_count = 2 + seed % (CORES - 1);
    begin_machine();
    getcontext(&outside);
    if (!begun) {
        begun = true;
        __sanitizer_start_switch_fiber(&model_cores[0].fake_stack, model_cores[0].stack, STACK);
        setcontext(&model_cores[0].context);
    }
    __sanitizer_finish_switch_fiber(NULL, NULL, NULL);
}

static void whatever_the_order_no_request_is_lost_and_no_vcpu_is_in_two_places(void **state)
{
    unsigned read = 0;

    (void)state;
    ops = fake_virt;
    ops.lifecycle.vcpu_load = load;
    ops.lifecycle.vcpu_put = put;
    ops.run.enter = run;
    virt = &ops;
    for (unsigned i = 1; i <= SEEDS; i++) {
        live_by(i);
        if (problem)
            describe();
        if (problem)
            fail_msg("seed %u, step %u, core %u: %s", i, steps, here, problem);
        end_machine();
        for (unsigned m = 0; m < ALL; m++)
            read += models[m].read;
    }
    print_message("%u letters read\n", read);
    assert_true(read > SEEDS * STEPS / 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_the_order_no_request_is_lost_and_no_vcpu_is_in_two_places),
    };
    return cmocka_run_group_tests_name("sched_model", tests, NULL, NULL);
}
