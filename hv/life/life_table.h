/*
 * The VMs of the configuration, running or not, in one table by their numbers from 1 on: who looks at them,
 * and what they have together. From any core at any time, from an interrupt too.
 */
#pragma once

#include "hv/life/config.h"
#include "hv/life/life_state.h"
#include "hv/vm/board.h"
#include "hv/vm/vm.h"

struct life;

struct life_info {
    const char *name;
    enum life_state state;
    unsigned vcpus;
    uint64_t memory;
    uint64_t since;  /* when it was started, in ticks of clock_now() */
    bool shares;     /* the console, while it is on */
    struct vm *vm;   /* NULL while it is off. For who has stopped it; others look by life_look */
    const char *why; /* it is off: "exited with status 1", "not started: ..." */
};

/* The table, made of the configuration, which must stay where it is. Before anything else here. */
void life_init(const struct config *config, const struct board_ops *board);

/* What VM `number` is doing. false: there is no such VM, nor any of a higher number. */
bool life_info(unsigned number, struct life_info *info);

/*
 * From life_look to life_looked the VM keeps all that it is made of: vCPUs, RAM's pieces, devices. Whoever
 * gives it back waits meanwhile, so it is for a look of microseconds: no order to a VM in between, and no
 * lock held that those take (a timer queue's, a device's). NULL, at once: there is nothing to look at, or it
 * is being made or given back; there is no life_looked to call then.
 */
struct vm *life_look(unsigned number);
void life_looked(unsigned number);

/* The number of the VM of that name, or 0. */
unsigned life_find(const char *name);

/* The name of the VM that has this in its own state or its devices', or NULL. Looks, as life_look. */
const char *life_owner(const void *at);

/* One word: "off", "starting", "waiting", "running", "paused", "ending". */
const char *life_state_name(enum life_state state);

/* Whether it is paused, and every vCPU has left its core: any core may load them. */
bool life_still(unsigned number);

/*
 * The vCPU `id` of a VM that stands still, or NULL. It stands still until an order of the same core lets it
 * go on: orders come from the boot core's work alone.
 */
struct vcpu *life_parked(unsigned number, unsigned id);

/* What a person does to a VM that stands still: board_ops.signal. */
bool life_signal(unsigned number, enum board_signal what, unsigned code);

/* Calls it for every VM that runs, or is paused, and keeps it from its end meanwhile. */
void life_each(void (*what)(struct vm *vm));

/* Memory of Keel's that stays when all VMs are off. */
void life_keep(uint64_t bytes);

/* While it is held, the machine is not "all off", though no VM runs: for whoever is about to launch some. */
void vm_hold(void);
void vm_release(void);

/* Called when no VM runs any more, on the core that ended or released last. */
extern void (*vm_all_off)(void);

/* For life.c: the VM of that number, or NULL; and the highest number. */
struct life *life_of(unsigned number);
unsigned life_highest(void);
