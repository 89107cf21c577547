/* The monitor's table of commands, and how a line is taken apart by it. */
#include "hv/lib/number.h"
#include "hv/lib/string.h"
#include "hv/monitor/monitor_internal.h"

static void help(struct monitor_call *call);

/* clang-format off */

#define VCPU "VM[.VCPU]"

static void leave(struct monitor_call *call)
{
    call->leaves = true;
}

const struct monitor_command monitor_commands[] = {
    {"help",      "",                     "this list",                                     NEEDS_NOTHING, help},
    {"vms",       "",                     "the VMs: state, memory, share, time",           NEEDS_NOTHING, monitor_vms},
    {"vcpus",     "[VM]",                 "vCPUs: state, core, time, exits",               NEEDS_NOTHING, monitor_vcpus},
    {"top",       "",                     "cores, VMs, exits a second; any key leaves",    NEEDS_NOTHING, monitor_top},
    {"start",     "VM",                   "as by its power button",                        NEEDS_NOTHING, monitor_start},
    {"button",    "VM",                   "presses its power button",                      NEEDS_STILL,   monitor_button},
    {"stop",      "VM",                   "as if its plug were pulled",                    NEEDS_NOTHING, monitor_stop},
    {"reset",     "VM",                   "as by its reset button",                        NEEDS_NOTHING, monitor_reset},
    {"pause",     "VM",                   "its vCPUs stand still, time goes on",           NEEDS_NOTHING, monitor_pause},
    {"resume",    "VM",                   "after pause or step",                           NEEDS_NOTHING, monitor_resume},
    {"step",      VCPU,                   "one instruction; the VM is paused then",        NEEDS_NOTHING, monitor_step},
    {"nmi",       VCPU,                   "an NMI",                                        NEEDS_STILL,   monitor_nmi},
    {"inject",    VCPU " VECTOR",         "an interrupt, by its local APIC",               NEEDS_STILL,   monitor_inject},
    {"keys",      "VM KEY [KEY] [KEY]",   "PS/2 keys at once, by make codes of set 2",     NEEDS_STILL,   monitor_keys},
    {"break",     "VM",                   "a break on its COM1: SysRq in Linux",           NEEDS_STILL,   monitor_break},
    {"focus",     "VM",                   "what is typed after `exit` goes to it",         NEEDS_NOTHING, monitor_focus},
    {"regs",      VCPU,                   "registers",                                     NEEDS_VCPU,    monitor_regs},
    {"mem",       VCPU " ADDRESS [COUNT] [BITS]", "memory by linear address, as words of BITS", NEEDS_VCPU, monitor_mem},
    {"pmem",      "VM ADDRESS [COUNT] [BITS]",    "memory by physical address",            NEEDS_VCPU,    monitor_pmem},
    {"translate", VCPU " ADDRESS",        "a linear address, table by table",              NEEDS_VCPU,    monitor_translate},
    {"vmcs",      VCPU,                   "control structure, and what forbids its entry", NEEDS_VCPU,    monitor_vmcs},
    {"cpuid",     VCPU,                   "what its CPUID hides of the machine's, and why", NEEDS_VCPU,    monitor_cpuid},
    {"devs",      "VM",                   "every device",                                  NEEDS_STILL,   monitor_devs},
    {"irq",       "VM",                   "interrupt controllers",                         NEEDS_STILL,   monitor_irq},
    {"exits",     "VM",                   "its exits by reason and device, with their cost", NEEDS_STILL, monitor_exits},
    {"bars",      "VM",                   "the same, how the costs are spread",            NEEDS_STILL,   monitor_bars},
    {"forget",    "VM",                   "its exits are counted anew",                    NEEDS_STILL,   monitor_forget},
    {"trace",     "{on|off|clear|dump}",  "exits and events: docs/tracing.md; alone: whether on", NEEDS_NOTHING, monitor_trace},
    {"timers",    "",                     "Keel's timers on each core",                    NEEDS_NOTHING, monitor_timers},
    {"queues",    "",                     "run queue of each core",                        NEEDS_NOTHING, monitor_queues},
    {"memory",    "",                     "the machine's memory",                          NEEDS_NOTHING, monitor_memory},
    {"log",       "[LINES]",              "the latest lines of Keel's log",                NEEDS_NOTHING, monitor_log},
    {"exit",      "",                     "leaves the monitor; so do Ctrl-D and the escape key", NEEDS_NOTHING, leave},
    {"poweroff",  "",                     "powers the machine off, whatever runs",         NEEDS_NOTHING, monitor_poweroff},
    {"reboot",    "",                     "restarts the machine, whatever runs",           NEEDS_NOTHING, monitor_reboot},
};
const unsigned monitor_command_count = ARRAY_LENGTH(monitor_commands);

/* The numbers among the arguments; `otherwise` is what is taken where an optional one is left out. */
static const struct number {
    const char *word;
    unsigned base;
    uint64_t least, most, otherwise;
} numbers[] = {
    {"ADDRESS", 16, 0,  UINT64_MAX, 0},
    {"COUNT",   10, 1,  4096,       128},
    {"BITS",    10, 8,  64,         8},
    {"KEY",     16, 1,  0xe0ff,     0},
    {"VECTOR",  10, 16, 255,        0},
    {"LINES",   10, 1,  1000,       20},
};

/* clang-format on */

static void help(struct monitor_call *call)
{
    char usage[48];

    for (unsigned i = 0; i < monitor_command_count; i++) {
        const struct monitor_command *command = &monitor_commands[i];

        format_text(usage, sizeof(usage), "%s %s", command->name, command->arguments);
        print_to(call->out, "%-42s%s\n", usage, command->help);
    }
    print_to(
        call->out,
        "ADDRESS and KEY are hexadecimal; other numbers are decimal, or begin with 0x. COUNT is in bytes.\n");
}

/* The next word of `*text` into `word`; false: there is none. What is too long is cut off. */
static bool next_word(const char **text, char *word, size_t size)
{
    size_t length = 0;

    while (**text == ' ')
        ++*text;
    for (; **text && **text != ' '; ++*text)
        if (length + 1 < size)
            word[length++] = **text;
    word[length] = 0;
    return length;
}

/* A number, which must be all of `word`. */
static bool take_digits(const char *word, unsigned base, uint64_t *value)
{
    const char *rest = read_number(word, base, value);

    return rest && !*rest;
}

static bool take_number(const struct number *number, const char *word, struct monitor_call *call,
                        uint64_t *value)
{
    if (take_digits(word, number->base, value) && *value >= number->least && *value <= number->most)
        return true;
    if (number->base == 16)
        print_to(call->out, "%s: \"%s\" is not a hexadecimal number from %lx to %lx\n", number->word, word,
                 number->least, number->most);
    else
        print_to(call->out, "%s: \"%s\" is not a number from %lu to %lu\n", number->word, word, number->least,
                 number->most);
    return false;
}

/* A VM by name; with `dotted` there may be a vCPU's number behind a dot. */
static bool take_vm(char *word, bool dotted, struct monitor_call *call)
{
    struct life_info info;
    char *dot = NULL;
    uint64_t id = 0;

    call->number = life_find(word);
    if (!call->number && dotted) {
        for (char *at = word; *at; at++)
            dot = *at == '.' ? at : dot;
        if (dot) {
            *dot = 0;
            call->number = life_find(word);
        }
    }
    if (!life_info(call->number, &info)) {
        print_to(call->out, "There is no VM \"%s\", but:", word);
        for (unsigned i = 1; life_info(i, &info); i++)
            print_to(call->out, " %s", info.name);
        print_to(call->out, "\n");
        return false;
    }
    if (dot && (!take_digits(dot + 1, 10, &id) || id >= info.vcpus)) {
        print_to(call->out, "%s has no vCPU \"%s\": they are 0 to %u\n", info.name, dot + 1, info.vcpus - 1);
        return false;
    }
    call->name = info.name;
    call->vm = info.vm;
    call->vcpu_id = (unsigned)id;
    return true;
}

static const struct number *find_number(const char *kind)
{
    for (unsigned i = 0; i < ARRAY_LENGTH(numbers); i++)
        if (strncmp(kind, numbers[i].word, strlen(numbers[i].word)) == 0)
            return &numbers[i];
    return NULL;
}

static bool take_arguments(const struct monitor_command *command, const char *line, struct monitor_call *call)
{
    const char *kinds = command->arguments;
    char kind[16], word[80];
    unsigned values = 0;

    while (next_word(&kinds, kind, sizeof(kind))) {
        bool optional = kind[0] == '[', given;
        const struct number *number = find_number(kind + optional);

        if (kind[0] == '{') {
            call->words = line;
            return true;
        }
        given = next_word(&line, word, sizeof(word));
        if (!given && !optional) {
            print_to(call->out, "%s is missing: %s %s\n", kind, command->name, command->arguments);
            return false;
        }
        if (number) {
            call->values[values] = number->otherwise;
            if (given && !take_number(number, word, call, &call->values[values]))
                return false;
            values++;
        } else if (given && !take_vm(word, kind[2] == '[', call)) {
            return false;
        }
    }
    if (!next_word(&line, word, sizeof(word)))
        return true;
    print_to(call->out, "\"%s\" is too much: %s %s\n", word, command->name, command->arguments);
    return false;
}

const struct monitor_command *monitor_parse(const char *line, struct monitor_call *call)
{
    char word[80];

    if (!next_word(&line, word, sizeof(word)))
        return NULL;
    for (unsigned i = 0; i < monitor_command_count; i++)
        if (strcmp(monitor_commands[i].name, word) == 0)
            return take_arguments(&monitor_commands[i], line, call) ? &monitor_commands[i] : NULL;
    print_to(call->out, "There is no command \"%s\": see `help`\n", word);
    return NULL;
}

const char *monitor_candidate(unsigned place, unsigned n)
{
    static const char *const words[] = {"on", "off", "clear", "dump"};
    struct life_info info;
    unsigned vms = 0;

    if (!place)
        return n < monitor_command_count ? monitor_commands[n].name : NULL;
    if (life_info(n + 1, &info))
        return info.name;
    while (life_info(vms + 1, &info))
        vms++;
    return place == 1 && n - vms < ARRAY_LENGTH(words) ? words[n - vms] : NULL;
}
