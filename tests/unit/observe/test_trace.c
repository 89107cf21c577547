/* The trace: what is recorded of exits and events, what is left out, and how it is printed. */
#include <string.h>

#include "hv/console/console.h"
#include "hv/host/log.h"
#include "hv/host/paging.h"
#include "hv/life/life.h"
#include "hv/observe/stats.h"
#include "hv/observe/trace.h"
#include "hv/run/work.h"
#include "hv/vm/exit_stat.h"
#include "hv/vm/observe.h"
#include "tests/unit/core_fixture.h"
#include "tests/unit/privileged.h"

#define SIZE 256

uint64_t log_begin;
static struct cpu machine_cpus[2];

/* VMs: `one`, the fixture's, and `two.x`, which is off. */
bool life_info(unsigned number, struct life_info *info)
{
    if (number < 1 || number > 2)
        return false;
    *info = (struct life_info){number == 1 ? "one" : "two.x", LIFE_RUNNING, CORE_VCPUS, MIB(1)};
    return true;
}

unsigned life_find(const char *name)
{
    return strcmp(name, "one") == 0 ? 1 : strcmp(name, "two.x") == 0 ? 2 : 0;
}

void life_each(void (*what)(struct vm *vm))
{
    what(&core.vm);
}

static uint64_t kept;

void life_keep(uint64_t bytes)
{
    kept += bytes;
}

static unsigned holds;

void vm_hold(void)
{
    holds++;
}

void vm_release(void)
{
    assert_int_not_equal(holds, 0);
    holds--;
}

static bool turn(void)
{
    struct work *work = fake_asked.work;

    fake_asked.work = NULL;
    if (work)
        work->run(work);
    return work;
}

static unsigned room;

bool console_is_idle(void)
{
    return room && room--;
}

static const char *const names[] = {"other exits", "I/O instruction", "I/O system-management interrupt",
                                    "EPT violation", "HLT"};

const char *stats_row_name(unsigned row)
{
    return row < ARRAY_LENGTH(names) ? names[row] : "local APIC page";
}

bool stats_row_reason(unsigned row, uint32_t *reason)
{
    *reason = 100 + row;
    return row && row < ARRAY_LENGTH(names);
}

/* What is printed. */
static char text[65536];
static struct text_buffer printed;

static void print(struct writer *self, const char *what, size_t length)
{
    (void)self;
    printed.writer.write(&printed.writer, what, length);
}

static struct writer out = {print};

void console_write(const char *lines, size_t length)
{
    print(NULL, lines, length);
}

static void say_nothing(void)
{
    text_buffer_init(&printed, text, sizeof(text));
}

/* The vendor. */
static struct exit_details exit_is;
static struct virt_ops ops;

static void details(struct vcpu *vcpu, struct exit_details *found)
{
    (void)vcpu;
    *found = exit_is;
}

static const char *exit_name(uint32_t reason)
{
    return names[reason - 100];
}

static void go_to(unsigned core_index)
{
    privileged_set_core(&machine_cpus[core_index]);
}

static void on(const char *filters)
{
    assert_true(trace_on(filters, &out));
}

static int setup(void **state)
{
    core_setup(state);
    ops = *virt;
    ops.show.details = details;
    ops.show.exit_name = exit_name;
    virt = &ops;
    core.vm.id = 1;
    for (unsigned i = 0; i < 2; i++) {
        machine_cpus[i] = (struct cpu){.self = &machine_cpus[i], .index = i};
        cpus[i] = &machine_cpus[i];
    }
    cpu_count = 2;
    trace_size = SIZE;
    memset(trace_rings, 0, sizeof(trace_rings));
    fake_now = 1000000000;
    fake_hz = 1000000000;
    go_to(0);
    say_nothing();
    return 0;
}

static int teardown(void **state)
{
    trace_off();
    for (unsigned i = 0; i < 2; i++)
        if (trace_rings[i].records)
            host_free(trace_rings[i].records, SIZE * sizeof(struct trace_record));
    trace_reported = false;
    privileged_end();
    return core_teardown(state);
}

/* An exit of the fixture's first vCPU that takes 70 ticks, and after which RAX is this. */
static void an_exit(struct exit_details what, uint64_t rax, uint64_t rax_after, bool goes_on)
{
    if (!core.vcpu->observed)
        return;
    exit_is = what;
    core.vcpu->arch.gpr[REG_RAX] = rax;
    observe_exit(core.vcpu);
    core.vcpu->requests &= ~REQUEST_OBSERVE;
    fake_now += 70;
    core.vcpu->arch.gpr[REG_RAX] = rax_after;
    observe_exit_end(core.vcpu, goes_on);
    fake_now += 30;
}

static void hlt(void)
{
    an_exit((struct exit_details){.reason = 104, .rip = 0x1000}, 0, 0, false);
}

static const char *dump(uint64_t most)
{
    say_nothing();
    trace_print(most, &out);
    return text;
}

static unsigned count(const char *what)
{
    unsigned found = 0;

    for (const char *at = text; (at = strstr(at, what)); at++)
        found++;
    return found;
}

static void an_exit_is_a_line(void **state)
{
    (void)state;
    on("");
    an_exit((struct exit_details){.reason = 101,
                                  .rip = 0xfff0,
                                  .qualification = 0x3f80000,
                                  .about = ABOUT_PORT,
                                  .size = 1,
                                  .operand = 0x3f8},
            0x1141, 0x1141, true);
    an_exit(
        (struct exit_details){
            .reason = 101, .rip = 0xfff1, .about = ABOUT_PORT, .size = 2, .reads = true, .operand = 0x60},
        0xffff0000, 0xffff1234, true);
    an_exit(
        (struct exit_details){
            .reason = 101, .about = ABOUT_PORT, .size = 4, .reads = true, .string = true, .operand = 0x60},
        1, 2, true);
    core.vm.ending = true;
    an_exit((struct exit_details){.reason = 103, .about = ABOUT_MEMORY, .operand = 0xfec00000}, 0, 0, false);
    assert_string_equal(
        dump(100),
        "trace: 4 records, 0 lost, 1000000000 ticks a second\n"
        "@1.000000000 cpu0 one.0 exit ip=fff0 q=3f80000 port=3f8 size=1 out=41 cost=70 then=on : I/O "
        "instruction\n"
        "@1.000000100 cpu0 one.0 exit ip=fff1 q=0 port=60 size=2 in=1234 cost=70 then=on : I/O instruction\n"
        "@1.000000200 cpu0 one.0 exit ip=0 q=0 port=60 size=4 string=in cost=70 then=on : I/O instruction\n"
        "@1.000000300 cpu0 one.0 exit ip=0 q=0 mem=fec00000 cost=70 then=end : EPT violation\n"
        "trace: end\n");
}

static void msrs_cpuid_and_hypercalls_have_their_values(void **state)
{
    (void)state;
    on("");
    core.vcpu->arch.gpr[REG_RCX] = 0x10;
    core.vcpu->arch.gpr[REG_RDX] = 2;
    an_exit((struct exit_details){.reason = 104, .about = ABOUT_MSR, .reads = true}, 5, 6, true);
    an_exit((struct exit_details){.reason = 104, .about = ABOUT_MSR}, 5, 6, true);
    core.vcpu->arch.gpr[REG_RCX] = 7;
    an_exit((struct exit_details){.reason = 104, .about = ABOUT_LEAF}, 4, 6, true);
    an_exit((struct exit_details){.reason = 104, .about = ABOUT_CALL}, 9, 0xa, true);
    dump(100);
    assert_non_null(strstr(text, " msr=10 read=200000006 "));
    assert_non_null(strstr(text, " msr=10 write=200000005 "));
    assert_non_null(strstr(text, " leaf=4 sub=7 "));
    assert_non_null(strstr(text, " call=9 result=a "));
}

static void what_goes_in_is_said_at_its_exit_or_alone(void **state)
{
    (void)state;
    on("");
    exit_is = (struct exit_details){.reason = 104};
    observe_exit(core.vcpu);
    observe(core.vcpu, OBSERVED_INJECTION, BIT(31) | EVENT_EXCEPTION << 8 | 13);
    observe_exit_end(core.vcpu, true);
    observe(core.vcpu, OBSERVED_INJECTION, BIT(31) | EVENT_NMI << 8 | 2);
    dump(100);
    assert_non_null(strstr(text, "then=on inject=exception.13 : HLT\n"));
    assert_non_null(strstr(text, "one.0 event inject=nmi.2\n"));
    assert_int_equal(count("@"), 2);
}

static void events_have_names(void **state)
{
    (void)state;
    on("");
    observe(core.vcpu, OBSERVED_VM_RUNS, 0);
    observe(core.vcpu, OBSERVED_RUN, 0);
    observe(&core.vcpus[1], OBSERVED_INIT, 0);
    observe(&core.vcpus[1], OBSERVED_SIPI, 0x9a);
    observe(core.vcpu, OBSERVED_LEFT, 0);
    observe(core.vcpu, OBSERVED_WAKE, 0);
    observe(core.vcpu, OBSERVED_VM_ENDS, VM_RESET);
    assert_string_equal(dump(100), "trace: 7 records, 0 lost, 1000000000 ticks a second\n"
                                   "@1.000000000 cpu0 one.0 starts\n"
                                   "@1.000000000 cpu0 one.0 run\n"
                                   "@1.000000000 cpu0 one.1 init\n"
                                   "@1.000000000 cpu0 one.1 sipi vector=9a\n"
                                   "@1.000000000 cpu0 one.0 left\n"
                                   "@1.000000000 cpu0 one.0 wake\n"
                                   "@1.000000000 cpu0 one.0 ends how=reset\n"
                                   "trace: end\n");
}

static void a_ring_keeps_the_latest(void **state)
{
    (void)state;
    on("");
    for (unsigned i = 0; i < SIZE + 3; i++)
        hlt();
    dump(UINT64_MAX);
    assert_int_equal(count("@"), SIZE);
    assert_null(strstr(text, "@1.000000200 "));
    assert_non_null(strstr(text, "ticks a second\n@1.000000300 "));
    assert_non_null(strstr(text, "@1.000025800 "));
}

static void a_dump_of_some_is_of_the_latest_of_all_cores(void **state)
{
    (void)state;
    on("");
    for (unsigned i = 0; i < 6; i++) {
        go_to(i % 2);
        hlt();
    }
    dump(3);
    assert_int_equal(count("@"), 3);
    assert_non_null(strstr(text, "ticks a second\n@1.000000300 cpu1 one.0 exit"));
    assert_non_null(strstr(text, "@1.000000400 cpu0 "));
    assert_non_null(strstr(text, "@1.000000500 cpu1 "));
}

static void what_happens_during_a_dump_is_counted(void **state)
{
    struct trace_dump lines;

    (void)state;
    on("");
    hlt();
    trace_dump_begin(&lines, 10, &out);
    hlt();
    hlt();
    trace_dump_end(&lines);
    hlt();
    dump(10);
    assert_int_equal(count("@"), 2);
    assert_int_equal(count("2 records, 2 lost"), 1);
    trace_clear();
    dump(10);
    assert_int_equal(count("0 records, 0 lost"), 1);
    hlt();
    dump(10);
    assert_int_equal(count("1 records, 0 lost"), 1);
}

static void an_exit_whose_end_has_not_come_shows(void **state)
{
    (void)state;
    on("");
    exit_is = (struct exit_details){.reason = 103, .rip = 0x77};
    observe_exit(core.vcpu);
    dump(10);
    assert_non_null(strstr(text, "ip=77 q=0 cost=0 then=? : EPT violation"));
}

static void a_record_that_is_being_written_is_left_out(void **state)
{
    (void)state;
    on("");
    hlt();
    hlt();
    trace_rings[0].records[1].number = 0;
    dump(10);
    assert_int_equal(count("@"), 1);
}

static void off_is_off_and_keeps_what_there_is(void **state)
{
    (void)state;
    hlt();
    assert_string_equal(dump(10), "trace: 0 records, 0 lost, 1000000000 ticks a second\ntrace: end\n");
    kept = 0;
    on("");
    assert_int_equal(kept, 2 * SIZE * sizeof(struct trace_record));
    hlt();
    trace_off();
    assert_int_equal(core.vcpu->observed, 0);
    hlt();
    dump(10);
    assert_int_equal(count("@"), 1);
    say_nothing();
    trace_describe(&out);
    assert_string_equal(text, "trace: off; core 0: 1 of 256, 0 lost; core 1: 0 of 256, 0 lost\n");
}

static void filters_choose_vcpus(void **state)
{
    (void)state;
    on("one.1");
    assert_int_equal(core.vcpus[0].observed, 0);
    assert_int_equal(core.vcpus[1].observed, OBSERVE_TRACE);
    on("one.0 one.2");
    assert_int_equal(core.vcpus[0].observed, OBSERVE_TRACE);
    assert_int_equal(core.vcpus[1].observed, 0);
    assert_int_equal(core.vcpus[2].observed, OBSERVE_TRACE);
    on("two.x two.x.1");
    assert_int_equal(core.vcpus[0].observed, 0);
    on("one");
    assert_int_equal(core.vcpus[1].observed, OBSERVE_TRACE);
}

static bool wants(uint32_t reason)
{
    return trace_wants_exit(reason, 0x1000);
}

static void filters_choose_reasons(void **state)
{
    (void)state;
    on("hlt");
    assert_true(wants(104) && !wants(101) && !wants(7) && trace_wants_events);
    on("i/oinst,ept-v");
    assert_true(wants(101) && !wants(102) && wants(103) && !wants(104));
    on("IO");
    assert_true(wants(101) && wants(102) && !wants(103));
    on("one -io,hlt,events");
    assert_true(!wants(101) && !wants(102) && wants(103) && !wants(104) && wants(7) && !trace_wants_events);
    hlt();
    observe(core.vcpu, OBSERVED_WAKE, 0);
    dump(10);
    assert_int_equal(count("@"), 0);
    on("");
    assert_true(wants(101) && wants(104) && trace_wants_events);
}

static void filters_choose_where(void **state)
{
    (void)state;
    on("hlt ip=fff-0x1001");
    assert_true(trace_wants_exit(104, 0xfff) && trace_wants_exit(104, 0x1001));
    assert_true(!trace_wants_exit(104, 0xffe) && !trace_wants_exit(104, 0x1002) &&
                !trace_wants_exit(101, 0x1000));
    hlt();
    assert_int_equal((dump(10), count("ip=1000 ")), 1);
    on("ip=ffffffff80000000-ffffffffffffffff");
    assert_true(trace_wants_exit(104, UINT64_MAX) && !trace_wants_exit(104, 0x1000));
    on("");
    assert_true(trace_wants_exit(104, 0) && trace_wants_exit(104, UINT64_MAX));
}

static void refused(const char *filters, const char *word)
{
    say_nothing();
    assert_false(trace_on(filters, &out));
    assert_non_null(strstr(text, word));
    assert_int_equal(core.vcpu->observed, 0);
}

static void words_that_are_nothing_are_said(void **state)
{
    (void)state;
    refused("three", "\"three\"");
    refused("one.3", "\"one.3\"");
    refused("one. hlt", "\"one.\"");
    refused("one.99999999999999999999", "\"one.99999999999999999999\"");
    refused("hlt,none", "\"");
    refused("-", "\"-\"");
    refused(",", "\"");
    refused("hlt,", "\"");
    refused("one.-1", "\"one.-1\"");
    refused("ip=1", "\"ip=1\"");
    refused("ip=-2", "\"ip=-2\"");
    refused("ip=1-", "\"ip=1-\"");
    refused("ip=1-2x", "\"ip=1-2x\"");
}

static void a_quick_console_does_not_keep_the_core(void **state)
{
    unsigned turns = 0;

    (void)state;
    trace_reported = true;
    on("");
    for (unsigned i = 0; i < 100; i++)
        hlt();
    room = 10000;
    trace_report();
    while (turn()) {
        turns++;
        fake_run_until(fake_now + fake_hz);
    }
    assert_in_range(turns, 5, 50);
    assert_int_equal(count("@"), 100);
    assert_int_equal(holds, 0);
}

static void a_report_waits_for_the_console_and_holds_the_machine(void **state)
{
    (void)state;
    trace_report();
    assert_int_equal(holds, 0);
    trace_reported = true;
    on("");
    hlt();
    hlt();
    trace_report();
    trace_report(); /* another VM's: one dump is enough */
    assert_int_equal(holds, 1);
    assert_string_equal(text, "");
    room = 1;
    assert_true(turn());
    assert_int_equal(count("@"), 1);
    assert_int_equal(holds, 1);
    assert_false(turn());
    fake_run_until(fake_now + fake_hz);
    room = 100;
    assert_true(turn());
    assert_int_equal(count("@"), 2);
    assert_int_equal(count("trace: end"), 1);
    assert_int_equal(holds, 0);
    assert_false(trace_frozen);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_exit_is_a_line),
        TEST(msrs_cpuid_and_hypercalls_have_their_values),
        TEST(what_goes_in_is_said_at_its_exit_or_alone),
        TEST(events_have_names),
        TEST(a_ring_keeps_the_latest),
        TEST(a_dump_of_some_is_of_the_latest_of_all_cores),
        TEST(what_happens_during_a_dump_is_counted),
        TEST(an_exit_whose_end_has_not_come_shows),
        TEST(a_record_that_is_being_written_is_left_out),
        TEST(off_is_off_and_keeps_what_there_is),
        TEST(filters_choose_vcpus),
        TEST(filters_choose_reasons),
        TEST(filters_choose_where),
        TEST(words_that_are_nothing_are_said),
        TEST(a_quick_console_does_not_keep_the_core),
        TEST(a_report_waits_for_the_console_and_holds_the_machine),
    };
    return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}
