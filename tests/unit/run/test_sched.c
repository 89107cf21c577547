#include "tests/unit/core_fixture.h"

#include <setjmp.h>
#include <string.h>

#include "hv/cpu/hygiene.h"
#include "hv/host/apic.h"
#include "hv/host/cpu.h"
#include "hv/host/interrupts.h"
#include "hv/run/sched.h"
#include "tests/unit/privileged.h"

static struct cpu machine_cpus[2];
static unsigned this_core;

/* What happened on the core, a letter and the vCPU's number each: Load, Put, Run, Stopped. */
static char story[256];
static unsigned runs_left;
static jmp_buf out;

static void tell(char what, const struct vcpu *vcpu)
{
    char *end = story + strlen(story);

    end[0] = what, end[1] = (char)('0' + vcpu->id), end[2] = 0;
}

static void vcpu_load(struct vcpu *vcpu)
{
    tell('L', vcpu);
    machine_cpus[this_core].current = vcpu;
}

static void vcpu_put(struct vcpu *vcpu)
{
    tell('P', vcpu);
    machine_cpus[this_core].current = NULL;
}

/* What a vCPU does when it runs; NULL: it runs until its time is over. */
static void (*activity)(struct vcpu *vcpu);

static void run(struct vcpu *vcpu)
{
    tell('R', vcpu);
    if (runs_left-- == 0)
        longjmp(out, 1);
    if (activity)
        activity(vcpu);
    else
        fake_run_until(fake_now + fake_hz / 50);
    vcpu->requests &= REQUEST_STOP;
}

static unsigned work; /* turns that the vCPU's time is needed for before it leaves */

static void stopped(struct vcpu *vcpu)
{
    tell('S', vcpu);
    if (work)
        work--;
    else
        sched_remove(vcpu);
}

static void sleeps(void)
{
    strcat(story, "z");
    longjmp(out, 1);
}

static struct virt_ops ops;

/* The VM may use these cores, as bits. */
static void set_vm(uint64_t may_use, unsigned cap)
{
    core.vm.cores[0] = may_use;
    sched_remove_vm(&core.vm);
    assert_true(sched_add_vm(&core.vm, 100, cap));
}

/* What follows happens on this core. */
static void go_to(unsigned index)
{
    this_core = index;
    privileged_set_core(&machine_cpus[index]);
}

static int setup(void **state)
{
    core_setup(state);
    ops = *virt;
    ops.lifecycle.vcpu_load = vcpu_load;
    ops.lifecycle.vcpu_put = vcpu_put;
    ops.run.enter = run;
    virt = &ops;
    memset(machine_cpus, 0, sizeof(machine_cpus));
    for (unsigned i = 0; i < 2; i++) {
        machine_cpus[i] =
            (struct cpu){.self = &machine_cpus[i], .index = i, .apic_id = 0x10 + i, .runs_guests = true};
        cpus[i] = &machine_cpus[i];
    }
    sched_init();
    set_vm(1, 0);
    go_to(0);
    story[0] = 0;
    fake_asked.kicks = 0;
    activity = NULL;
    return 0;
}

/* The core's life until it sleeps or `runs` runs are over. */
static const char *live(unsigned runs)
{
    story[0] = 0;
    runs_left = runs;
    privileged_begin();
    privileged.halt = sleeps;
    if (setjmp(out) == 0)
        sched_loop(stopped);
    privileged_end();
    return story;
}

static int teardown(void **state)
{
    privileged_end();
    sched_remove_vm(&core.vm);
    return core_teardown(state);
}

static void a_core_without_vcpus_sleeps_with_interrupts_on(void **state)
{
    (void)state;
    assert_string_equal(live(1), "z");
    assert_true(privileged.interrupts);
}

static void a_lone_vcpu_runs_again_and_again_and_is_loaded_once(void **state)
{
    (void)state;
    sched_add(&core.vcpus[0]);
    assert_string_equal(live(3), "L0R0R0R0R0");
    assert_int_equal(fake_next_deadline(), UINT64_MAX); /* it needs no slices */
}

static void vcpus_take_turns(void **state)
{
    char turns[16] = "";
    unsigned count = 0;

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        sched_add(&core.vcpus[i]);
    live(8);
    for (const char *at = story; *at; at += 2)
        if (*at == 'R')
            turns[count++] = at[1];
    assert_int_equal(count, 9);
    for (char vcpu = '0'; vcpu <= '2'; vcpu++)
        assert_non_null(memchr(turns, vcpu, 3));
    for (char vcpu = '0'; vcpu <= '2'; vcpu++) {
        unsigned times = 0;

        for (unsigned i = 0; i < count; i++)
            times += turns[i] == vcpu;
        assert_int_equal(times, 3);
    }
    for (const char *at = story + 2; *at; at += 2) /* one is put before the next is loaded */
        assert_true(*at != 'L' || at[-2] == 'P');
}

static void halt(struct vcpu *vcpu)
{
    vcpu->activity = VCPU_HALTED;
}

static void a_vcpu_that_halts_leaves_the_core_to_others_until_a_request_comes(void **state)
{
    (void)state;
    core.vcpus[0].activity = VCPU_HALTED;
    sched_add(&core.vcpus[0]);
    sched_add(&core.vcpus[1]);
    assert_string_equal(live(2), "L1R1R1R1");
    activity = halt;
    assert_string_equal(live(5), "R1z");
    vcpu_request(&core.vcpus[0], REQUEST_NMI);
    assert_string_equal(live(5), "P1L0R0z");
}

/* A PAUSE-loop exit: with time gone, and no request of the scheduler's. */
static void pauses(struct vcpu *vcpu)
{
    (void)vcpu;
    fake_now += 1000;
}

static void the_slice_ends_with_a_request_to_yield(void **state)
{
    (void)state;
    sched_add(&core.vcpus[0]);
    sched_add(&core.vcpus[1]);
    activity = halt;
    live(0); /* stopped before it ran: the slice has been armed */
    assert_in_range(fake_next_deadline(), fake_now + fake_hz / 400, fake_now + fake_hz / 200);
    fake_run_until(fake_next_deadline());
    assert_int_equal(machine_cpus[0].current->requests, REQUEST_YIELD);
    machine_cpus[0].current->requests = 0;
    live(8); /* both halt: no slice is left behind */
    assert_int_equal(fake_next_deadline(), UINT64_MAX);
}

static void end_vm(struct vcpu *vcpu)
{
    vcpu_request(vcpu, REQUEST_STOP);
}

static void a_vcpu_that_is_to_stop_leaves_the_core_loaded(void **state)
{
    (void)state;
    sched_add(&core.vcpus[0]);
    activity = end_vm;
    assert_string_equal(live(3), "L0R0S0z");
    assert_ptr_equal(machine_cpus[0].current, &core.vcpus[0]);
    core.vcpus[0].requests = 0;
    sched_add(&core.vcpus[0]); /* started again */
    assert_string_equal(live(3), "R0S0z");
}

static void what_is_to_be_done_when_a_vcpu_stopped_takes_its_turns_and_no_others(void **state)
{
    unsigned turns = 0, others = 0;

    (void)state;
    sched_add(&core.vcpus[0]);
    sched_add(&core.vcpus[1]);
    vcpu_request(&core.vcpus[0], REQUEST_STOP);
    core.vcpus[0].activity = VCPU_OFF;
    work = 2;
    live(12);
    for (const char *at = story; *at; at += 2) {
        turns += at[0] == 'S' && at[1] == '0';
        others += at[0] == 'R' && at[1] == '1';
        assert_false(at[0] == 'S' && at[1] == '1');
    }
    assert_int_equal(turns, 3);
    assert_int_equal(others, 10);
    assert_int_equal(core.vcpus[0].run_state, RUN_OUT);
}

static void requests_kick_only_another_core_that_runs_the_vcpu(void **state)
{
    (void)state;
    vcpu_request(&core.vcpus[2], REQUEST_NMI); /* no core has it */
    sched_add(&core.vcpus[0]);
    live(0);
    vcpu_request(&core.vcpus[0], REQUEST_NMI); /* its own core is here */
    assert_int_equal(fake_asked.kicks, 0);
    go_to(1);
    vcpu_request(&core.vcpus[0], REQUEST_STOP);
    assert_int_equal(fake_asked.kicks, 1);
    assert_int_equal(fake_asked.kicked, 0x10);
    assert_int_equal(core.vcpus[0].requests, REQUEST_NMI | REQUEST_STOP);
    sched_kick(1);
    assert_int_equal(fake_asked.kicks, 1);
}

/* Posted interrupts, from core 1: what is sent to core 0, and whether the vCPU is to run there then. */
static void expect_post(unsigned vcpu, uint8_t vector, enum run_state then)
{
    unsigned before = fake_asked.kicks;

    vcpu_post(&core.vcpus[vcpu]);
    assert_int_equal(core.vcpus[vcpu].requests & REQUEST_EVENT, REQUEST_EVENT);
    assert_int_equal(fake_asked.kicks - before, vector != 0);
    if (vector)
        assert_int_equal(fake_asked.kicked_by, vector);
    assert_int_equal(core.vcpus[vcpu].run_state, then);
}

static void a_posted_interrupt_wakes_who_sleeps_and_disturbs_nobody_who_runs(void **state)
{
    (void)state;
    sched_add(&core.vcpus[0]);
    live(0);                       /* in its guest */
    expect_post(0, 0, RUN_QUEUED); /* from its own core: before its next entry */
    go_to(1);
    expect_post(0, VECTOR_POSTED, RUN_QUEUED);
    go_to(0);
    activity = halt;
    core.vcpus[0].requests = 0;
    live(5); /* asleep, and its state still on its core */
    assert_int_equal(core.vcpus[0].run_state, RUN_ASLEEP);
    assert_ptr_equal(machine_cpus[0].current, &core.vcpus[0]);
    go_to(1);
    expect_post(0, VECTOR_KICK, RUN_QUEUED);
    expect_post(0, 0, RUN_QUEUED); /* awake, and soon to run */
    go_to(0);
    assert_string_equal(live(5), "R0z");
    activity = NULL;
    sched_add(&core.vcpus[1]);
    assert_string_equal(live(0), "P0L1R1");
    go_to(1);
    expect_post(1, VECTOR_POSTED, RUN_QUEUED);
    core.vcpus[1].requests = 0;
    expect_post(0, VECTOR_KICK, RUN_QUEUED); /* asleep, and another's state on its core: its turn */
    assert_int_equal(core.vcpus[1].requests, REQUEST_YIELD);
}

/* Two have asked; the core that served both was faster than the second, who wakes it for nothing. */
static void one_whose_requests_were_served_meanwhile_sleeps_on(void **state)
{
    (void)state;
    core.vcpus[0].activity = VCPU_WAIT_FOR_SIPI;
    sched_add(&core.vcpus[0]);
    go_to(1);
    core.vcpus[0].requests = 0;
    vcpu_attend(&core.vcpus[0], REQUEST_EVENT);
    assert_int_equal(core.vcpus[0].run_state, RUN_ASLEEP);
    assert_int_equal(fake_asked.kicks, 0);
    vcpu_request(&core.vcpus[0], REQUEST_EVENT);
    assert_int_equal(core.vcpus[0].run_state, RUN_QUEUED);
}

static void who_wakes_takes_the_core_from_one_that_has_had_more(void **state)
{
    (void)state;
    core.vcpus[0].activity = VCPU_HALTED;
    sched_add(&core.vcpus[0]);
    sched_add(&core.vcpus[1]);
    assert_string_equal(live(9), "L1R1R1R1R1R1R1R1R1R1R1"); /* alone: no slice ends */
    assert_int_equal(fake_next_deadline(), UINT64_MAX);
    vcpu_request(&core.vcpus[0], REQUEST_EVENT);
    assert_int_equal(core.vcpus[1].requests, REQUEST_YIELD);
    assert_int_equal(fake_asked.kicks, 0);
    core.vcpus[0].activity = VCPU_RUNNABLE;
    live(0);
    assert_string_equal(story, "P1L0R0");
}

static void who_wakes_goes_to_a_core_that_idles_if_it_may(void **state)
{
    (void)state;
    set_vm(3, 0);
    go_to(1);
    assert_string_equal(live(1), "z");
    go_to(0);
    sched_add(&core.vcpus[0]); /* core 1 serves, core 0 does not yet */
    assert_int_equal(core.vcpus[0].core, 1);
    assert_int_equal(fake_asked.kicked, 0x11);
    sched_add(&core.vcpus[1]);
    assert_int_equal(core.vcpus[1].core, 1);
    assert_string_equal(live(0), "L0R0"); /* core 0 serves now, and takes one of them */
    assert_int_equal(core.vcpus[0].core, 0);
}

static void who_may_not_use_a_core_waits_for_its_own(void **state)
{
    (void)state;
    go_to(1);
    assert_string_equal(live(1), "z");
    go_to(0);
    for (unsigned i = 0; i < 3; i++) {
        sched_add(&core.vcpus[i]);
        assert_int_equal(core.vcpus[i].core, 0);
    }
    assert_int_equal(fake_asked.kicks, 0);
    go_to(1);
    assert_string_equal(live(1), "z"); /* nor does the idle core take it */
}

static void a_core_that_would_idle_takes_who_waits_elsewhere(void **state)
{
    (void)state;
    set_vm(3, 0);
    activity = halt;
    for (unsigned i = 0; i < 3; i++)
        sched_add(&core.vcpus[i]); /* to 0, 1, 0 */
    assert_int_equal(core.vcpus[2].core, 0);
    go_to(1);
    live(9);
    assert_string_equal(story + strlen(story) - 1, "z");
    assert_non_null(strstr(story, "R0"));
    assert_non_null(strstr(story, "R1"));
    assert_non_null(strstr(story, "R2"));
}

static void a_vcpu_that_spins_in_pause_lets_its_sibling_go_first(void **state)
{
    (void)state;
    sched_add(&core.vcpus[0]);
    sched_add(&core.vcpus[1]);
    activity = pauses;
    live(5);
    for (const char *at = story; at[2] && at[3]; at += 2)
        assert_false(at[0] == 'R' && at[2] == 'R' && at[1] == at[3]);
}

static void a_cap_lets_the_core_sleep_until_the_next_period(void **state)
{
    (void)state;
    set_vm(1, 10);
    sched_add(&core.vcpus[0]);
    assert_string_equal(live(9), "L0R0z"); /* 20 ms at once, of 10 in 100 */
    assert_int_equal(fake_next_deadline(), fake_hz / 5);
    vcpu_request(&core.vcpus[0], REQUEST_STOP); /* but it ends at once */
    activity = end_vm;
    assert_string_equal(live(9), "R0S0z");
}

/* The vCPU that was called out of its guest by another core is the one on whose time memory is cleared. */
static void what_is_done_between_runs_is_within_the_cap(void **state)
{
    (void)state;
    set_vm(1, 10);
    sched_add(&core.vcpus[0]);
    live(0);
    go_to(1);
    vcpu_request(&core.vcpus[0], REQUEST_STOP);
    go_to(0);
    work = 9;
    assert_string_equal(live(9), "R0S0z"); /* each turn takes 20 ms, of 10 in 100 */
    fake_run_until(fake_now + fake_hz / 10);
    assert_string_equal(live(9), "z"); /* 10 of them are still owed */
    fake_run_until(fake_now + fake_hz / 10);
    assert_string_equal(live(9), "R0S0z");
    work = 0;
}

static void a_vm_may_run_where_a_core_is_that_it_may_use(void **state)
{
    (void)state;
    set_vm(4, 0);
    assert_false(sched_may_run(&core.vm));
    set_vm(6, 0);
    assert_true(sched_may_run(&core.vm));
    machine_cpus[1].runs_guests = false;
    assert_false(sched_may_run(&core.vm));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_core_without_vcpus_sleeps_with_interrupts_on),
        TEST(a_lone_vcpu_runs_again_and_again_and_is_loaded_once),
        TEST(vcpus_take_turns),
        TEST(a_vcpu_that_halts_leaves_the_core_to_others_until_a_request_comes),
        TEST(the_slice_ends_with_a_request_to_yield),
        TEST(a_vcpu_that_is_to_stop_leaves_the_core_loaded),
        TEST(what_is_to_be_done_when_a_vcpu_stopped_takes_its_turns_and_no_others),
        TEST(requests_kick_only_another_core_that_runs_the_vcpu),
        TEST(a_posted_interrupt_wakes_who_sleeps_and_disturbs_nobody_who_runs),
        TEST(one_whose_requests_were_served_meanwhile_sleeps_on),
        TEST(who_wakes_takes_the_core_from_one_that_has_had_more),
        TEST(who_wakes_goes_to_a_core_that_idles_if_it_may),
        TEST(who_may_not_use_a_core_waits_for_its_own),
        TEST(a_core_that_would_idle_takes_who_waits_elsewhere),
        TEST(a_vcpu_that_spins_in_pause_lets_its_sibling_go_first),
        TEST(a_cap_lets_the_core_sleep_until_the_next_period),
        TEST(what_is_done_between_runs_is_within_the_cap),
        TEST(a_vm_may_run_where_a_core_is_that_it_may_use),
    };
    cpu_count = 2;
    return cmocka_run_group_tests_name("sched", tests, NULL, NULL);
}
