/* What goes into a guest with the next VMRUN, and how what has to wait finds its window. */
#include "tests/unit/svm/svm_fixture.h"

#define RIP 0x1000

static void begin(uint32_t features)
{
    svm_begin(features);
    machine.vmcb->clean = UINT32_MAX;
    machine.vmcb->rip = RIP;
    machine.vmcb->cr0 = CR0_PE | CR0_ET;
}

static bool iret_is_intercepted(void)
{
    return machine.vmcb->intercepts1 >> (SVM_EXIT_IRET % 32) & 1;
}

static void inject(const struct event *event)
{
    svm_inject(core.vcpu, event);
}

static void events_are_put_as_the_manual_has_them(void **state)
{
    (void)state;
    begin(0);
    inject(&(struct event){.type = EVENT_INTERRUPT, .vector = 0x41});
    assert_int_equal(machine.vmcb->event, 0x80000041);
    inject(&(struct event){.type = EVENT_EXCEPTION, .vector = EXC_PF, .has_error = true, .error = 0x12345});
    assert_true(machine.vmcb->event == (UINT64_C(0x12345) << 32 | 0x80000b0e));
    inject(&(struct event){.type = EVENT_SOFT_INTERRUPT, .vector = 0x80});
    assert_int_equal(machine.vmcb->event, 0x80000480);
    inject(&(struct event){.type = EVENT_SOFT_EXCEPTION, .vector = EXC_BP}); /* SVM has one kind of them */
    assert_int_equal(machine.vmcb->event, 0x80000303);
}

static void a_shadow_and_if_hold_interrupts_off(void **state)
{
    (void)state;
    begin(0);
    machine.vmcb->rflags = RFLAGS_1;
    assert_false(svm_interrupt_allowed(core.vcpu));
    machine.vmcb->rflags |= RFLAGS_IF;
    assert_true(svm_interrupt_allowed(core.vcpu));
    machine.vmcb->interrupt_shadow = VMCB_SHADOW;
    assert_false(svm_interrupt_allowed(core.vcpu));
    assert_false(svm_nmi_allowed(core.vcpu));
    inject(&(struct event){.type = EVENT_EXCEPTION, .vector = EXC_UD}); /* delivery ends the shadow */
    assert_true(svm_interrupt_allowed(core.vcpu));
}

static void an_interrupt_window_is_a_virtual_interrupt(void **state)
{
    (void)state;
    begin(0);
    svm_set_windows(core.vcpu, true, false);
    assert_true(machine.vmcb->interrupt_control & VMCB_V_IRQ);
    assert_int_equal(machine.vmcb->clean, UINT32_MAX & ~VMCB_CLEAN_INTERRUPT);
    machine.vmcb->clean = UINT32_MAX;
    svm_set_windows(core.vcpu, true, false);
    assert_int_equal(machine.vmcb->clean, UINT32_MAX); /* nothing changed */
    svm_set_windows(core.vcpu, false, false);
    assert_false(machine.vmcb->interrupt_control & VMCB_V_IRQ);
}

static void an_nmi_blocks_the_next_until_its_iret_is_done(void **state)
{
    (void)state;
    begin(0);
    assert_true(svm_nmi_allowed(core.vcpu));
    inject(&(struct event){.type = EVENT_NMI, .vector = EXC_NMI});
    assert_false(svm_nmi_allowed(core.vcpu));
    assert_true(iret_is_intercepted());
    assert_false(machine.vmcb->clean & VMCB_CLEAN_INTERCEPTS);
    svm_set_windows(core.vcpu, false, true); /* IRET will tell */
    assert_false(machine.svm->stepping);

    svm_begin_iret(core.vcpu);
    assert_false(iret_is_intercepted());
    assert_false(svm_nmi_allowed(core.vcpu)); /* it has not run yet */
    machine.vmcb->event = 0;
    svm_set_windows(core.vcpu, false, true);
    assert_true(machine.svm->stepping && (machine.vmcb->rflags & RFLAGS_TF));
    machine.vmcb->rip = 0x2000;
    machine.vmcb->exit_code = SVM_EXIT_DB;
    machine.vmcb->dr6 = 0xffff4ff0;
    assert_true(svm_stop_stepping(core.vcpu));
    assert_true(svm_nmi_allowed(core.vcpu));
}

static void a_step_of_keels_is_not_seen_by_the_guest(void **state)
{
    (void)state;
    begin(0);
    machine.vmcb->interrupt_shadow = VMCB_SHADOW;
    svm_set_windows(core.vcpu, false, true);
    assert_true(machine.svm->stepping);
    machine.vmcb->exit_code = SVM_EXIT_DB;
    machine.vmcb->dr6 = 0xffff4ff0;
    assert_true(svm_stop_stepping(core.vcpu)); /* it was for Keel alone */
    assert_int_equal(machine.vmcb->dr6, 0xffff0ff0);
    assert_false(machine.vmcb->rflags & RFLAGS_TF);
    assert_true(core.vcpu->requests & REQUEST_EVENT);

    svm_set_windows(core.vcpu, false, true);
    machine.vmcb->exit_code = SVM_EXIT_CPUID; /* another exit came first */
    assert_false(svm_stop_stepping(core.vcpu));
    assert_false(machine.vmcb->rflags & RFLAGS_TF);

    svm_set_windows(core.vcpu, false, true);
    machine.vmcb->exit_code = SVM_EXIT_DB;
    machine.vmcb->dr6 = 0xffff4ff1; /* a breakpoint of the guest's as well */
    assert_false(svm_stop_stepping(core.vcpu));
    assert_int_equal(machine.vmcb->dr6, 0xffff0ff1);

    machine.vmcb->rflags |= RFLAGS_TF; /* the guest steps itself */
    svm_set_windows(core.vcpu, false, true);
    machine.vmcb->dr6 = 0xffff4ff0;
    assert_false(svm_stop_stepping(core.vcpu));
    assert_int_equal(machine.vmcb->dr6, 0xffff4ff0);
    assert_true(machine.vmcb->rflags & RFLAGS_TF);
}

/* Something else came up between the choice of events and the entry. */
static void a_step_that_is_asked_for_twice_is_keels_alone(void **state)
{
    (void)state;
    begin(0);
    machine.vmcb->interrupt_shadow = VMCB_SHADOW;
    svm_set_windows(core.vcpu, false, true);
    svm_set_windows(core.vcpu, false, true);
    machine.vmcb->exit_code = SVM_EXIT_DB;
    machine.vmcb->dr6 = 0xffff4ff0;
    assert_true(svm_stop_stepping(core.vcpu));
    assert_false(machine.vmcb->rflags & RFLAGS_TF);

    svm_set_windows(core.vcpu, false, true);
    svm_set_windows(core.vcpu, false, false); /* nothing waits any more */
    assert_false(machine.svm->stepping);
    assert_false(machine.vmcb->rflags & RFLAGS_TF);
}

/* Nobody has looked whether NMIs are blocked since an NMI's IRET. */
static void a_step_long_after_an_iret_is_not_over_the_iret(void **state)
{
    (void)state;
    begin(0);
    machine.vmcb->rip = 0x1000;
    svm_begin_iret(core.vcpu);
    machine.vmcb->rip = 0x2000;
    svm_cpu.quirks.forgets_shadow = true;
    machine.vmcb->rflags |= RFLAGS_IF;
    machine.vmcb->interrupt_shadow = VMCB_SHADOW;
    svm_set_windows(core.vcpu, true, false);
    assert_true(machine.svm->stepping);
    machine.vmcb->rip = 0x2001;
    machine.vmcb->exit_code = SVM_EXIT_DB;
    machine.vmcb->dr6 = 0xffff4ff0;
    assert_true(svm_stop_stepping(core.vcpu));
    assert_false(machine.vmcb->rflags & RFLAGS_TF);
}

/* As QEMU 7.2: an interrupt of the machine behind STI, and the entry after it knows of no shadow. */
static void where_the_shadow_is_forgotten_one_instruction_is_stepped_before_an_interrupt_comes(void **state)
{
    (void)state;
    begin(0);
    svm_cpu.quirks.forgets_shadow = true;
    machine.vmcb->rip = 0;
    machine.vmcb->rflags |= RFLAGS_IF;
    machine.vmcb->interrupt_shadow = VMCB_SHADOW;
    for (unsigned i = 0; i < 3; i++) { /* the machine's interrupts exit before it is run */
        machine.vmcb->exit_code = SVM_EXIT_INTR;
        svm_after_interrupt(core.vcpu);
        assert_false(svm_interrupt_allowed(core.vcpu));
        svm_set_windows(core.vcpu, true, false);
        assert_true(machine.svm->stepping);
        assert_false(machine.vmcb->interrupt_control & VMCB_V_IRQ);
        machine.vmcb->interrupt_shadow = 0;
        assert_false(svm_stop_stepping(core.vcpu));
    }
    svm_after_interrupt(core.vcpu);
    svm_set_windows(core.vcpu, true, false);
    machine.vmcb->interrupt_shadow = 0;
    machine.vmcb->exit_code = SVM_EXIT_DB;
    machine.vmcb->dr6 = 0xffff4ff0;
    assert_true(svm_stop_stepping(core.vcpu));
    assert_true(svm_interrupt_allowed(core.vcpu));
    svm_after_interrupt(core.vcpu); /* at the same RIP, a loop of one instruction */
    assert_true(svm_interrupt_allowed(core.vcpu));

    machine.vmcb->interrupt_shadow = VMCB_SHADOW;
    svm_after_interrupt(core.vcpu);
    machine.vmcb->interrupt_shadow = 0;
    machine.vmcb->rip = 1; /* it was run, nothing waited */
    svm_after_interrupt(core.vcpu);
    assert_true(svm_interrupt_allowed(core.vcpu));
    svm_cpu.quirks.forgets_shadow = false;
}

static void an_nmi_behind_what_is_injected_exits_at_once(void **state)
{
    (void)state;
    begin(0);
    inject(&(struct event){.type = EVENT_EXCEPTION, .vector = EXC_UD});
    core.vcpu->requests = 0;
    svm_set_windows(core.vcpu, false, true);
    assert_int_equal(fake_asked.kicks, 1);
    assert_true(core.vcpu->requests & REQUEST_EVENT);
    assert_false(machine.svm->stepping);
}

static void virtual_nmis_are_left_to_the_cpu(void **state)
{
    (void)state;
    begin(BIT(SVM_VNMI));
    assert_true(machine.vmcb->interrupt_control & VMCB_V_NMI_ENABLE);
    inject(&(struct event){.type = EVENT_NMI, .vector = EXC_NMI});
    assert_int_equal(machine.vmcb->event, 0x80000202);
    assert_false(iret_is_intercepted());
    machine.vmcb->interrupt_control |= VMCB_V_NMI_MASK; /* as VMRUN does */
    assert_false(svm_nmi_allowed(core.vcpu));

    core.vcpu->arch.nmis = 1;
    svm_set_windows(core.vcpu, false, true);
    assert_true(machine.vmcb->interrupt_control & VMCB_V_NMI);
    assert_int_equal(core.vcpu->arch.nmis, 0);
    assert_false(machine.svm->stepping);
    assert_false(machine.vmcb->clean & VMCB_CLEAN_INTERRUPT);
    svm_set_windows(core.vcpu, true, false); /* it stays there */
    assert_true(machine.vmcb->interrupt_control & VMCB_V_NMI);

    svm_unblock_nmi(core.vcpu);
    assert_true(svm_nmi_allowed(core.vcpu));
    core.vcpu->requests = 0;
    svm_take_back_nmi(core.vcpu);
    assert_false(machine.vmcb->interrupt_control & VMCB_V_NMI);
    assert_int_equal(core.vcpu->arch.nmis, 1);
    assert_true(core.vcpu->requests & REQUEST_EVENT);
    core.vcpu->arch.nmis = 0;
    svm_take_back_nmi(core.vcpu); /* there is none any more */
    assert_int_equal(core.vcpu->arch.nmis, 0);
}

static bool taken_back(uint64_t interrupted)
{
    core.vcpu->arch.event.valid = false;
    machine.vmcb->exit_interrupt = interrupted;
    svm_take_back_delivery(core.vcpu);
    return core.vcpu->arch.event.valid;
}

static void a_delivery_cut_short_goes_in_again_but_for_what_the_program_does_again(void **state)
{
    (void)state;
    begin(0);
    assert_false(taken_back(0x00000041));
    assert_true(taken_back(0x80000041));
    assert_int_equal(core.vcpu->arch.event.type, EVENT_INTERRUPT);
    assert_true(taken_back(UINT64_C(0x1280000b0e)));
    assert_int_equal(core.vcpu->arch.event.error, 0x12);
    assert_true(taken_back(0x80000202));
    assert_false(machine.vmcb->interrupt_shadow & VMCB_SHADOW);
    assert_false(taken_back(0x80000480));                      /* INT 0x80 */
    assert_true(machine.vmcb->interrupt_shadow & VMCB_SHADOW); /* it had begun: no interrupt goes before it */
    assert_false(taken_back(0x80000303));                      /* INT3 */
    assert_false(taken_back(0x80000304));                      /* INTO */
    assert_true(taken_back(0x80000306));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, svm_setup, svm_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(events_are_put_as_the_manual_has_them),
        TEST(a_shadow_and_if_hold_interrupts_off),
        TEST(an_interrupt_window_is_a_virtual_interrupt),
        TEST(an_nmi_blocks_the_next_until_its_iret_is_done),
        TEST(a_step_of_keels_is_not_seen_by_the_guest),
        TEST(a_step_that_is_asked_for_twice_is_keels_alone),
        TEST(a_step_long_after_an_iret_is_not_over_the_iret),
        TEST(where_the_shadow_is_forgotten_one_instruction_is_stepped_before_an_interrupt_comes),
        TEST(an_nmi_behind_what_is_injected_exits_at_once),
        TEST(virtual_nmis_are_left_to_the_cpu),
        TEST(a_delivery_cut_short_goes_in_again_but_for_what_the_program_does_again),
    };
    return cmocka_run_group_tests_name("svm_events", tests, NULL, NULL);
}
