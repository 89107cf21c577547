#include "hv/life/life_table.h"

#include "hv/host/log.h"
#include "hv/host/paging.h"
#include "hv/lib/format.h"
#include "hv/lib/string.h"
#include "hv/life/create.h"

void (*vm_all_off)(void);
static struct life lives[CONFIG_VMS_MOST];
static unsigned life_count, running;
static struct memory_counts at_start;

struct life *life_of(unsigned number)
{
    return number - 1 < life_count ? &lives[number - 1] : NULL;
}

unsigned life_highest(void)
{
    return life_count;
}

const char *life_state_name(enum life_state state)
{
    static const char *const names[] = {
        [LIFE_OFF] = "off",         [LIFE_STARTING] = "starting", [LIFE_WAITING] = "waiting",
        [LIFE_RUNNING] = "running", [LIFE_PAUSED] = "paused",     [LIFE_ENDING] = "ending",
    };

    return names[state];
}

struct vcpu *life_parked(unsigned number, unsigned id)
{
    struct life *life = life_of(number);
    struct vcpu *vcpu = NULL;

    if (!life)
        return NULL;
    spin_lock(&life->lock);
    if (life->state == LIFE_PAUSED && !life->live && id < life->vm.vcpu_count)
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

    if (!life || life_is_on(life))
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

    if (!life)
        return false;
    *info = (struct life_info){life->config->name,
                               life->state,
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
        if (life_is_on(&lives[i]))
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
        lives[i].delay.lock = &lives[i].lock;
        note_never_started(&lives[i]);
        if (config->vms[i].record.port == RECORD_TO_MEMORY && life_recorder)
            life_recorder->reserve(config->vms[i].record.size);
    }
    if (guest_space_create(&space)) /* the first one makes tables in Keel's own that stay */
        table_destroy(&space);
    at_start = memory_count(host_frames());
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
