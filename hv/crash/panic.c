#include "hv/crash/panic.h"

#include "hv/console/console.h"
#include "hv/console/screen.h"
#include "hv/crash/core_report.h"
#include "hv/crash/watchdog.h"
#include "hv/host/apic.h"
#include "hv/host/clock.h"
#include "hv/host/cpu.h"
#include "hv/host/log.h"
#include "hv/host/log_ring.h"
#include "hv/host/wait.h"
#include "hv/show/core.h"
#include "hv/vm/vm.h"

#define BACKTRACE_MOST 24

void (*panic_last_words)(struct writer *to);
static uint32_t panicking; /* index of the first core that panics, plus 1 */

/* The NMI has reached every core before this long is over, or does not. */
static void await_stop(void)
{
    uint64_t patience = clock_now() + clock_hz() / 10;

    for (unsigned i = 0; i < cpu_count; i++)
        while (cpus[i] != this_cpu() && !__atomic_load_n(&cpus[i]->stopped, __ATOMIC_ACQUIRE) &&
               clock_now() < patience)
            cpu_pause();
}

static void print_other_cores(void)
{
    for (unsigned i = 0; i < cpu_count; i++)
        if (cpus[i] != this_cpu())
            core_report(cpus[i], cpus[i]->stopped, &log_writer);
}

static void begin(void)
{
    uint32_t nobody = 0, me;

    interrupts_off();
    if (!cpu_count) /* early: there is nothing yet that names this core, and no other one runs */
        return;
    me = this_cpu()->index + 1;
    if (!__atomic_compare_exchange_n(&panicking, &nobody, me, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        halt_for_ever(); /* another core was first, or this one failed while it reported */
    host_apic_send_nmi_others();
    await_stop(); /* so that no other core's line falls into the report */
    log_panic();
    console_panic();
    screen_panic();
}

static _Noreturn void end(uint64_t rip, uint64_t rsp)
{
    core_print_backtrace(rip, rsp, BACKTRACE_MOST, &log_writer);
    if (cpu_count) {
        core_report_vcpu(this_cpu()->current, &log_writer);
        print_other_cores();
        if (panic_last_words)
            panic_last_words(&log_writer);
    }
    log_line(
        "Keel has stopped every core. Please report the lines above; the machine must be reset by hand.");
    halt_for_ever();
}

static void report(const char *reason, uint64_t rip, uint64_t rsp)
{
    begin();
    log_line("KEEL PANIC: %s", reason);
    end(rip, rsp);
}

/* An exception in Keel. */
static void trap(struct trap_frame *frame)
{
    char what[128];

    begin();
    core_describe_trap(frame, what, sizeof(what));
    log_line("KEEL PANIC: %s", what);
    core_print(frame, &log_writer);
    end(frame->rip, frame->rsp);
}

/* An NMI while Keel runs: another core's panic, or the machine's own. */
static void nmi(struct trap_frame *frame)
{
    struct cpu *cpu = this_cpu();

    if (__atomic_load_n(&panicking, __ATOMIC_ACQUIRE)) {
        __atomic_store_n(&cpu->stopped, frame, __ATOMIC_RELEASE);
        halt_for_ever();
    }
    watchdog_nmi(frame);
    cpu->nmi_seen++;
}

void panic_init(void)
{
    panic_report_by(report);
    core_handle_traps(trap, nmi);
}
