#include "hv/vm/count.h"

#include "hv/host/log.h"
#include "hv/vm/virt.h"

bool count_report_exits;

static uint64_t total(const struct vm *vm, unsigned reason)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < vm->vcpu_count; i++)
        sum += vm->vcpus[i]->exits[reason];
    return sum;
}

void count_say(const struct vm *vm)
{
    uint64_t counts[VCPU_EXITS], all = 0;

    if (!count_report_exits)
        return;
    for (unsigned i = 0; i < VCPU_EXITS; i++)
        all += counts[i] = total(vm, i);
    log_line("vm %s: %lu exits", vm->name, all);
    for (;;) {
        unsigned most = 0;

        for (unsigned i = 1; i < VCPU_EXITS; i++)
            if (counts[i] > counts[most])
                most = i;
        if (!counts[most])
            return;
        log_line("vm %s: %lu exits: %s", vm->name, counts[most], virt->exit_name(most));
        counts[most] = 0;
    }
}
