#include "svm/controls.h"

#include "hv/host/log.h"
#include "hv/host/quirks.h"
#include "hv/lib/format.h"
#include "hv/lib/string.h"

/* By bit; NULL where the APM has none. */
static const char *const names[32] = {
#define X(bit, name, words, how, why) [bit] = (words),
    SVM_FEATURES(X)
#undef X
};

#define LEFT(bit)                     0u
#define USED(bit)                     (1u << (bit))
#define NEEDED(bit)                   USED(bit)
#define X(bit, name, words, how, why) | how(bit)
static const uint32_t used = 0 SVM_FEATURES(X);
#undef X

/* Of those used, what can be done without at no cost while it is there: the CPU saves the next RIP unasked.
 */
static const uint32_t dispensable = used & ~(1u << SVM_NESTED_PAGING | 1u << SVM_NEXT_RIP);
static uint32_t forbidden;

bool svm_forbid(const char *name, size_t length)
{
    for (unsigned i = 0; i < ARRAY_LENGTH(names); i++)
        if (dispensable >> i & 1 && strlen(names[i]) == length && strncmp(names[i], name, length) == 0) {
            forbidden |= 1u << i;
            return true;
        }
    return length == 4 && strncmp(name, "none", 4) == 0;
}

static void say_features(const char *what, uint32_t bits)
{
    struct log_lines lines;
    size_t column = 0;

    if (!bits)
        return;
    log_lines_init(&lines);
    print_to(&lines.writer, "SVM: %s: ", what);
    for (unsigned i = 0; i < ARRAY_LENGTH(names); i++)
        if (names[i] && (bits >> i & 1))
            print_item(&lines.writer, &column, names[i]);
    print_to(&lines.writer, "\n");
}

bool svm_choose_controls(struct svm_capabilities *cpu)
{
    uint32_t there = cpu->features;

    cpu->features &= ~forbidden;
    say_features("used", used & cpu->features);
    say_features("not used, by `disable`", forbidden & there);
    say_features("not there, done without", used & ~there);
    say_features("there, not used", ~used & there);
    if (!(cpu->features >> SVM_NESTED_PAGING & 1))
        log_line("SVM: this CPU has no nested paging (CPUID Fn8000_000A EDX bit 0): Keel needs one that has, "
                 "as all have from AMD's family 10h on; " MODEL_WITH_NPT);
    if (cpu->asids < 2)
        log_line("SVM: this CPU has %u address-space identifiers (CPUID Fn8000_000A EBX), 2 are needed",
                 cpu->asids);
    return cpu->features >> SVM_NESTED_PAGING & 1 && cpu->asids >= 2;
}
