#include "hv/life/sleepers.h"

#include "hv/host/clock.h"
#include "hv/host/timer.h"
#include "hv/life/life_table.h"

static struct timer look;

/* 0 if a vCPU may run; else a number that changes with each exit of one: the same twice, nobody ran between.
 */
static uint64_t sleeps(const struct vm *vm)
{
    uint64_t exits = 1;

    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        const struct vcpu *vcpu = vm->vcpus[i];

        if (vcpu->run_state != RUN_ASLEEP || __atomic_load_n(&vcpu->requests, __ATOMIC_RELAXED))
            return 0;
        exits += vcpu->exited;
    }
    return exits;
}

static bool all_deaf(const struct vm *vm)
{
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        if (vm->vcpus[i]->activity == VCPU_HALTED && !vm->vcpus[i]->deaf)
            return false;
    return true;
}

static uint32_t last_rip(const struct vcpu *vcpu)
{
    uint8_t at = vcpu->exit_at - sizeof(struct exit_record);

    return vcpu->last_exits[at / sizeof(struct exit_record)].rip;
}

/* A second without an exit is long enough for whatever was on its way to a vCPU. */
static void look_at(struct vm *vm)
{
    const struct life *life = vm->life;
    uint64_t before = vm->asleep;

    vm->asleep = vm->said_asleep ? 0 : sleeps(vm);
    if (!vm->asleep || vm->asleep != before || life->board->may_wake(vm))
        return;
    vm->said_asleep =
        vm_log(vm, "sleeps for good, its vcpu 0 at rip ..%08x: %s; only an NMI or a reset wakes it",
               last_rip(vm->vcpus[0]),
               all_deaf(vm) ? "it halted with interrupts off"
                            : "no timer runs, and no device is enabled and unmasked that could interrupt");
}

static void due(struct timer *timer)
{
    life_each(look_at);
    timer_arm(timer, timer->deadline + clock_hz());
}

void sleepers_start(void)
{
    look.expired = due;
    timer_arm(&look, clock_now() + clock_hz());
}
