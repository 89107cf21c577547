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

void (*vm_all_off)(void);
void (*life_changed)(unsigned number);
struct life_watch life_watch;
static struct life lives[CONFIG_VMS_MOST];
static unsigned life_count, running;
static struct memory_counts at_start;

static struct life *life_of(unsigned number)
{
    return number - 1 < life_count ? &lives[number - 1] : NULL;
}

/* The vCPU's time is its VM's to spend on what must be done between its runs. */
static void put_to_work(struct life *life, struct vcpu *vcpu)
{
    life->worker = vcpu;
    vcpu->requests = REQUEST_STOP;
    sched_add(vcpu);
}

/* With the lock held: memory is cleared next, and then the VM is started if `again`. */
static void begin_clearing(struct life *life, bool again)
{
    life->state = LIFE_CLEARING;
    life->again = again;
    life->held = false;
    life->parked = 0;
}

static void tell(const struct life *life)
{
    if (life_changed)
        life_changed(life->number);
}

static const char *pause(struct life *life)
{
    struct vm *vm = &life->vm;

    if (life->state != LIFE_RUNNING)
        return "it does not run";
    if (life->held)
        return "it is paused";
    life->held = true;
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        vcpu_request(vm->vcpus[i], REQUEST_STOP);
    return NULL;
}

static void run(struct life *life)
{
    struct vm *vm = &life->vm;
    struct vcpu *worker = life->worker;
    bool first = !life->begun;

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
    life->state = LIFE_RUNNING;
    if (life_watch.starts)
        life_watch.starts(vm);
    if (first && life->config->paused)
        pause(life);
    if (!life->again) /* stopped while its kernel was loaded */
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
    for (unsigned i = 0; i < life_count; i++) {
        const struct config_vm *config = lives[i].config;

        if (config->autostart && config->after && strcmp(config->after, ended->config->name) == 0 &&
            !lives[i].begun && life_start(i + 1))
            launch_next(&lives[i]);
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
    life->state = LIFE_CLEARING;
    put_to_work(life, life->worker);
}

/* Whether the VM has to wait now that it could start again. */
static bool waits(struct life *life)
{
    bool wait;

    spin_lock(&life->lock);
    wait = life->again && life->wait;
    if (wait) {
        life->state = LIFE_WAITING;
        sched_remove(life->worker);
        timer_arm(&life->delay, clock_now() + life->wait * clock_hz());
        life->wait = 0;
    }
    spin_unlock(&life->lock);
    return wait;
}

/* A piece of the work between two runs of the VM: its vCPU comes here again and again until it is done. */
static void work(struct life *life)
{
    virt->vcpu_put(life->worker);
    if (!life_clear(life) || waits(life))
        return;
    if (!life->again) {
        give_back(life);
    } else if (life_load(life)) {
        run(life);
    } else { /* what was loaded so far is cleared too */
        life->again = false;
        life->cleared = 0;
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
    virt->vcpu_put(vcpu);
    vcpu->activity = VCPU_OFF;
    spin_lock(&life->lock);
    last = --life->live == 0;
    if (last) {
        life->worker = vcpu;
        /* At once: an order that finds it running would wake vCPUs of a VM that ends. */
        begin_clearing(life, starts_again(life));
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
        life->shown = life->held = true;
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
    stays = life->held && (runs || (life->vm.end == VM_CRASHED && life->shown));
    if (stays) {
        virt->vcpu_put(vcpu);
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

    if (life->state == LIFE_CLEARING) {
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
    life->held = false;
    if (life->live) /* one that still runs ends the VM */
        return;
    life->live = 1;
    life->parked = 0;
    put_to_work(life, vm->vcpus[0]);
}

static const char *start(struct life *life)
{
    if (life->state != LIFE_OFF)
        return "it is on already";
    if (!life->config->start)
        return "its section of keel.conf has a mistake: " SEE_LOG;
    begin_clearing(life, true);
    spin_unlock(&life->lock);
    vm_log_free(&life->log, true);
    if (life_create(life)) {
        set_made(life, true);
        vm_hold();
        life->since = clock_now();
        life->crashes = life->wait = 0;
        life->vm.ending = true;
        life->vm.end = VM_RESET;
        put_to_work(life, life->vm.vcpus[0]);
        spin_lock(&life->lock);
        return NULL;
    }
    spin_lock(&life->lock);
    life->state = LIFE_OFF;
    return SEE_LOG;
}

/* The end of waiting or clearing: what comes after it. */
static const char *turn(struct life *life, bool again)
{
    if (life->state == LIFE_WAITING) {
        timer_cancel(&life->delay);
        wait_over(&life->delay);
    }
    if (life->again && !again) {
        vm_log_free(&life->log, true);
        log_line("vm %s: stopped before it started", life->config->name);
        format_text(life->why, sizeof(life->why), "stopped before it started");
    }
    life->again = again;
    return NULL;
}

static const char *stop(struct life *life)
{
    if (life->state == LIFE_OFF)
        return "it is off";
    if (life->state != LIFE_RUNNING)
        return turn(life, false);
    end(life, VM_STOPPED);
    return NULL;
}

static const char *reset(struct life *life)
{
    if (life->state == LIFE_OFF)
        return "it is off";
    if (life->state != LIFE_RUNNING)
        return life->again ? turn(life, true) : "it is ending";
    end(life, VM_RESET);
    return NULL;
}

static const char *resume(struct life *life, uint64_t vcpus)
{
    struct vm *vm = &life->vm;

    if (life->state != LIFE_RUNNING || !(life->held || life->parked))
        return "it is not paused";
    life->held = false;
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

/* Calls `what`, or `resume` for these vCPUs if it is NULL, with the lock held. */
static const char *order(unsigned number, const char *(*what)(struct life *life), uint64_t vcpus)
{
    struct life *life = life_of(number);
    const char *refusal;

    if (!life)
        return "there is no such VM";
    spin_lock(&life->lock);
    refusal = what ? what(life) : resume(life, vcpus);
    spin_unlock(&life->lock);
    return refusal;
}

const char *life_start(unsigned number)
{
    return order(number, start, 0);
}

const char *life_stop(unsigned number)
{
    return order(number, stop, 0);
}

const char *life_reset(unsigned number)
{
    return order(number, reset, 0);
}

const char *life_pause(unsigned number)
{
    return order(number, pause, 0);
}

const char *life_resume(unsigned number)
{
    return order(number, NULL, UINT64_MAX);
}

const char *life_resume_some(unsigned number, uint64_t vcpus)
{
    return order(number, NULL, vcpus);
}

struct vcpu *life_parked(unsigned number, unsigned id)
{
    struct life *life = life_of(number);
    struct vcpu *vcpu = NULL;

    if (!life)
        return NULL;
    spin_lock(&life->lock);
    if (life->state == LIFE_RUNNING && life->held && !life->live && id < life->vm.vcpu_count)
        vcpu = life->vm.vcpus[id];
    spin_unlock(&life->lock);
    return vcpu;
}

bool life_still(unsigned number)
{
    return life_parked(number, 0);
}

struct vm *life_look(unsigned number)
{
    struct life *life = life_of(number);

    if (!life)
        return NULL;
    spin_lock(&life->parts);
    if (life->made)
        return &life->vm;
    spin_unlock(&life->parts);
    return NULL;
}

void life_looked(unsigned number)
{
    spin_unlock(&life_of(number)->parts);
}

/* life_look, but of a VM that runs, or is paused. */
static struct life *look_at_running(unsigned number)
{
    struct life *life = life_look(number) ? life_of(number) : NULL;

    if (!life || life->state == LIFE_RUNNING)
        return life;
    life_looked(number);
    return NULL;
}

bool life_signal(unsigned number, enum board_signal what, unsigned code)
{
    struct life *life = look_at_running(number);
    bool known;

    if (!life)
        return false;
    known = life->board->signal(&life->vm, what, code);
    life_looked(number);
    return known;
}

bool life_info(unsigned number, struct life_info *info)
{
    struct life *life = life_of(number);
    const char *state;

    if (!life)
        return false;
    if (life->state == LIFE_CLEARING)
        state = life->again ? "starting" : "ending";
    else if (life->state == LIFE_RUNNING)
        state = life->held ? "paused" : "running";
    else
        state = life->state == LIFE_OFF ? "off" : "waiting";
    *info = (struct life_info){life->config->name,
                               state,
                               life->config->vcpus,
                               life->config->memory,
                               life->since,
                               life->config->serial == SERIAL_CONSOLE,
                               life->state == LIFE_OFF ? NULL : &life->vm,
                               life->why};
    return true;
}

void life_each(void (*what)(struct vm *vm))
{
    for (unsigned i = 0; i < life_count; i++) {
        spin_lock(&lives[i].lock);
        if (lives[i].state == LIFE_RUNNING)
            what(&lives[i].vm);
        spin_unlock(&lives[i].lock);
    }
}

void life_keep(uint64_t bytes)
{
    at_start.pool_used += bytes;
}

static bool lies_in(const void *at, const void *state, size_t size)
{
    return (uintptr_t)at - (uintptr_t)state < size;
}

const char *life_owner(const void *at)
{
    for (unsigned i = 0; i < life_count; i++) {
        const struct life *life = &lives[i];
        bool found = lies_in(at, life, sizeof(*life));

        if (life_look(i + 1)) {
            found = found || lies_in(at, life->devices, life->devices_size);
            life_looked(i + 1);
        }
        if (found)
            return life->config->name;
    }
    return NULL;
}

unsigned life_find(const char *name)
{
    for (unsigned i = 0; i < life_count; i++)
        if (strcmp(lives[i].config->name, name) == 0)
            return i + 1;
    return 0;
}

static void note_never_started(struct life *life)
{
    const struct config_vm *config = life->config;

    if (!config->start)
        format_text(life->why, sizeof(life->why), "not started: its section of keel.conf has a mistake");
    else if (config->autostart && config->after)
        format_text(life->why, sizeof(life->why), "not started yet: it waits for the end of %s",
                    config->after);
    else
        format_text(life->why, sizeof(life->why), "not started yet: autostart = no");
}

void life_init(const struct config *config, const struct board_ops *board)
{
    struct table space;

    memset(lives, 0, sizeof(lives));
    life_count = config->vm_count;
    for (unsigned i = 0; i < life_count; i++) {
        lives[i].number = i + 1;
        lives[i].config = &config->vms[i];
        lives[i].board = board;
        vm_log_init(&lives[i].log, config->vms[i].name, config->vms[i].on_crash == ON_CRASH_RESTART);
        lives[i].delay.expired = wait_over;
        lives[i].delay.lock = &lives[i].lock;
        note_never_started(&lives[i]);
        if (config->vms[i].record.port == RECORD_TO_MEMORY && life_recorder)
            life_recorder->reserve(config->vms[i].record.size);
    }
    if (guest_space_create(&space)) /* the first one makes tables in Keel's own that stay */
        table_destroy(&space);
    at_start = memory_count(host_frames());
}

void life_launch(void)
{
    for (unsigned i = 0; i < life_count; i++)
        if (lives[i].config->autostart && !lives[i].config->after && life_start(i + 1))
            launch_next(&lives[i]);
}

void vm_hold(void)
{
    __atomic_fetch_add(&running, 1, __ATOMIC_RELAXED);
}

/* Whatever VMs were there, all that they took is free again. */
static void check_memory(void)
{
    struct memory_counts now = memory_count(host_frames());
    uint64_t leaked = now.pool_used - at_start.pool_used + at_start.guest_free - now.guest_free;

    if (leaked)
        log_line("memory: %ld KiB leaked", (int64_t)leaked / (int64_t)KIB(1));
}

void vm_release(void)
{
    bool begun = false;

    if (__atomic_sub_fetch(&running, 1, __ATOMIC_ACQ_REL))
        return;
    for (unsigned i = 0; i < life_count; i++)
        begun |= lives[i].begun;
    if (!begun)
        log_line("no VM was started. See the lines above for what each one lacked.");
    check_memory();
    vm_all_off();
}
