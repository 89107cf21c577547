#include "vmx/controls.h"

#include "hv/host/quirks.h"
#include "hv/lib/format.h"
#include "hv/lib/string.h"

/* The first CPUs that have a control, and so what mends its absence. */
enum since { SINCE_VMX, SINCE_CORE2, SINCE_NEHALEM, SINCE_WESTMERE };

static const char *const mends[] = {
    [SINCE_VMX] =
        "every CPU with VT-x has it, so an emulator or an outer hypervisor hides it: " MODEL_WITH_VMX
        ", " MODEL_WITH_KVM,
    [SINCE_CORE2] = ("CPUs have it from Core 2 (2006) on, but use one from Westmere (2010) on, "
                     "or " MODEL_WITH_VMX),
    [SINCE_NEHALEM] = ("CPUs have it from Nehalem (2008) on, but use one from Westmere (2010) on, "
                       "or " MODEL_WITH_VMX),
    [SINCE_WESTMERE] = ("use a CPU from Westmere (2010) on, or " MODEL_WITH_VMX),
};

#define OFF                   VIRT_OFF, 0
#define WANTED                VIRT_WANTED, 0
#define TOGGLED(from)         VIRT_TOGGLED, SINCE_##from
#define NEEDED(from)          VIRT_NEEDED, SINCE_##from

/* Said only of what must be there: the image has no other reasons. */
#define SAID(how, since, why) ((how) >= VIRT_TOGGLED ? (why) : NULL)

static const struct virt_control rows[] = {
#define X(word, bit, name, text, how, why) {VMX_##word, bit, how, text, SAID(how, why)},
    VMX_CONTROLS(X)
#undef X
};

static uint64_t forbidden[VMX_WORDS];
struct virt_controls vmx_control_list = {rows, ARRAY_LENGTH(rows), false, forbidden};

struct vmx_controls vmx_words;

static const char *const word_names[VMX_WORDS] = {
    [VMX_PIN] = "pin-based",     [VMX_PRIMARY] = "primary", [VMX_SECONDARY] = "secondary",
    [VMX_TERTIARY] = "tertiary", [VMX_EXIT] = "exit",       [VMX_EXIT2] = "secondary exit",
    [VMX_ENTRY] = "entry",
};

/* What Keel needs of EPT besides its control bit. */
struct requirement {
    uint64_t bits; /* any of these in IA32_VMX_EPT_VPID_CAP is enough */
    const char *name, *why;
};

static const struct requirement ept_requirements[] = {
    {VMX_EPT_4_LEVELS, "EPT with a page walk of 4 levels", "Keel builds EPT tables of 4 levels"},
    {VMX_EPT_WB, "EPT structures in write-back memory", "Keel keeps EPT tables in ordinary memory"},
    {VMX_EPT_INVEPT, "INVEPT", "a changed EPT table must reach every core"},
    {VMX_EPT_INVEPT_SINGLE | VMX_EPT_INVEPT_ALL, "INVEPT of a single context or of all contexts",
     "a changed EPT table must reach every core"},
};

#define BASIC_MEMORY_TYPE(basic) ((basic) >> 50 & 0xf)
#define MEMORY_TYPE_WRITE_BACK   6

static bool ept_allowed(const struct vmx_capabilities *cpu)
{
    return vmx_allowed(cpu, VMX_SECONDARY, VMX_SECONDARY_ENABLE_EPT);
}

/* A VPID is of use only if the translations under it can be dropped. */
static bool vpid_usable(const struct vmx_capabilities *cpu)
{
    return (cpu->ept_vpid & VMX_VPID_INVVPID) && (cpu->ept_vpid & (VMX_VPID_SINGLE | VMX_VPID_ALL));
}

/* What may be 1, less what Keel could not use. */
static uint64_t usable(const struct vmx_capabilities *cpu, unsigned word)
{
    uint64_t may = cpu->may_be_1[word];

    if (word == VMX_SECONDARY && !vpid_usable(cpu))
        may &= ~(uint64_t)VMX_SECONDARY_ENABLE_VPID;
    return may;
}

static void say_lacking(struct writer *out, const char *kind, const char *name, const char *why,
                        const char *mend)
{
    if (out)
        print_to(out, "%s \"%s\" missing: %s; %s\n", kind, name, why, mend);
}

/* Counts what Keel needs and `cpu` lacks, and says it to `out` unless that is NULL. */
static unsigned find_lacking(const struct vmx_capabilities *cpu, struct writer *out)
{
    char kind[32];
    unsigned lacking = 0;

    for (unsigned i = 0; i < ARRAY_LENGTH(rows); i++) {
        const struct virt_control *row = &rows[i];
        if (row->how < VIRT_TOGGLED || vmx_allowed(cpu, row->word, BIT(row->bit)))
            continue;
        format_text(kind, sizeof(kind), "%s control", word_names[row->word]);
        say_lacking(out, kind, row->name, row->why, mends[row->since]);
        lacking++;
    }
    if (BASIC_MEMORY_TYPE(cpu->basic) != MEMORY_TYPE_WRITE_BACK) {
        say_lacking(out, "capability", "VMCS in write-back memory", "Keel keeps each VMCS in ordinary memory",
                    mends[SINCE_VMX]);
        lacking++;
    }
    for (unsigned i = 0; ept_allowed(cpu) && i < ARRAY_LENGTH(ept_requirements); i++) {
        const struct requirement *row = &ept_requirements[i];
        if (cpu->ept_vpid & row->bits)
            continue;
        say_lacking(out, "capability", row->name, row->why, mends[SINCE_NEHALEM]);
        lacking++;
    }
    return lacking;
}

unsigned vmx_print_needed(const struct vmx_capabilities *cpu, struct writer *out)
{
    return find_lacking(cpu, out);
}

void vmx_apply_forbidden(struct vmx_capabilities *cpu)
{
    for (unsigned word = 0; word < VMX_WORDS; word++)
        cpu->may_be_1[word] &= ~forbidden[word] | cpu->must_be_1[word];
}

#define APIC_SECONDARY                                                                                       \
    (VMX_SECONDARY_VIRTUALIZE_APIC_ACCESSES | VMX_SECONDARY_VIRTUALIZE_X2APIC |                              \
     VMX_SECONDARY_APIC_REGISTER_VIRTUALIZATION | VMX_SECONDARY_VIRTUAL_INTERRUPT_DELIVERY)
#define CR8_EXITING (VMX_PRIMARY_CR8_LOAD_EXITING | VMX_PRIMARY_CR8_STORE_EXITING)

/* APIC virtualization rests upon TPR shadow, and posted interrupts upon virtual-interrupt delivery. */
static void settle_apic(const struct vmx_capabilities *cpu, struct vmx_controls *out)
{
    if (out->primary & VMX_PRIMARY_USE_TPR_SHADOW)
        out->primary &= ~(uint64_t)CR8_EXITING | cpu->must_be_1[VMX_PRIMARY];
    else
        out->secondary &= ~(uint64_t)APIC_SECONDARY;
    if (!(out->secondary & VMX_SECONDARY_VIRTUAL_INTERRUPT_DELIVERY) ||
        !vmx_allowed(cpu, VMX_EXIT, VMX_EXIT_ACKNOWLEDGE_INTERRUPT))
        out->pin &= ~(uint64_t)VMX_PIN_PROCESS_POSTED_INTERRUPTS;
    if (out->pin & VMX_PIN_PROCESS_POSTED_INTERRUPTS)
        out->exit |= VMX_EXIT_ACKNOWLEDGE_INTERRUPT;
}

/* (wanted | must be 1) & may be 1: the one expression behind every control word. */
bool vmx_compute_controls(const struct vmx_capabilities *cpu, struct vmx_controls *out)
{
    uint64_t on[VMX_WORDS] = {0}, off[VMX_WORDS] = {0}, toggled[VMX_WORDS] = {0};

    for (unsigned i = 0; i < ARRAY_LENGTH(rows); i++) {
        const struct virt_control *row = &rows[i];
        uint64_t *mask = row->how == VIRT_OFF ? off : row->how == VIRT_TOGGLED ? toggled : on;
        mask[row->word] |= BIT(row->bit);
    }
    for (unsigned word = 0; word < VMX_WORDS; word++) {
        uint64_t may = usable(cpu, word), must = cpu->must_be_1[word];
        out->word[word] = (on[word] | must) & may;
        out->missing[word] = (on[word] | toggled[word]) & ~may;
        out->forced[word] = (off[word] | toggled[word]) & must;
    }
    settle_apic(cpu, out);
    return find_lacking(cpu, NULL) == 0;
}

#define LINE_LENGTH 100

/* Prints the names of `bits` after `lead`, broken into lines; nothing if there are none. */
static void print_names(struct writer *out, const char *lead, unsigned word, uint64_t bits)
{
    size_t column = strlen(lead);
    bool first = true;

    for (unsigned i = 0; i < ARRAY_LENGTH(rows); i++) {
        const struct virt_control *row = &rows[i];
        size_t length = strlen(row->name) + 2;
        if (row->word != word || !(bits & BIT(row->bit)))
            continue;
        if (first)
            print_to(out, "%s", lead);
        else if (column + length > LINE_LENGTH)
            print_to(out, ",\n   "), column = 3;
        else
            print_to(out, ",");
        print_to(out, " %s", row->name);
        column += length;
        first = false;
    }
    if (!first)
        print_to(out, "\n");
}

void vmx_print_controls(const struct vmx_controls *controls, struct writer *out)
{
    char lead[64];

    for (unsigned word = 0; word < VMX_WORDS; word++) {
        format_text(lead, sizeof(lead), "%s controls 0x%08lx:", word_names[word],
                    (unsigned long)controls->word[word]);
        print_names(out, lead, word, controls->word[word]);
        print_names(out, "  missing:", word, controls->missing[word]);
        print_names(out, "  cannot be off:", word, controls->forced[word]);
    }
}

/* A line for each control of the word that `core` does not have as it is needed. */
static unsigned print_unfit_word(const struct vmx_capabilities *core, const struct vmx_controls *words,
                                 unsigned word, struct writer *out)
{
    unsigned unfit = 0;

    for (unsigned i = 0; i < ARRAY_LENGTH(rows); i++) {
        const struct virt_control *row = &rows[i];
        bool on = words->word[word] >> row->bit & 1, may = core->may_be_1[word] >> row->bit & 1;
        bool must = core->must_be_1[word] >> row->bit & 1;

        if (row->word != word || (row->how == VIRT_TOGGLED ? may : on ? may : !must))
            continue;
        print_to(out, "%s control \"%s\": cannot be %u here, which is needed\n", word_names[word], row->name,
                 on || row->how == VIRT_TOGGLED);
        unfit++;
    }
    return unfit;
}

unsigned vmx_print_unfit(const struct vmx_capabilities *core, const struct vmx_capabilities *boot,
                         const struct vmx_controls *words, struct writer *out)
{
    const struct {
        const char *name;
        uint64_t found, needed, bits; /* that are wrong; 0: it fits */
    } values[] = {
        {"VMCS revision", vmx_revision(core), vmx_revision(boot), vmx_revision(core) ^ vmx_revision(boot)},
        {"IA32_VMX_CR0_FIXED0", core->cr0_fixed0, boot->cr0_fixed0, core->cr0_fixed0 & ~boot->cr0_fixed0},
        {"IA32_VMX_CR0_FIXED1", core->cr0_fixed1, boot->cr0_fixed1, boot->cr0_fixed1 & ~core->cr0_fixed1},
        {"IA32_VMX_CR4_FIXED0", core->cr4_fixed0, boot->cr4_fixed0, core->cr4_fixed0 & ~boot->cr4_fixed0},
        {"IA32_VMX_CR4_FIXED1", core->cr4_fixed1, boot->cr4_fixed1, boot->cr4_fixed1 & ~core->cr4_fixed1},
        {"IA32_VMX_EPT_VPID_CAP", core->ept_vpid, boot->ept_vpid, boot->ept_vpid & ~core->ept_vpid},
        {"physical-address width", core->physical_bits, boot->physical_bits,
         core->physical_bits < boot->physical_bits},
    };
    unsigned unfit = 0;

    for (unsigned word = 0; word < VMX_WORDS; word++)
        unfit += print_unfit_word(core, words, word, out);
    for (unsigned i = 0; i < ARRAY_LENGTH(values); i++) {
        if (!values[i].bits)
            continue;
        print_to(out, "%s: found 0x%lx, the boot core's is 0x%lx\n", values[i].name,
                 (unsigned long)values[i].found, (unsigned long)values[i].needed);
        unfit++;
    }
    return unfit;
}
