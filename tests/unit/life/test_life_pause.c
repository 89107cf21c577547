/* VMs that pause and go on, and what may come meanwhile. */
#include "tests/unit/life/life_fixture.h"

static void a_paused_vm_has_no_vcpu_on_a_core_and_goes_on_as_it_was(void **state)
{
    (void)state;
    begin();
    made[1]->vm.vcpus[1]->activity = VCPU_HALTED;
    assert_null(life_pause(1));
    assert_string_equal(life_pause(1), "it is paused");
    settle();
    assert_int_equal(on_cores, 0);
    assert_string_equal(state_of(1), "paused");
    made[1]->vm.vcpus[1]->requests |= REQUEST_EVENT; /* an interrupt comes meanwhile */
    assert_null(life_resume(1));
    assert_int_equal(on_cores, VCPUS);
    assert_int_equal(made[1]->vm.vcpus[1]->activity, VCPU_HALTED);
    assert_int_equal(made[1]->vm.vcpus[1]->requests, REQUEST_EVENT);
    assert_false(turn());
    finish(1);
}

static void a_pause_taken_back_before_all_have_left_stops_nobody(void **state)
{
    (void)state;
    begin();
    life_pause(1);
    vm_vcpu_stopped(made[1]->vm.vcpus[0]);
    assert_int_equal(on_cores, 1);
    life_resume(1);
    settle();
    assert_int_equal(on_cores, VCPUS);
    assert_string_equal(state_of(1), "running");
    finish(1);
}

static void a_vm_may_end_while_it_is_being_paused(void **state)
{
    (void)state;
    begin();
    life_pause(1);
    vm_vcpu_stopped(made[1]->vm.vcpus[0]);
    vm_stop(&made[1]->vm, VM_POWERED_OFF, 0); /* the other one had come as far as that */
    settle();
    assert_string_equal(state_of(1), "off");
    assert_int_equal(on_cores, 0);
    assert_said("powered off", 1);
}

static void a_paused_vm_can_be_stopped_and_reset(void **state)
{
    (void)state;
    begin();
    life_pause(1);
    settle();
    assert_null(life_reset(1));
    settle();
    assert_string_equal(state_of(1), "running");
    assert_int_equal(on_cores, VCPUS);
    life_pause(1);
    settle();
    finish(1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, core_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_paused_vm_has_no_vcpu_on_a_core_and_goes_on_as_it_was),
        TEST(a_pause_taken_back_before_all_have_left_stops_nobody),
        TEST(a_vm_may_end_while_it_is_being_paused),
        TEST(a_paused_vm_can_be_stopped_and_reset),
    };
    return cmocka_run_group_tests_name("life_pause", tests, NULL, NULL);
}
