#include "hv/crash/crash.h"

#include "hv/host/log.h"
#include "hv/life/vm_log.h"
#include "hv/show/guest_place.h"
#include "hv/show/walk_print.h"
#include "hv/vm/virt.h"
#include "hv/vm/vm.h"

struct writer *crash_begin(struct vm *vm)
{
    struct writer *out;

    if (!vm_may_report_crash(vm))
        return NULL;
    out = report_begin();
    if (!vm->said_crash) {
        log_stamp(out);
        print_to(out, "vm %s: cannot go on:\n", vm->name);
    }
    vm->said_crash = true;
    return out;
}

static void report(struct vcpu *vcpu, bool first, struct writer *out)
{
    struct cpu_state state;

    state_of_vcpu(vcpu, &state);
    print_to(out, "vcpu %u, %s: %s\n", vcpu->id, state_mode(vcpu), vcpu->vm->reason);
    state_print(&state, out);
    guest_place_print(vcpu, &state, out);
    walk_describe_latest_fault(vcpu, out);
    state_print_exits(vcpu, out);
    if (first)
        virt->show.dump(vcpu, out);
}

void crash_report(struct vcpu *vcpu)
{
    struct writer *out = crash_begin(vcpu->vm);
    bool first = !vcpu->vm->said_report;

    if (!out)
        return;
    vcpu->vm->said_report = true;
    report(vcpu, first, out);
    report_end();
}

void crash_entry_failed(struct vcpu *vcpu, void (*explain)(struct vcpu *vcpu, struct writer *out),
                        const char *format, ...)
{
    struct text_buffer buffer;
    char words[sizeof(vcpu->vm->reason)];
    va_list arguments;
    struct writer *out;

    text_buffer_init(&buffer, words, sizeof(words));
    va_start(arguments, format);
    vprint_to(&buffer.writer, format, arguments);
    va_end(arguments);
    out = crash_begin(vcpu->vm);
    if (out) {
        print_to(out, "%s\n", words);
        explain(vcpu, out);
        report_end();
    }
    vm_crash(vcpu->vm, "%s", words);
}
