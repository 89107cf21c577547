/* The prompt: keys that come, the command under way, and what is said of it. */
#include "hv/console/console.h"
#include "hv/console/line_edit.h"
#include "hv/gdb/gdb_stub.h"
#include "hv/host/clock.h"
#include "hv/host/cpu.h"
#include "hv/host/timer.h"
#include "hv/lib/string.h"
#include "hv/monitor/monitor_internal.h"
#include "hv/run/work.h"
#include "hv/vm/virt.h"

#define LOOKS_A_SECOND   1000    /* while something is waited for */
#define PROMPTS_A_SECOND 10      /* how soon the prompt is there again after another's line */
#define PATIENCE_SECONDS 5       /* for a VM that is to stand still */
#define PIECE            256     /* of the output, in bytes: so much is not worth cutting */
#define PENDING_MOST     KIB(48) /* of the output, in bytes: more than that has to leave before the next key */
#define CTRL_C           3
#define NO_KEY           -1

/*
 * All of it happens on the boot core between two vCPUs, by `work`; only keys come from interrupts. What a
 * command says is kept in `text`, and the console sends it from there: keys are obeyed meanwhile.
 */
static struct monitor {
    struct timer timer;
    bool open, opening, leaving, closing;
    int keys[512]; /* typed and not yet read; written with the console's input locked */
    unsigned first_key, end_key;
    unsigned unused;  /* of these, when it is left */
    bool interrupted; /* Ctrl-C was among them */
    struct line_edit edit;
    unsigned broken; /* as console_broken_lines was when the prompt was shown */
    struct text_buffer output;
    enum { AT_PROMPT, AWAITS_STILL, GOES_ON } state;
    const struct monitor_command *command;
    struct monitor_call call;
    bool resumes; /* the VM ran before it was made to stand still */
    uint64_t deadline;
    char text[KIB(64)];
} m;

/* With the console's input locked. */
static void take_key(int key)
{
    unsigned end = m.end_key;

    if (key == CTRL_C)
        m.interrupted = true;
    if (end - __atomic_load_n(&m.first_key, __ATOMIC_ACQUIRE) < ARRAY_LENGTH(m.keys)) {
        m.keys[end % ARRAY_LENGTH(m.keys)] = key;
        __atomic_store_n(&m.end_key, end + 1, __ATOMIC_RELEASE);
    }
    monitor_wake();
}

static int next_key(void)
{
    unsigned first = m.first_key;
    int key;

    if (first == __atomic_load_n(&m.end_key, __ATOMIC_ACQUIRE))
        return NO_KEY;
    key = m.keys[first % ARRAY_LENGTH(m.keys)];
    __atomic_store_n(&m.first_key, first + 1, __ATOMIC_RELEASE);
    return key;
}

/* Its VM stands still, or nothing is needed. */
static void run_command(const struct monitor_command *command, struct monitor_call *call)
{
    if (command->needs == NEEDS_VCPU) {
        call->vcpu = call->vm->vcpus[call->vcpu_id];
        vcpu_borrow(call->vcpu);
    }
    command->run(call);
    m.leaving |= call->leaves && call->console;
    if (command->needs == NEEDS_VCPU)
        vcpu_return(call->vcpu);
}

/* Whether the command's VM, which has to stand still, is there; else that has been said. */
static bool is_there(struct monitor_call *call)
{
    struct life_info info;

    if (life_info(call->number, &info) && info.vm) {
        call->vm = info.vm;
        return true;
    }
    print_to(call->out, "%s is off\n", call->name);
    return false;
}

void monitor_execute(const char *line, struct writer *out)
{
    struct monitor_call call = {.out = out};
    const struct monitor_command *command = monitor_parse(line, &call);

    if (!command || (command->needs != NEEDS_NOTHING && !is_there(&call)))
        return;
    if (command->needs != NEEDS_NOTHING && !life_still(call.number))
        print_to(out, "%s does not stand still: interrupt it, or `monitor pause %s`\n", call.name, call.name);
    else
        run_command(command, &call);
}

static void begin_waiting(void)
{
    if (!is_there(&m.call))
        return;
    m.resumes = !life_pause(m.call.number);
    m.deadline = clock_now() + PATIENCE_SECONDS * clock_hz();
    m.state = AWAITS_STILL;
}

/* A line was typed. */
static void begin_command(void)
{
    memset(&m.call, 0, sizeof(m.call));
    m.call.out = &m.output.writer;
    m.call.console = true;
    m.state = AT_PROMPT;
    m.interrupted = false;
    m.command = monitor_parse(m.edit.line, &m.call);
    if (!m.command)
        return;
    if (m.command->needs != NEEDS_NOTHING) {
        begin_waiting();
        return;
    }
    run_command(m.command, &m.call);
    m.deadline = 0;
    if (m.call.again)
        m.state = GOES_ON;
}

/* Returns whether it waits no more. */
static bool await_still(void)
{
    if (life_still(m.call.number))
        run_command(m.command, &m.call);
    else if (!is_there(&m.call))
        m.resumes = false;
    else if (!m.interrupted && clock_now() < m.deadline)
        return false;
    else
        print_to(m.call.out, "%s does not stand still\n", m.call.name);
    if (m.resumes)
        life_resume(m.call.number);
    m.state = AT_PROMPT;
    return true;
}

static bool go_on(void)
{
    int key = next_key();

    if (key == NO_KEY && clock_now() < m.deadline)
        return false;
    m.deadline = clock_now() + m.call.ticks;
    if (!m.call.again(&m.call, key))
        m.state = AT_PROMPT;
    return true;
}

static void show_prompt(void)
{
    m.broken = console_broken_lines();
    line_edit_show(&m.edit);
}

/* Returns whether there was something to do. */
static bool read_key(void)
{
    int key = next_key();
    enum edit_result result;

    if (key == NO_KEY) {
        if (m.broken == console_broken_lines())
            return false;
        show_prompt();
        return true;
    }
    result = key == CONSOLE_ESCAPE ? EDIT_END : line_edit_byte(&m.edit, (uint8_t)key);
    if (result == EDIT_END) {
        m.leaving = true;
        print_to(&m.output.writer, "\n");
    }
    if (result != EDIT_DONE)
        return true;
    begin_command();
    if (m.state == AT_PROMPT && !m.leaving)
        show_prompt();
    return true;
}

/* What has been said is the console's to send. Ctrl-C drops the rest of a long answer. Returns whether all of
 * it has left. */
static bool hand_on(void)
{
    size_t left = m.output.length - console_answer(m.text, m.output.length);

    if (m.interrupted && left > PIECE) {
        console_answer(m.text, m.output.length = 0);
        m.interrupted = false;
        print_to(&m.output.writer, "\n");
        return false;
    }
    if (!left && m.output.length)
        console_answer(m.text, m.output.length = 0);
    return !left;
}

/* What was typed behind the key that left, with the console's input locked. It may open the monitor again. */
static int left_over(void)
{
    if (m.closing) {
        m.closing = false;
        m.unused = m.end_key - m.first_key;
        __atomic_store_n(&m.open, false, __ATOMIC_RELEASE);
    }
    return m.unused ? m.unused--, next_key() : NO_KEY;
}

static void leave(void)
{
    m.leaving = false;
    m.edit.done = true; /* what was typed of a line is forgotten */
    m.closing = true;
    console_release(left_over);
}

/* A step of whatever is under way; false: it waits. `all_sent`: what goes on may say more. */
static bool move_on(bool all_sent)
{
    bool done = m.state == AWAITS_STILL                                        ? await_still()
                : m.state == GOES_ON && (all_sent || m.first_key != m.end_key) ? go_on()
                                                                               : false;

    if (m.state == AT_PROMPT && done)
        show_prompt();
    return done || (m.state == AT_PROMPT && m.output.length < PENDING_MOST && read_key());
}

static void serve(struct work *work)
{
    bool all_sent, idle;

    (void)work;
    if (!m.open)
        return;
    if (m.opening) {
        m.opening = false;
        print_to(&m.output.writer, "Keel's monitor: `help` lists commands, `exit` leaves\n");
        show_prompt();
    }
    do {
        all_sent = hand_on();
    } while (!m.leaving && move_on(all_sent));
    idle = m.state == AT_PROMPT && all_sent;
    if (m.leaving && idle)
        leave();
    else
        timer_arm(&m.timer, clock_now() + clock_hz() / (idle ? PROMPTS_A_SECOND : LOOKS_A_SECOND));
}

static void time_to_look(struct timer *timer)
{
    (void)timer;
    monitor_wake();
}

void monitor_open(void)
{
    if (__atomic_exchange_n(&m.open, true, __ATOMIC_ACQ_REL))
        return;
    m.opening = true;
    console_seize(take_key);
    monitor_wake();
}

void monitor_init(void)
{
    text_buffer_init(&m.output, m.text, sizeof(m.text));
    monitor_wake_init(serve);
    m.timer.expired = time_to_look;
    m.edit.out = &m.output.writer;
    m.edit.prompt = "keel> ";
    m.edit.candidate = monitor_candidate;
    console_monitor = monitor_open;
    gdb_monitor = monitor_execute;
}
