/* When VMs start, pause, end and start again; what they are made of is a stand-in. */
#include "tests/unit/life/life_fixture.h"

static void a_vm_of_the_configuration_is_cleared_loaded_and_runs(void **state)
{
    (void)state;
    begin();
    assert_string_equal(state_of(1), "running");
    assert_int_equal(cleared, CLEAR_TURNS);
    assert_int_equal(loaded, 1);
    assert_int_equal(on_cores, VCPUS);
    assert_said("vm a: started, 2 vcpus, 1 MiB", 1);
    assert_int_equal(all_off, 0);
    finish(1);
    assert_said("vm a: stopped\n", 1);
    assert_int_equal(all_off, 1);
    assert_int_equal(cleared, 2 * CLEAR_TURNS); /* after its end too */
    assert_int_equal(destroyed, 1);
}

static void the_table_has_every_vm_by_number_and_name(void **state)
{
    struct life_info info;

    (void)state;
    add_vm("b", NULL);
    config.vms[1].autostart = false;
    begin();
    assert_string_equal(state_of(2), "off");
    assert_true(life_info(2, &info));
    assert_string_equal(info.name, "b");
    assert_int_equal(info.vcpus, VCPUS);
    assert_null(info.vm);
    assert_string_equal(info.why, "not started yet: autostart = no");
    assert_false(life_info(3, &info));
    assert_false(life_info(0, &info));
    assert_int_equal(life_find("b"), 2);
    assert_int_equal(life_find("c"), 0);
    assert_null(life_start(2));
    assert_string_equal(state_of(2), "starting");
    settle();
    assert_string_equal(state_of(2), "running");
    finish(1);
    assert_int_equal(all_off, 0);
    finish(2);
    assert_int_equal(all_off, 1);
}

static void a_vm_is_looked_at_while_it_is_whole_and_not_before_or_after(void **state)
{
    struct life_info info;

    (void)state;
    add_vm("b", NULL);
    config.vms[1].autostart = false;
    begin();
    assert_null(life_look(2)); /* off: it has never been made */
    assert_null(life_look(3));
    assert_ptr_equal(life_look(1), &made[1]->vm);
    assert_true(spin_is_held(&made[1]->parts));
    life_looked(1);
    life_info(1, &info);
    assert_ptr_equal(info.vm, &made[1]->vm);
    finish(1);
    assert_null(life_look(1));
    life_info(1, &info);
    assert_null(info.vm);
    cannot_create = true;
    assert_non_null(life_start(2));
    assert_null(life_look(2));
    cannot_create = false;
    assert_null(life_owner(&created));
}

static void one_that_is_off_says_why(void **state)
{
    struct life_info info;

    (void)state;
    add_vm("b", "a");
    add_vm("c", NULL);
    config.vms[2].start = false;
    begin();
    life_info(2, &info);
    assert_string_equal(info.why, "not started yet: it waits for the end of a");
    life_info(3, &info);
    assert_string_equal(info.why, "not started: its section of keel.conf has a mistake");
    finish(1);
    life_info(1, &info);
    assert_null(info.vm);
    assert_string_equal(info.why, "stopped");
    finish(2);
}

static void what_cannot_be_is_refused_with_a_reason(void **state)
{
    (void)state;
    add_vm("b", NULL);
    config.vms[1].start = false;
    begin();
    assert_string_equal(life_start(1), "it is on already");
    assert_non_null(strstr(life_start(2), "mistake"));
    assert_string_equal(life_stop(2), "it is off");
    assert_string_equal(life_reset(2), "it is off");
    assert_string_equal(life_pause(2), "it does not run");
    assert_string_equal(life_resume(1), "it is not paused");
    assert_string_equal(life_start(3), "there is no such VM");
    assert_string_equal(life_stop(0), "there is no such VM");
    cannot_create = true;
    finish(1);
    assert_string_equal(life_start(1), "the log says why");
    assert_string_equal(state_of(1), "off");
}

static void a_vm_that_cannot_be_made_or_loaded_leaves_nothing(void **state)
{
    (void)state;
    cannot_load = true;
    begin();
    assert_string_equal(state_of(1), "off");
    assert_int_equal(created, 1);
    assert_int_equal(destroyed, 1);
    assert_int_equal(cleared, 2 * CLEAR_TURNS);
    assert_int_equal(all_off, 1);
    assert_said("no VM was started", 1);
    assert_said("leaked", 0);
}

static void the_first_vcpu_to_ask_decides_and_the_last_to_leave_does_it(void **state)
{
    struct vm *vm;

    (void)state;
    begin();
    vm = &made[1]->vm;
    assert_int_equal(made[1]->console.place, 1);
    vm_stop(vm, VM_POWERED_OFF, 0);
    vm_stop(vm, VM_EXITED, 3);
    vm_vcpu_stopped(vm->vcpus[1]);
    assert_int_equal(stopped_boards, 0);
    vm_vcpu_stopped(vm->vcpus[0]);
    assert_int_equal(stopped_boards, 1);
    assert_int_equal(made[1]->console.place, 0); /* what is typed from now on is another VM's */
    assert_said("vm a: powered off\n", 1);
    assert_string_equal(state_of(1), "ending");
    assert_string_equal(life_reset(1), "it is ending");
    settle();
    assert_int_equal(all_off, 1);
}

static void a_reset_starts_it_again_in_the_same_memory(void **state)
{
    (void)state;
    begin();
    vm_stop(&made[1]->vm, VM_RESET, 0);
    settle();
    assert_string_equal(state_of(1), "running");
    assert_int_equal(created, 1);
    assert_int_equal(loaded, 2);
    assert_int_equal(on_cores, VCPUS);
    assert_null(life_reset(1));
    settle();
    assert_int_equal(loaded, 3);
    assert_said("vm a: reset\n", 2);
    finish(1);
}

static void reset_and_resume(void)
{
    assert_string_equal(life_resume(1), "it is not paused");
    assert_string_equal(life_pause(1), "it does not run");
    assert_null(life_reset(1));
    assert_false(life_still(1));
}

static void stop_it(void)
{
    assert_null(life_stop(1));
}

static void an_order_may_come_while_the_last_vcpu_ends_the_vm(void **state)
{
    (void)state;
    begin();
    life_pause(1);
    vm_vcpu_stopped(made[1]->vm.vcpus[0]); /* parked: a resume would take it for one that can run */
    meanwhile = reset_and_resume;
    vm_stop(&made[1]->vm, VM_RESET, 0);
    settle();
    assert_string_equal(state_of(1), "running");
    assert_int_equal(on_cores, VCPUS);
    assert_int_equal(loaded, 2);
    meanwhile = stop_it;
    life_reset(1);
    settle();
    assert_string_equal(state_of(1), "off");
    assert_int_equal(on_cores, 0);
    assert_int_equal(destroyed, 1);
}

static void a_vm_stopped_before_it_started_never_runs(void **state)
{
    (void)state;
    vm_hold();
    life_init(&config, &board);
    life_launch();
    turn();
    assert_null(life_stop(1));
    settle();
    assert_int_equal(loaded, 0);
    assert_string_equal(state_of(1), "off");
    vm_release();
    assert_said("stopped before it started", 1);
}

static void crash(void)
{
    vm_crash(&made[1]->vm, "an accident");
    settle();
}

static void a_crash_ends_a_vm_unless_it_is_to_be_restarted(void **state)
{
    (void)state;
    begin();
    crash();
    assert_string_equal(state_of(1), "off");
    assert_int_equal(reports, VCPUS);
    assert_said("vm a: crashed: an accident", 1);
}

static void a_vm_that_crashes_again_and_again_waits_longer_each_time(void **state)
{
    unsigned wait = 1;

    (void)state;
    config.vms[0].on_crash = ON_CRASH_RESTART;
    begin();
    for (unsigned i = 0; i < 5; i++) {
        crash();
        assert_string_equal(state_of(1), "running");
    }
    for (unsigned i = 0; i < 9; i++) {
        crash();
        assert_string_equal(state_of(1), "waiting");
        assert_int_equal(on_cores, 0);
        assert_int_equal(fake_next_deadline(), fake_now + wait * fake_hz);
        fake_run_until(fake_next_deadline());
        settle();
        assert_string_equal(state_of(1), "running");
        wait = wait < 64 ? 2 * wait : 64;
    }
    assert_said("each less than 60 s after its start: the next is in 1 s", 1);
    assert_said("the next is in 64 s", 3);
    fake_run_until(fake_now + 61 * fake_hz); /* it has come to its senses */
    crash();
    assert_string_equal(state_of(1), "running");
    finish(1);
}

static void a_waiting_vm_can_be_stopped_and_reset(void **state)
{
    (void)state;
    config.vms[0].on_crash = ON_CRASH_RESTART;
    begin();
    for (unsigned i = 0; i < 6; i++)
        crash();
    assert_string_equal(life_pause(1), "it does not run");
    assert_null(life_reset(1));
    settle();
    assert_string_equal(state_of(1), "running");
    crash();
    assert_string_equal(state_of(1), "waiting");
    finish(1);
    assert_int_equal(fake_next_deadline(), UINT64_MAX);
}

/* The VM resets itself so often, each time after so many ticks. */
static void resets(unsigned times, uint64_t ticks)
{
    for (unsigned i = 0; i < times; i++) {
        fake_run_until(fake_now + ticks);
        vm_stop(&made[1]->vm, VM_RESET, 0);
        settle();
    }
}

#define USUAL_BURST (LINES_BURST - LINES_KEPT)

static void ten_thousand_resets_leak_nothing_and_do_not_flood_the_log(void **state)
{
    (void)state;
    begin();
    resets(10000, fake_hz / 2000); /* in 5 s */
    assert_int_equal(loaded, 10001);
    assert_in_range(lines(), USUAL_BURST, USUAL_BURST + 5);
    assert_said("left out", 0);
    fake_run_until(fake_now +
                   LINE_SUM_SECONDS * fake_hz); /* it is quiet now, and the sum is said all the same */
    assert_said("more lines and reports in 10 s were left out", 1);
    assert_in_range(lines(), USUAL_BURST, USUAL_BURST + 5);
    resets(1, 0);
    assert_said("more lines and reports", 1);
    finish(1);
    assert_said("vm a: stopped\n", 1);
}

static void resets_of_long_lives_are_bounded_too(void **state)
{
    (void)state;
    begin();
    resets(120, fake_hz);
    assert_in_range(lines(), 60, 1 + USUAL_BURST + 120 / LINE_SECONDS + 120 / LINE_SUM_SECONDS);
    finish(1);
}

static void another_start_is_said_but_fills_no_budget(void **state)
{
    unsigned before;

    (void)state;
    vm_hold();
    begin();
    resets(1000, 0);
    before = lines();
    finish(1); /* says what was left out, and its end */
    assert_int_equal(lines(), before + 2);
    assert_said("more lines and reports in 0 s were left out", 1);
    assert_null(life_start(1));
    settle();
    resets(1000, 0);
    assert_int_equal(lines(), before + 3); /* its start */
    finish(1);
    vm_release();
}

static void crashes_among_resets_are_said_whole(void **state)
{
    (void)state;
    config.vms[0].on_crash = ON_CRASH_RESTART;
    begin();
    resets(1000, 0);
    for (unsigned i = 0; i < 5; i++)
        crash();
    assert_said("vm a: crashed: an accident", 5);
    finish(1);
}

static void a_leak_is_said(void **state)
{
    (void)state;
    kept = KIB(8);
    begin();
    life_stop(1);
    settle();
    assert_said("memory: 8 KiB leaked", 1);
}

static void a_vm_that_waits_for_another_starts_after_its_end_once(void **state)
{
    (void)state;
    add_vm("b", "a");
    begin();
    assert_string_equal(state_of(2), "off");
    life_stop(1);
    settle();
    assert_string_equal(state_of(2), "running");
    assert_int_equal(all_off, 0);
    assert_int_equal(created, 2);
    finish(2);
    assert_int_equal(all_off, 1);
    life_start(1);
    settle();
    finish(1);
    assert_string_equal(state_of(2), "off");
}

static void a_vm_that_waits_for_one_that_cannot_start_starts(void **state)
{
    (void)state;
    add_vm("b", "a");
    config.vms[0].start = false;
    begin();
    assert_string_equal(state_of(2), "running");
    finish(2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, core_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_vm_of_the_configuration_is_cleared_loaded_and_runs),
        TEST(the_table_has_every_vm_by_number_and_name),
        TEST(a_vm_is_looked_at_while_it_is_whole_and_not_before_or_after),
        TEST(one_that_is_off_says_why),
        TEST(what_cannot_be_is_refused_with_a_reason),
        TEST(a_vm_that_cannot_be_made_or_loaded_leaves_nothing),
        TEST(the_first_vcpu_to_ask_decides_and_the_last_to_leave_does_it),
        TEST(a_reset_starts_it_again_in_the_same_memory),
        TEST(an_order_may_come_while_the_last_vcpu_ends_the_vm),
        TEST(a_vm_stopped_before_it_started_never_runs),
        TEST(a_crash_ends_a_vm_unless_it_is_to_be_restarted),
        TEST(a_vm_that_crashes_again_and_again_waits_longer_each_time),
        TEST(a_waiting_vm_can_be_stopped_and_reset),
        TEST(ten_thousand_resets_leak_nothing_and_do_not_flood_the_log),
        TEST(resets_of_long_lives_are_bounded_too),
        TEST(another_start_is_said_but_fills_no_budget),
        TEST(crashes_among_resets_are_said_whole),
        TEST(a_leak_is_said),
        TEST(a_vm_that_waits_for_another_starts_after_its_end_once),
        TEST(a_vm_that_waits_for_one_that_cannot_start_starts),
    };
    return cmocka_run_group_tests_name("life", tests, NULL, NULL);
}
