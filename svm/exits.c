#include "svm/exits.h"

#include "hv/cpu/native.h"
#include "hv/crash/crash.h"
#include "hv/emulate/emulate.h"
#include "hv/emulate/task_switch.h"
#include "hv/event/event.h"
#include "hv/event/guest_debug.h"
#include "hv/exit/handlers.h"
#include "hv/host/instructions.h"
#include "hv/host/log.h"
#include "hv/vm/exit_stat.h"
#include "hv/walk/breakpoint.h"
#include "svm/checks.h"
#include "svm/decode.h"
#include "svm/entry.h"
#include "svm/events.h"
#include "svm/quirks.h"
#include "svm/reasons.h"
#include "svm/registers.h"

/* The CPU says where the next instruction is, or its length is found by decoding it; false: it has none, see
 * emulate_length. */
static inline bool find_next(struct vcpu *vcpu, uint64_t *rip)
{
    const union vmcb *vmcb = vmcb_of(vcpu);
    unsigned length;

    *rip = vmcb->next_rip;
    if (likely(*rip))
        return true;
    length = emulate_length(vcpu, vmcb->rip, vmcb->cr3, vmcb->cs.base, vmcb->cs.attributes);
    *rip = vmcb->rip + length;
    return likely(length);
}

static inline void next_instruction(struct vcpu *vcpu)
{
    uint64_t rip;

    if (likely(find_next(vcpu, &rip)))
        svm_advance_to(vcpu, vmcb_of(vcpu), rip);
}

static inline void next_after_io(struct vcpu *vcpu)
{
    svm_advance_to(vcpu, vmcb_of(vcpu), vmcb_of(vcpu)->exit_info2);
}

static inline uint64_t io_qualification(struct vcpu *vcpu)
{
    return vmcb_of(vcpu)->exit_info1;
}

static inline uint64_t guest_dr7(struct vcpu *vcpu)
{
    return vmcb_of(vcpu)->dr7;
}

/*
 * CR0 is the guest's to write, but while its decoded instructions are remembered: the first write of other
 * bits than TS and MP ends that, and runs again.
 */
void svm_watch_paging(struct vcpu *vcpu)
{
    svm_intercept(vmcb_of(vcpu), SVM_EXIT_CR0_SEL_WRITE, true);
}

static void handle_cr0_write(struct vcpu *vcpu)
{
    svm_intercept(vmcb_of(vcpu), SVM_EXIT_CR0_SEL_WRITE, false);
    vcpu->arch.code_changed = true;
    vcpu_again(vcpu);
}

static void handle_move_control(struct vcpu *vcpu)
{
    const union vmcb *vmcb = vmcb_of(vcpu);
    uint64_t code = vmcb->exit_code, info = vmcb->exit_info1;

    if (!(info & MOVE_DECODED) || !svm_has(SVM_DECODE_ASSISTS))
        exit_emulate(vcpu, EMULATE_NO_GPA);
    else if (emulate_move_control(vcpu, MOVE_CONTROL(code), MOVE_REGISTER(info), MOVE_TO_CONTROL(code)))
        next_instruction(vcpu);
}

/* APM, "#DB (Debug)": the VMCB's DR6 and DR7 are already as its handler is to find them. */
static void handle_debug(struct vcpu *vcpu)
{
    union vmcb *vmcb = vmcb_of(vcpu);
    uint64_t causes = svm_debug_causes(vcpu);
    uint64_t guests = debug_on_trap(vcpu, causes);

    svm_take_back_delivery(vcpu);
    if (unlikely(causes != guests)) {
        vmcb->dr6 = (vmcb->dr6 & ~causes) | guests;
        vmcb_changed(vmcb, VMCB_CLEAN_DEBUG);
        if (!guests)
            return;
    }
    vcpu_raise(vcpu, &(struct fault){.vector = EXC_DB});
}

static void handle_alignment(struct vcpu *vcpu)
{
    svm_take_back_delivery(vcpu);
    vcpu_raise(vcpu, &(struct fault){.vector = EXC_AC, .has_error = true});
}

static void handle_machine_check(struct vcpu *vcpu)
{
    svm_take_back_delivery(vcpu);
    __asm__ volatile("int $18");
}

static void handle_iret(struct vcpu *vcpu)
{
    svm_begin_iret(vcpu);
}

static void handle_cpuid_with_xcr0(struct vcpu *vcpu)
{
    svm_before_cpuid(vcpu);
    handle_cpuid(vcpu);
}

static void handle_hlt_with_nmi(struct vcpu *vcpu)
{
    svm_take_back_nmi(vcpu);
    handle_hlt(vcpu);
}

static void handle_msr(struct vcpu *vcpu)
{
    if (svm_reads_msr(vmcb_of(vcpu)))
        handle_rdmsr(vcpu);
    else
        handle_wrmsr(vcpu);
}

static void handle_task_switch(struct vcpu *vcpu)
{
    const union vmcb *vmcb = vmcb_of(vcpu);
    struct task_switch request = svm_task_switch(vmcb);

    svm_take_back_delivery(vcpu);
    if (!vcpu->arch.event.valid) {
        uint64_t next;

        if (!find_next(vcpu, &next))
            return;
        request.length = (uint8_t)(next - vmcb->rip);
    }
    if (request.source == TASK_SWITCH_IRET)
        svm_unblock_nmi(vcpu);
    exit_task_switch(vcpu, &request);
}

static void handle_nested_fault(struct vcpu *vcpu)
{
    const union vmcb *vmcb = vmcb_of(vcpu);

    if (unlikely(vmcb->exit_info1 & NESTED_RESERVED)) {
        vm_crash(vcpu->vm, "reserved bits are set in the nested page tables at 0x%lx: a fault of Keel",
                 vmcb->exit_info2);
        return;
    }
    svm_take_back_delivery(vcpu);
    handle_access(vcpu, svm_violation(vmcb));
}

static void explain_failure(struct vcpu *vcpu, struct writer *out)
{
    svm_explain_vmrun(vmcb_of(vcpu), &svm_cpu, out);
}

static void handle_entry_failure(struct vcpu *vcpu)
{
    crash_entry_failed(vcpu, explain_failure, "VM entry failed: the CPU finds the VMCB's state invalid");
}

static void handle_unexpected(struct vcpu *vcpu)
{
    const union vmcb *vmcb = vmcb_of(vcpu);

    vm_crash(vcpu->vm, "unexpected exit 0x%lx (%s), information 0x%lx and 0x%lx, at rip 0x%lx",
             vmcb->exit_code, svm_exit_name(vmcb->exit_code), vmcb->exit_info1, vmcb->exit_info2, vmcb->rip);
}

typedef void exit_handler(struct vcpu *vcpu);

/*
 * Indexed by exit code, which is also the number of the intercept's bit: what has a handler is intercepted.
 * The interrupts, NMIs and INITs of the machine are still pending then and reach it as soon as GIF is set. A
 * handler returns whether the vCPU may go on; work that came up meanwhile is in vcpu->requests.
 */
static exit_handler *const exit_handlers[SVM_EXIT_COUNT] = {
#define X(code, name, text, about, handler) [code] = handler,
    SVM_INTERCEPTS(X)
#undef X
};

/*
 * IRET is intercepted only while the guest serves an NMI, writes of CR0 while code is remembered, RDTSCP and
 * INVPCID where CPUID hides them, PAUSE where the CPU can tell a loop of them, #DB where it says its cause.
 */
static bool is_intercepted(unsigned code)
{
    return exit_handlers[code] && code != SVM_EXIT_IRET && code != SVM_EXIT_CR0_SEL_WRITE &&
           code != SVM_EXIT_RDTSCP && code != SVM_EXIT_INVPCID &&
           (code != SVM_EXIT_PAUSE || svm_has(SVM_PAUSE_FILTER)) &&
           (code != SVM_EXIT_DB || svm_debug_tells_cause());
}

#define SVM_EXIT_DR_READ   0x20 /* of DR0; 16 codes each for reads and writes */
#define SVM_EXIT_EXCEPTION 0x40 /* of vector 0 */

/* INT n and INT3 end at their handlers, with RIP behind them on the stack; no trap of RFLAGS.TF follows. */
static bool pass_interrupt(struct vcpu *vcpu)
{
    union vmcb *vmcb = vmcb_of(vcpu);
    uint64_t rip;

    if (!find_next(vcpu, &rip))
        return false;
    svm_move_to(vmcb, rip);
    vmcb->rflags &= ~RFLAGS_RF;
    return true;
}

static void handle_breakpoint(struct vcpu *vcpu)
{
    if (!debug_on_breakpoint(vcpu) && pass_interrupt(vcpu))
        vcpu_raise(vcpu, &(struct fault){.vector = EXC_BP});
}

static void handle_software_interrupt(struct vcpu *vcpu)
{
    bool breakpoint;
    uint8_t vector = svm_software_vector(vcpu, &breakpoint);

    if (breakpoint) {
        handle_breakpoint(vcpu);
        return;
    }
    if (!pass_interrupt(vcpu))
        return;
    vcpu->arch.event = (struct event){.valid = true, .type = EVENT_SOFT_INTERRUPT, .vector = vector};
    vcpu_note(vcpu, REQUEST_EVENT);
}

/* What leaves the guest only for a debugger: exceptions (APM, "Exception Intercepts") and MOV DR. */
static void handle_exception(struct vcpu *vcpu, uint8_t vector)
{
    static const uint32_t with_error = BIT(EXC_DF) | BIT(EXC_TS) | BIT(EXC_NP) | BIT(EXC_SS) | BIT(EXC_GP) |
                                       BIT(EXC_PF) | BIT(EXC_AC) | BIT(EXC_CP);
    const union vmcb *vmcb = vmcb_of(vcpu);

    svm_take_back_delivery(vcpu);
    if (vector == EXC_BP) {
        handle_breakpoint(vcpu);
        return;
    }
    vcpu_raise(vcpu, &(struct fault){.vector = vector,
                                     .has_error = with_error >> vector & 1,
                                     .error = (uint32_t)vmcb->exit_info1,
                                     .address = vmcb->exit_info2});
}

static void handle_debuggers(struct vcpu *vcpu)
{
    uint64_t code = vmcb_of(vcpu)->exit_code;

    if (code >= SVM_EXIT_EXCEPTION && code < SVM_EXIT_EXCEPTION + 32)
        handle_exception(vcpu, (uint8_t)(code - SVM_EXIT_EXCEPTION));
    else if (code == SVM_EXIT_SWINT)
        handle_software_interrupt(vcpu);
    else if (code < SVM_EXIT_DR_READ || code >= SVM_EXIT_EXCEPTION)
        handle_unexpected(vcpu);
    else
        handle_mov_dr(vcpu);
}

void svm_set_debug(struct vcpu *vcpu, unsigned what)
{
    union vmcb *vmcb = vmcb_of(vcpu);

    for (unsigned vector = 0; vector < 32; vector++)
        svm_intercept(vmcb, SVM_EXIT_EXCEPTION + vector,
                      is_intercepted(SVM_EXIT_EXCEPTION + vector) || what & DEBUG_EXCEPTIONS ||
                          (vector == EXC_DB && what) || (vector == EXC_BP && what & DEBUG_BREAKPOINTS));
    svm_intercept(vmcb, SVM_EXIT_SWINT, what & DEBUG_BREAKPOINTS && !svm_has(SVM_NEXT_RIP));
    vmcb->dr_reads = vmcb->dr_writes = what & DEBUG_REGISTERS ? 0xff : 0;
    if (what & DEBUG_EXCEPTIONS)
        vmcb->interrupt_shadow &= ~VMCB_SHADOW;
}

/* The few codes that are no intercept's, and those that a debugger causes. */
static __attribute__((noinline)) void handle_other(struct vcpu *vcpu)
{
    switch (svm_exit_code(vmcb_of(vcpu))) {
    case SVM_EXIT_NPF:
        handle_nested_fault(vcpu);
        break;
    case SVM_EXIT_INVALID:
        handle_entry_failure(vcpu);
        break;
    default:
        handle_debuggers(vcpu);
    }
}

void svm_set_intercepts(union vmcb *vmcb)
{
    for (unsigned code = 0; code < SVM_EXIT_COUNT; code++)
        if (is_intercepted(code))
            svm_intercept(vmcb, code, true);
}

static uint16_t stat_at[SVM_EXIT_COUNT]; /* STAT_OTHER for what is not expected */
static uint16_t nested_fault_at;         /* what is behind those ends the VM but for this */

void svm_name_exits(void)
{
    for (unsigned code = 0; code < SVM_EXIT_COUNT; code++)
        if (exit_handlers[code])
            stat_at[code] = (uint16_t)stats_add_reason(code, code == SVM_EXIT_IOIO ? STAT_PORTS : STAT_ALONE);
    nested_fault_at = (uint16_t)stats_add_reason(SVM_EXIT_NPF, STAT_MEMORY);
}

static inline __attribute__((always_inline)) bool serve(struct vcpu *vcpu)
{
    union vmcb *vmcb = vmcb_of(vcpu);
    uint64_t code = vmcb->exit_code;
    exit_handler *handler;

    vcpu_note_exit(vcpu, (uint32_t)code, (uint32_t)vmcb->rip);
    vmcb->clean = UINT32_MAX;
    vmcb->tlb_control = 0;
    vmcb->event = 0;
    if (likely(code < SVM_EXIT_COUNT)) {
        exit_begin(vcpu, stat_at[code]);
        handler = likely(exit_handlers[code]) ? exit_handlers[code] : handle_other;
    } else {
        exit_begin(vcpu, nested_fault_at);
        handler = handle_other;
    }
    if (likely(!svm_of(vcpu)->stepping) || !svm_stop_stepping(vcpu))
        handler(vcpu);
    return exit_end(vcpu);
}

void svm_handle_exit(struct vcpu *vcpu)
{
    exit_serve(vcpu, serve, svm_leave);
}
