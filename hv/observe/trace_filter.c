/* What is traced: words that name VMs, vCPUs and reasons. */
#include "hv/lib/bitmap.h"
#include "hv/lib/number.h"
#include "hv/lib/string.h"
#include "hv/life/life.h"
#include "hv/observe/trace.h"
#include "hv/vm/exit_stat.h"

static struct filter {
    bool all;                            /* no VM was named */
    uint64_t vcpus[CONFIG_VMS_MOST + 1]; /* bits, by the VM's number */
    bool only;                           /* `reasons` alone; else all but those */
    bool events;
    unsigned count;
    uint32_t reasons[STAT_ROWS];
    uint64_t first_rip, last_rip;
} filter = {.all = true, .events = true, .last_rip = UINT64_MAX};

bool trace_wants_events = true;

bool trace_wants_vcpu(unsigned vm, unsigned vcpu)
{
    return filter.all || (vm < ARRAY_LENGTH(filter.vcpus) && filter.vcpus[vm] >> vcpu & 1);
}

bool trace_wants_exit(uint32_t reason, uint64_t rip)
{
    if (rip < filter.first_rip || rip > filter.last_rip)
        return false;
    for (unsigned i = 0; i < filter.count; i++)
        if (filter.reasons[i] == reason)
            return filter.only;
    return !filter.only;
}

static int squeeze(const char **text)
{
    for (; **text; ++*text) {
        char c = **text | ('a' - 'A');

        if ((c >= 'a' && c <= 'z') || (**text >= '0' && **text <= '9')) {
            ++*text;
            return c;
        }
    }
    return 0;
}

/* Whether the name begins with the word: letters and digits count, capitals do not. */
static bool begins_with(const char *name, const char *word)
{
    int wanted;

    while ((wanted = squeeze(&word)))
        if (squeeze(&name) != wanted)
            return false;
    return true;
}

/* "VM" or "VM.VCPU". */
static bool take_vm(struct filter *new, char *word)
{
    struct life_info info;
    unsigned number = life_find(word);
    const char *end;
    char *dot = NULL;
    uint64_t id;

    if (number) {
        new->vcpus[number] = UINT64_MAX;
        return true;
    }
    for (char *at = word; *at; at++)
        dot = *at == '.' ? at : dot;
    if (!dot)
        return false;
    *dot = 0;
    number = life_find(word);
    *dot = '.';
    end = read_number(dot + 1, 10, &id);
    if (!end || *end || !life_info(number, &info) || id >= info.vcpus)
        return false;
    new->vcpus[number] |= BIT(id);
    return true;
}

/* One word between commas, whose `-` is cut off already. Returns how many reasons it is. */
static unsigned take_reason(struct filter *new, const char *word, bool wanted)
{
    const char *at = word;
    unsigned found = 0;

    if (!squeeze(&at))
        return 0;
    if (begins_with("events", word)) {
        found = 1;
        new->events = wanted;
    }
    for (unsigned row = 1; row < STAT_ROWS - 1; row++) {
        uint32_t reason;

        if (!stats_row_reason(row, &reason) || !begins_with(stats_row_name(row), word))
            continue;
        if (new->count < ARRAY_LENGTH(new->reasons))
            new->reasons[new->count++] = reason;
        found++;
    }
    return found;
}

/* "io,ept" or "-hlt,pause": the first decides whether these alone are wanted. */
static bool take_reasons(struct filter *new, char *word)
{
    bool wanted = *word != '-';

    if (!new->count)
        new->only = wanted;
    for (char *next; word; word = next) {
        next = strchr(word, ',');
        if (next)
            *next++ = 0;
        if (!take_reason(new, word + (*word == '-'), wanted))
            return false;
    }
    return true;
}

/* "ip=FIRST-LAST", hexadecimal. */
static bool take_range(struct filter *new, const char *word)
{
    if (strncmp(word, "ip=", 3) != 0)
        return false;
    word = read_number(word + 3, 16, &new->first_rip);
    word = word && *word == '-' ? read_number(word + 1, 16, &new->last_rip) : NULL;
    return word && !*word;
}

bool trace_filter_parse(const char *words, struct writer *out)
{
    struct filter new = {.all = true, .events = true, .last_rip = UINT64_MAX};
    char word[80];

    for (;;) {
        size_t length = 0;

        while (*words == ' ')
            words++;
        for (; *words && *words != ' '; words++)
            if (length + 1 < sizeof(word))
                word[length++] = *words;
        word[length] = 0;
        if (!length)
            break;
        if (take_vm(&new, word)) {
            new.all = false;
        } else if (!take_range(&new, word) && !take_reasons(&new, word)) {
            print_to(out,
                     "trace: \"%s\" is no VM, VM.VCPU or ip=FIRST-LAST, and begins the name of no reason of "
                     "an exit\n",
                     word);
            return false;
        }
    }
    filter = new;
    trace_wants_events = new.events;
    return true;
}
