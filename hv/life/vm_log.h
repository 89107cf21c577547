/*
 * Lines that a guest can cause: every one goes through here, and a VM has a budget of them (line_budget.h),
 * which its resets and restarts do not fill. What it is not enough for is left out, and a line says so.
 */
#pragma once

#include "hv/host/timer.h"
#include "hv/lib/format.h"
#include "hv/lib/line_budget.h"
#include "hv/lib/spinlock.h"

struct vm;

struct vm_log {
    const char *name; /* the VM's */
    bool restarts;    /* a crash of it is not its end */
    bool free;        /* as vm_log_free says */
    struct spinlock lock;
    struct timer timer; /* until the sum */
    struct line_budget budget;
};

/* Of a VM of that name, which does not run yet. All budget is there. */
void vm_log_init(struct vm_log *log, const char *name, bool restarts);

/*
 * Whether what is said of the VM from now on is of a start by order or of its end for good: all of it is said
 * then, once for each order, and what was left out before is summed up now.
 */
void vm_log_free(struct vm_log *log, bool free);

/* log_line with `vm NAME: ` before it, if the budget allows it. Returns whether it was said. */
bool vm_log(struct vm *vm, const char *format, ...) PRINTF_LIKE(2, 3);

/* The same for a line about a crash: resets leave some budget to these, and of a crash that is the VM's end
 * for good all is said. */
bool vm_log_crash(struct vm *vm, const char *format, ...) PRINTF_LIKE(2, 3);

/* Whether the budget allows a report (report_begin of hv/host/log.h), which is to be said whole then; and one
 * about a crash. */
bool vm_may_report(struct vm *vm);
bool vm_may_report_crash(struct vm *vm);
