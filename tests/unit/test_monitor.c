/* The monitor's prompt and commands, over VMs, a console and a vendor that are stand-ins. */
#include <string.h>

#include "hv/debug/console.h"
#include "hv/debug/gdb_stub.h"
#include "hv/debug/monitor_internal.h"
#include "hv/debug/stats.h"
#include "hv/debug/walk_print.h"
#include "hv/host/cpu.h"
#include "hv/vm/cpuid.h"
#include "hv/vm/linear.h"
#include "hv/vm/native.h"
#include "hv/vm/sched.h"
#include "hv/vm/work.h"
#include "tests/unit/core_fixture.h"
#include "tests/unit/privileged.h"

void (*console_monitor)(void);
void (*gdb_monitor)(const char *line, struct writer *out);
struct cpu *cpus[CPUS_MOST];
static struct cpu core_0 = {.self = &core_0};

/* The console. */
static void (*taker)(int key);
static char shown[65536];
static struct text_buffer screen;
static unsigned broken, focus;
static bool full;
struct writer console_writer;

static void show(struct writer *self, const char *text, size_t length)
{
    (void)self;
    screen.writer.write(&screen.writer, text, length);
}

void console_write(const char *text, size_t length)
{
    show(NULL, text, length);
}

void console_seize(void (*to)(int key))
{
    taker = to;
}

static int unused[16];
static unsigned unused_count;

void console_release(int (*next)(void))
{
    int key;

    taker = NULL;
    unused_count = 0;
    while ((key = next()) >= 0)
        unused[unused_count++ % ARRAY_LENGTH(unused)] = key;
}

unsigned console_broken_lines(void)
{
    return broken;
}

bool console_has_room(size_t length)
{
    (void)length;
    return !full;
}

void console_give_focus(unsigned number)
{
    focus = number;
}

/* Work waits until the scheduler's loop comes round. */
static struct work *posted;

void work_post(unsigned on, struct work *work)
{
    assert_int_equal(on, 0);
    posted = work;
}

static void turn(void)
{
    struct work *work = posted;

    posted = NULL;
    if (work)
        work->run(work);
}

/* Two VMs: `one` runs, `two` is off. */
static bool paused, still, off, stays;
static unsigned pauses, resumes, stops;
static uint64_t resumed_some;
static struct apic_message sent;

bool life_info(unsigned number, struct life_info *info)
{
    if (number < 1 || number > 2)
        return false;
    *info = number == 2 ? (struct life_info){"two", "off", 1, MIB(8), NULL}
                        : (struct life_info){"one", paused ? "paused" : "running", CORE_VCPUS, MIB(16),
                                             off ? NULL : &core.vm};
    return true;
}

unsigned life_find(const char *name)
{
    return strcmp(name, "one") == 0 ? 1 : strcmp(name, "two") == 0 ? 2 : 0;
}

const char *life_start(unsigned number)
{
    return number == 1 ? "it runs" : NULL;
}

const char *life_stop(unsigned number)
{
    stops += number;
    return NULL;
}

const char *life_reset(unsigned number)
{
    (void)number;
    return NULL;
}

const char *life_pause(unsigned number)
{
    assert_int_equal(number, 1);
    if (paused)
        return "it is paused";
    pauses++;
    paused = true;
    still = !stays;
    return NULL;
}

const char *life_resume(unsigned number)
{
    (void)number;
    if (!paused)
        return "it is not paused";
    resumes++;
    paused = still = false;
    return NULL;
}

const char *life_resume_some(unsigned number, uint64_t vcpus)
{
    (void)number;
    resumed_some = vcpus;
    paused = still = false;
    return NULL;
}

bool life_still(unsigned number)
{
    return number == 1 && still && !off;
}

bool life_deliver(unsigned number, const struct apic_message *message)
{
    assert_int_equal(number, 1);
    assert_true(still);
    sent = *message;
    return true;
}

/* The vendor: a vCPU is loaded only while its VM stands still. */
static unsigned loads, puts_back;

static void vcpu_load(struct vcpu *vcpu)
{
    assert_true(still);
    assert_null(core_0.current);
    core_0.current = vcpu;
    loads++;
}

static void vcpu_put(struct vcpu *vcpu)
{
    assert_ptr_equal(core_0.current, vcpu);
    core_0.current = NULL;
    puts_back++;
}

static unsigned explain(struct vcpu *vcpu, struct writer *out)
{
    assert_ptr_equal(core_0.current, vcpu);
    print_to(out, "field 0x1\n");
    return 2;
}

static struct virt_ops ops;

/* Debugging. */
static struct vm_debug *attached;
static unsigned steps, given_up;

void debug_attach(struct vm *vm, struct vm_debug *debug)
{
    vm->debug = attached = debug;
}

void debug_detach(struct vm *vm)
{
    vm->debug = attached = NULL;
}

void debug_step(struct vcpu *vcpu)
{
    assert_true(still);
    (void)vcpu;
    steps++;
}

void debug_give_up_step(struct vcpu *vcpu)
{
    (void)vcpu;
    given_up++;
}

uint64_t debug_get_register(const struct vcpu *vcpu, unsigned number)
{
    (void)vcpu;
    return 0xd0 + number;
}

gva_t debug_linear_rip(struct vcpu *vcpu)
{
    return vcpu_get(vcpu, REG_RIP);
}

size_t debug_read(struct vcpu *vcpu, uint64_t address, void *to, size_t count)
{
    assert_ptr_equal(core_0.current, vcpu);
    if (!count || address >= CORE_RAM)
        return 0;
    count = MIN(count, CORE_RAM - address);
    memcpy(to, core.ram + address, count);
    return count;
}

/* What other parts' tests are about. */
unsigned cpu_count;

void sched_look(unsigned on, struct sched_view *view)
{
    (void)on;
    memset(view, 0, sizeof(*view));
}

void native_cpuid(uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out)
{
    *out = (struct cpuid_regs){leaf, subleaf};
}

void cpuid_describe(const struct vcpu *vcpu, cpuid_source *machine, struct writer *out)
{
    struct cpuid_regs regs;

    machine(7, 0, &regs);
    print_to(out, "what leaf %u hides of vCPU %u\n", regs.eax, vcpu->id);
}

void walk_describe(struct vcpu *vcpu, gva_t gva, struct writer *out)
{
    assert_ptr_equal(core_0.current, vcpu);
    print_to(out, "walk of %lx\n", gva);
}

bool msr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    (void)vcpu, (void)msr, (void)value;
    return false;
}

void native_take_xcr0(struct vcpu *vcpu)
{
    vcpu->xcr0 = 7;
}

enum code_mode vcpu_code_mode(struct vcpu *vcpu)
{
    (void)vcpu;
    return CODE_64;
}

static void say_machine(struct monitor_call *call)
{
    print_to(call->out, "machine %lu\n", call->values[0]);
}

void monitor_timers(struct monitor_call *call)
{
    say_machine(call);
}

void monitor_queues(struct monitor_call *call)
{
    say_machine(call);
}

void monitor_memory(struct monitor_call *call)
{
    say_machine(call);
}

/* More than the console has room for at a time. */
void monitor_log(struct monitor_call *call)
{
    for (unsigned i = 0; i < call->values[0]; i++)
        print_to(call->out, "line %u of a log that is long\n", i);
}

static int top_key;

static bool top_goes_on(struct monitor_call *call, int key)
{
    print_to(call->out, "tick\n");
    top_key = key;
    return key < 0;
}

void monitor_top(struct monitor_call *call)
{
    call->again = top_goes_on;
    call->ticks = fake_hz;
}

void monitor_poweroff(struct monitor_call *call)
{
    say_machine(call);
}

void monitor_reboot(struct monitor_call *call)
{
    say_machine(call);
}

/* Tests. */

static void begin(void)
{
    core_begin(64);
    privileged_begin();
    cpus[0] = &core_0;
    core_0.current = NULL;
    privileged_set_core(&core_0);
    ops = *virt;
    ops.vcpu_load = vcpu_load;
    ops.vcpu_put = vcpu_put;
    ops.explain = explain;
    virt = &ops;
    paused = still = off = stays = full = false;
    pauses = resumes = stops = loads = puts_back = steps = given_up = focus = 0;
    broken = 0;
    console_writer.write = show;
    text_buffer_init(&screen, shown, sizeof(shown));
    monitor_init();
    console_monitor();
    turn();
}

static void wait_for(uint64_t ticks)
{
    fake_run_until(fake_now + ticks);
    turn();
}

static void end(void)
{
    paused = false;
    full = stays = false;
    if (taker) {
        taker(CONSOLE_ESCAPE);
        for (unsigned i = 0; i < 20 && taker; i++) {
            turn();
            wait_for(fake_hz);
        }
    }
    assert_null(core_0.current);
    assert_int_equal(loads, puts_back);
    privileged_end();
    core_teardown(NULL);
}

static void type(const char *keys)
{
    screen.length = 0;
    shown[0] = 0;
    for (; *keys; keys++)
        taker((uint8_t)*keys);
    turn();
}

static void expect(const char *line, const char *said)
{
    char whole[4096];

    type(line);
    type("\r");
    format_text(whole, sizeof(whole), "\n%s\rkeel> \x1b[K", said);
    assert_string_equal(shown, whole);
}

static void holds(const char *line, const char *part)
{
    type(line);
    type("\r");
    if (!strstr(shown, part))
        fail_msg("%s: no \"%s\" in:\n%s", line, part, shown);
}

static void what_is_wrong_is_said(void **state)
{
    (void)state;
    begin();
    expect("", "");
    expect("  ", "");
    expect("xyz", "There is no command \"xyz\": see `help`\n");
    expect("regs", "VM[.VCPU] is missing: regs VM[.VCPU]\n");
    expect("regs three", "There is no VM \"three\", but: one two\n");
    expect("regs one.3", "one has no vCPU \"3\": they are 0 to 2\n");
    expect("regs one.", "one has no vCPU \"\": they are 0 to 2\n");
    expect("regs one.18446744073709551616", "one has no vCPU \"18446744073709551616\": they are 0 to 2\n");
    expect("stop one.0", "There is no VM \"one.0\", but: one two\n");
    expect("regs two", "two is off\n");
    expect("mem one", "ADDRESS is missing: mem VM[.VCPU] ADDRESS [COUNT]\n");
    expect("mem one 10g", "ADDRESS: \"10g\" is no hexadecimal number of 64 bits\n");
    expect("mem one 0x", "ADDRESS: \"0x\" is no hexadecimal number of 64 bits\n");
    expect("mem one 10000000000000000",
           "ADDRESS: \"10000000000000000\" is no hexadecimal number of 64 bits\n");
    expect("mem one 0 0", "COUNT: \"0\" is not a number from 1 to 4096\n");
    expect("mem one 0 4097", "COUNT: \"4097\" is not a number from 1 to 4096\n");
    expect("mem one 0 1 2", "\"2\" is too much: mem VM[.VCPU] ADDRESS [COUNT]\n");
    expect("inject one 15", "VECTOR: \"15\" is not a number from 16 to 255\n");
    expect("inject one 0x100", "VECTOR: \"0x100\" is not a number from 16 to 255\n");
    assert_int_equal(pauses, 0);
    end();
}

static void a_vm_stands_still_while_it_is_looked_at(void **state)
{
    (void)state;
    begin();
    memcpy(core.ram + 0x1ff0, "known bytes\0\1\xff!?and on", 22);
    expect("mem one 1ff0 18",
           "0000000000001ff0  6b 6e 6f 77 6e 20 62 79 74 65 73 00 01 ff 21 3f  known bytes...!?\n"
           "0000000000002000  61 6e                                            an\n");
    assert_int_equal(pauses, 1);
    assert_int_equal(resumes, 1);
    paused = still = true; /* one that was paused before stays so */
    expect("pmem one 9fffe 4", "000000000009fffe  00 00                                            ..\n"
                               "one has no RAM at 0xa0000\n");
    assert_int_equal(resumes, 1);
    expect("translate one.1 0x1234", "walk of 1234\n");
    expect("vmcs one", "field 0x1\n2 checks forbid the entry: see above\n");
    expect("cpuid one.1", "what leaf 7 hides of vCPU 1\n");
    core.vcpu->gpr[REG_RAX] = 0x1234567890abcdef;
    holds("regs one.0", "rax     1234567890abcdef");
    holds("regs one", "xcr0    0000000000000007");
    core.vcpu->debug.intercepts = DEBUG_REGISTERS;
    holds("regs one", "dr3     00000000000000d3");
    holds("regs one", "dr7     00000000000000d7");
    end();
}

static void a_vm_that_does_not_stand_still_is_not_waited_for_long(void **state)
{
    (void)state;
    begin();
    stays = true;
    type("regs one\r");
    wait_for(4 * fake_hz);
    assert_null(strstr(shown, "stand"));
    wait_for(2 * fake_hz);
    assert_non_null(strstr(shown, "one does not stand still\n\rkeel> "));
    assert_int_equal(resumes, 1);
    type("regs one\r");
    off = true; /* it ends meanwhile */
    wait_for(fake_hz);
    assert_non_null(strstr(shown, "one is off\n\rkeel> "));
    assert_int_equal(loads, 0);
    end();
}

static struct exit_stat rows[1 + 3]; /* as many as a fixture's VM has */

static void it_lists(void **state)
{
    (void)state;
    begin();
    core.vm.group.weight = 50;
    core.vm.group.quota = fake_hz / 40; /* of a tenth of a second: 25 % */
    core.vm.group.ran = fake_hz * 5 / 4;
    core.vcpus[1].activity = VCPU_HALTED;
    core.vcpus[1].stats = rows;
    rows[0].buckets[9] = 7;
    expect("vms", " # name             state     vcpus     memory  weight  cap        ran\n"
                  " 1 one              running       3     16 MiB      50  25%       1.250 s\n"
                  " 2 two              off           1      8 MiB\n");
    expect("vcpus one", "one.0                ready          core   0       0.000 s          0 exits\n"
                        "one.1                halted         core   0       0.000 s          7 exits\n"
                        "one.2                ready          core   0       0.000 s          0 exits\n");
    expect("vcpus two", "two is off\n");
    paused = true;
    holds("vcpus", "one.0                paused ");
    end();
}

static void it_steers(void **state)
{
    (void)state;
    begin();
    expect("start one", "one: it runs\n");
    expect("start two", "two: is being started\n");
    expect("stop two", "two: is being stopped\n");
    assert_int_equal(stops, 2);
    expect("resume one", "one: it is not paused\n");
    expect("pause one", "one: paused\n");
    expect("pause one", "one: it is paused\n");
    expect("nmi one.2", "one: sent\n");
    assert_int_equal(sent.delivery, APIC_NMI);
    assert_int_equal(sent.destination, 2);
    expect("resume one", "one: goes on\n");
    expect("inject one 0x51", "one: sent\n");
    assert_int_equal(sent.delivery, APIC_FIXED);
    assert_int_equal(sent.vector, 0x51);
    assert_false(paused);
    expect("focus two", "");
    assert_int_equal(focus, 2);
    end();
}

static void a_step_ends_paused(void **state)
{
    (void)state;
    begin();
    vcpu_set(core.vcpu, REG_RIP, 0x1000);
    type("step one\r");
    wait_for(fake_hz / 100);
    assert_int_equal(steps, 1);
    assert_int_equal(resumed_some, 1);
    assert_non_null(attached);
    vcpu_set(core.vcpu, REG_RIP, 0x1003);
    memcpy(core.ram + 0x1003, "\xeb\xfe", 2);
    attached->stopped(core.vcpu, DEBUG_STEPPED, NULL);
    turn();
    wait_for(fake_hz / 100);
    assert_non_null(strstr(shown, "one.0: 0x1000 -> 0x1003, next eb fe 00"));
    assert_null(attached);
    assert_true(paused);
    type("step one\r"); /* one that comes to nothing */
    wait_for(fake_hz / 100);
    core.vcpu->activity = VCPU_HALTED;
    wait_for(2 * fake_hz);
    wait_for(fake_hz / 100);
    assert_non_null(strstr(shown, "one.0 runs no instruction, it is halted: still at 0x1003\n"));
    assert_int_equal(given_up, 1);
    assert_null(attached);
    assert_true(paused);
    end();
}

static void the_prompt_comes_back_behind_others_lines(void **state)
{
    (void)state;
    begin();
    type("vm");
    broken++;
    screen.length = 0;
    wait_for(fake_hz);
    assert_string_equal(shown, "\rkeel> vm\x1b[K");
    screen.length = 0;
    wait_for(fake_hz);
    assert_int_equal(screen.length, 0);
    type("\x15");
    end();
}

static void output_waits_for_room_and_control_c_ends_it(void **state)
{
    (void)state;
    begin();
    type("log 900");
    full = true;
    type("\r");
    assert_int_equal(screen.length, 0);
    full = false;
    wait_for(fake_hz / 100);
    assert_non_null(strstr(shown, "line 899 "));
    type("log 900");
    full = true;
    type("\r");
    type("\x03");
    full = false;
    screen.length = 0;
    wait_for(fake_hz / 100);
    assert_null(strstr(shown, "line 800 "));
    assert_non_null(strstr(shown, "keel> "));
    end();
}

static void top_refreshes_until_a_key(void **state)
{
    (void)state;
    begin();
    type("top\r");
    screen.length = 0;
    wait_for(fake_hz / 100);
    screen.length = 0;
    wait_for(2 * fake_hz);
    assert_string_equal(shown, "tick\n");
    type("q");
    assert_int_equal(top_key, 'q');
    assert_string_equal(shown, "tick\n\rkeel> \x1b[K");
    end();
}

static void it_is_left_and_opened_again(void **state)
{
    (void)state;
    begin();
    type("exit\r");
    wait_for(fake_hz);
    assert_null(taker);
    console_monitor();
    turn();
    assert_non_null(taker);
    type("half a l");
    taker(CONSOLE_ESCAPE);
    turn();
    wait_for(fake_hz);
    assert_null(taker);
    screen.length = 0;
    console_monitor();
    turn();
    assert_string_equal(shown, "Keel's monitor: `help` lists commands, `exit` leaves\n\rkeel> \x1b[K");
    console_monitor(); /* once more is harmless */
    end();
}

static void what_is_typed_behind_exit_is_the_vms(void **state)
{
    (void)state;
    begin();
    type("exit\rab");
    wait_for(fake_hz);
    assert_null(taker);
    assert_int_equal(unused_count, 2);
    assert_int_equal(unused[0], 'a');
    assert_int_equal(unused[1], 'b');
    end();
}

static void gdb_runs_commands(void **state)
{
    char text[8192];
    struct text_buffer out;

    (void)state;
    begin();
    text_buffer_init(&out, text, sizeof(text));
    gdb_monitor("mem one 0 16", &out.writer);
    assert_string_equal(text, "one does not stand still: interrupt it, or `monitor pause one`\n");
    paused = still = true;
    out.length = 0;
    gdb_monitor("mem one 0 1", &out.writer);
    assert_non_null(strstr(text, "0000000000000000  00 "));
    out.length = 0;
    gdb_monitor("step one", &out.writer);
    assert_string_equal(text, "GDB steps by itself: stepi\n");
    out.length = 0;
    gdb_monitor("exit", &out.writer);
    assert_non_null(taker);
    out.length = 0;
    gdb_monitor("help", &out.writer);
    for (unsigned i = 0; i < monitor_command_count; i++)
        assert_non_null(strstr(text, monitor_commands[i].help));
    end();
}

static void no_byte_harms(void **state)
{
    unsigned seed = 1;

    (void)state;
    begin();
    paused = still = true;
    for (unsigned i = 0; i < 200000; i++) {
        static const char *const words[] = {"mem ", "regs ", "one",    ".1 ",  "\t",   "\r",
                                            "0x",   " ",     "\x1b[A", "\x17", "log ", "9"};

        seed = seed * 1103515245 + 12345;
        if (taker && seed >> 16 & 1)
            taker((int)(seed >> 20 & 0xff));
        else
            for (const char *key = words[(seed >> 17) % ARRAY_LENGTH(words)]; taker && *key; key++)
                taker(*key);
        turn();
        if (!taker) {
            console_monitor();
            turn();
        }
        if (screen.length > sizeof(shown) / 2)
            screen.length = 0;
        if (posted == NULL && i % 16 == 0)
            wait_for(fake_hz);
        paused = still = true;
    }
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(a_vm_stands_still_while_it_is_looked_at),
        cmocka_unit_test(a_vm_that_does_not_stand_still_is_not_waited_for_long),
        cmocka_unit_test(it_lists),
        cmocka_unit_test(it_steers),
        cmocka_unit_test(a_step_ends_paused),
        cmocka_unit_test(the_prompt_comes_back_behind_others_lines),
        cmocka_unit_test(output_waits_for_room_and_control_c_ends_it),
        cmocka_unit_test(top_refreshes_until_a_key),
        cmocka_unit_test(it_is_left_and_opened_again),
        cmocka_unit_test(what_is_typed_behind_exit_is_the_vms),
        cmocka_unit_test(gdb_runs_commands),
        cmocka_unit_test(no_byte_harms),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
