/* What the monitor's parts know of each other: how a command is told what it is to do. */
#pragma once

#include "hv/life/life.h"
#include "hv/monitor/monitor.h"
#include "hv/run/work.h"

/* What must be so before a command's function is called. */
enum monitor_needs {
    NEEDS_NOTHING,
    NEEDS_STILL, /* call->vm is there, and stands still: its devices and vCPUs may be looked at */
    NEEDS_VCPU,  /* and call->vcpu is loaded on this core, and with it the VM's RAM is there for Keel */
};

/* The optional arguments that were left out have `count` below their place, and the values of the table. */
struct monitor_call {
    struct writer *out;
    unsigned number, vcpu_id; /* of the VM and the vCPU that were named */
    const char *name;         /* of the VM */
    uint64_t values[3];       /* the numbers behind them, in order */
    const char *words;        /* all that is left of the line, where the command takes it apart itself */
    struct vm *vm;
    struct vcpu *vcpu;
    bool console; /* typed there, by somebody who can wait */
    bool leaves;  /* set by the command: the monitor is left when it is done */
    /*
     * A command that takes longer sets these at the console: `again` is called every `ticks` until it returns
     * false, with a key that was typed or -1. Nothing is held still for it.
     */
    bool (*again)(struct monitor_call *call, int key);
    uint64_t ticks;
};

/* `arguments` is what the parser goes by: words of monitor_parse.c's table, in [] if they may be left out. */
struct monitor_command {
    const char *name, *arguments, *help;
    enum monitor_needs needs;
    void (*run)(struct monitor_call *call);
};

extern const struct monitor_command monitor_commands[];
extern const unsigned monitor_command_count;

/*
 * Takes a line apart: the command, and in `call` what it is to do. NULL: the line is empty, or what is wrong
 * with it has been said.
 */
const struct monitor_command *monitor_parse(const char *line, struct monitor_call *call);

/* For completion: the words that may stand at that place of a line. */
const char *monitor_candidate(unsigned place, unsigned n);

/* monitor_wake.c: the monitor is looked after soon, by `serve` on the boot core. */
void monitor_wake(void);
void monitor_wake_init(void (*serve)(struct work *work));

/* The commands: monitor_vms.c. */
void monitor_vms(struct monitor_call *call);
void monitor_vcpus(struct monitor_call *call);
void monitor_start(struct monitor_call *call);
void monitor_stop(struct monitor_call *call);
void monitor_pause(struct monitor_call *call);
void monitor_resume(struct monitor_call *call);
void monitor_reset(struct monitor_call *call);
void monitor_nmi(struct monitor_call *call);
void monitor_button(struct monitor_call *call);
void monitor_break(struct monitor_call *call);
void monitor_keys(struct monitor_call *call);
void monitor_inject(struct monitor_call *call);
void monitor_focus(struct monitor_call *call);
void monitor_step(struct monitor_call *call);

/* monitor_look.c: into a VM that stands still. */
void monitor_regs(struct monitor_call *call);
void monitor_mem(struct monitor_call *call);
void monitor_pmem(struct monitor_call *call);
void monitor_translate(struct monitor_call *call);
void monitor_vmcs(struct monitor_call *call);
void monitor_cpuid(struct monitor_call *call);
void monitor_devs(struct monitor_call *call);
void monitor_irq(struct monitor_call *call);
void monitor_exits(struct monitor_call *call);
void monitor_bars(struct monitor_call *call);
void monitor_forget(struct monitor_call *call);

/* monitor_machine.c: what is not a VM's. */
void monitor_timers(struct monitor_call *call);
void monitor_queues(struct monitor_call *call);
void monitor_memory(struct monitor_call *call);
void monitor_log(struct monitor_call *call);
void monitor_top(struct monitor_call *call);
void monitor_trace(struct monitor_call *call);
void monitor_poweroff(struct monitor_call *call);
void monitor_reboot(struct monitor_call *call);
