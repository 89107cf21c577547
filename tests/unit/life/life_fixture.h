/* The table of VMs over parts that note what they are asked: each VM takes some turns to clear and to load.
 */
#pragma once

#include "tests/unit/core_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "hv/crash/crash.h"
#include "hv/host/paging.h"
#include "hv/life/create.h"
#include "hv/life/life.h"
#include "hv/run/sched.h"

#define VCPUS       2
#define CLEAR_TURNS 3

static struct config config;
static struct life *made[3]; /* by number */
static unsigned created, destroyed, cleared, loaded, stopped_boards, reports, all_off, on_cores,
    puts_of_vcpus;
static bool cannot_create, cannot_load;
static struct memory_counts memory;
static uint64_t kept; /* by life_destroy */

const struct life_recorder *life_recorder;

bool life_create(struct life *life)
{
    struct vm *vm = &life->vm;

    assert_null(life_look(life->number)); /* nobody looks at what is half made */
    if (cannot_create)
        return false;
    created++;
    memory.pool_used += KIB(64);
    memory.guest_free -= life->config->memory;
    memset(vm, 0, sizeof(*vm));
    vm->life = life;
    vm->id = life->number;
    vm->vcpu_count = life->config->vcpus;
    strcpy(vm->name, life->config->name);
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        vm->vcpus[i] = calloc(1, sizeof(struct vcpu));
        vm->vcpus[i]->vm = vm;
        vm->vcpus[i]->id = i;
    }
    made[life->number] = life;
    return true;
}

bool life_clear(struct life *life)
{
    cleared++;
    return ++life->cleared >= CLEAR_TURNS;
}

bool life_load(struct life *life)
{
    assert_true(life->cleared >= CLEAR_TURNS); /* a guest never finds what was there before */
    loaded++;
    if (cannot_load)
        return false;
    for (unsigned i = 0; i < life->vm.vcpu_count; i++)
        life->vm.vcpus[i]->requests = 0;
    return true;
}

void life_destroy(struct life *life)
{
    assert_null(life_look(life->number)); /* nor at what is given back */
    assert_true(life->cleared >= CLEAR_TURNS);
    destroyed++;
    memory.pool_used -= KIB(64) - kept;
    memory.guest_free += life->config->memory;
    for (unsigned i = 0; i < life->vm.vcpu_count; i++)
        free(life->vm.vcpus[i]);
    made[life->number] = NULL;
}

bool guest_space_create(struct table *space)
{
    (void)space;
    return false;
}

void table_destroy(struct table *table)
{
    (void)table;
}

void sched_add(struct vcpu *vcpu)
{
    assert_false(vcpu->core);
    vcpu->core = 1;
    on_cores++;
}

void sched_remove(struct vcpu *vcpu)
{
    assert_int_equal(vcpu->core, 1);
    vcpu->core = 0;
    on_cores--;
}

void console_attach(struct console_client *client)
{
    client->place = 1;
}

void console_hasten(struct console_client *client)
{
    (void)client;
}

void console_detach(struct console_client *client)
{
    client->place = 0;
}

static inline void crashed(struct vcpu *vcpu)
{
    (void)vcpu;
    reports++;
}

struct frames *host_frames(void)
{
    return NULL;
}

struct memory_counts memory_count(struct frames *frames)
{
    (void)frames;
    return memory;
}

static void (*meanwhile)(void); /* on another core, while the last vCPU ends its VM */

static inline void board_stop(struct vm *vm)
{
    (void)vm;
    stopped_boards++;
    if (meanwhile)
        meanwhile();
}

static inline void vcpu_put(struct vcpu *vcpu)
{
    (void)vcpu;
    puts_of_vcpus++;
}

static inline void off(void)
{
    all_off++;
}

static const struct board_ops board = {.stop = board_stop};
static struct virt_ops ops;

static inline void add_vm(const char *name, const char *after)
{
    struct config_vm *vm = &config.vms[config.vm_count++];

    strcpy(vm->name, name);
    vm->memory = MIB(1);
    vm->vcpus = VCPUS;
    vm->start = vm->autostart = true;
    vm->after = after;
}

static inline int setup(void **state)
{
    core_setup(state);
    ops = *virt;
    ops.lifecycle.vcpu_put = vcpu_put;
    virt = &ops;
    memset(&config, 0, sizeof(config));
    memset(made, 0, sizeof(made));
    created = destroyed = cleared = loaded = stopped_boards = reports = all_off = on_cores = 0;
    cannot_create = cannot_load = false;
    meanwhile = NULL;
    kept = 0;
    memory = (struct memory_counts){.pool_used = MIB(1), .guest_free = MIB(64)};
    vm_all_off = off;
    life_watch.crashed = crashed;
    add_vm("a", NULL);
    return 0;
}

/* Each vCPU on a core gets a turn, if it was asked to stop. Returns whether any was. */
static inline bool turn(void)
{
    bool any = false;

    for (unsigned number = 1; number <= 2; number++)
        for (unsigned i = 0; made[number] && i < VCPUS; i++) {
            struct vcpu *vcpu = made[number]->vm.vcpus[i];

            if (!vcpu->core || !(vcpu->requests & REQUEST_STOP))
                continue;
            vm_vcpu_stopped(vcpu);
            any = true;
        }
    return any;
}

static inline void settle(void)
{
    for (unsigned turns = 0; turn(); turns++)
        assert_true(turns < 100);
}

static inline void begin(void)
{
    vm_hold();
    life_init(&config, &board);
    life_launch();
    settle();
    vm_release();
}

static const char *state_of(unsigned number)
{
    struct life_info info;

    assert_true(life_info(number, &info));
    return life_state_name(info.state);
}

static inline void assert_said(const char *line, unsigned times)
{
    unsigned found = 0;

    for (const char *at = fake_log; (at = strstr(at, line)); at++)
        found++;
    if (found != times)
        print_error("\"%s\" was said %u times in\n%s", line, found, fake_log);
    assert_int_equal(found, times);
}

/* In the log. */
static inline unsigned lines(void)
{
    unsigned count = 0;

    for (const char *at = fake_log; (at = strchr(at, '\n')); at++)
        count++;
    return count;
}

static inline void finish(unsigned number)
{
    life_stop(number);
    settle();
    assert_string_equal(state_of(number), "off");
    assert_true(all_off == 0 || on_cores == 0);
    assert_said("leaked", 0);
}
