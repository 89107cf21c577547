#include "hv/exit/exit.h"

#include "hv/cpu/cpuid.h"
#include "hv/cpu/msr.h"
#include "hv/emulate/emulate.h"
#include "hv/emulate/task_switch.h"
#include "hv/event/event.h"
#include "hv/host/instructions.h"
#include "hv/lib/format.h"
#include "hv/run/sched.h"
#include "hv/vm/vm.h"
#include "hv/walk/breakpoint.h"

bool exit_end_observed(struct vcpu *vcpu)
{
    bool goes_on = true;

    __atomic_fetch_and(&vcpu->requests, ~REQUEST_OBSERVE, __ATOMIC_RELAXED);
    if (vcpu->requests)
        goes_on = vcpu_serve_requests(vcpu);
    exit_count(vcpu);
    observe_exit_end(vcpu, goes_on);
    return goes_on;
}

bool exit_leave(struct vcpu *vcpu)
{
    exit_count(vcpu);
    return false;
}

bool exit_observed(struct vcpu *vcpu, bool (*serve)(struct vcpu *vcpu))
{
    observe_exit(vcpu);
    return serve(vcpu);
}

uint64_t exit_in_afresh(struct vcpu *vcpu, uint16_t port, unsigned size)
{
    uint64_t value;

    if (likely(bus_is_gap(&vcpu->vm->ports, port, size)))
        return exit_in_missed(vcpu, port, size);
    bus_read_exit(&vcpu->vm->ports, port, size, &value, &vcpu->stat_at);
    return value;
}

uint64_t exit_in_missed(struct vcpu *vcpu, uint16_t port, unsigned size)
{
    bus_missed(&vcpu->vm->ports, port);
    return size_mask(size);
}

void exit_out_afresh(struct vcpu *vcpu, uint16_t port, unsigned size)
{
    uint64_t value = vcpu->arch.gpr[REG_RAX] & size_mask(size);

    if (likely(bus_is_gap(&vcpu->vm->ports, port, size)))
        exit_out_missed(vcpu, port);
    else
        bus_write_exit(&vcpu->vm->ports, port, size, value, &vcpu->stat_at);
}

void exit_out_missed(struct vcpu *vcpu, uint16_t port)
{
    bus_missed(&vcpu->vm->ports, port);
}

void exit_io_breakpoints(struct vcpu *vcpu, uint64_t dr7, uint16_t port, unsigned size)
{
    uint64_t hits = port_breakpoints_hit(vcpu, dr7, port, size);

    if (hits)
        vcpu_trap(vcpu, hits);
}

static bool refuse(struct vcpu *vcpu)
{
    vcpu_raise_gp(vcpu);
    return false;
}

bool exit_rdmsr_afresh(struct vcpu *vcpu)
{
    uint64_t value;

    if (!msr_read(vcpu, exit_msr(vcpu), &value))
        return refuse(vcpu);
    exit_set_edx_eax(vcpu, value);
    return true;
}

bool exit_wrmsr_afresh(struct vcpu *vcpu)
{
    return msr_write(vcpu, exit_msr(vcpu), exit_edx_eax(vcpu)) || refuse(vcpu);
}

bool exit_msr_refused(struct vcpu *vcpu)
{
    bus_missed(&vcpu->msr_bus, exit_msr(vcpu));
    return refuse(vcpu);
}

bool exit_xsetbv(struct vcpu *vcpu)
{
    /* The CPU should have looked at the CPL before it exited: docs/emulators.md. */
    if (vcpu_cpl(vcpu) != 0 || !xcr0_write(vcpu, (uint32_t)vcpu->arch.gpr[REG_RCX], exit_edx_eax(vcpu)))
        return refuse(vcpu);
    xsetbv(0, vcpu->arch.xcr0); /* Keel uses none of that state: the guest's XCR0 stays in the CPU */
    return true;
}

void exit_pause(struct vcpu *vcpu)
{
    if (sched_others_wait())
        vcpu_note(vcpu, REQUEST_YIELD);
}

bool exit_write_cr8(struct vcpu *vcpu, uint64_t value)
{
    if (value > 15)
        return refuse(vcpu);
    vcpu->arch.interrupts.set_tpr(vcpu->arch.interrupts.state, (unsigned)value);
    return true;
}

/* Not emulated: a user program's mistake is its own, a kernel's ends the VM. */
static __attribute__((noinline, cold)) void give_up(struct vcpu *vcpu, gpa_t gpa)
{
    uint8_t bytes[15];
    char text[3 * sizeof(bytes) + 1] = "", where[40] = "a string of ports";
    unsigned count;

    if (vcpu_cpl(vcpu) == 3) {
        vcpu_raise_ud(vcpu);
        return;
    }
    count = emulate_bytes(vcpu, bytes);
    for (unsigned i = 0; i < count; i++)
        format_text(text + 3 * i, 4, " %02x", bytes[i]);
    if (gpa != EMULATE_NO_GPA)
        format_text(where, sizeof(where), "0x%lx, which is no RAM", gpa);
    vm_crash(vcpu->vm, "at rip 0x%lx an access to %s, by an instruction that Keel does not emulate:%s",
             vcpu_get(vcpu, REG_RIP), where, count ? text : " (its bytes cannot be read)");
}

void exit_emulate(struct vcpu *vcpu, gpa_t gpa)
{
    if (unlikely(emulate(vcpu, gpa) == EMULATE_UNKNOWN))
        give_up(vcpu, gpa);
}

void exit_memory(struct vcpu *vcpu, gpa_t gpa, gpa_t reported)
{
    if (unlikely(vcpu->vm->test_memory) && vm_find_page(vcpu->vm, reported))
        return; /* it is there again: the instruction, or the delivery, begins anew */
    if (likely(!vcpu->arch.event.valid))
        exit_emulate(vcpu, gpa);
    else
        vm_crash(vcpu->vm, "delivery of vector %u needs memory at 0x%lx, where there is no RAM",
                 vcpu->arch.event.vector, reported);
}

void exit_task_switch(struct vcpu *vcpu, struct task_switch *request)
{
    struct event *event = &vcpu->arch.event;

    if (request->source == TASK_SWITCH_GATE && event->valid) {
        request->external = event->type < EVENT_SOFT_INTERRUPT;
        request->length = request->external ? 0 : request->length;
        request->has_error = event->has_error;
        request->error = event->error;
        event->valid = false; /* the task gate is its way in: the switch delivers it */
    }
    task_switch(vcpu, request);
}

void exit_undefined(struct vcpu *vcpu)
{
    vcpu_raise_ud(vcpu);
}

void exit_protection(struct vcpu *vcpu)
{
    vcpu_raise_gp(vcpu);
}

void exit_window(struct vcpu *vcpu)
{
    vcpu_note(vcpu, REQUEST_EVENT);
}

void exit_ignored(struct vcpu *vcpu)
{
    (void)vcpu;
}

void exit_triple_fault(struct vcpu *vcpu)
{
    vm_crash(vcpu->vm, "triple fault at rip 0x%lx", vcpu_get(vcpu, REG_RIP));
}

void exit_halt(struct vcpu *vcpu)
{
    if (!vcpu_halt(vcpu))
        vcpu_note(vcpu, REQUEST_YIELD);
}
