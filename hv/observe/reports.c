#include "hv/observe/reports.h"

#include "hv/crash/panic.h"
#include "hv/host/log.h"
#include "hv/life/vm_log.h"
#include "hv/observe/stats.h"
#include "hv/observe/trace.h"
#include "hv/vm/vm.h"

#define RECORDS_SHOWN 64 /* of the trace, at a panic */

static void last_words(struct writer *to)
{
    trace_print(RECORDS_SHOWN, to);
}

void reports_init(void)
{
    if (trace_reported)
        panic_last_words = last_words;
}

void reports_vm_ended(struct vm *vm)
{
    if (stats_reported && vm_may_report(vm)) {
        stats_print(vm, NULL, report_begin());
        report_end();
    }
    if (vm->end != VM_RESET && trace_reported && vm_may_report_crash(vm))
        trace_report();
}
