#include "tests/unit/irq/apic_fixture.h"

/* Who gets a message: destinations, shorthands, arbitration. */

#define LOGICAL   (1u << 11)
#define SELF      (1u << 18)
#define ALL       (2u << 18)
#define OTHERS    (3u << 18)
#define EVERYBODY (BIT(APICS) - 1)

/* Which APICs have the vector in IRR. */
static uint64_t who_has(uint8_t vector)
{
    uint64_t who = 0;

    for (unsigned i = 0; i < APICS; i++)
        if (has(i, APIC_IRR, vector))
            who |= BIT(i);
    return who;
}

static void all_to_x2apic(void)
{
    for (unsigned i = 0; i < APICS; i++)
        to_x2apic(i);
}

/* Each bit of the flat model is one of the first eight APICs. */
static void number_flat(void)
{
    for (unsigned i = 0; i < 8; i++)
        put_on(i, APIC_LDR, UINT32_C(1) << (24 + i));
}

static void physical_destinations_are_ids(void **state)
{
    (void)state;
    for (unsigned i = 0; i < APICS; i++) {
        assert_true(send(APIC_FIXED, 0x40 + i, i, false, false));
        assert_int_equal(who_has(0x40 + i), BIT(i));
    }
    assert_false(send(APIC_FIXED, 0x80, APICS, false, false));
    assert_false(send(APIC_FIXED, 0x80, 0xfe, false, false));
    assert_int_equal(who_has(0x80), 0);
}

static void all_ones_is_everybody(void **state)
{
    (void)state;
    assert_true(wrmsr(3, IA32_APIC_BASE, 0xfee00000)); /* but for who is disabled */
    assert_true(send(APIC_FIXED, 0x40, 0xff, false, false));
    assert_int_equal(who_has(0x40), EVERYBODY & ~BIT(3));
    assert_true(send(APIC_FIXED, 0x41, 0xff, true, false));
    assert_int_equal(who_has(0x41), EVERYBODY & ~BIT(3));
}

static void the_flat_model_matches_bits(void **state)
{
    (void)state;
    number_flat();
    assert_true(send(APIC_FIXED, 0x40, 0xa1, true, false));
    assert_int_equal(who_has(0x40), BIT(0) | BIT(5) | BIT(7));
    assert_false(send(APIC_FIXED, 0x41, 0, true, false));
    assert_int_equal(who_has(0x41), 0);
}

static void the_cluster_model_matches_cluster_and_bits(void **state)
{
    (void)state;
    for (unsigned i = 0; i < APICS; i++) {
        put_on(i, APIC_DFR, 0x0fffffff);
        put_on(i, APIC_LDR, (i / 4) << 28 | UINT32_C(1) << (24 + i % 4));
    }
    assert_true(send(APIC_FIXED, 0x40, 0x2a, true, false));
    assert_int_equal(who_has(0x40), BIT(9) | BIT(11));
    assert_false(send(APIC_FIXED, 0x41, 0x50, true, false));
    assert_false(send(APIC_FIXED, 0x41, 0x61, true, false));
    put_on(4, APIC_DFR, 0x7fffffff); /* no model */
    assert_false(send(APIC_FIXED, 0x42, 0x11, true, false));
}

static void x2apics_are_grouped_by_their_ids(void **state)
{
    struct apic_message message = {
        .destination = 0x0001000c, .vector = 0x40, .logical = true, .x2apic = true};

    (void)state;
    all_to_x2apic();
    assert_true(local_apic_deliver(&group, &message));
    assert_int_equal(who_has(0x40), BIT(18) | BIT(19));
    message.destination = 0x0002ffff;
    assert_false(local_apic_deliver(&group, &message));
    message.destination = 0x00010010;
    assert_false(local_apic_deliver(&group, &message));
    assert_true(send(APIC_FIXED, 0x41, 0x81, true, false)); /* an I/O APIC's eight bits: cluster 0 */
    assert_int_equal(who_has(0x41), BIT(0) | BIT(7));
    message = (struct apic_message){.destination = 0xff, .vector = 0x42, .x2apic = true};
    assert_false(local_apic_deliver(&group, &message)); /* an id as any other there */
    message.destination = UINT32_MAX;
    assert_true(local_apic_deliver(&group, &message));
    assert_int_equal(who_has(0x42), EVERYBODY);
}

static void both_modes_may_meet_while_processors_start(void **state)
{
    (void)state;
    to_x2apic(0);
    assert_true(wrmsr(0, 0x830, UINT64_C(3) << 32 | 0x4500));
    assert_int_equal(asked(REQUEST_INIT), BIT(3));
    assert_true(wrmsr(0, 0x830, UINT64_C(3) << 32 | 0x4608));
    assert_int_equal(asked(REQUEST_SIPI), BIT(3));
    number_flat();
    assert_true(wrmsr(0, 0x830, UINT64_C(0x08) << 32 | LOGICAL | 0x50));
    assert_int_equal(who_has(0x50), BIT(3));
    assert_true(wrmsr(0, 0x830, UINT64_C(0x108) << 32 | LOGICAL | 0x51));
    assert_int_equal(who_has(0x51), 0);
}

static void lowest_priority_picks_the_idlest(void **state)
{
    (void)state;
    number_flat();
    for (unsigned i = 0; i < 8; i++)
        put_on(i, APIC_TPR, 0x80 - 0x10 * i);
    assert_true(send(APIC_LOWEST, 0x91, 0x3e, true, false));
    assert_int_equal(who_has(0x91), BIT(5));
    send(APIC_FIXED, 0xa1, 5, false, false);
    acknowledge(5); /* serving counts as much as TPR */
    assert_true(send(APIC_LOWEST, 0x92, 0x3e, true, false));
    assert_int_equal(who_has(0x92), BIT(4));
    put_on(4, APIC_SVR, 0xff);
    assert_true(send(APIC_LOWEST, 0x93, 0x3e, true, false));
    assert_int_equal(who_has(0x93), BIT(3));
    assert_false(send(APIC_LOWEST, 0x94, 0x10, true, false)); /* only the disabled one is left */
}

static void equals_take_turns(void **state)
{
    uint64_t before = 0;

    (void)state;
    number_flat();
    for (unsigned i = 0; i < 8; i++) {
        assert_true(send(APIC_LOWEST, 0x61, 0xff & ~0x01, true, false));
        if (i < 7)
            assert_int_equal(__builtin_popcountll(who_has(0x61)), i + 1);
        assert_int_equal(before & ~who_has(0x61), 0);
        before = who_has(0x61);
    }
    assert_int_equal(who_has(0x61), 0xfe);
    assert_true(send(APIC_LOWEST, 0x62, 0xff, false, false)); /* a broadcast has one winner too */
    assert_int_equal(__builtin_popcountll(who_has(0x62)), 1);
}

static void lowest_priority_to_one_is_fixed(void **state)
{
    (void)state;
    put_on(2, APIC_TPR, 0xff);
    assert_true(send(APIC_LOWEST, 0x61, 2, false, true));
    assert_int_equal(who_has(0x61), BIT(2));
    assert_true(has(2, APIC_TMR, 0x61));
}

static void reserved_modes_do_nothing(void **state)
{
    (void)state;
    forget();
    assert_false(send((enum apic_delivery)3, 0x40, 0xff, false, false));
    ipi(1, 0x4300);
    ipi(1, 0x4700); /* ExtINT is not for the ICR */
    assert_int_equal(asked(UINT64_MAX), 0);
    assert_int_equal(pending(1), -1);
}

static void an_ipi_reaches_its_destination(void **state)
{
    (void)state;
    ipi(5, 0x4045);
    assert_int_equal(who_has(0x45), BIT(5));
    assert_false(has(5, APIC_TMR, 0x45));
    assert_int_equal(asked(REQUEST_EVENT), BIT(5));
    assert_int_equal(get(APIC_ICR), 0x4045);
    assert_int_equal(get(APIC_ICR2), 0x05000000);
    ipi(6, 0xc046); /* trigger mode level: still an edge */
    assert_false(has(6, APIC_TMR, 0x46));
    ipi(7, 0x0047); /* and de-asserted: the level bit is only for INIT */
    assert_int_equal(who_has(0x47), BIT(7));
    number_flat();
    ipi(0x06, LOGICAL | 0x48);
    assert_int_equal(who_has(0x48), BIT(1) | BIT(2));
    ipi(0xff, 0x49);
    assert_int_equal(who_has(0x49), EVERYBODY);
    ipi(9, 0xffffffff & ~OTHERS & ~0x700 & ~LOGICAL & ~0xb5); /* reserved bits do not matter */
    assert_int_equal(who_has(0x4a), BIT(9));
    assert_int_equal(get(APIC_ICR), 0xc04a);
    assert_int_equal(errors(), 0);
}

static void shorthands_override_the_destination(void **state)
{
    (void)state;
    ipi(5, SELF | 0x40);
    assert_int_equal(who_has(0x40), BIT(0));
    ipi(5, ALL | 0x41);
    assert_int_equal(who_has(0x41), EVERYBODY);
    ipi(5, OTHERS | 0x42);
    assert_int_equal(who_has(0x42), EVERYBODY & ~BIT(0));
    ipi(5, OTHERS | LOGICAL | 0x43);
    assert_int_equal(who_has(0x43), EVERYBODY & ~BIT(0));
    ipi(5, OTHERS | 0x144);
    assert_int_equal(__builtin_popcountll(who_has(0x44) & ~BIT(0)), 1);
    assert_int_equal(who_has(0x44) & BIT(0), 0);
}

static void processors_start_by_ipis(void **state)
{
    (void)state;
    ipi(1, 0xc500); /* INIT, level, assert */
    assert_int_equal(asked(REQUEST_INIT), BIT(1));
    ipi(1, 0x8500); /* level de-assert: nothing */
    assert_int_equal(asked(REQUEST_INIT), 0);
    ipi(1, 0x4500);
    assert_int_equal(asked(REQUEST_INIT), BIT(1));
    ipi(1, 0x4600 | 0x9f);
    assert_int_equal(asked(REQUEST_SIPI), BIT(1));
    assert_int_equal(vcpus[1].arch.sipi_vector, 0x9f);
    ipi(0, OTHERS | 0x4600); /* vector 0 is legal there */
    assert_int_equal(asked(REQUEST_SIPI), EVERYBODY & ~BIT(0));
    ipi(0, OTHERS | 0x4400);
    assert_int_equal(asked(REQUEST_NMI), EVERYBODY & ~BIT(0));
    assert_int_equal(errors(), 0);
}

static void software_disabled_it_still_sends(void **state)
{
    (void)state;
    put(APIC_SVR, 0xff);
    ipi(1, 0x4500);
    ipi(2, 0x4055);
    assert_int_equal(asked(REQUEST_INIT), BIT(1));
    assert_int_equal(who_has(0x55), BIT(2));
}

static void illegal_vectors_are_not_sent(void **state)
{
    (void)state;
    put(APIC_LVT_ERROR, 0xfe);
    ipi(1, 0x400f);
    assert_int_equal(acknowledge(0), 0xfe);
    assert_int_equal(errors(), 0x20);
    ipi(1, SELF | 0x4000);
    assert_int_equal(errors(), 0x20);
    put_on(1, APIC_ESR, 0);
    assert_int_equal(get_on(1, APIC_ESR), 0);
}

static void x2apic_sends_with_one_write(void **state)
{
    (void)state;
    all_to_x2apic();
    assert_true(wrmsr(0, 0x830, UINT64_C(18) << 32 | 0x4045));
    assert_int_equal(who_has(0x45), BIT(18));
    assert_int_equal(msr(0x830), UINT64_C(18) << 32 | 0x4045);
    assert_true(wrmsr(0, 0x830, UINT64_C(0x0001000f) << 32 | LOGICAL | 0x46));
    assert_int_equal(who_has(0x46), UINT64_C(0xf0000));
    assert_true(wrmsr(0, 0x830, UINT64_C(0xffffffff) << 32 | 0x47));
    assert_int_equal(who_has(0x47), EVERYBODY);
    assert_true(wrmsr(0, 0x830, OTHERS | 0x48));
    assert_int_equal(who_has(0x48), EVERYBODY & ~BIT(0));
    assert_true(wrmsr(0, 0x830, UINT64_C(0xff) << 32 | 0x49));
    assert_int_equal(who_has(0x49), 0);
}

static void the_self_ipi_register_sends_to_itself(void **state)
{
    (void)state;
    to_x2apic(0);
    assert_true(wrmsr(0, 0x83f, 0xd1));
    assert_int_equal(who_has(0xd1), BIT(0));
    assert_int_equal(asked(REQUEST_EVENT), BIT(0));
    assert_true(wrmsr(0, 0x83f, 0x0f));
    assert_true(wrmsr(0, 0x828, 0));
    assert_int_equal(msr(0x828), 0x20);
    assert_int_equal(who_has(0x0f), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(physical_destinations_are_ids, setup),
        cmocka_unit_test_setup(all_ones_is_everybody, setup),
        cmocka_unit_test_setup(the_flat_model_matches_bits, setup),
        cmocka_unit_test_setup(the_cluster_model_matches_cluster_and_bits, setup),
        cmocka_unit_test_setup(x2apics_are_grouped_by_their_ids, setup),
        cmocka_unit_test_setup(both_modes_may_meet_while_processors_start, setup),
        cmocka_unit_test_setup(lowest_priority_picks_the_idlest, setup),
        cmocka_unit_test_setup(equals_take_turns, setup),
        cmocka_unit_test_setup(lowest_priority_to_one_is_fixed, setup),
        cmocka_unit_test_setup(reserved_modes_do_nothing, setup),
        cmocka_unit_test_setup(an_ipi_reaches_its_destination, setup),
        cmocka_unit_test_setup(shorthands_override_the_destination, setup),
        cmocka_unit_test_setup(processors_start_by_ipis, setup),
        cmocka_unit_test_setup(software_disabled_it_still_sends, setup),
        cmocka_unit_test_setup(illegal_vectors_are_not_sent, setup),
        cmocka_unit_test_setup(x2apic_sends_with_one_write, setup),
        cmocka_unit_test_setup(the_self_ipi_register_sends_to_itself, setup),
    };
    return cmocka_run_group_tests_name("apic_fabric", tests, NULL, NULL);
}
