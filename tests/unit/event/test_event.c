#include "hv/event/event.h"
#include "tests/unit/core_fixture.h"

#include <pthread.h>
#include <string.h>

/* SDM, "Interrupt 8 - Double Fault Exception", its table of classes. */
static const struct {
    uint8_t vector;
    char kind; /* b: benign, c: contributory, p: page fault */
} kinds[] = {{EXC_DE, 'c'}, {EXC_DB, 'b'}, {EXC_NMI, 'b'}, {EXC_BP, 'b'}, {EXC_OF, 'b'},
             {EXC_BR, 'b'}, {EXC_UD, 'b'}, {EXC_NM, 'b'},  {EXC_TS, 'c'}, {EXC_NP, 'c'},
             {EXC_SS, 'c'}, {EXC_GP, 'c'}, {EXC_PF, 'p'},  {EXC_MF, 'b'}, {EXC_AC, 'b'},
             {EXC_MC, 'b'}, {EXC_XM, 'b'}, {EXC_VE, 'p'},  {EXC_CP, 'c'}};

static void raise_after(uint8_t type, uint8_t first, uint8_t second)
{
    core.vcpu->arch.event = (struct event){.valid = true, .type = type, .vector = first, .error = 0x111};
    vcpu_raise(core.vcpu, &(struct fault){.vector = second, .has_error = second >= 10, .error = 0x222});
}

static void two_exceptions_become_a_double_fault_as_the_table_says(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(kinds); i++)
        for (unsigned j = 0; j < ARRAY_LENGTH(kinds); j++) {
            bool twice = (kinds[i].kind == 'c' && kinds[j].kind == 'c') ||
                         (kinds[i].kind == 'p' && kinds[j].kind != 'b');

            raise_after(EVENT_EXCEPTION, kinds[i].vector, kinds[j].vector);
            core_expect_exception(twice ? EXC_DF : kinds[j].vector);
            assert_int_equal(core.vcpu->arch.event.has_error, twice || kinds[j].vector >= 10);
            assert_int_equal(core.vcpu->arch.event.error, twice ? 0 : 0x222);
        }
    assert_int_equal(core.vm.end, VM_RUNS);
}

static void only_exceptions_on_their_way_combine(void **state)
{
    static const uint8_t others[] = {EVENT_INTERRUPT, EVENT_NMI, EVENT_SOFT_INTERRUPT,
                                     EVENT_PRIVILEGED_SOFT_EXCEPTION, EVENT_SOFT_EXCEPTION};

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(others); i++) {
        raise_after(others[i], EXC_GP, EXC_GP); /* the number alone makes no exception of it */
        core_expect_exception(EXC_GP);
        raise_after(others[i], EXC_DF, EXC_PF);
        core_expect_exception(EXC_PF);
    }
    assert_int_equal(core.vm.end, VM_RUNS);
}

static void a_third_fault_ends_the_vm(void **state)
{
    (void)state;
    vcpu_set(core.vcpu, REG_RIP, 0x1234);
    for (unsigned i = 0; i < ARRAY_LENGTH(kinds); i++) {
        core.vm.end = VM_RUNS;
        core.vm.ending = false;
        core.vm.reason[0] = 0;
        raise_after(EVENT_EXCEPTION, EXC_DF, kinds[i].vector);
        if (kinds[i].kind == 'b') {
            core_expect_exception(kinds[i].vector);
            assert_int_equal(core.vm.end, VM_RUNS);
        } else {
            assert_int_equal(core.vm.end, VM_CRASHED);
            assert_string_equal(core.vm.reason, "triple fault at rip 0x1234");
        }
    }
    assert_int_equal(fake_asked.requests[2], REQUEST_STOP);
}

static void a_page_fault_sets_cr2_and_a_debug_exception_dr6(void **state)
{
    (void)state;
    vcpu_raise(core.vcpu,
               &(struct fault){.vector = EXC_PF, .has_error = true, .error = 7, .address = 0xdead000});
    core_expect_exception(EXC_PF);
    assert_int_equal(vcpu_get(core.vcpu, REG_CR2), 0xdead000);
    assert_int_equal(core.vcpu->arch.event.error, 7);
    assert_true(core.vcpu->requests & REQUEST_EVENT);

    core.vcpu->arch.event.valid = false;
    vcpu_set(core.vcpu, REG_DR6, 0xffff0ff1);
    vcpu_raise(core.vcpu, &(struct fault){.vector = EXC_DB, .address = BIT(14)});
    core_expect_exception(EXC_DB);
    assert_false(core.vcpu->arch.event.has_error);
    assert_int_equal(vcpu_get(core.vcpu, REG_DR6), 0xffff4ff1);
    assert_int_equal(vcpu_get(core.vcpu, REG_CR2), 0xdead000);
}

/* SDM, "Exception and Interrupt Vectors": F, T, A of each vector; N: no exception, or one that CPUs do not
 * have. */
static void a_fault_and_nothing_else_sets_rf(void **state)
{
    static const char classes[] = "FTNTTFFFANFFFFFNFFAFFF";

    (void)state;
    for (unsigned vector = 0; classes[vector]; vector++) {
        uint64_t rf = classes[vector] == 'F' ? RFLAGS_RF : 0;

        vcpu_set(core.vcpu, REG_RFLAGS, RFLAGS_1);
        core.vcpu->arch.event.valid = false;
        vcpu_raise(core.vcpu, &(struct fault){.vector = (uint8_t)vector});
        assert_int_equal(vcpu_get(core.vcpu, REG_RFLAGS), RFLAGS_1 | rf);
        vcpu_set(core.vcpu, REG_RFLAGS, RFLAGS_1);
        vcpu_deliver_again(core.vcpu, 0x80000300 | vector, 0, 0);
        assert_int_equal(vcpu_get(core.vcpu, REG_RFLAGS), RFLAGS_1 | rf);
        vcpu_set(core.vcpu, REG_RFLAGS, RFLAGS_1);
        vcpu_deliver_again(core.vcpu, 0x80000000 | vector, 0, 0); /* an interrupt with its number */
        assert_int_equal(vcpu_get(core.vcpu, REG_RFLAGS), RFLAGS_1);
    }
    core.vcpu->arch.event.valid = false; /* general detect is a #DB that is a fault */
    vcpu_set(core.vcpu, REG_DR7, 0x2400);
    vcpu_raise(core.vcpu, &(struct fault){.vector = EXC_DB, .address = BIT(13)});
    assert_int_equal(vcpu_get(core.vcpu, REG_RFLAGS), RFLAGS_1 | RFLAGS_RF);
    assert_int_equal(vcpu_get(core.vcpu, REG_DR7), 0x400);
}

static void the_traps_of_one_instruction_are_one_and_end_hlt(void **state)
{
    (void)state;
    vcpu_set(core.vcpu, REG_RFLAGS, RFLAGS_1);
    vcpu_set(core.vcpu, REG_DR6, 0xffff0ff0);
    vcpu_trap(core.vcpu, BIT(14));
    vcpu_trap(core.vcpu, BIT(2));
    core_expect_exception(EXC_DB);
    assert_int_equal(vcpu_get(core.vcpu, REG_DR6), 0xffff4ff4);
    assert_int_equal(vcpu_get(core.vcpu, REG_RFLAGS), RFLAGS_1);
    assert_true(vcpu_halt(core.vcpu));
    assert_int_equal(core.vcpu->activity, VCPU_RUNNABLE);
    vcpu_note(core.vcpu, REQUEST_NMI); /* which waits until the trap has been taken */
    assert_true(vcpu_serve_requests(core.vcpu));
    assert_int_equal(fake_cpu.injected.vector, EXC_DB);
    assert_int_equal(core.vcpu->arch.nmis, 1);
}

static void gp_has_error_code_zero_and_ud_none(void **state)
{
    (void)state;
    vcpu_raise_gp(core.vcpu);
    core_expect_exception(EXC_GP);
    assert_true(core.vcpu->arch.event.has_error);
    assert_int_equal(core.vcpu->arch.event.error, 0);
    core.vcpu->arch.event.valid = false;
    vcpu_raise_ud(core.vcpu);
    core_expect_exception(EXC_UD);
    assert_false(core.vcpu->arch.event.has_error);
}

#define INJECT() (vcpu_note(core.vcpu, REQUEST_EVENT), assert_true(vcpu_serve_requests(core.vcpu)))

static void what_was_cut_short_goes_in_again_as_it_was(void **state)
{
    (void)state;
    vcpu_deliver_again(core.vcpu, 0x80000b0e, 0x55, 3); /* a page fault with its error code */
    assert_true(core.vcpu->requests & REQUEST_EVENT);
    core_expect_exception(EXC_PF);
    INJECT();
    assert_true(fake_cpu.injected.has_error);
    assert_int_equal(fake_cpu.injected.error, 0x55);
    assert_int_equal(fake_cpu.injected.length, 3);

    vcpu_deliver_again(core.vcpu, 0x80000041, 0x55, 0); /* an interrupt: the error code is of before */
    INJECT();
    assert_int_equal(fake_cpu.injected.type, EVENT_INTERRUPT);
    assert_int_equal(fake_cpu.injected.vector, 0x41);
    assert_false(fake_cpu.injected.has_error);
    assert_int_equal(fake_cpu.injected.error, 0);
}

static void real_mode_pushes_no_error_code(void **state)
{
    (void)state;
    vcpu_set(core.vcpu, REG_CR0, CR0_ET);
    vcpu_raise_gp(core.vcpu);
    INJECT();
    assert_int_equal(fake_cpu.injected.vector, EXC_GP);
    assert_false(fake_cpu.injected.has_error);
    vcpu_set(core.vcpu, REG_CR0, CR0_ET | CR0_PE);
    vcpu_raise_gp(core.vcpu);
    INJECT();
    assert_true(fake_cpu.injected.has_error);
}

static void allow_interrupts(bool allow)
{
    vcpu_set(core.vcpu, REG_RFLAGS, allow ? RFLAGS_1 | RFLAGS_IF : RFLAGS_1);
}

static void an_nmi_goes_before_an_interrupt(void **state)
{
    (void)state;
    allow_interrupts(true);
    core.pending = core.vector = 0x41;
    vcpu_note(core.vcpu, REQUEST_NMI);
    assert_true(vcpu_serve_requests(core.vcpu));
    assert_int_equal(fake_cpu.injected.type, EVENT_NMI);
    assert_int_equal(fake_cpu.injected.vector, EXC_NMI);
    assert_int_equal(core.acknowledged, 0);
    assert_int_equal(core.vcpu->arch.nmis, 0);
    assert_int_equal(fake_cpu.windows, 1); /* the interrupt waits for its window, no NMI does */

    vcpu_note(core.vcpu, REQUEST_EVENT);
    assert_true(vcpu_serve_requests(core.vcpu));
    assert_int_equal(fake_cpu.injected.type, EVENT_INTERRUPT);
    assert_int_equal(fake_cpu.injected.vector, 0x41);
    assert_int_equal(core.acknowledged, 1);
    assert_int_equal(fake_cpu.windows, 0);
}

static void a_blocked_nmi_waits_for_its_window_while_interrupts_go(void **state)
{
    (void)state;
    allow_interrupts(true);
    fake_cpu.block_nmi = true;
    core.pending = core.vector = 0x41;
    vcpu_note(core.vcpu, REQUEST_NMI);
    assert_true(vcpu_serve_requests(core.vcpu));
    assert_int_equal(fake_cpu.injected.vector, 0x41);
    assert_int_equal(core.vcpu->arch.nmis, 1);
    assert_int_equal(fake_cpu.windows, 2);
}

static void one_nmi_is_latched_while_another_is_served(void **state)
{
    (void)state;
    fake_cpu.block_nmi = true;
    for (unsigned i = 0; i < 5; i++) {
        vcpu_note(core.vcpu, REQUEST_NMI);
        vcpu_serve_requests(core.vcpu);
    }
    assert_int_equal(core.vcpu->arch.nmis, 1);
    assert_int_equal(core.injections, 0);
    fake_cpu.block_nmi = false;
    vcpu_note(core.vcpu, REQUEST_NMI); /* one to take now, one behind it */
    vcpu_serve_requests(core.vcpu);
    assert_int_equal(core.injections, 1);
    assert_int_equal(core.vcpu->arch.nmis, 1);
    assert_int_equal(fake_cpu.windows, 2);
}

static void of_two_nmis_that_arrive_together_none_is_lost(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++)
        vcpu_request_nmi(core.vcpu);
    vcpu_serve_requests(core.vcpu);
    assert_int_equal(core.injections, 1);
    assert_int_equal(core.vcpu->arch.nmis, 1); /* of a third, nothing is left: one is latched */
    fake_cpu.block_nmi = true;
    vcpu_request_nmi(core.vcpu);
    vcpu_request_nmi(core.vcpu);
    vcpu_serve_requests(core.vcpu);
    assert_int_equal(core.injections, 1);
    assert_int_equal(core.vcpu->arch.nmis, 1);
}

/* The worst moment: the vCPU's core has served what was asked for before the sender is done. */
static bool serves_at_once;

void vcpu_attend(struct vcpu *vcpu, uint64_t requests)
{
    (void)requests;
    if (serves_at_once)
        vcpu_serve_requests(vcpu);
}

void vcpu_request(struct vcpu *vcpu, uint64_t requests)
{
    fake_asked.requests[vcpu->id] |= requests;
    if (serves_at_once)
        vcpu_serve_requests(vcpu);
    vcpu_note(vcpu, requests);
}

static void one_nmi_arrives_once_however_soon_it_is_taken(void **state)
{
    (void)state;
    serves_at_once = true;
    for (unsigned sent = 1; sent <= 3; sent++) {
        vcpu_request_nmi(core.vcpu);
        vcpu_serve_requests(core.vcpu);
        assert_int_equal(core.injections, sent);
        assert_int_equal(core.vcpu->arch.nmis, 0);
    }
    serves_at_once = false;
}

#define SENDERS 3
#define SENT    20000 /* by each */

static unsigned arrived; /* to be sent, counted before each */

static void *send_nmis(void *vcpu)
{
    for (unsigned i = 0; i < SENT; i++) {
        __atomic_fetch_add(&arrived, 1, __ATOMIC_SEQ_CST);
        vcpu_request_nmi(vcpu);
    }
    return NULL;
}

/* Those that come while one waits behind another are merged, others are not, and none is made up. */
static void nmis_of_many_senders_are_merged_and_never_made_up(void **state)
{
    pthread_t senders[SENDERS];
    bool sending = true;

    (void)state;
    for (unsigned i = 0; i < SENDERS; i++)
        assert_int_equal(pthread_create(&senders[i], NULL, send_nmis, core.vcpu), 0);
    while (sending) {
        sending = __atomic_load_n(&arrived, __ATOMIC_SEQ_CST) < SENDERS * SENT;
        vcpu_serve_requests(core.vcpu);
        assert_true(core.injections <= __atomic_load_n(&arrived, __ATOMIC_SEQ_CST));
        fake_cpu.block_nmi = !fake_cpu.block_nmi;
    }
    for (unsigned i = 0; i < SENDERS; i++)
        pthread_join(senders[i], NULL);
    fake_cpu.block_nmi = false;
    for (unsigned before = core.injections + 1; before != core.injections;) {
        before = core.injections;
        vcpu_note(core.vcpu, REQUEST_EVENT);
        vcpu_serve_requests(core.vcpu);
    }
    assert_in_range(core.injections, 1, SENDERS * SENT); /* 1: all came while NMIs were blocked */
    assert_int_equal(core.vcpu->arch.nmis, 0);
    vcpu_request_nmi(core.vcpu); /* alone again: once */
    arrived = core.injections;
    vcpu_serve_requests(core.vcpu);
    vcpu_serve_requests(core.vcpu);
    assert_int_equal(core.injections, arrived + 1);
}

static void an_interrupt_that_may_not_enter_asks_for_a_window(void **state)
{
    (void)state;
    core.pending = core.vector = 0x41;
    allow_interrupts(false);
    assert_true(vcpu_serve_requests(core.vcpu));
    assert_int_equal(core.injections, 0);
    assert_int_equal(core.acknowledged, 0);
    assert_int_equal(fake_cpu.windows, 1);
    allow_interrupts(true);
    fake_cpu.interrupt_shadow = true;
    assert_true(vcpu_serve_requests(core.vcpu));
    assert_int_equal(core.injections, 0);
    fake_cpu.interrupt_shadow = false;
    assert_true(vcpu_serve_requests(core.vcpu));
    assert_int_equal(core.injections, 1);
    assert_int_equal(fake_cpu.windows, 0);
}

static void an_interrupt_that_vanishes_before_its_acknowledge_is_none(void **state)
{
    (void)state;
    allow_interrupts(true);
    core.pending = 0x41;
    core.vector = -1;
    assert_true(vcpu_serve_requests(core.vcpu));
    assert_int_equal(core.acknowledged, 1);
    assert_int_equal(core.injections, 0);
}

static void what_is_on_its_way_goes_first_and_once(void **state)
{
    const struct event again = {.valid = true, .type = EVENT_SOFT_INTERRUPT, .vector = 0x80, .length = 2};

    (void)state;
    allow_interrupts(true);
    core.pending = core.vector = 0x41;
    core.vcpu->arch.event = again;
    vcpu_note(core.vcpu, REQUEST_NMI);
    assert_true(vcpu_serve_requests(core.vcpu));
    assert_memory_equal(&fake_cpu.injected, &again, sizeof(again));
    assert_int_equal(core.injections, 1);
    assert_false(core.vcpu->arch.event.valid);
    assert_int_equal(core.vcpu->arch.nmis, 1);
    assert_int_equal(core.acknowledged, 0);
    assert_int_equal(fake_cpu.windows, 3);
}

static void hlt_goes_on_only_if_something_waits(void **state)
{
    (void)state;
    allow_interrupts(true);
    assert_false(vcpu_halt(core.vcpu));
    assert_int_equal(core.vcpu->activity, VCPU_HALTED);
    assert_false(vcpu_serve_requests(core.vcpu)); /* nothing: it sleeps on */
    assert_int_equal(core.vcpu->activity, VCPU_HALTED);

    core.vcpu->activity = VCPU_RUNNABLE;
    core.pending = 0x41;
    assert_true(vcpu_halt(core.vcpu));
    assert_int_equal(core.vcpu->activity, VCPU_RUNNABLE);
    allow_interrupts(false);
    assert_false(vcpu_halt(core.vcpu)); /* masked by RFLAGS.IF */
    core.vcpu->arch.nmis = 1;
    assert_true(vcpu_wakes(core.vcpu));
    core.vcpu->arch.nmis = 0;
    core.vcpu->arch.event.valid = true;
    assert_true(vcpu_wakes(core.vcpu));
    core.vcpu->arch.event.valid = false;
    core.pending = INTERRUPT_EXTERNAL;
    assert_false(vcpu_wakes(core.vcpu));
    allow_interrupts(true);
    assert_true(vcpu_wakes(core.vcpu));
}

static void a_halt_with_interrupts_off_is_deaf(void **state)
{
    (void)state;
    allow_interrupts(true);
    assert_false(vcpu_halt(core.vcpu));
    assert_false(core.vcpu->deaf);
    allow_interrupts(false);
    assert_false(vcpu_halt(core.vcpu));
    assert_true(core.vcpu->deaf);
}

static void interrupts_and_nmis_wake_from_hlt(void **state)
{
    (void)state;
    core.vcpu->activity = VCPU_HALTED;
    vcpu_note(core.vcpu, REQUEST_NMI);
    assert_true(vcpu_serve_requests(core.vcpu));
    assert_int_equal(core.vcpu->activity, VCPU_RUNNABLE);
    assert_int_equal(fake_cpu.injected.type, EVENT_NMI);

    core.vcpu->activity = VCPU_HALTED;
    allow_interrupts(true);
    core.pending = core.vector = 0;
    assert_true(vcpu_serve_requests(core.vcpu));
    assert_int_equal(fake_cpu.injected.type, EVENT_INTERRUPT);
    assert_int_equal(fake_cpu.injected.vector, 0);
}

static void stop_and_yield_leave_the_run_loop_and_lose_nothing(void **state)
{
    (void)state;
    vcpu_note(core.vcpu, REQUEST_YIELD | REQUEST_NMI | REQUEST_FLUSH);
    assert_false(vcpu_serve_requests(core.vcpu));
    assert_int_equal(core.vcpu->requests, REQUEST_NMI | REQUEST_FLUSH); /* a yield is over with it */
    assert_int_equal(core.flushes, 0);
    assert_true(vcpu_serve_requests(core.vcpu));
    assert_int_equal(core.flushes, 1);
    assert_int_equal(core.vcpu->requests, 0);

    vcpu_note(core.vcpu, REQUEST_STOP | REQUEST_YIELD);
    assert_false(vcpu_serve_requests(core.vcpu));
    assert_false(vcpu_serve_requests(core.vcpu)); /* a stop stays */
    assert_int_equal(core.vcpu->requests, REQUEST_STOP);
}

static void init_of_the_bootstrap_processor_starts_the_machine_anew(void **state)
{
    (void)state;
    core.vcpu->arch.event.valid = true;
    core.vcpu->arch.nmis = 1;
    vcpu_note(core.vcpu, REQUEST_INIT);
    assert_false(vcpu_serve_requests(core.vcpu)); /* it does not enter the guest once more */
    assert_int_equal(core.vm.end, VM_RESET);
    for (unsigned i = 0; i < CORE_VCPUS; i++)
        assert_int_equal(fake_asked.requests[i], REQUEST_STOP);
    assert_int_equal(core.injections, 0);
    assert_int_equal(core.vcpu->arch.nmis, 0);
}

static void init_forgets_what_waited(void **state)
{
    struct vcpu *second = &core.vcpus[1];

    (void)state;
    second->arch.event.valid = true;
    second->arch.nmis = 2;
    second->activity = VCPU_HALTED;
    vcpu_note(second, REQUEST_INIT);
    assert_false(vcpu_serve_requests(second));
    assert_int_equal(core.vcpu_resets, 1);
    assert_int_equal(fake_asked.cpuid_changes, 1); /* CR4.OSXSAVE is 0 again */
    assert_true(second->arch.code_changed);
    assert_int_equal(core.controller_resets, 1);
    assert_true(core.init);
    assert_false(second->arch.event.valid);
    assert_int_equal(second->arch.nmis, 0);
    assert_int_equal(core.vm.end, VM_RUNS);
}

static void init_and_sipi_start_another_processor(void **state)
{
    struct vcpu *second = &core.vcpus[1];

    (void)state;
    vcpu_note(second, REQUEST_INIT);
    assert_false(vcpu_serve_requests(second));
    assert_int_equal(second->activity, VCPU_WAIT_FOR_SIPI);
    vcpu_note(second, REQUEST_NMI); /* not a reason to run */
    assert_false(vcpu_serve_requests(second));

    core.controller_resets = 0;
    second->arch.sipi_vector = 0x9a;
    vcpu_note(second, REQUEST_SIPI);
    assert_true(vcpu_serve_requests(second));
    assert_int_equal(core.controller_resets, 1); /* what came between the two is lost */
    assert_int_equal(second->activity, VCPU_RUNNABLE);
    assert_int_equal(vcpu_get(second, REG_RIP), 0);
    assert_int_equal(vcpu_get_segment(second, SEG_CS).selector, 0x9a00);
    assert_int_equal(vcpu_get_segment(second, SEG_CS).base, 0x9a000);
    assert_int_equal(vcpu_get_segment(second, SEG_CS).limit, 0xffff);
}

static void both_in_one_go_are_init_first(void **state)
{
    struct vcpu *second = &core.vcpus[1];

    (void)state;
    second->arch.sipi_vector = 0x10;
    vcpu_note(second, REQUEST_SIPI | REQUEST_INIT);
    assert_true(vcpu_serve_requests(second));
    assert_int_equal(vcpu_get_segment(second, SEG_CS).base, 0x10000);
}

static void sipi_does_nothing_to_a_processor_that_does_not_wait_for_it(void **state)
{
    (void)state;
    vcpu_set(core.vcpu, REG_RIP, 0x7777);
    core.vcpu->arch.sipi_vector = 0x10;
    vcpu_note(core.vcpu, REQUEST_SIPI);
    assert_true(vcpu_serve_requests(core.vcpu));
    assert_int_equal(vcpu_get(core.vcpu, REG_RIP), 0x7777);
    core.vcpu->activity = VCPU_OFF;
    vcpu_note(core.vcpu, REQUEST_SIPI);
    assert_false(vcpu_serve_requests(core.vcpu));
    assert_int_equal(vcpu_get(core.vcpu, REG_RIP), 0x7777);
}

/* Who halts with interrupts off is asked for an event and sleeps on: its timers stay where they are. */
static void timers_come_along_when_the_guest_goes_on(void **state)
{
    (void)state;
    core.vcpu->timers_wait = true;
    core.vcpu->activity = VCPU_HALTED;
    vcpu_note(core.vcpu, REQUEST_EVENT);
    assert_false(vcpu_serve_requests(core.vcpu));
    assert_int_equal(core.resumptions, 0);
    vcpu_note(core.vcpu, REQUEST_NMI);
    assert_true(vcpu_serve_requests(core.vcpu));
    assert_int_equal(core.resumptions, 1);
    assert_false(core.vcpu->timers_wait);
    vcpu_note(core.vcpu, REQUEST_EVENT);
    assert_true(vcpu_serve_requests(core.vcpu));
    assert_int_equal(core.resumptions, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, core_setup, core_teardown)

/* It was queued for something that was served or taken back before it ran. */
static void one_that_does_not_run_enters_for_nothing_never(void **state)
{
    static const enum vcpu_activity still[] = {VCPU_HALTED, VCPU_WAIT_FOR_SIPI, VCPU_OFF};

    (void)state;
    core.vcpu->requests = 0;
    for (unsigned i = 0; i < ARRAY_LENGTH(still); i++) {
        core.vcpu->activity = still[i];
        assert_false(vcpu_begins(core.vcpu));
        assert_int_equal(core.vcpu->activity, still[i]);
    }
    core.vcpu->activity = VCPU_RUNNABLE;
    assert_true(vcpu_begins(core.vcpu));
    vcpu_note(core.vcpu, REQUEST_STOP);
    assert_false(vcpu_begins(core.vcpu));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(two_exceptions_become_a_double_fault_as_the_table_says),
        TEST(only_exceptions_on_their_way_combine),
        TEST(a_third_fault_ends_the_vm),
        TEST(a_page_fault_sets_cr2_and_a_debug_exception_dr6),
        TEST(a_fault_and_nothing_else_sets_rf),
        TEST(the_traps_of_one_instruction_are_one_and_end_hlt),
        TEST(gp_has_error_code_zero_and_ud_none),
        TEST(what_was_cut_short_goes_in_again_as_it_was),
        TEST(real_mode_pushes_no_error_code),
        TEST(an_nmi_goes_before_an_interrupt),
        TEST(a_blocked_nmi_waits_for_its_window_while_interrupts_go),
        TEST(one_nmi_is_latched_while_another_is_served),
        TEST(of_two_nmis_that_arrive_together_none_is_lost),
        TEST(one_nmi_arrives_once_however_soon_it_is_taken),
        TEST(nmis_of_many_senders_are_merged_and_never_made_up),
        TEST(an_interrupt_that_may_not_enter_asks_for_a_window),
        TEST(an_interrupt_that_vanishes_before_its_acknowledge_is_none),
        TEST(what_is_on_its_way_goes_first_and_once),
        TEST(hlt_goes_on_only_if_something_waits),
        TEST(a_halt_with_interrupts_off_is_deaf),
        TEST(interrupts_and_nmis_wake_from_hlt),
        TEST(stop_and_yield_leave_the_run_loop_and_lose_nothing),
        TEST(init_of_the_bootstrap_processor_starts_the_machine_anew),
        TEST(init_forgets_what_waited),
        TEST(timers_come_along_when_the_guest_goes_on),
        TEST(init_and_sipi_start_another_processor),
        TEST(both_in_one_go_are_init_first),
        TEST(sipi_does_nothing_to_a_processor_that_does_not_wait_for_it),
        TEST(one_that_does_not_run_enters_for_nothing_never),
    };
    return cmocka_run_group_tests_name("event", tests, NULL, NULL);
}
