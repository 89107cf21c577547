#include "hv/debug/crash.h"

#include "hv/debug/console.h"
#include "hv/host/log.h"
#include "hv/vm/virt.h"
#include "hv/vm/vm.h"

struct writer *const crash_writer = &console_writer;

void crash_begin(struct vm *vm)
{
    if (!vm->said_crash)
        log_line("vm %s: cannot go on:", vm->name);
    vm->said_crash = true;
}

static void print_general(struct vcpu *vcpu)
{
    static const char *const names[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                          "r8 ", "r9 ", "r10", "r11", "r12", "r13", "r14", "r15"};

    for (unsigned i = 0; i < 16; i++)
        print_to(crash_writer, "%s %016lx%s", names[i], vcpu_get(vcpu, (enum vcpu_reg)i),
                 i % 4 == 3 ? "\n" : "  ");
}

void crash_report(struct vcpu *vcpu)
{
    crash_begin(vcpu->vm);
    print_to(crash_writer, "vcpu %u: %s\n", vcpu->id, vcpu->vm->reason);
    print_general(vcpu);
    virt->dump(vcpu, crash_writer);
}
