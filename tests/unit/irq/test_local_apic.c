#include "tests/unit/irq/apic_fixture.h"

/* Priorities, EOI, the pins, and reset. */

static void an_interrupt_goes_through_irr_and_isr(void **state)
{
    (void)state;
    assert_int_equal(pending(0), -1);
    assert_int_equal(acknowledge(0), -1);
    assert_true(interrupt(0x41));
    assert_int_equal(asked(REQUEST_EVENT), BIT(0));
    assert_true(has(0, APIC_IRR, 0x41));
    assert_int_equal(pending(0), 0x41);
    assert_true(has(0, APIC_IRR, 0x41)); /* asking takes nothing */
    assert_int_equal(acknowledge(0), 0x41);
    assert_false(has(0, APIC_IRR, 0x41));
    assert_true(has(0, APIC_ISR, 0x41));
    assert_int_equal(acknowledge(0), -1);
    put(APIC_EOI, 0);
    assert_false(has(0, APIC_ISR, 0x41));
    assert_int_equal(broadcasts, 0);
}

static void every_legal_vector_arrives(void **state)
{
    (void)state;
    for (unsigned vector = 16; vector < 256; vector++) {
        assert_true(interrupt(vector));
        assert_true(has(0, APIC_IRR, vector));
        assert_int_equal(acknowledge(0), vector);
        assert_true(has(0, APIC_ISR, vector));
        put(APIC_EOI, 0);
        assert_false(has(0, APIC_ISR, vector));
    }
}

static void an_interrupt_again_coalesces(void **state)
{
    (void)state;
    interrupt(0x41);
    interrupt(0x41);
    assert_int_equal(acknowledge(0), 0x41);
    interrupt(0x41); /* one in service, one waiting */
    put(APIC_EOI, 0);
    assert_int_equal(acknowledge(0), 0x41);
    put(APIC_EOI, 0);
    assert_int_equal(pending(0), -1);
}

static void classes_nest_and_equal_ones_wait(void **state)
{
    (void)state;
    interrupt(0x41);
    assert_int_equal(acknowledge(0), 0x41);
    interrupt(0x4f); /* same class */
    interrupt(0x31);
    assert_int_equal(pending(0), -1);
    interrupt(0x50);
    assert_int_equal(acknowledge(0), 0x50);
    assert_int_equal(get(APIC_PPR), 0x50);
    forget();
    put(APIC_EOI, 0);
    assert_int_equal(get(APIC_PPR), 0x40);
    assert_int_equal(asked(REQUEST_EVENT), 0); /* nothing can be delivered yet */
    put(APIC_EOI, 0);
    assert_int_equal(asked(REQUEST_EVENT), BIT(0));
    assert_int_equal(acknowledge(0), 0x4f);
    put(APIC_EOI, 0);
    assert_int_equal(acknowledge(0), 0x31);
}

static void the_task_priority_holds_back(void **state)
{
    (void)state;
    put(APIC_TPR, 0x45);
    assert_int_equal(get(APIC_PPR), 0x45);
    interrupt(0x4f);
    assert_int_equal(pending(0), -1);
    interrupt(0x5f);
    assert_int_equal(acknowledge(0), 0x5f);
    assert_int_equal(get(APIC_PPR), 0x50);
    put(APIC_TPR, 0x5a);
    assert_int_equal(get(APIC_PPR), 0x5a); /* equal classes: TPR's low half shows */
    put(APIC_EOI, 0);
    forget();
    put(APIC_TPR, 0x40);
    assert_int_equal(asked(REQUEST_EVENT), 0);
    put(APIC_TPR, 0x3f);
    assert_int_equal(asked(REQUEST_EVENT), BIT(0));
    assert_int_equal(pending(0), 0x4f);
    put(APIC_TPR, 0xff);
    interrupt(0xff);
    assert_int_equal(pending(0), -1);
}

static void cr8_is_the_upper_half_of_tpr(void **state)
{
    struct interrupt_controller *core = &vcpus[0].arch.interrupts;

    (void)state;
    put(APIC_TPR, 0x9c);
    assert_int_equal(core->get_tpr(core->state), 9);
    interrupt(0x75);
    forget();
    core->set_tpr(core->state, 7);
    assert_int_equal(get(APIC_TPR), 0x70);
    assert_int_equal(asked(REQUEST_EVENT), 0);
    core->set_tpr(core->state, 6);
    assert_int_equal(asked(REQUEST_EVENT), BIT(0));
}

static void vectors_that_arrive_wait_in_the_descriptor_until_their_own_core_looks(void **state)
{
    struct virtual_apic *shared = &vcpus[0].arch.apic;
    const uint32_t *irr = &shared->registers[4 * APIC_IRR], *tmr = &shared->registers[4 * APIC_TMR];

    (void)state;
    assert_true(interrupt(0x91) && interrupt(0xff));
    assert_true(send(APIC_FIXED, 0x42, 0, false, true));
    assert_int_equal(shared->posted->requests[2], BIT(0x11));
    assert_int_equal(shared->posted->requests[3], BIT(63));
    assert_int_equal(shared->posted->requests[1], 0); /* a level is not for hardware to take */
    assert_true(shared->posted->control & POSTED_OUTSTANDING);
    assert_int_equal(apic_set_highest(irr), -1);
    assert_int_equal(pending(0), 0xff);
    assert_int_equal(apic_set_highest(irr), 0xff);
    assert_int_equal(apic_set_highest(tmr), 0x42);
    assert_int_equal(shared->posted->requests[3] | shared->posted->control, 0);
    assert_true(interrupt(0x42)); /* an edge now */
    assert_int_equal(pending(0), 0xff);
    assert_int_equal(apic_set_highest(tmr), -1);
}

static unsigned posts;

static void post(struct vcpu *vcpu)
{
    assert_ptr_equal(vcpu, &vcpus[0]);
    assert_true(vcpu->arch.apic.posted->control & POSTED_OUTSTANDING); /* before anybody is told */
    posts++;
}

static void edges_are_posted_and_levels_are_not(void **state)
{
    (void)state;
    vcpus[0].arch.apic.post = post;
    vcpus[0].arch.apic.delivers = vcpus[0].arch.apic.shadows = true;
    posts = 0;
    assert_true(interrupt(0x41));
    assert_int_equal(posts, 1);
    assert_int_equal(asked(REQUEST_EVENT), 0);
    assert_true(send(APIC_FIXED, 0x42, 0, false, true));
    assert_int_equal(posts, 1);
    assert_int_equal(asked(REQUEST_EVENT), BIT(0));
    assert_int_equal(pending(0), 0x42);
    assert_true(interrupt(0x42)); /* its TMR bit must go first */
    assert_int_equal(posts, 1);
    assert_int_equal(asked(REQUEST_EVENT), BIT(0));

    /* Hardware: ON cleared, PIR moved to IRR. What came meanwhile is not lost. */
    assert_true(interrupt(0x55));
    vcpus[0].arch.apic.posted->control = 0;
    vcpus[0].arch.apic.registers[4 * (APIC_IRR + 2)] |= vcpus[0].arch.apic.posted->requests[1];
    vcpus[0].arch.apic.posted->requests[1] = 0;
    assert_true(interrupt(0x66));
    assert_int_equal(posts, 3);
    assert_int_equal(pending(0), 0x66);
    assert_true(has(0, APIC_IRR, 0x55));
}

static void where_hardware_delivers_nothing_is_taken_from_irr(void **state)
{
    struct interrupt_controller *core = &vcpus[0].arch.interrupts;

    (void)state;
    vcpus[0].arch.apic.delivers = vcpus[0].arch.apic.shadows = true;
    assert_true(send(APIC_FIXED, 0x61, 0, false, true));
    assert_int_equal(pending(0), 0x61);
    assert_int_equal(acknowledge(0), -1);
    assert_true(has(0, APIC_IRR, 0x61));
    lint(0, 0, true);
    put(APIC_LVT_LINT0, APIC_EXTINT << 8);
    assert_int_equal(pending(0), INTERRUPT_EXTERNAL);
    assert_int_equal(acknowledge(0), 0x77);

    /* Hardware's part: delivered, and ended. */
    vcpus[0].arch.apic.registers[4 * (APIC_IRR + 3)] = 0;
    core->ended(core->state, 0x61);
    assert_int_equal(broadcasts, 1);
    assert_int_equal(broadcast_vector, 0x61);
    core->ended(core->state, 0x62);
    assert_int_equal(broadcasts, 1);
    vcpus[0].arch.apic.registers[4 * (APIC_ISR + 3)] = BIT(2);
    forget();
    put(APIC_EOI, 0); /* by software: what is in service has changed, and hardware is told */
    assert_int_equal(asked(REQUEST_EVENT), BIT(0));
}

static void where_hardware_has_tpr_it_is_told_what_waits(void **state)
{
    (void)state;
    vcpus[0].arch.apic.shadows = true;
    assert_true(interrupt(0x61));
    assert_int_equal(acknowledge(0), 0x61);
    forget();
    put(APIC_EOI, 0); /* nothing waits */
    assert_int_equal(asked(REQUEST_EVENT), 0);
    assert_true(interrupt(0x62));
    assert_int_equal(acknowledge(0), 0x62);
    assert_true(interrupt(0x51));
    vcpus[0].arch.apic.registers[4 * APIC_TPR] = 0x60;
    forget();
    put(APIC_EOI, 0);
    assert_int_equal(asked(REQUEST_EVENT), BIT(0));
    assert_int_equal(pending(0), -1);
    vcpus[0].arch.apic.registers[4 * APIC_TPR] = 0x4f;
    assert_int_equal(acknowledge(0), 0x51);
}

static void an_eoi_with_nothing_in_service_is_harmless(void **state)
{
    (void)state;
    put(APIC_EOI, 0);
    interrupt(0x41);
    put(APIC_EOI, 0);
    assert_int_equal(pending(0), 0x41);
}

static void the_eoi_of_a_level_is_broadcast(void **state)
{
    (void)state;
    assert_true(send(APIC_FIXED, 0x61, 0, false, true));
    assert_true(has(0, APIC_TMR, 0x61));
    acknowledge(0);
    assert_int_equal(broadcasts, 0);
    put(APIC_EOI, 0);
    assert_int_equal(broadcasts, 1);
    assert_int_equal(broadcast_vector, 0x61);
    interrupt(0x61); /* now as an edge */
    assert_false(has(0, APIC_TMR, 0x61));
    acknowledge(0);
    put(APIC_EOI, 0);
    assert_int_equal(broadcasts, 1);
}

static void the_broadcast_can_be_suppressed(void **state)
{
    (void)state;
    put(APIC_SVR, 0x11ff);
    assert_int_equal(get(APIC_SVR), 0x11ff);
    send(APIC_FIXED, 0x61, 0, false, true);
    acknowledge(0);
    put(APIC_EOI, 0);
    assert_int_equal(broadcasts, 0);
    assert_false(has(0, APIC_ISR, 0x61));
}

static void illegal_vectors_are_errors(void **state)
{
    (void)state;
    put(APIC_LVT_ERROR, 0xfe);
    for (unsigned vector = 0; vector < 16; vector++)
        assert_false(interrupt(vector));
    assert_int_equal(get(APIC_ESR), 0); /* until it is written */
    assert_int_equal(acknowledge(0), 0xfe);
    put(APIC_EOI, 0);
    assert_int_equal(pending(0), -1); /* one interrupt until then */
    assert_int_equal(errors(), 0x40);
    assert_int_equal(get(APIC_ESR), 0x40);
    assert_int_equal(errors(), 0);
    interrupt(3);
    assert_int_equal(acknowledge(0), 0xfe);
    put(APIC_LVT_ERROR, 3); /* an error of the error interrupt ends there */
    put(APIC_ESR, 0);
    interrupt(3);
    put(APIC_EOI, 0);
    assert_int_equal(errors(), 0x40);
    assert_int_equal(pending(0), -1);
}

static void software_disabled_it_takes_no_new_ones(void **state)
{
    (void)state;
    interrupt(0x41);
    put(APIC_SVR, 0xff);
    assert_false(interrupt(0x51));
    assert_false(interrupt(3));
    assert_int_equal(pending(0), 0x41); /* those it has are held and still handled */
    assert_int_equal(acknowledge(0), 0x41);
    put(APIC_EOI, 0);
    assert_int_equal(pending(0), -1);
    assert_true(send(APIC_NMI, 0, 0, false, false));
    assert_true(send(APIC_INIT, 0, 0, false, false));
    assert_true(send(APIC_STARTUP, 0x9a, 0, false, false));
    assert_true(send(APIC_SMI, 0, 0, false, false));
    assert_int_equal(asked(REQUEST_NMI), BIT(0));
    assert_int_equal(asked(REQUEST_INIT), BIT(0));
    assert_int_equal(asked(REQUEST_SIPI), BIT(0));
    assert_int_equal(vcpus[0].arch.sipi_vector, 0x9a);
    assert_false(send(APIC_EXTINT, 0, 0, false, false));
    put(APIC_SVR, 0x1ff);
    assert_int_equal(errors(), 0);
}

static void software_disabled_its_local_vectors_are_masked(void **state)
{
    (void)state;
    put(APIC_LVT_LINT0, 0x700);
    put(APIC_LVT_TIMER, 0x40);
    put(APIC_SVR, 0xff);
    for (unsigned lvt = APIC_LVT_TIMER; lvt <= APIC_LVT_ERROR; lvt++) {
        assert_int_equal(get(lvt) & MASKED, MASKED);
        put(lvt, 0x45);
        assert_int_equal(get(lvt), MASKED | 0x45);
    }
    put(APIC_SVR, 0x1ff);
    assert_int_equal(get(APIC_LVT_TIMER), MASKED | 0x45);
    put(APIC_LVT_TIMER, 0x45);
    assert_int_equal(get(APIC_LVT_TIMER), 0x45);
}

static void lint0_as_extint_takes_the_pics_vector(void **state)
{
    (void)state;
    lint(0, 0, true);
    assert_int_equal(pending(0), -1); /* masked */
    forget();
    put(APIC_LVT_LINT0, 0x700);
    assert_int_equal(asked(REQUEST_EVENT), BIT(0));
    put(APIC_TPR, 0xff); /* the priorities do not matter */
    assert_int_equal(pending(0), INTERRUPT_EXTERNAL);
    assert_int_equal(acknowledges, 0);
    assert_int_equal(acknowledge(0), 0x77);
    assert_int_equal(acknowledges, 1);
    assert_false(has(0, APIC_ISR, 0x77));
    assert_int_equal(pending(0), INTERRUPT_EXTERNAL); /* the pin is still asserted */
    lint(0, 0, false);
    assert_int_equal(pending(0), -1);
    assert_int_equal(acknowledge(0), -1);
    lint(0, 0, true);
    assert_int_equal(asked(REQUEST_EVENT), BIT(0));
    put(APIC_LVT_LINT0, MASKED | 0x700);
    assert_int_equal(pending(0), -1);
}

static void lint0_as_a_level_comes_again_after_eoi(void **state)
{
    (void)state;
    put(APIC_LVT_LINT0, LEVEL | 0x35);
    lint(0, 0, true);
    assert_int_equal(get(APIC_LVT_LINT0), LEVEL | 1 << 14 | 0x35); /* remote IRR */
    assert_true(has(0, APIC_TMR, 0x35));
    assert_int_equal(acknowledge(0), 0x35);
    lint(0, 0, false);
    lint(0, 0, true);
    assert_false(has(0, APIC_IRR, 0x35)); /* not before the EOI */
    put(APIC_EOI, 0);
    assert_int_equal(acknowledge(0), 0x35);
    lint(0, 0, false);
    put(APIC_EOI, 0);
    assert_int_equal(pending(0), -1);
    assert_int_equal(get(APIC_LVT_LINT0), LEVEL | 0x35);
    lint(0, 0, true);
    put(APIC_LVT_LINT0, MASKED | 0x35); /* edge: no remote IRR */
    assert_int_equal(get(APIC_LVT_LINT0), MASKED | 0x35);
    acknowledge(0);
    put(APIC_EOI, 0);
    put(APIC_LVT_LINT0, LEVEL | 0x36); /* asserted all the time */
    assert_int_equal(acknowledge(0), 0x36);
}

static void an_illegal_level_on_lint0_is_an_error_only(void **state)
{
    (void)state;
    put(APIC_LVT_LINT0, LEVEL | 0x05);
    lint(0, 0, true);
    assert_int_equal(errors(), 0x40);
    assert_int_equal(get(APIC_LVT_LINT0), LEVEL | 0x05);
}

static void the_pins_deliver_as_their_vectors_say(void **state)
{
    (void)state;
    put(APIC_LVT_LINT0, 0x35);
    lint(0, 0, true);
    lint(0, 0, true);
    assert_int_equal(acknowledge(0), 0x35);
    put(APIC_EOI, 0);
    assert_int_equal(pending(0), -1);
    put(APIC_LVT_LINT1, 0x400);
    lint(0, 1, true);
    assert_int_equal(asked(REQUEST_NMI), BIT(0));
    lint(0, 1, true); /* no edge */
    assert_int_equal(asked(REQUEST_NMI), 0);
    lint(0, 1, false);
    put(APIC_LVT_LINT1, MASKED | 0x400);
    lint(0, 1, true);
    assert_int_equal(asked(REQUEST_NMI), 0);
    lint(0, 1, false);
    put(APIC_LVT_LINT1, 0x500);
    lint(0, 1, true);
    assert_int_equal(asked(REQUEST_INIT), BIT(0));
    lint(0, 1, false);
    forget();
    put(APIC_LVT_LINT1, 0x200); /* SMI */
    lint(0, 1, true);
    assert_int_equal(asked(UINT64_MAX), 0);
}

static void the_performance_counters_have_a_vector(void **state)
{
    (void)state;
    local_apic_raise_lvt(&apics[0], APIC_LVT_PMC);
    assert_int_equal(pending(0), -1);
    put(APIC_LVT_PMC, 0x37);
    local_apic_raise_lvt(&apics[0], APIC_LVT_PMC);
    assert_int_equal(acknowledge(0), 0x37);
    put(APIC_LVT_PMC, 0x400);
    local_apic_raise_lvt(&apics[0], APIC_LVT_PMC);
    assert_int_equal(asked(REQUEST_NMI), BIT(0));
}

static void an_extint_message_waits_for_the_acknowledge(void **state)
{
    (void)state;
    assert_true(send(APIC_EXTINT, 0, 0, false, false));
    assert_int_equal(asked(REQUEST_EVENT), BIT(0));
    interrupt(0xf0);
    assert_int_equal(pending(0), INTERRUPT_EXTERNAL);
    assert_int_equal(acknowledge(0), 0x77);
    assert_int_equal(acknowledge(0), 0xf0);
    assert_int_equal(acknowledges, 1);
}

static void a_group_shares_its_pins(void **state)
{
    (void)state;
    put_on(0, APIC_LVT_LINT1, 0x400);
    put_on(3, APIC_LVT_LINT1, 0x400);
    local_apic_group_set_lint(&group, 1, true);
    assert_int_equal(asked(REQUEST_NMI), BIT(0) | BIT(3));
}

static void reset_sets_every_register(void **state)
{
    (void)state;
    interrupt(0x41);
    acknowledge(0);
    send(APIC_FIXED, 0x61, 0, false, true);
    send(APIC_EXTINT, 0, 0, false, false);
    interrupt(1);
    put(APIC_TPR, 0x20);
    put(APIC_LDR, 0x01000000);
    put(APIC_DFR, 0);
    put(APIC_DIVIDE, 0xb);
    put(APIC_LVT_TIMER, PERIODIC | 0x40);
    put(APIC_INITIAL_COUNT, 1000);
    ipi(1, 0x4055);
    forget();
    local_apic_reset(&apics[0], false);
    assert_int_equal(fake_next_deadline(), UINT64_MAX);
    assert_int_equal(fake_asked.cpuid_changes, 0);
    assert_true(apic_is_placed(0));
    assert_int_equal(vcpus[0].local.first, PC_LOCAL_APIC);
    assert_int_equal(pending(0), -1);
    assert_int_equal(get(APIC_VERSION), 0x01050014);
    assert_int_equal(get(APIC_SVR), 0xff);
    assert_int_equal(get(APIC_DFR), 0xffffffff);
    for (unsigned lvt = APIC_LVT_TIMER; lvt <= APIC_LVT_ERROR; lvt++)
        assert_int_equal(get(lvt), MASKED);
    for (unsigned reg = APIC_ISR; reg < APIC_ESR; reg++)
        assert_int_equal(get(reg), 0);
    assert_int_equal(get(APIC_TPR) | get(APIC_PPR) | get(APIC_LDR) | get(APIC_ICR) | get(APIC_ICR2), 0);
    assert_int_equal(get(APIC_DIVIDE) | get(APIC_INITIAL_COUNT) | get(APIC_CURRENT_COUNT), 0);
    assert_int_equal(errors(), 0);
    assert_int_equal(get_on(7, APIC_ID), 7 << 24);
    assert_int_equal(msr(IA32_APIC_BASE), PC_LOCAL_APIC | APIC_BASE_EN | APIC_BASE_BSP);
}

static void init_keeps_base_mode_and_id(void **state)
{
    struct interrupt_controller *core = &vcpus[0].arch.interrupts;
    uint64_t value;

    (void)state;
    assert_true(wrmsr(0, IA32_APIC_BASE, 0xfed00900));
    interrupt(0x41);
    forget();
    fake_asked.placed[0] = 0;
    core->reset(core->state, true);
    assert_int_equal(pending(0), -1);
    assert_int_equal(get(APIC_SVR), 0xff);
    assert_int_equal(msr(IA32_APIC_BASE), 0xfed00900);
    assert_int_equal(fake_asked.placed[0], 0);
    assert_int_equal(fake_asked.cpuid_changes, 0);
    to_x2apic(5);
    assert_true(wrmsr(5, 0x808, 0x20));
    local_apic_reset(&apics[5], true);
    assert_true(rdmsr(5, 0x808, &value));
    assert_int_equal(value, 0);
    assert_true(rdmsr(5, 0x802, &value));
    assert_int_equal(value, 5);
    assert_true(rdmsr(5, 0x80d, &value));
    assert_int_equal(value, 0x20);
    core->reset(core->state, false);
    assert_int_equal(msr(IA32_APIC_BASE), PC_LOCAL_APIC | APIC_BASE_EN | APIC_BASE_BSP);
}

static void firmware_opens_the_bootstrap_processors_pins(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        local_apic_reset(&apics[i], false);
        lint(i, 0, true);
        forget();
        local_apic_firmware_setup(&apics[i]);
        assert_int_equal(get_on(i, APIC_SVR), 0x1ff);
    }
    assert_int_equal(asked(REQUEST_EVENT), 0);
    assert_int_equal(pending(0), INTERRUPT_EXTERNAL);
    assert_int_equal(get(APIC_LVT_LINT0), 0x700);
    assert_int_equal(get(APIC_LVT_LINT1), 0x400);
    assert_int_equal(pending(1), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_interrupt_goes_through_irr_and_isr, setup),
        cmocka_unit_test_setup(every_legal_vector_arrives, setup),
        cmocka_unit_test_setup(an_interrupt_again_coalesces, setup),
        cmocka_unit_test_setup(classes_nest_and_equal_ones_wait, setup),
        cmocka_unit_test_setup(the_task_priority_holds_back, setup),
        cmocka_unit_test_setup(cr8_is_the_upper_half_of_tpr, setup),
        cmocka_unit_test_setup(vectors_that_arrive_wait_in_the_descriptor_until_their_own_core_looks, setup),
        cmocka_unit_test_setup(edges_are_posted_and_levels_are_not, setup),
        cmocka_unit_test_setup(where_hardware_delivers_nothing_is_taken_from_irr, setup),
        cmocka_unit_test_setup(where_hardware_has_tpr_it_is_told_what_waits, setup),
        cmocka_unit_test_setup(an_eoi_with_nothing_in_service_is_harmless, setup),
        cmocka_unit_test_setup(the_eoi_of_a_level_is_broadcast, setup),
        cmocka_unit_test_setup(the_broadcast_can_be_suppressed, setup),
        cmocka_unit_test_setup(illegal_vectors_are_errors, setup),
        cmocka_unit_test_setup(software_disabled_it_takes_no_new_ones, setup),
        cmocka_unit_test_setup(software_disabled_its_local_vectors_are_masked, setup),
        cmocka_unit_test_setup(lint0_as_extint_takes_the_pics_vector, setup),
        cmocka_unit_test_setup(lint0_as_a_level_comes_again_after_eoi, setup),
        cmocka_unit_test_setup(an_illegal_level_on_lint0_is_an_error_only, setup),
        cmocka_unit_test_setup(the_pins_deliver_as_their_vectors_say, setup),
        cmocka_unit_test_setup(the_performance_counters_have_a_vector, setup),
        cmocka_unit_test_setup(an_extint_message_waits_for_the_acknowledge, setup),
        cmocka_unit_test_setup(a_group_shares_its_pins, setup),
        cmocka_unit_test_setup(reset_sets_every_register, setup),
        cmocka_unit_test_setup(init_keeps_base_mode_and_id, setup),
        cmocka_unit_test_setup(firmware_opens_the_bootstrap_processors_pins, setup),
    };
    return cmocka_run_group_tests_name("local_apic", tests, NULL, NULL);
}
