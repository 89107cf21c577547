/* Who observes a vCPU hears of each exit and event once, in order, and changes nothing by it. */
#include "tests/unit/core_fixture.h"

#include <string.h>

#include "hv/cpu/native.h"
#include "hv/emulate/emulate.h"
#include "hv/emulate/task_switch.h"
#include "hv/exit/exit.h"
#include "hv/vm/exit_stat.h"
#include "tests/unit/privileged.h"

enum emulate_result emulate(struct vcpu *vcpu, gpa_t gpa)
{
    (void)vcpu, (void)gpa;
    return EMULATE_DONE;
}

unsigned emulate_bytes(struct vcpu *vcpu, uint8_t bytes[15])
{
    (void)vcpu, (void)bytes;
    return 0;
}

bool task_switch(struct vcpu *vcpu, const struct task_switch *request)
{
    (void)vcpu, (void)request;
    return true;
}

static char heard[256];
static uint64_t latest;

static void add(const char *what)
{
    strncat(heard, what, sizeof(heard) - strlen(heard) - 1);
}

static void trace_begins(struct vcpu *vcpu)
{
    (void)vcpu;
    add("(");
}

static void trace_ends(struct vcpu *vcpu, bool goes_on)
{
    assert_false(vcpu->requests & REQUEST_OBSERVE);
    add(goes_on ? ")" : "|");
}

static void trace_happens(struct vcpu *vcpu, enum observed what, uint64_t value)
{
    char text[2] = {(char)('a' + what), 0};

    (void)vcpu;
    add(text);
    latest = value;
}

static void record_begins(struct vcpu *vcpu)
{
    (void)vcpu;
    add("[");
}

static void record_ends(struct vcpu *vcpu, bool goes_on)
{
    (void)vcpu, (void)goes_on;
    add("]");
}

static const struct observer trace = {trace_begins, trace_ends, trace_happens};
static const struct observer record = {.begins = record_begins, .ends = record_ends};
static struct exit_stat stat;

static int setup(void **state)
{
    int result = core_setup(state);

    observers[OBSERVER_TRACE] = &trace;
    observers[OBSERVER_RECORD] = &record;
    exit_stat_clear(&stat);
    core.vcpu->stats = &stat;
    core.vcpu->vm->end = VM_RUNS;
    *heard = 0;
    return result;
}

static uint64_t handler_asks;
static bool left;

static void leave(struct vcpu *vcpu)
{
    (void)vcpu;
    left = true;
}

static bool serve(struct vcpu *vcpu)
{
    add("h");
    exit_begin(vcpu, 0);
    vcpu_note(vcpu, handler_asks);
    return exit_end(vcpu);
}

static void handle_exit(struct vcpu *vcpu)
{
    exit_serve(vcpu, serve, leave);
}

/* Returns whether the guest would be entered again. */
static bool run(void (*handle)(struct vcpu *vcpu))
{
    left = false;
    privileged_begin();
    handle(core.vcpu);
    privileged_end();
    return !left;
}

static bool an_exit(uint64_t asks)
{
    handler_asks = asks;
    return run(handle_exit);
}

static void nobody_observes(void **state)
{
    (void)state;
    assert_true(an_exit(0));
    assert_false(an_exit(REQUEST_YIELD));
    assert_string_equal(heard, "hh");
}

static void an_exit_is_heard_of_before_and_after_it_is_served(void **state)
{
    (void)state;
    observe_begin(core.vcpu, OBSERVE_TRACE);
    assert_true(an_exit(0));
    assert_string_equal(heard, "(h)");
    assert_false(core.vcpu->requests);
    assert_int_equal(exit_stat_count(&stat), 1);
}

static void one_that_leaves_is_said_to_and_may_sleep(void **state)
{
    (void)state;
    observe_begin(core.vcpu, OBSERVE_TRACE);
    assert_false(an_exit(REQUEST_YIELD));
    assert_false(core.vcpu->requests); /* it would be awake for that */
    assert_false(an_exit(REQUEST_STOP));
    assert_int_equal(core.vcpu->requests, REQUEST_STOP);
    assert_string_equal(heard, "(h|(h|");
    assert_int_equal(exit_stat_count(&stat), 2);
}

static void requests_are_served_before_the_end(void **state)
{
    (void)state;
    observe_begin(core.vcpu, OBSERVE_TRACE);
    vcpu_raise_gp(core.vcpu);
    assert_true(an_exit(0));
    assert_string_equal(heard, "(ha)");
    assert_int_equal(latest, EXC_GP | EVENT_EXCEPTION << 8 | BIT(11) | BIT(31));
}

static void each_observer_has_a_bit(void **state)
{
    (void)state;
    observe_begin(core.vcpu, OBSERVE_RECORD);
    assert_true(an_exit(0));
    observe_begin(core.vcpu, OBSERVE_TRACE);
    observe(core.vcpu, OBSERVED_WAKE, 0);
    assert_true(an_exit(0));
    observe_end(core.vcpu, OBSERVE_RECORD);
    assert_true(an_exit(0));
    assert_string_equal(heard, "[h]d([h)](h)");
}

static bool serve_while_somebody_comes(struct vcpu *vcpu)
{
    observe_begin(vcpu, OBSERVE_RECORD);
    observe_end(vcpu, OBSERVE_TRACE);
    return exit_end(vcpu);
}

static void handle_turned(struct vcpu *vcpu)
{
    exit_serve(vcpu, serve_while_somebody_comes, leave);
}

static void who_heard_the_begin_hears_the_end(void **state)
{
    (void)state;
    observe_begin(core.vcpu, OBSERVE_TRACE);
    assert_true(run(handle_turned));
    assert_true(an_exit(0));
    assert_string_equal(heard, "()[h]");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, core_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nobody_observes),
        TEST(an_exit_is_heard_of_before_and_after_it_is_served),
        TEST(one_that_leaves_is_said_to_and_may_sleep),
        TEST(requests_are_served_before_the_end),
        TEST(each_observer_has_a_bit),
        TEST(who_heard_the_begin_hears_the_end),
    };
    return cmocka_run_group_tests_name("observe", tests, NULL, NULL);
}
