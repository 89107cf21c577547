#include "hv/life/life.h"
#include "hv/event/guest_debug.h"

#include "hv/host/clock.h"
#include "hv/host/log.h"
#include "hv/host/paging.h"
#include "hv/lib/format.h"
#include "hv/lib/string.h"
#include "hv/life/create.h"
#include "hv/run/sched.h"
#include "hv/vm/observe.h"
#include "hv/vm/virt.h"

/* A VM that crashes this often, each time this soon after its start, has to wait for the next: 1 s, then
 * twice as long each time. */
#define CRASHES_AT_ONCE 5
#define STEADY_SECONDS  60
#define WAIT_MOST_SHIFT 6

#define SEE_LOG         "the log says why"

void (*life_changed)(unsigned number);
struct life_watch life_watch;
/* The vCPU's time is its VM's to spend on what must be done between its runs. */
static void put_to_work(struct life *life, struct vcpu *vcpu)
{
    life->worker = vcpu;
    vcpu->requests = REQUEST_STOP;
    sched_add(vcpu);
}

static bool clears(const struct life *life)
{
    return life->state == LIFE_STARTING || life->state == LIFE_ENDING;
}

static void tell(const struct life *life)
{
    if (life_changed)
        life_changed(life->number);
}

static const char *pause(struct life *life)
{
    struct vm *vm = &life->vm;

    if (!life_is_on(life))
        return "it does not run";
    if (life->state == LIFE_PAUSED)
        return "it is paused";
    life->state = LIFE_PAUSED;
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        vcpu_request(vm->vcpus[i], REQUEST_STOP);
    return NULL;
}

static void run(struct life *life)
{
    struct vm *vm = &life->vm;
    struct vcpu *worker = life->worker;
    bool first = !life->begun, stopped;

    vm_log(vm, "started, %u vcpu%s, %lu MiB", vm->vcpu_count, vm->vcpu_count == 1 ? "" : "s",
           life->config->memory / MIB(1));
    vm_log_free(&life->log, false);
    vm->ending = vm->said_crash = vm->said_report = vm->said_asleep = false;
    life->shown = false;
    life->begun = true;
    if (life->config->serial != SERIAL_NONE)
        console_attach(&life->console); /* it may have been about to end when it was started */
    life->live = vm->vcpu_count;
    life->born = clock_now();
    __atomic_store_n(&vm->end, VM_RUNS, __ATOMIC_RELEASE);
    spin_lock(&life->lock);
    stopped = life->state == LIFE_ENDING; /* while its kernel was loaded */
    life->state = LIFE_RUNNING;
    if (life_watch.starts)
        life_watch.starts(vm);
    if (first && life->config->paused)
        pause(life);
    if (stopped)
        vm_stop(vm, VM_STOPPED, 0);
    spin_unlock(&life->lock);
    observe(vm->vcpus[0], OBSERVED_VM_RUNS, 0);
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        if (vm->vcpus[i] != worker)
            sched_add(vm->vcpus[i]);
    tell(life);
}

/* Starts those that the configuration has wait for the end of this one, unless they were started before. */
static void launch_next(const struct life *ended)
{
    for (unsigned number = 1; number <= life_highest(); number++) {
        const struct life *life = life_of(number);
        const struct config_vm *config = life->config;

        if (config->autostart && config->after && strcmp(config->after, ended->config->name) == 0 &&
            !life->begun && life_start(number))
            launch_next(life);
    }
}

/* From now on others look at its parts, or none does any more. */
static void set_made(struct life *life, bool made)
{
    spin_lock(&life->parts);
    life->made = made;
    spin_unlock(&life->parts);
}

static void give_back(struct life *life)
{
    sched_remove(life->worker);
    debug_end(&life->vm);
    set_made(life, false);
    life_destroy(life);
    spin_lock(&life->lock);
    life->state = LIFE_OFF;
    spin_unlock(&life->lock);
    tell(life);
    launch_next(life);
    vm_release();
}

/* A timer's callback, with the lock held. */
static void wait_over(struct timer *timer)
{
    struct life *life = container_of(timer, struct life, delay);

    if (life->state != LIFE_WAITING)
        return;
    life->state = LIFE_STARTING;
    put_to_work(life, life->worker);
}

/* Whether the VM has to wait now that it could start again. */
static bool waits(struct life *life)
{
    bool wait;

    spin_lock(&life->lock);
    wait = life->state == LIFE_STARTING && life->wait;
    if (wait) {
        life->state = LIFE_WAITING;
        sched_remove(life->worker);
        life->delay.expired = wait_over;
        life->delay.lock = &life->lock;
        timer_arm(&life->delay, clock_now() + life->wait * clock_hz());
        life->wait = 0;
    }
    spin_unlock(&life->lock);
    return wait;
}

/* A piece of the work between two runs of the VM: its vCPU comes here again and again until it is done. */
static void work(struct life *life)
{
    virt->lifecycle.vcpu_put(life->worker);
    if (!life_clear(life) || waits(life))
        return;
    if (life->state == LIFE_ENDING) {
        give_back(life);
    } else if (life_load(life)) {
        run(life);
    } else { /* what was loaded so far is cleared too */
        spin_lock(&life->lock);
        life->state = LIFE_ENDING;
        life->cleared = 0;
        spin_unlock(&life->lock);
    }
}

/* One line for each way a VM can end, which is kept as well. */
static void say_end(struct life *life)
{
    struct vm *vm = &life->vm;

    if (vm->end == VM_EXITED)
        format_text(life->why, sizeof(life->why), "exited with status %u", vm->status);
    else if (vm->end == VM_CRASHED)
        format_text(life->why, sizeof(life->why), "crashed: %s", vm->reason);
    else
        format_text(life->why, sizeof(life->why), "%s",
                    vm->end == VM_RESET     ? "reset"
                    : vm->end == VM_STOPPED ? "stopped"
                                            : "powered off");
    if (vm->end == VM_CRASHED)
        vm_log_crash(vm, "%s", life->why);
    else
        vm_log(vm, "%s", life->why);
}

/* Counts crashes, and decides on a wait. */
static void pace(struct life *life)
{
    uint64_t lived = clock_now() - life->born;

    life->wait = 0;
    if (life->vm.end == VM_RESET)
        return;
    life->crashes = lived < STEADY_SECONDS * clock_hz() ? life->crashes + 1 : 1;
    if (life->vm.end != VM_CRASHED || life->crashes <= CRASHES_AT_ONCE)
        return;
    life->wait = 1u << MIN(life->crashes - CRASHES_AT_ONCE - 1, WAIT_MOST_SHIFT);
}

static bool starts_again(const struct life *life)
{
    enum vm_end end = life->vm.end;

    return end == VM_RESET || (end == VM_CRASHED && life->config->on_crash == ON_CRASH_RESTART);
}

/* The VM's last vCPU has left, and orders may come already for what follows. */
static void ended(struct life *life)
{
    struct vm *vm = &life->vm;
    bool again = starts_again(life);

    observe(vm->vcpus[0], OBSERVED_VM_ENDS, vm->end);
    life->board->stop(vm);
    if (!again)
        console_detach(&life->console); /* what is typed from now on is another VM's */
    else
        console_hasten(&life->console);
    pace(life);
    say_end(life);
    if (life_watch.ended)
        life_watch.ended(vm);
    if (again && life->wait)
        vm_log_crash(vm, "crashed %u times, each less than %u s after its start: the next is in %u s",
                     life->crashes, STEADY_SECONDS, life->wait);
    life->cleared = 0;
}

static void leave(struct life *life, struct vcpu *vcpu)
{
    bool last;

    if (!starts_again(life))
        vm_log_free(&life->log, true);
    if (life->vm.end == VM_CRASHED) {
        console_hasten(&life->console);
        if (life_watch.crashed)
            life_watch.crashed(vcpu);
    }
    virt->lifecycle.vcpu_put(vcpu);
    vcpu->activity = VCPU_OFF;
    spin_lock(&life->lock);
    last = --life->live == 0;
    if (last) {
        life->worker = vcpu;
        /* At once: an order that finds it running would wake vCPUs of a VM that ends. */
        life->state = starts_again(life) ? LIFE_STARTING : LIFE_ENDING;
        life->parked = 0;
    } else {
        sched_remove(vcpu);
    }
    spin_unlock(&life->lock);
    if (last)
        ended(life);
}

/* Takes back that the vCPU is to stop, but not if its VM ends just now. */
static void go_on(struct vcpu *vcpu)
{
    __atomic_fetch_and(&vcpu->requests, ~REQUEST_STOP, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&vcpu->vm->end, __ATOMIC_SEQ_CST) != VM_RUNS)
        vcpu_request(vcpu, REQUEST_STOP);
}

/* A debugger is shown a crash before the VM ends of it: the vCPUs stand still as they were, until it has the
 * VM go on. */
static void show_crash(struct life *life, struct vcpu *vcpu)
{
    bool first;

    spin_lock(&life->lock);
    first = life->vm.end == VM_CRASHED && !life->shown && debug_wants_crash(&life->vm);
    if (first)
        life->shown = true, life->state = LIFE_PAUSED;
    spin_unlock(&life->lock);
    if (first)
        debug_on_crash(vcpu);
}

/* The vCPU is to stand still, or was and no more is. Returns false if its VM ends instead. */
static bool park(struct life *life, struct vcpu *vcpu)
{
    bool runs, stays, still;

    spin_lock(&life->lock);
    runs = life->vm.end == VM_RUNS;
    stays = life->state == LIFE_PAUSED && (runs || (life->vm.end == VM_CRASHED && life->shown));
    if (stays) {
        virt->lifecycle.vcpu_put(vcpu);
        sched_remove(vcpu);
        life->parked |= BIT(vcpu->id);
        life->live--;
    } else if (runs) {
        go_on(vcpu);
    }
    still = stays && !life->live;
    spin_unlock(&life->lock);
    if (still)
        tell(life);
    return runs || stays;
}

void vm_vcpu_stopped(struct vcpu *vcpu)
{
    struct life *life = vcpu->vm->life;

    if (clears(life)) {
        work(life);
        return;
    }
    show_crash(life, vcpu);
    if (!park(life, vcpu))
        leave(life, vcpu);
}

/* With the lock held. */
static void end(struct life *life, enum vm_end end)
{
    struct vm *vm = &life->vm;

    vm_stop(vm, end, 0);
    life->state = LIFE_RUNNING;
    if (life->live) /* one that still runs ends the VM */
        return;
    life->live = 1;
    life->parked = 0;
    put_to_work(life, vm->vcpus[0]);
}

/* OFF to STARTING; the parts are made with no lock held, as that takes a while. */
static const char *start(struct life *life)
{
    vm_log_free(&life->log, true);
    if (!life_create(life)) {
        spin_lock(&life->lock);
        life->state = LIFE_OFF;
        spin_unlock(&life->lock);
        return SEE_LOG;
    }
    set_made(life, true);
    vm_hold();
    life->since = clock_now();
    life->crashes = life->wait = 0;
    life->vm.ending = true;
    life->vm.end = VM_RESET;
    put_to_work(life, life->vm.vcpus[0]);
    return NULL;
}

/* The end of waiting or clearing: what comes after it. */
static const char *turn(struct life *life, bool again)
{
    if (life->state == LIFE_WAITING) {
        timer_cancel(&life->delay);
        wait_over(&life->delay);
    }
    if (life->state == LIFE_STARTING && !again) {
        vm_log_free(&life->log, true);
        log_line("vm %s: stopped before it started", life->config->name);
        format_text(life->why, sizeof(life->why), "stopped before it started");
    }
    life->state = again ? LIFE_STARTING : LIFE_ENDING;
    return NULL;
}

static const char *stop(struct life *life)
{
    if (life->state == LIFE_OFF)
        return "it is off";
    if (!life_is_on(life))
        return turn(life, false);
    end(life, VM_STOPPED);
    return NULL;
}

static const char *reset(struct life *life)
{
    if (life->state == LIFE_OFF)
        return "it is off";
    if (!life_is_on(life))
        return life->state != LIFE_ENDING ? turn(life, true) : "it is ending";
    end(life, VM_RESET);
    return NULL;
}

static const char *resume(struct life *life, uint64_t vcpus)
{
    struct vm *vm = &life->vm;

    if (life->state != LIFE_PAUSED && !(life->state == LIFE_RUNNING && life->parked))
        return "it is not paused";
    life->state = LIFE_RUNNING;
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        if (!(vcpus & BIT(i)))
            continue;
        go_on(vm->vcpus[i]);
        if (!(life->parked & BIT(i)))
            continue;
        life->parked &= ~BIT(i);
        life->live++;
        sched_add(vm->vcpus[i]);
    }
    return NULL;
}

#define NO_SUCH "there is no such VM"

const char *life_start(unsigned number)
{
    struct life *life = life_of(number);
    bool off;

    if (!life)
        return NO_SUCH;
    if (!life->config->start)
        return "its section of keel.conf has a mistake: " SEE_LOG;
    spin_lock(&life->lock);
    off = life->state == LIFE_OFF;
    if (off)
        life->state = LIFE_STARTING, life->parked = 0;
    spin_unlock(&life->lock);
    return off ? start(life) : "it is on already";
}

/* Calls `what` with the lock held. */
static const char *order(unsigned number, const char *(*what)(struct life *life))
{
    struct life *life = life_of(number);
    const char *refusal;

    if (!life)
        return NO_SUCH;
    spin_lock(&life->lock);
    refusal = what(life);
    spin_unlock(&life->lock);
    return refusal;
}

const char *life_stop(unsigned number)
{
    return order(number, stop);
}

const char *life_reset(unsigned number)
{
    return order(number, reset);
}

const char *life_pause(unsigned number)
{
    return order(number, pause);
}

const char *life_resume(unsigned number)
{
    return life_resume_some(number, UINT64_MAX);
}

const char *life_resume_some(unsigned number, uint64_t vcpus)
{
    struct life *life = life_of(number);
    const char *refusal;

    if (!life)
        return NO_SUCH;
    spin_lock(&life->lock);
    refusal = resume(life, vcpus);
    spin_unlock(&life->lock);
    return refusal;
}

void life_launch(void)
{
    for (unsigned number = 1; number <= life_highest(); number++) {
        const struct life *life = life_of(number);

        if (life->config->autostart && !life->config->after && life_start(number))
            launch_next(life);
    }
}
