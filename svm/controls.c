#include "svm/controls.h"

#include "hv/host/log.h"
#include "hv/host/quirks.h"
#include "hv/lib/format.h"
#include "hv/lib/string.h"

/* Said only of what must be there: the image has no other reasons. */
#define SAID(how, why) ((how) >= VIRT_TOGGLED ? (why) : NULL)

static const struct virt_control rows[] = {
#define X(bit, name, words, how, why) {0, bit, VIRT_##how, 0, words, SAID(VIRT_##how, why)},
    SVM_FEATURES(X)
#undef X
};

static uint64_t forbidden[1];
struct virt_controls svm_control_list = {rows, ARRAY_LENGTH(rows), false, forbidden};

#define USED(bit, how)                ((how) == VIRT_OFF ? 0 : 1u << (bit))
#define X(bit, name, words, how, why) | USED(bit, VIRT_##how)
static const uint32_t used = 0 SVM_FEATURES(X);
#undef X

static void say_features(const char *what, uint32_t bits)
{
    struct log_lines lines;
    size_t column = 0;

    if (!bits)
        return;
    log_lines_init(&lines);
    print_to(&lines.writer, "SVM: %s: ", what);
    for (unsigned i = 0; i < ARRAY_LENGTH(rows); i++)
        if (bits >> rows[i].bit & 1)
            print_item(&lines.writer, &column, rows[i].name);
    print_to(&lines.writer, "\n");
}

bool svm_choose_controls(struct svm_capabilities *cpu)
{
    uint32_t there = cpu->features;

    cpu->features &= (uint32_t)~forbidden[0];
    say_features("used", used & cpu->features);
    say_features("not used, by `disable`", (uint32_t)forbidden[0] & there);
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

unsigned svm_print_unfit(const struct svm_capabilities *core, const struct svm_capabilities *boot,
                         struct writer *out)
{
    uint32_t missing = boot->features & used & ~core->features;
    unsigned unfit = 0;

    for (unsigned i = 0; i < ARRAY_LENGTH(rows); i++) {
        if (!(missing >> rows[i].bit & 1))
            continue;
        print_to(out, "SVM: %s is not there, the boot core has it\n", rows[i].name);
        unfit++;
    }
    if (core->asids < boot->asids || core->physical_bits < boot->physical_bits ||
        core->pages_1g < boot->pages_1g) {
        print_to(
            out,
            "SVM: %u ASIDs, %u physical-address bits and%s pages of 1 GiB; the boot core has %u, %u and%s\n",
            core->asids, core->physical_bits, core->pages_1g ? "" : " no", boot->asids, boot->physical_bits,
            boot->pages_1g ? " those" : " none");
        unfit++;
    }
    return unfit;
}
