#include "tests/unit/monitor/monitor_fixture.h"

#include <string.h>

#include "hv/console/console.h"
#include "hv/cpu/cpuid.h"
#include "hv/cpu/native.h"
#include "hv/event/guest_debug.h"
#include "hv/gdb/gdb_stub.h"
#include "hv/host/cpu.h"
#include "hv/observe/stats.h"
#include "hv/observe/trace.h"
#include "hv/run/sched.h"
#include "hv/run/work.h"
#include "hv/show/walk_print.h"
#include "hv/walk/linear.h"
#include "tests/unit/core_fixture.h"
#include "tests/unit/privileged.h"

void (*console_monitor)(void);
void (*gdb_monitor)(const char *line, struct writer *out);
static struct cpu core_0 = {.self = &core_0};

/* The console. */
void (*taker)(int key);
char shown[65536];
struct text_buffer screen;
unsigned broken, focus;
bool full;

size_t console_answer(const char *text, size_t length)
{
    static size_t gone;

    if (!length)
        gone = 0;
    if (!full && length > gone) {
        screen.writer.write(&screen.writer, text + gone, length - gone);
        gone = length;
    }
    return gone;
}

void console_seize(void (*to)(int key))
{
    taker = to;
}

int unused[16];
unsigned unused_count;

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

void console_give_focus(unsigned number)
{
    focus = number;
}

/* Work waits until the scheduler's loop comes round. */

void turn(void)
{
    struct work *work = fake_asked.work;

    fake_asked.work = NULL;
    if (work)
        work->run(work);
}

/* Two VMs: `one` runs, `two` is off. */
bool paused, still, off, stays;
unsigned pauses, resumes, stops;
uint64_t resumed_some;

struct signalled signals[8];
unsigned signal_count;
bool deaf;

bool life_info(unsigned number, struct life_info *info)
{
    if (number < 1 || number > 2)
        return false;
    *info = number == 2 ? (struct life_info){"two", LIFE_OFF, 1, MIB(8), 0, true, NULL, "stopped"}
                        : (struct life_info){"one",
                                             paused ? LIFE_PAUSED : LIFE_RUNNING,
                                             CORE_VCPUS,
                                             MIB(16),
                                             fake_now - 10 * fake_hz,
                                             true,
                                             off ? NULL : &core.vm};
    return true;
}

const char *life_state_name(enum life_state state)
{
    return state == LIFE_OFF ? "off" : state == LIFE_PAUSED ? "paused" : "running";
}

static bool looks;

struct vm *life_look(unsigned number)
{
    assert_false(looks);
    looks = number == 1 && !off;
    return looks ? &core.vm : NULL;
}

void life_looked(unsigned number)
{
    assert_int_equal(number, 1);
    assert_true(looks);
    looks = false;
}

unsigned life_find(const char *name)
{
    return strcmp(name, "one") == 0 ? 1 : strcmp(name, "two") == 0 ? 2 : 0;
}

bool life_signal(unsigned number, enum board_signal what, unsigned code)
{
    assert_int_equal(number, 1);
    assert_true(still);
    if (signal_count == ARRAY_LENGTH(signals))
        return false;
    signals[signal_count].what = what;
    signals[signal_count++].code = code;
    return !deaf;
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

struct vcpu *life_parked(unsigned number, unsigned id)
{
    return life_still(number) ? &core.vcpus[id] : NULL;
}

/* The vendor: a vCPU is loaded only while its VM stands still. */
unsigned loads, puts_back;

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
struct vm_debug *attached;
unsigned steps, given_up;

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

int top_key;

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

/* The trace. */
bool trace_frozen;
static unsigned traced_lines;

bool trace_on(const char *filters, struct writer *out)
{
    print_to(out, "on \"%s\"\n", filters);
    return true;
}

void trace_off(void)
{
    print_to(&screen.writer, "off\n");
}

void trace_clear(void)
{
    print_to(&screen.writer, "clear\n");
}

void trace_describe(struct writer *out)
{
    print_to(out, "described\n");
}

void trace_print(uint64_t most, struct writer *out)
{
    print_to(out, "the latest %lu\n", most);
}

void trace_dump_begin(struct trace_dump *dump, uint64_t most, struct writer *out)
{
    dump->out = out;
    dump->left = traced_lines = (unsigned)MIN(most, (uint64_t)1000);
    trace_frozen = true;
}

bool trace_dump_line(struct trace_dump *dump)
{
    if (!dump->left) {
        trace_dump_end(dump);
        return false;
    }
    print_to(dump->out, "record %lu\n", traced_lines - dump->left--);
    return true;
}

void trace_dump_end(struct trace_dump *dump)
{
    print_to(dump->out, "the end\n");
    trace_frozen = false;
}

void monitor_poweroff(struct monitor_call *call)
{
    say_machine(call);
}

void monitor_reboot(struct monitor_call *call)
{
    say_machine(call);
}

void begin(void)
{
    core_begin(64);
    for (unsigned i = 0; i < CORE_VCPUS; i++)
        core.vcpus[i].arch.xcr0 = 7;
    privileged_begin();
    cpus[0] = &core_0;
    core_0.current = NULL;
    privileged_set_core(&core_0);
    ops = *virt;
    ops.lifecycle.vcpu_load = vcpu_load;
    ops.lifecycle.vcpu_put = vcpu_put;
    ops.show.explain = explain;
    virt = &ops;
    deaf = paused = still = off = stays = full = false;
    signal_count = pauses = resumes = stops = loads = puts_back = steps = given_up = focus = 0;
    broken = 0;
    text_buffer_init(&screen, shown, sizeof(shown));
    monitor_init();
    console_monitor();
    turn();
}

void wait_for(uint64_t ticks)
{
    fake_run_until(fake_now + ticks);
    turn();
}

void end(void)
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

void type(const char *keys)
{
    screen.length = 0;
    shown[0] = 0;
    for (; *keys; keys++)
        taker((uint8_t)*keys);
    turn();
}

void expect(const char *line, const char *said)
{
    char whole[4096];

    type(line);
    type("\r");
    format_text(whole, sizeof(whole), "\n%s\rkeel> \x1b[K", said);
    assert_string_equal(shown, whole);
}

void holds(const char *line, const char *part)
{
    type(line);
    type("\r");
    if (!strstr(shown, part))
        fail_msg("%s: no \"%s\" in:\n%s", line, part, shown);
}
