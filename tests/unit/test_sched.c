#include "tests/unit/core_fixture.h"

#include <setjmp.h>
#include <string.h>

#include "hv/host/apic.h"
#include "hv/host/cpu.h"
#include "hv/host/interrupts.h"
#include "hv/vm/hygiene.h"
#include "hv/vm/sched.h"
#include "tests/unit/privileged.h"

struct cpu *cpus[CPUS_MOST];
unsigned cpu_count = 2;
static struct cpu machine_cpus[2];

void hygiene_switch(unsigned *before, unsigned id)
{
    *before = id;
}

static unsigned kicks;
static uint32_t kicked;

void host_apic_send(uint32_t apic_id, uint8_t vector)
{
    assert_int_equal(vector, VECTOR_KICK);
    kicked = apic_id;
    kicks++;
}

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
    machine_cpus[0].current = vcpu;
}

static void vcpu_put(struct vcpu *vcpu)
{
    tell('P', vcpu);
    machine_cpus[0].current = NULL;
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

static int setup(void **state)
{
    core_setup(state);
    ops = *virt;
    ops.vcpu_load = vcpu_load;
    ops.vcpu_put = vcpu_put;
    ops.run = run;
    virt = &ops;
    memset(machine_cpus, 0, sizeof(machine_cpus));
    for (unsigned i = 0; i < 2; i++) {
        machine_cpus[i] = (struct cpu){.self = &machine_cpus[i], .index = i, .apic_id = 0x10 + i};
        cpus[i] = &machine_cpus[i];
    }
    privileged_set_core(&machine_cpus[0]);
    story[0] = 0;
    kicks = 0;
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

/* Takes the vCPUs off the core again: their VM ends. */
static int teardown(void **state)
{
    for (unsigned i = 0; i < CORE_VCPUS; i++)
        core.vcpus[i].requests = REQUEST_STOP;
    activity = NULL;
    live(16);
    assert_string_equal(story + strlen(story) - 1, "z");
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
    for (unsigned i = 3; i < count; i++)
        assert_int_equal(turns[i], turns[i - 3]);
    assert_memory_equal(story + strlen(story) - 6, "P", 1); /* one is put before the next is loaded */
}

static void halt(struct vcpu *vcpu)
{
    vcpu->activity = VCPU_HALTED;
}

static void a_vcpu_that_halts_leaves_the_core_to_others_until_a_request_comes(void **state)
{
    (void)state;
    sched_add(&core.vcpus[0]);
    sched_add(&core.vcpus[1]);
    core.vcpus[0].activity = VCPU_HALTED;
    assert_string_equal(live(2), "L1R1R1R1");
    activity = halt;
    assert_string_equal(live(5), "R1z");
    vcpu_request(&core.vcpus[0], REQUEST_NMI);
    assert_string_equal(live(5), "P1L0R0z");
}

static void the_slice_ends_with_a_request_to_yield(void **state)
{
    (void)state;
    sched_add(&core.vcpus[0]);
    sched_add(&core.vcpus[1]);
    activity = halt;
    live(0); /* stopped before it ran: the slice has been armed */
    assert_int_equal(fake_next_deadline(), fake_now + fake_hz / 100);
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
    (void)state;
    sched_add(&core.vcpus[0]);
    sched_add(&core.vcpus[1]);
    vcpu_request(&core.vcpus[0], REQUEST_STOP);
    core.vcpus[0].activity = VCPU_OFF;
    work = 2;
    assert_string_equal(live(6), "L1R1P1L0R0S0P0L1R1P1L0R0S0P0L1R1P1L0R0S0P0L1R1");
}

static void requests_to_another_core_kick_it(void **state)
{
    (void)state;
    vcpu_request(&core.vcpus[0], REQUEST_NMI);
    assert_int_equal(kicks, 0); /* its own core is here */
    core.vcpus[1].core = 1;
    vcpu_request(&core.vcpus[1], REQUEST_STOP);
    assert_int_equal(kicks, 1);
    assert_int_equal(kicked, 0x11);
    assert_int_equal(core.vcpus[1].requests, REQUEST_STOP);
    sched_kick(0);
    assert_int_equal(kicks, 1);
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
        TEST(requests_to_another_core_kick_it),
    };
    return cmocka_run_group_tests_name("sched", tests, NULL, NULL);
}
