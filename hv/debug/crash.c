#include "hv/debug/crash.h"

#include "hv/debug/guest_place.h"
#include "hv/debug/log_ring.h"
#include "hv/debug/walk_print.h"
#include "hv/host/log.h"
#include "hv/lib/spinlock.h"
#include "hv/vm/virt.h"
#include "hv/vm/vm.h"

struct writer *const crash_writer = &log_writer;

void crash_begin(struct vm *vm)
{
    if (!vm->said_crash)
        log_line("vm %s: cannot go on:", vm->name);
    vm->said_crash = true;
}

static void report(struct vcpu *vcpu, bool first, struct writer *out)
{
    struct cpu_state state;

    state_of_vcpu(vcpu, &state);
    print_to(out, "vcpu %u, %s: %s\n", vcpu->id, state_mode(vcpu), vcpu->vm->reason);
    state_print(&state, out);
    guest_place_print(vcpu, &state, out);
    print_to(out, "walk of cr2 %lx:\n", state.values[REG_CR2]);
    walk_describe(vcpu, state.values[REG_CR2], out);
    state_print_exits(vcpu, out);
    if (first)
        virt->dump(vcpu, out);
}

void crash_report(struct vcpu *vcpu)
{
    static struct spinlock lock;
    static char text[KIB(12)];
    struct text_buffer buffer;
    bool first;

    spin_lock(&lock);
    first = !vcpu->vm->said_report;
    vcpu->vm->said_report = true;
    crash_begin(vcpu->vm);
    text_buffer_init(&buffer, text, sizeof(text));
    report(vcpu, first, &buffer.writer);
    log_text(text, buffer.length); /* at once, so that no other line comes between */
    spin_unlock(&lock);
}
