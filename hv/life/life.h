/*
 * The life of the VMs: started, stopped, paused, started again, as states that follow each other in
 * hv/life/life_state.h. All of this may be called from any core at any time, from an interrupt too, but not
 * with a lock held that a device or the console takes.
 */
#pragma once

#include "hv/life/life_table.h"

/* Who hears of lives, above: boot/main.c connects them. */
struct life_watch {
    void (*starts)(struct vm *vm);      /* it runs from now on */
    void (*crashed)(struct vcpu *vcpu); /* its VM has; it is loaded */
    void (*ended)(struct vm *vm);       /* it is off or starts again, and why has been said */
};
extern struct life_watch life_watch;

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

/* A VM has come to stand still, runs (again), or is off: called on whatever core that was seen. NULL: nobody
 * waits for that. */
extern void (*life_changed)(unsigned number);

/* For sched_loop: a vCPU that was asked to stop has left its run loop. */
void vm_vcpu_stopped(struct vcpu *vcpu);
