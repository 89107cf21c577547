#include "hv/life/sleepers.h"

#include "hv/life/create.h"
#include "hv/life/life.h"
#include "tests/unit/fake.h"

#include <string.h>

static struct vm vm;
static struct vcpu vcpus[2];
static struct life life;
static bool wakes;

void life_each(void (*what)(struct vm *vm))
{
    what(&vm);
}

static bool may_wake(struct vm *of)
{
    assert_ptr_equal(of, &vm);
    return wakes;
}

static const struct board_ops board = {.may_wake = may_wake};

static int begin(void **state)
{
    (void)state;
    fake_reset();
    memset(&vm, 0, sizeof(vm));
    memset(vcpus, 0, sizeof(vcpus));
    life.board = &board;
    wakes = false;
    strcpy(vm.name, "one");
    vm.life = &life;
    vm.vcpu_count = 2;
    for (unsigned i = 0; i < 2; i++) {
        vm.vcpus[i] = &vcpus[i];
        vcpus[i].run_state = RUN_ASLEEP;
        vcpus[i].activity = VCPU_HALTED;
        vcpus[i].exited = 1000;
        vcpus[i].deaf = true;
    }
    vcpu_note_exit(&vcpus[0], 12, 0x7c05);
    sleepers_start();
    return 0;
}

static void pass_seconds(unsigned seconds)
{
    fake_run_until(fake_now + seconds * fake_hz + 1);
}

static void what_nothing_wakes_is_said_once(void **state)
{
    (void)state;
    pass_seconds(1);
    assert_string_equal(fake_log, ""); /* something may be on its way still */
    pass_seconds(1);
    assert_non_null(strstr(
        fake_log, "vm one: sleeps for good, its vcpu 0 at rip ..00007c05: it halted with interrupts off"));
    fake_log[0] = 0;
    pass_seconds(5);
    assert_string_equal(fake_log, "");
    vm.said_asleep = false; /* as after a reset */
    pass_seconds(2);
    assert_non_null(strstr(fake_log, "sleeps for good"));
}

static void one_that_listens_lacks_a_source(void **state)
{
    (void)state;
    vcpus[1].deaf = false;
    pass_seconds(2);
    assert_non_null(strstr(fake_log, "no timer runs, and no device is enabled and unmasked"));
}

static void a_vcpu_that_never_started_sleeps_too(void **state)
{
    (void)state;
    vcpus[1].activity = VCPU_WAIT_FOR_SIPI;
    vcpus[1].deaf = false;
    pass_seconds(2);
    assert_non_null(strstr(fake_log, "it halted with interrupts off"));
}

static void what_something_can_wake_is_not_accused(void **state)
{
    (void)state;
    wakes = true;
    pass_seconds(10);
    assert_string_equal(fake_log, "");
}

static void one_that_runs_or_has_run_is_not_accused(void **state)
{
    (void)state;
    vcpus[1].run_state = RUN_QUEUED;
    pass_seconds(10);
    assert_string_equal(fake_log, "");
    vcpus[1].run_state = RUN_ASLEEP;
    vcpus[1].requests = REQUEST_EVENT;
    pass_seconds(10);
    assert_string_equal(fake_log, "");
    vcpus[1].requests = 0;
    for (unsigned second = 0; second < 10; second++) {
        vcpus[1].exited++;
        pass_seconds(1);
    }
    assert_string_equal(fake_log, "");
    vcpus[1].run_state = RUN_OUT; /* paused */
    pass_seconds(10);
    assert_string_equal(fake_log, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_nothing_wakes_is_said_once, begin),
        cmocka_unit_test_setup(one_that_listens_lacks_a_source, begin),
        cmocka_unit_test_setup(a_vcpu_that_never_started_sleeps_too, begin),
        cmocka_unit_test_setup(what_something_can_wake_is_not_accused, begin),
        cmocka_unit_test_setup(one_that_runs_or_has_run_is_not_accused, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
