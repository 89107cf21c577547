#include "hv/crash/core_report.h"

#include "hv/host/cpu.h"
#include "hv/lib/format.h"
#include "hv/show/core.h"
#include "hv/show/state.h"
#include "hv/vm/vm.h"

#define BRIEFLY 6 /* of its backtrace */

void core_report_vcpu(const struct vcpu *vcpu, struct writer *to)
{
    if (!vcpu)
        return;
    print_to(to, "vcpu %u of vm %s; ", vcpu->id, vcpu->vm->name);
    state_print_exits(vcpu, to);
}

void core_report(const struct cpu *cpu, const struct trap_frame *where, struct writer *to)
{
    print_to(to, "cpu %u: ", cpu->index);
    if (where)
        core_print_backtrace(where->rip, where->rsp, BRIEFLY, to);
    else
        print_to(to, "does not answer\n");
    core_report_vcpu(cpu->current, to);
}
