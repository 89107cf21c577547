#include "hv/run/vm_timer.h"

#include <string.h>

#include "hv/host/cpu.h"
#include "tests/unit/fake.h"
#include "tests/unit/privileged.h"

/* A core, and a VM of three vCPUs: one that waits for its turn, one that sleeps, and one. */
static struct cpu here, there;
static struct vm vm, other;
static struct vcpu vcpus[3];
/* Which vCPUs were asked to deliver an event. */
static unsigned asked(void)
{
    unsigned who = 0;

    for (unsigned i = 0; i < vm.vcpu_count; i++) {
        assert_int_equal(fake_asked.requests[i] & ~REQUEST_EVENT, 0);
        who |= (fake_asked.requests[i] != 0) << i;
    }
    memset(fake_asked.requests, 0, sizeof(fake_asked.requests));
    return who;
}

static int setup(void **state)
{
    (void)state;
    here = (struct cpu){.self = &here};
    memset(vcpus, 0, sizeof(vcpus));
    vm = (struct vm){.vcpu_count = 3};
    for (unsigned i = 0; i < 3; i++) {
        vcpus[i] = (struct vcpu){.id = i, .vm = &vm, .run_state = RUN_QUEUED};
        vm.vcpus[i] = &vcpus[i];
    }
    vcpus[1].run_state = RUN_ASLEEP;
    vcpus[1].activity = VCPU_HALTED;
    privileged_set_core(&here);
    return 0;
}

/* Which vCPUs timers wait for. */
static unsigned waits(void)
{
    return vcpus[0].timers_wait | vcpus[1].timers_wait << 1 | vcpus[2].timers_wait << 2;
}

static void home_is_where_its_vcpu_is_served(void **state)
{
    (void)state;
    here.current = &vcpus[2];
    vcpus[2].running_on = &here;
    assert_true(vm_timer_at_home(&vm, &vcpus[2]));
    assert_true(vm_timer_at_home(&vm, NULL));
    assert_int_equal(waits(), 0);
    assert_int_equal(asked(), 0);
    assert_false(vm_timer_at_home(&vm, &vcpus[0]));
    assert_int_equal(waits(), 1);
    assert_int_equal(asked(), 1);
}

static void whoever_is_served_next_takes_the_vms_timers(void **state)
{
    (void)state;
    here.current = &vcpus[2]; /* its state is still here, but it does not run */
    assert_false(vm_timer_at_home(&vm, NULL));
    assert_int_equal(waits(), 7);
    assert_int_equal(asked(), 5); /* who sleeps is not woken for it */
    vcpus[2].running_on = &there;
    assert_false(vm_timer_at_home(&vm, NULL));
    assert_int_equal(asked(), 5);
    here.current = &(struct vcpu){.vm = &other, .running_on = &here};
    assert_false(vm_timer_at_home(&vm, NULL));
    here.current = NULL;
    assert_false(vm_timer_at_home(&vm, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(home_is_where_its_vcpu_is_served, setup),
        cmocka_unit_test_setup(whoever_is_served_next_takes_the_vms_timers, setup),
    };
    return cmocka_run_group_tests_name("vm_timer", tests, NULL, NULL);
}
