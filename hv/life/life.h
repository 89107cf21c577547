/*
 * The life of the VMs: started, stopped, paused, started again. Every VM of the configuration is in one
 * table, by its number from 1 on, running or not. All of this may be called from any core at any time, from
 * an interrupt too, but not with a lock held that a device or the console takes.
 */
#pragma once

#include "hv/life/config.h"
#include "hv/vm/board.h"
#include "hv/vm/vm.h"

enum life_state {
    LIFE_OFF,
    LIFE_CLEARING, /* its memory is being zeroed and its kernel loaded; or zeroed, before it is off */
    LIFE_RUNNING,  /* or paused */
    LIFE_WAITING,  /* it crashed again and again: some seconds until it starts */
};

struct life_info {
    const char *name;
    const char *state; /* off, starting, running, paused, ending, waiting */
    unsigned vcpus;
    uint64_t memory;
    uint64_t since;  /* when it was started, in ticks of clock_now() */
    bool shares;     /* the console, while it is on */
    struct vm *vm;   /* NULL while it is off. For who has stopped it; others look by life_look */
    const char *why; /* it is off: "exited with status 1", "not started: ..." */
};

/* Who hears of lives, above: boot/main.c connects them. */
struct life_watch {
    void (*starts)(struct vm *vm);      /* it runs from now on */
    void (*crashed)(struct vcpu *vcpu); /* its VM has; it is loaded */
    void (*ended)(struct vm *vm);       /* it is off or starts again, and why has been said */
};
extern struct life_watch life_watch;

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

/* Starts the VMs that the configuration wants to run now. */
void life_launch(void);

/*
 * Each returns NULL, or why it cannot be. What begins goes on by itself: memory is cleared and the kernel
 * loaded on the time of one of the VM's vCPUs, and a log line says how it went.
 */
const char *life_start(unsigned number);
const char *life_stop(unsigned number);  /* as if its plug were pulled; never restarted */
const char *life_reset(unsigned number); /* as if its reset button were pressed; a paused one runs again */
const char *life_pause(unsigned number); /* its vCPUs stand still, time goes on */
const char *life_resume(unsigned number);

/* Of a VM that stands still, lets only some vCPUs go on: bit n is vCPU n. The next pause is for all. */
const char *life_resume_some(unsigned number, uint64_t vcpus);

/* Whether it is paused, and every vCPU has left its core: any core may load them. */
bool life_still(unsigned number);

/*
 * The vCPU `id` of a VM that stands still, or NULL. It stands still until an order of the same core lets it
 * go on: orders come from the boot core's work alone.
 */
struct vcpu *life_parked(unsigned number, unsigned id);

/* A VM has come to stand still, runs (again), or is off: called on whatever core that was seen. NULL: nobody
 * waits for that. */
extern void (*life_changed)(unsigned number);

/* What a person does to a VM that stands still: board_ops.signal. */
bool life_signal(unsigned number, enum board_signal what, unsigned code);

/* For sched_loop: a vCPU that was asked to stop has left its run loop. */
void vm_vcpu_stopped(struct vcpu *vcpu);

/* Calls it for every VM that runs, or is paused, and keeps it from its end meanwhile. */
void life_each(void (*what)(struct vm *vm));

/* Memory of Keel's that stays when all VMs are off. */
void life_keep(uint64_t bytes);

/* While it is held, the machine is not "all off", though no VM runs: for whoever is about to launch some. */
void vm_hold(void);
void vm_release(void);

/* Called when no VM runs any more, on the core that ended or released last. */
extern void (*vm_all_off)(void);
