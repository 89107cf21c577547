#include "hv/life/config_keys.h"

#include "hv/lib/number.h"
#include "hv/lib/string.h"

/* A decimal number, or 0x and a hexadecimal one, which must be all of `text`. */
static bool parse_number(const char *text, uint64_t *value)
{
    const char *rest = read_number(text, 10, value);

    return rest && *rest == 0;
}

/* A number with K, M or G, which must be all of `text`. */
static bool parse_size(const char *text, uint64_t *size)
{
    static const char units[] = "KMG";
    const char *rest = read_number(text, 10, size), *unit;
    unsigned shift;

    if (!rest || rest[0] == 0 || rest[1] != 0)
        return false;
    unit = strchr(units, rest[0] & ~('a' - 'A'));
    if (!unit || !*unit)
        return false;
    shift = 10 * ((unsigned)(unit - units) + 1);
    if (*size > CONFIG_MEMORY_MOST >> shift)
        return false;
    *size <<= shift;
    return true;
}

static bool parse_memory(void *field, const char *value)
{
    uint64_t size;

    if (!parse_size(value, &size) || size < CONFIG_MEMORY_LEAST || size & PAGE_MASK)
        return false;
    *(uint64_t *)field = size;
    return true;
}

static bool parse_between(void *field, const char *value, uint64_t least, uint64_t most)
{
    uint64_t number;

    if (!parse_number(value, &number) || number < least || number > most)
        return false;
    *(unsigned *)field = (unsigned)number;
    return true;
}

static bool parse_vcpus(void *field, const char *value)
{
    return parse_between(field, value, 1, VM_VCPUS_MOST);
}

static bool parse_weight(void *field, const char *value)
{
    return parse_between(field, value, 1, RUN_WEIGHT_MOST);
}

static bool parse_cap(void *field, const char *value)
{
    return parse_between(field, value, 0, CONFIG_CAP_MOST);
}

static const char *skip_blanks(const char *text)
{
    while (*text == ' ' || *text == '\t')
        text++;
    return text;
}

/* "0-1,3": numbers and ranges, with blanks between them; or "all". */
static bool parse_cpus(void *field, const char *value)
{
    uint64_t cpus[CONFIG_CPUS / 64] = {0};
    bool all = strcmp(value, "all") == 0;

    for (const char *at = value; !all; at++) {
        uint64_t first, last;

        at = read_number(skip_blanks(at), 10, &first);
        last = first;
        if (at && *skip_blanks(at) == '-')
            at = read_number(skip_blanks(skip_blanks(at) + 1), 10, &last);
        if (!at || last < first || last >= CONFIG_CPUS)
            return false;
        for (uint64_t cpu = first; cpu <= last; cpu++)
            cpus[cpu / 64] |= BIT(cpu % 64);
        at = skip_blanks(at);
        if (*at == 0)
            break;
        if (*at != ',')
            return false;
    }
    memcpy(field, cpus, sizeof(cpus));
    return true;
}

static bool parse_string(void *field, const char *value)
{
    *(const char **)field = value;
    return true;
}

/* A module's name is one word. */
static bool parse_name(void *field, const char *value)
{
    if (*value == 0 || strchr(value, ' ') || strchr(value, '\t'))
        return false;
    *(const char **)field = value;
    return true;
}

/* A name and what follows it: one more in the list. */
static bool parse_module(void *field, const char *value)
{
    struct config_modules *modules = field;

    if (*value == 0 || modules->count == CONFIG_MODULES)
        return false;
    modules->values[modules->count++] = value;
    return true;
}

static bool parse_address(void *field, const char *value)
{
    uint64_t address;

    if (!parse_number(value, &address) || address > UINT32_MAX)
        return false;
    *(gpa_t *)field = address;
    return true;
}

/* One of a list of words; the value is its place. */
static bool parse_word(void *field, const char *value, const char *const *words)
{
    for (unsigned i = 0; words[i]; i++)
        if (strcmp(value, words[i]) == 0) {
            *(unsigned *)field = i;
            return true;
        }
    return false;
}

#define DEFINE_WORDS(function, ...)                                                                          \
    static bool function(void *field, const char *value)                                                     \
    {                                                                                                        \
        static const char *const words[] = {__VA_ARGS__, NULL};                                              \
        return parse_word(field, value, words);                                                              \
    }

/* In the order of the enumerations in config.h and load.h. */
DEFINE_WORDS(parse_all_off, "poweroff", "reboot", "monitor")
DEFINE_WORDS(parse_serial, "console", "none", "com2", "com3", "com4")
DEFINE_WORDS(parse_on_crash, "halt", "restart")
DEFINE_WORDS(parse_format, "auto", "flat")
DEFINE_WORDS(parse_entry, "real", "protected", "long")

static bool parse_yes_no(void *field, const char *value)
{
    static const char *const words[] = {"no", "yes", NULL};
    unsigned word;

    if (!parse_word(&word, value, words))
        return false;
    *(bool *)field = word;
    return true;
}

/* "shares exits trace": the bits of enum config_report; or "none". */
static bool parse_report(void *field, const char *value)
{
    static const char *const words[] = {"shares", "exits", "trace"};
    unsigned bits = 0;

    if (strcmp(value, "none") != 0)
        for (const char *at = skip_blanks(value); *at; at = skip_blanks(at)) {
            unsigned i = 0;
            size_t length = 0;

            while (at[length] && at[length] != ' ' && at[length] != '\t')
                length++;
            while (i < ARRAY_LENGTH(words) &&
                   (strlen(words[i]) != length || strncmp(at, words[i], length) != 0))
                i++;
            if (i == ARRAY_LENGTH(words))
                return false;
            bits |= 1u << i;
            at += length;
        }
    *(unsigned *)field = bits;
    return *value != 0;
}

static bool parse_trace(void *field, const char *value)
{
    if (strcmp(value, "off") != 0 && (strncmp(value, "on", 2) != 0 || (value[2] && value[2] != ' ')))
        return false;
    *(const char **)field = value;
    return true;
}

static bool parse_trace_size(void *field, const char *value)
{
    unsigned size;

    if (!parse_between(&size, value, CONFIG_TRACE_LEAST, CONFIG_TRACE_MOST) || size & (size - 1))
        return false;
    *(unsigned *)field = size;
    return true;
}

/* com1 to com4 with an optional `,baud`, or none. */
static bool parse_console(void *field, const char *value)
{
    struct config_console *console = field;
    uint64_t baud = 115200;
    const char *rest;

    if (strcmp(value, "none") == 0) {
        console->port = 0;
        return true;
    }
    if (strncmp(value, "com", 3) != 0 || value[3] < '1' || value[3] > '4')
        return false;
    rest = skip_blanks(value + 4);
    if (*rest == ',') {
        /* A 16550 divides 115200 by a whole number of 16 bits. */
        if (!parse_number(skip_blanks(rest + 1), &baud) || baud < 2 || baud > 115200 || 115200 % baud)
            return false;
    } else if (*rest) {
        return false;
    }
    *console = (struct config_console){(unsigned)(value[3] - '0'), (unsigned)baud};
    return true;
}

/* com1 to com4, or memory, with an optional `,size`; or none. */
static bool parse_record(void *field, const char *value)
{
    struct config_record record = {.size = UINT64_MAX};
    const char *rest = value + strlen("com1");

    if (strncmp(value, "memory", strlen("memory")) == 0) {
        record = (struct config_record){RECORD_TO_MEMORY, MIB(8)};
        rest = value + strlen("memory");
    } else if (strncmp(value, "com", 3) == 0 && value[3] >= '1' && value[3] <= '4') {
        record.port = (unsigned)(value[3] - '0');
    } else if (strcmp(value, "none") == 0) {
        rest = "";
    } else {
        return false;
    }
    rest = skip_blanks(rest);
    if (*rest && (*rest != ',' || !parse_size(skip_blanks(rest + 1), &record.size)))
        return false;
    *(struct config_record *)field = record;
    return true;
}

/* ^] and the like: a letter, or one of [\]^_, with the control key; or none. */
static bool parse_escape(void *field, const char *value)
{
    char key = value[0] == '^' && value[1] && !value[2] ? value[1] : 0;

    if (key >= 'a' && key <= 'z')
        key -= 'a' - 'A';
    if ((key < 'A' || key > '_') && strcmp(value, "none") != 0)
        return false;
    *(unsigned *)field = key & 0x1f;
    return true;
}

#define KEEL(field) SECTION_KEEL, offsetof(struct config, field)
#define VM(field)   SECTION_VM, offsetof(struct config_vm, field)

/* clang-format off */
const struct config_key config_keys[] = {
    /* section and field, name, parser, default, presence,
     * `"x" is not` what */
    {KEEL(console), "console", parse_console, "com1,115200", KEY_OPTIONAL,
     "com1 to com4 with an optional baud rate that divides 115200 (com1,115200), or none"},
    {KEEL(escape), "escape", parse_escape, "^]", KEY_OPTIONAL,
     "^ and a letter or one of [\\]^_, or none"},
    {KEEL(gdb), "gdb", parse_console, "none", KEY_OPTIONAL,
     "com1 to com4 with an optional baud rate that divides 115200 (com2,115200), or none"},
    {KEEL(all_off), "all_off", parse_all_off, "poweroff", KEY_OPTIONAL,
     "poweroff, reboot or monitor"},
    {KEEL(report), "report", parse_report, "none", KEY_OPTIONAL,
     "none, or words of: shares exits trace"},
    {KEEL(forbid), "disable", parse_string, "", KEY_OPTIONAL,
     "names with commas between them"},
    {KEEL(trace), "trace", parse_trace, "off", KEY_OPTIONAL,
     "off, or on and then filters"},
    {KEEL(trace_size), "trace_size", parse_trace_size, "4096", KEY_OPTIONAL,
     "a power of two from 256 to 1048576"},
    {VM(memory), "memory", parse_memory, "256M", KEY_OPTIONAL,
     "a size from 1M to 1024G, with K, M or G, in whole pages of 4K"},
    {VM(vcpus), "vcpus", parse_vcpus, "1", KEY_OPTIONAL,
     "a number from 1 to 64"},
    {VM(cpus), "cpus", parse_cpus, "all", KEY_OPTIONAL,
     "a list of cores and ranges of them from 0 to 255 (0-1,3), or all"},
    {VM(weight), "weight", parse_weight, "100", KEY_OPTIONAL,
     "a number from 1 to 10000"},
    {VM(cap), "cap", parse_cap, "0", KEY_OPTIONAL,
     "a number from 0 to 6400"},
    {VM(cpuid), "cpuid", parse_string, "", KEY_OPTIONAL,
     "names of features, each with - or +, with commas between them (-x2apic, -avx)"},
    {VM(kernel), "kernel", parse_name, NULL, KEY_NEEDED,
     "the name of a module, which is one word"},
    {VM(ramdisk), "ramdisk", parse_name, NULL, KEY_OPTIONAL,
     "the name of a module, which is one word"},
    {VM(symbols), "symbols", parse_name, NULL, KEY_OPTIONAL,
     "the name of a module, which is one word"},
    {VM(modules), "module", parse_module, NULL, KEY_REPEATED,
     "the name of a module and its arguments, 16 times at most"},
    {VM(cmdline), "cmdline", parse_string, "", KEY_OPTIONAL,
     "text"},
    {VM(serial), "serial", parse_serial, "console", KEY_OPTIONAL,
     "console, none, com2, com3 or com4"},
    {VM(autostart), "autostart", parse_yes_no, "yes", KEY_OPTIONAL,
     "yes or no"},
    {VM(paused), "paused", parse_yes_no, "no", KEY_OPTIONAL,
     "yes or no"},
    {VM(after), "after", parse_name, NULL, KEY_OPTIONAL,
     "the name of another VM"},
    {VM(on_crash), "on_crash", parse_on_crash, "halt", KEY_OPTIONAL,
     "halt or restart"},
    {VM(testdev), "testdev", parse_yes_no, "no", KEY_OPTIONAL,
     "yes or no"},
    {VM(record), "record", parse_record, "none", KEY_OPTIONAL,
     "com1 to com4, or memory, with an optional size (memory,8M), or none"},
    {VM(format), "format", parse_format, "auto", KEY_OPTIONAL,
     "auto or flat"},
    {VM(load), "load", parse_address, NULL, KEY_OPTIONAL,
     "an address below 4G, decimal or 0x..."},
    {VM(entry), "entry", parse_entry, "protected", KEY_OPTIONAL,
     "real, protected or long"},
};
/* clang-format on */

const unsigned config_key_count = ARRAY_LENGTH(config_keys);

_Static_assert(ARRAY_LENGTH(config_keys) <= CONFIG_KEYS, "every key has its place in `lines`");

unsigned config_key_index(const struct config_key *key)
{
    return (unsigned)(key - config_keys);
}

const struct config_key *config_find_key(enum config_section section, const char *name)
{
    for (unsigned i = 0; i < config_key_count; i++)
        if (config_keys[i].section == section && strcmp(config_keys[i].name, name) == 0)
            return &config_keys[i];
    return NULL;
}

void config_set_defaults(enum config_section section, void *owner)
{
    for (unsigned i = 0; i < config_key_count; i++)
        if (config_keys[i].section == section && config_keys[i].fallback)
            config_keys[i].parse((char *)owner + config_keys[i].offset, config_keys[i].fallback);
}
