/* The monitor's commands that list VMs and steer them. */
#include "hv/console/console.h"
#include "hv/event/guest_debug.h"
#include "hv/host/clock.h"
#include "hv/host/cpu.h"
#include "hv/lib/arith.h"
#include "hv/monitor/monitor_internal.h"
#include "hv/run/sched.h"
#include "hv/show/guest_symbols.h"
#include "hv/vm/exit_stat.h"
#include "hv/vm/virt.h"

#define LOOKS_A_SECOND 1000
#define STEP_SECONDS   1 /* that an instruction may take */

static uint64_t milliseconds(uint64_t ticks)
{
    return mul_div(ticks, 1000, clock_hz());
}

/* How long something ran, what that is of one core since its VM was started, and how often it left. */
static void print_ran(struct writer *out, uint64_t ticks, uint64_t since, uint64_t exits)
{
    uint64_t ms = milliseconds(ticks), share = mul_div(ticks, 1000, MAX(clock_now() - since, 1u));

    print_to(out, "  %6lu.%03lu s %4lu.%lu%% %10lu exits\n", ms / 1000, ms % 1000, share / 10, share % 10,
             exits);
}

/* Those that run have their time up to now. */
static void charge_all(void)
{
    struct sched_view view;

    for (unsigned i = 0; i < cpu_count; i++)
        sched_look(i, &view);
}

/* Of all vCPUs if `vcpu` is NULL. */
static uint64_t count_exits(const struct vm *vm, const struct vcpu *vcpu)
{
    uint64_t count = 0;

    for (unsigned i = 0; i < STAT_ROWS; i++)
        count += stats_count(vm, vcpu, i);
    return count;
}

void monitor_vms(struct monitor_call *call)
{
    struct life_info info;

    charge_all();
    print_to(call->out, " # %-16s %-9s vcpus     memory  weight  cap         ran  share       exits\n",
             "name", "state");
    for (unsigned i = 1; life_info(i, &info); i++) {
        const struct vm *vm;

        print_to(call->out, "%2u %-16s %-9s %5u %6lu MiB", i, info.name, life_state_name(info.state),
                 info.vcpus, info.memory / MIB(1));
        vm = life_look(i);
        if (vm) {
            const struct run_group *group = &vm->group;

            print_to(call->out, "  %6u", group->weight);
            if (group->quota)
                print_to(call->out, " %3lu%%", mul_div(group->quota, 1000, clock_hz()));
            else
                print_to(call->out, "    -");
            print_ran(call->out, group->ran, info.since, count_exits(vm, NULL));
            life_looked(i);
        } else {
            print_to(call->out, "  %s\n", info.why);
        }
    }
}

static void list_vcpus(struct writer *out, const struct vm *vm, const struct life_info *info)
{
    static const char *const names[] = {"ready", "halted", "waits for SIPI", "off"};
    bool paused = info->state == LIFE_PAUSED;

    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        const struct vcpu *vcpu = vm->vcpus[i];
        char name[VM_NAME_MOST + 4];

        format_text(name, sizeof(name), "%s.%u", info->name, i);
        print_to(out, "%-20s %-14s", name,
                 vcpu->activity != VCPU_RUNNABLE ? names[vcpu->activity & 3]
                 : paused                        ? "paused"
                 : vcpu->running_on              ? "runs"
                                                 : "ready");
        print_to(out, " core %3u", vcpu->core);
        print_ran(out, vcpu->runner.ran, info->since, count_exits(vm, vcpu));
    }
}

void monitor_vcpus(struct monitor_call *call)
{
    struct life_info info;

    charge_all();
    for (unsigned i = 1; life_info(i, &info); i++) {
        const struct vm *vm = !call->number || call->number == i ? life_look(i) : NULL;

        if (vm) {
            list_vcpus(call->out, vm, &info);
            life_looked(i);
        } else if (call->number == i) {
            print_to(call->out, "%s is off\n", info.name);
        }
    }
}

static void say(struct monitor_call *call, const char *refusal, const char *done)
{
    print_to(call->out, "%s: %s\n", call->name, refusal ? refusal : done);
}

void monitor_start(struct monitor_call *call)
{
    say(call, life_start(call->number), "is being started");
}

void monitor_stop(struct monitor_call *call)
{
    say(call, life_stop(call->number), "is being stopped");
}

void monitor_reset(struct monitor_call *call)
{
    say(call, life_reset(call->number), "is being reset");
}

void monitor_pause(struct monitor_call *call)
{
    say(call, life_pause(call->number), "paused");
}

void monitor_resume(struct monitor_call *call)
{
    say(call, life_resume(call->number), "goes on");
}

void monitor_focus(struct monitor_call *call)
{
    console_give_focus(call->number);
}

static void signal(struct monitor_call *call, enum board_signal what, unsigned code, const char *deaf)
{
    say(call, life_signal(call->number, what, code) ? NULL : deaf, "sent");
}

void monitor_nmi(struct monitor_call *call)
{
    signal(call, BOARD_NMI, BOARD_VCPU(call->vcpu_id), "its interrupt controller does not take it");
}

void monitor_inject(struct monitor_call *call)
{
    signal(call, BOARD_INTERRUPT, BOARD_VCPU(call->vcpu_id) | (unsigned)call->values[0],
           "its interrupt controller does not take it");
}

void monitor_button(struct monitor_call *call)
{
    signal(call, BOARD_POWER_BUTTON, 0, "pressed, but it does not listen: it has no ACPI driver, or not yet");
}

void monitor_break(struct monitor_call *call)
{
    signal(call, BOARD_BREAK, 0, "not sent: its COM1 is full, or has RTS down");
}

/* Down in turn, and up again the other way round. */
void monitor_keys(struct monitor_call *call)
{
    unsigned count = 0;
    bool taken = true;

    for (unsigned i = 0; i < ARRAY_LENGTH(call->values); i++)
        if (call->values[i] > 0xff && call->values[i] >> 8 != 0xe0) {
            print_to(call->out, "KEY is 1 to ff, or e001 to e0ff\n");
            return;
        }
    for (; count < ARRAY_LENGTH(call->values) && call->values[count]; count++)
        taken &= life_signal(call->number, BOARD_KEY_DOWN, (unsigned)call->values[count]);
    while (count--)
        taken &= life_signal(call->number, BOARD_KEY_UP, (unsigned)call->values[count]);
    say(call, taken ? NULL : "its keyboard is off, or full", "sent");
}

static struct step {
    struct vm_debug debug;
    enum { STEP_BEGINS, STEP_RUNS, STEP_LATE } phase;
    uint64_t from, deadline;
} step;

/* On the vCPU's core. */
static void stopped(struct vcpu *vcpu, enum debug_why why, const struct debug_point *point)
{
    struct life_info info;

    (void)why, (void)point;
    for (unsigned i = 1; life_info(i, &info); i++)
        if (info.vm == vcpu->vm)
            life_pause(i);
    monitor_wake();
}

static void ended(struct vm *vm)
{
    (void)vm;
}

static uint64_t rip_of(struct vcpu *vcpu, uint8_t *bytes, size_t *count)
{
    uint64_t rip;

    vcpu_borrow(vcpu);
    rip = debug_linear_rip(vcpu);
    *count = debug_read(vcpu, rip, bytes, *count);
    vcpu_return(vcpu);
    return rip;
}

/* Returns false if the vCPU cannot be stepped. */
static bool begin_step(struct monitor_call *call, struct vcpu *vcpu)
{
    size_t none = 0;

    if (call->vm->debug) {
        say(call, "GDB is at it", NULL);
        return false;
    }
    step.from = rip_of(vcpu, NULL, &none);
    step.debug.stopped = stopped;
    step.debug.ended = ended;
    step.phase = STEP_RUNS;
    step.deadline = clock_now() + STEP_SECONDS * clock_hz();
    debug_attach(call->vm, &step.debug);
    debug_step(vcpu);
    life_resume_some(call->number, BIT(call->vcpu_id));
    return true;
}

static void end_step(struct monitor_call *call, struct vcpu *vcpu)
{
    uint8_t bytes[15];
    size_t count = sizeof(bytes);
    uint64_t rip = rip_of(vcpu, bytes, &count);

    if (step.phase == STEP_LATE) {
        debug_give_up_step(vcpu);
        print_to(call->out, "%s.%u runs no instruction%s: still at 0x%lx\n", call->name, call->vcpu_id,
                 vcpu->activity == VCPU_HALTED ? ", it is halted" : "", rip);
    } else {
        print_to(call->out, "%s.%u: 0x%lx -> 0x%lx", call->name, call->vcpu_id, step.from, rip);
        guest_symbol_print(call->vm, rip, call->out);
        print_to(call->out, ", next");
        for (size_t i = 0; i < count; i++)
            print_to(call->out, " %02x", bytes[i]);
        print_to(call->out, "\n");
    }
    debug_detach(call->vm);
}

static bool go_on_stepping(struct monitor_call *call, int key)
{
    struct vcpu *vcpu = life_parked(call->number, call->vcpu_id);
    struct life_info info;

    if (!life_info(call->number, &info) || !info.vm || call->vcpu_id >= info.vcpus) {
        say(call, "is off", NULL);
        return false;
    }
    if (vcpu) {
        if (step.phase == STEP_BEGINS)
            return begin_step(call, vcpu);
        end_step(call, vcpu);
        return false;
    }
    if (key < 0 && clock_now() < step.deadline)
        return true;
    if (step.phase != STEP_RUNS) {
        say(call, "does not stand still", NULL);
        return false;
    }
    step.phase = STEP_LATE;
    step.deadline = clock_now() + STEP_SECONDS * clock_hz();
    life_pause(call->number);
    return true;
}

void monitor_step(struct monitor_call *call)
{
    if (!call->console) {
        print_to(call->out, "GDB steps by itself: stepi\n");
        return;
    }
    life_pause(call->number);
    step.phase = STEP_BEGINS;
    step.deadline = clock_now() + STEP_SECONDS * clock_hz();
    call->again = go_on_stepping;
    call->ticks = clock_hz() / LOOKS_A_SECOND;
}
