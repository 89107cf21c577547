/* Events on their way into a vCPU: exceptions, NMIs, interrupts, INIT and start-up. */
#include "hv/event/event.h"
#include "hv/cpu/cpuid.h"
#include "hv/event/guest_debug.h"

#include "hv/cpu/virt_state.h"
#include "hv/vm/observe.h"
#include "hv/vm/virt.h"
#include "hv/vm/vm.h"

/* SDM, "Interrupt 8 - Double Fault Exception": what two exceptions in a row become. */
enum severity { BENIGN, CONTRIBUTORY, PAGE_FAULT };

static inline enum severity severity_of(unsigned vector)
{
    switch (vector) {
    case EXC_DE:
    case EXC_TS:
    case EXC_NP:
    case EXC_SS:
    case EXC_GP:
    case EXC_CP:
        return CONTRIBUTORY;
    case EXC_PF:
    case EXC_VE:
        return PAGE_FAULT;
    default:
        return BENIGN;
    }
}

static bool makes_double_fault(unsigned first, unsigned second)
{
    enum severity a = severity_of(first), b = severity_of(second);

    return (a == CONTRIBUTORY && b == CONTRIBUTORY) || (a == PAGE_FAULT && b != BENIGN);
}

/* SDM, "Exception and Interrupt Vectors", classes. Of #DB the causes tell: general detect alone is a fault
 * that sets RF. */
#define FAULTS                                                                                               \
    (BIT(EXC_DE) | BIT(EXC_BR) | BIT(EXC_UD) | BIT(EXC_NM) | BIT(EXC_TS) | BIT(EXC_NP) | BIT(EXC_SS) |       \
     BIT(EXC_GP) | BIT(EXC_PF) | BIT(EXC_MF) | BIT(EXC_AC) | BIT(EXC_XM) | BIT(EXC_VE) | BIT(EXC_CP))

void vcpu_raise(struct vcpu *vcpu, const struct fault *fault)
{
    struct event *event = &vcpu->arch.event;
    bool exception_on_its_way = event->valid && event->type == EVENT_EXCEPTION;

    if (unlikely(debug_steps(&vcpu->arch.debug))) /* also one that Keel raises for what it completes */
        debug_on_exception(vcpu);
    if (fault->vector == EXC_PF)
        vcpu_set(vcpu, REG_CR2, fault->address);
    if (fault->vector == EXC_DB) {
        vcpu_set(vcpu, REG_DR6, vcpu_get(vcpu, REG_DR6) | fault->address);
        vcpu_set(vcpu, REG_DR7, vcpu_get(vcpu, REG_DR7) & ~DR7_GD);
    }
    if (FAULTS >> fault->vector & 1 || (fault->vector == EXC_DB && fault->address & DR6_BD))
        vcpu_again(vcpu); /* once its handler is done */
    if (exception_on_its_way && event->vector == EXC_DF && severity_of(fault->vector) != BENIGN) {
        vm_crash(vcpu->vm, "triple fault at rip 0x%lx", vcpu_get(vcpu, REG_RIP));
        return;
    }
    if (exception_on_its_way && makes_double_fault(event->vector, fault->vector))
        *event = (struct event){.valid = true, .type = EVENT_EXCEPTION, .vector = EXC_DF, .has_error = true};
    else
        *event = (struct event){
            .valid = true,
            .type = EVENT_EXCEPTION,
            .vector = fault->vector,
            .has_error = fault->has_error,
            .error = fault->error,
        };
    vcpu_note(vcpu, REQUEST_EVENT);
}

void vcpu_trap(struct vcpu *vcpu, uint64_t causes)
{
    uint64_t guests = debug_on_trap(vcpu, causes);

    if (guests)
        vcpu_raise(vcpu, &(struct fault){.vector = EXC_DB, .address = guests});
}

void vcpu_deliver_again(struct vcpu *vcpu, uint32_t delivery, uint32_t error, unsigned length)
{
    bool has_error = delivery & BIT(11);

    if ((delivery >> 8 & 7) == EVENT_EXCEPTION && FAULTS >> (delivery & 31) & 1)
        vcpu_again(vcpu); /* as its handler was to find it */
    vcpu->arch.event = (struct event){
        .valid = true,
        .type = delivery >> 8 & 7,
        .vector = (uint8_t)delivery,
        .has_error = has_error,
        .error = has_error ? error : 0,
        .length = (uint8_t)length,
    };
    vcpu_note(vcpu, REQUEST_EVENT);
}

void vcpu_raise_gp(struct vcpu *vcpu)
{
    vcpu_raise(vcpu, &(struct fault){.vector = EXC_GP, .has_error = true});
}

void vcpu_raise_ud(struct vcpu *vcpu)
{
    vcpu_raise(vcpu, &(struct fault){.vector = EXC_UD});
}

/* One step decides whether it is the first or the second, and says so: the vCPU may take the first meanwhile.
 */
void vcpu_request_nmi(struct vcpu *vcpu)
{
    uint64_t before = __atomic_load_n(&vcpu->requests, __ATOMIC_RELAXED), after;

    do
        after = before | REQUEST_NMI | (before & REQUEST_NMI ? REQUEST_NMI_TOO : 0);
    while (!__atomic_compare_exchange_n(&vcpu->requests, &before, after, true, __ATOMIC_SEQ_CST,
                                        __ATOMIC_RELAXED));
    vcpu_attend(vcpu, REQUEST_NMI);
}

static inline bool wakes(struct vcpu *vcpu, bool deaf)
{
    return vcpu->arch.nmis || vcpu->arch.event.valid ||
           (!deaf && vcpu->arch.interrupts.pending(vcpu->arch.interrupts.state) >= 0);
}

bool vcpu_wakes(struct vcpu *vcpu)
{
    return wakes(vcpu, !(vcpu_get(vcpu, REG_RFLAGS) & RFLAGS_IF));
}

bool vcpu_halt(struct vcpu *vcpu)
{
    if (unlikely(debug_steps(&vcpu->arch.debug)))
        debug_end_step(vcpu);
    vcpu->deaf = !(vcpu_get(vcpu, REG_RFLAGS) & RFLAGS_IF);
    if (wakes(vcpu, vcpu->deaf))
        return true;
    vcpu->activity = VCPU_HALTED;
    return false;
}

/* SDM, "Local APIC State After It Receives an INIT-Deassert IPI" and "Processor State After INIT". */
static void take_init(struct vcpu *vcpu)
{
    observe(vcpu, OBSERVED_INIT, 0);
    vcpu->arch.event.valid = false;
    vcpu->arch.nmis = 0;
    if (vcpu->id == 0) { /* the bootstrap processor would run the firmware, which starts the machine anew */
        vm_stop(vcpu->vm, VM_RESET, 0);
        return;
    }
    vcpu->arch.interrupts.reset(vcpu->arch.interrupts.state, true);
    virt->lifecycle.vcpu_reset(vcpu);
    vcpu_cpuid_changed(vcpu);
    vcpu->arch.code_changed = true;
    debug_reset(vcpu);
    vcpu->activity = VCPU_WAIT_FOR_SIPI;
}

/* SDM, "Multiple-Processor Initialization": execution starts at vector * 4096 in real mode. */
static void take_sipi(struct vcpu *vcpu)
{
    struct segment cs;

    if (vcpu->activity != VCPU_WAIT_FOR_SIPI)
        return;
    observe(vcpu, OBSERVED_SIPI, vcpu->arch.sipi_vector);
    /* Once more: a core that had found the APIC enabled before INIT may have delivered to it since. */
    vcpu->arch.interrupts.reset(vcpu->arch.interrupts.state, true);
    cs = vcpu_get_segment(vcpu, SEG_CS);
    cs.selector = (uint16_t)(vcpu->arch.sipi_vector << 8);
    cs.base = (uint64_t)vcpu->arch.sipi_vector << 12;
    vcpu_set_segment(vcpu, SEG_CS, &cs);
    vcpu_set(vcpu, REG_RIP, 0);
    vcpu->activity = VCPU_RUNNABLE;
}

/* Whether an interrupt waits for Keel to inject it; where hardware delivers, that is the 8259A's alone. */
static bool is_to_inject(struct vcpu *vcpu)
{
    int vector = vcpu->arch.interrupts.pending(vcpu->arch.interrupts.state);

    return vector == INTERRUPT_EXTERNAL || (vector >= 0 && !vcpu->arch.apic.delivers);
}

static __attribute__((noinline, cold)) void observe_injection(struct vcpu *vcpu, const struct event *event)
{
    observe_event(vcpu, OBSERVED_INJECTION,
                  event->vector | (uint64_t)event->type << 8 | (uint64_t)event->has_error << 11 | BIT(31) |
                      (uint64_t)event->error << 32);
}

/* Chooses what enters the guest with the next entry, and asks for exits when what has to wait can. */
static void choose_event(struct vcpu *vcpu)
{
    struct interrupt_controller *controller = &vcpu->arch.interrupts;
    bool waits = debug_steps(&vcpu->arch.debug); /* an interrupt would carry the step away */

    if (!waits && !vcpu->arch.event.valid && vcpu->arch.nmis && virt->run.nmi_allowed(vcpu)) {
        vcpu->arch.nmis--;
        vcpu->arch.event = (struct event){.valid = true, .type = EVENT_NMI, .vector = EXC_NMI};
    } else if (!waits && !vcpu->arch.event.valid && virt->run.interrupt_allowed(vcpu)) {
        int vector = controller->acknowledge(controller->state);

        if (vector >= 0)
            vcpu->arch.event =
                (struct event){.valid = true, .type = EVENT_INTERRUPT, .vector = (uint8_t)vector};
    }
    if (vcpu->arch.event.valid) {
        if (vcpu->arch.event.has_error && !(vcpu_get(vcpu, REG_CR0) & CR0_PE))
            vcpu->arch.event.has_error = false; /* real mode pushes no error codes */
        virt_state->inject(vcpu, &vcpu->arch.event);
        if (unlikely(vcpu->observed))
            observe_injection(vcpu, &vcpu->arch.event);
        vcpu->arch.event.valid = false;
    }
    virt->run.set_windows(vcpu, !waits && is_to_inject(vcpu), !waits && vcpu->arch.nmis > 0);
    if (virt->run.update_apic)
        virt->run.update_apic(vcpu);
}

static __attribute__((noinline)) void serve_rare(struct vcpu *vcpu, uint64_t requests)
{
    if (requests & REQUEST_INIT)
        take_init(vcpu);
    if (requests & REQUEST_SIPI)
        take_sipi(vcpu);
    if (requests & REQUEST_FLUSH)
        virt->run.flush(vcpu);
    if (requests & REQUEST_DEBUG)
        debug_apply(vcpu);
}

static __attribute__((noinline, cold)) void take_timers(struct vcpu *vcpu)
{
    __atomic_store_n(&vcpu->timers_wait, false, __ATOMIC_SEQ_CST);
    vcpu->arch.interrupts.resumed(vcpu->arch.interrupts.state);
}

static __attribute__((noinline)) bool serve(struct vcpu *vcpu, uint64_t requests)
{
    if (requests & (REQUEST_STOP | REQUEST_YIELD)) {
        vcpu_note(vcpu, requests & ~REQUEST_YIELD);
        return false;
    }
    if (unlikely(requests & (REQUEST_INIT | REQUEST_SIPI | REQUEST_FLUSH | REQUEST_DEBUG)))
        serve_rare(vcpu, requests);
    if (requests & REQUEST_NMI) /* one is taken now if it can be, and one is latched behind it */
        vcpu->arch.nmis = (uint8_t)MIN(vcpu->arch.nmis + (requests & REQUEST_NMI_TOO ? 2u : 1u),
                                       virt->run.nmi_allowed(vcpu) ? 2u : 1u);
    if (vcpu->activity == VCPU_HALTED && vcpu_wakes(vcpu)) {
        vcpu->activity = VCPU_RUNNABLE;
        observe(vcpu, OBSERVED_WAKE, 0);
    }
    if (vcpu->activity != VCPU_RUNNABLE || vcpu->vm->end != VM_RUNS)
        return false;
    if (unlikely(__atomic_load_n(&vcpu->timers_wait, __ATOMIC_RELAXED)))
        take_timers(vcpu);
    choose_event(vcpu);
    return true;
}

static __attribute__((noinline, cold)) bool serve_observed(struct vcpu *vcpu, uint64_t requests)
{
    bool goes_on = serve(vcpu, observe_requests(vcpu, requests));

    observe_served(vcpu, goes_on);
    return goes_on;
}

bool vcpu_serve_requests(struct vcpu *vcpu)
{
    uint64_t requests = __atomic_exchange_n(&vcpu->requests, 0, __ATOMIC_ACQ_REL);

    if (unlikely(vcpu->observed))
        return serve_observed(vcpu, requests);
    return serve(vcpu, requests);
}
