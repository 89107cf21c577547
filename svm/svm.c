/* SVM on and off: the vendor's table of operations. */
#include "svm/svm.h"
#include "svm/checks.h"
#include "svm/exit_codes.h"
#include "svm/quirks.h"

#include "hv/cpu/cpuid.h"
#include "hv/cpu/native.h"
#include "hv/host/feature.h"
#include "hv/host/instructions.h"
#include "hv/host/interrupts.h"
#include "hv/host/log.h"
#include "hv/host/paging.h"
#include "hv/host/quirks.h"
#include "hv/lib/format.h"
#include "hv/lib/string.h"
#include "hv/vm/nested.h"

struct svm_capabilities svm_cpu;

#define CPUID_SVM_LEAF 0x8000000a
#define CPUID_SVM      2  /* Fn8000_0001 ECX */
#define CPUID_PAGES_1G 26 /* and EDX */
#define VM_CR_SVMDIS   BIT(4)
#define TSC_RATIO_ONE  BIT(32) /* APM, "TSC Ratio MSR": the integer part begins there */

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

static bool forbid(const char *name, size_t length)
{
    for (unsigned i = 0; i < ARRAY_LENGTH(names); i++)
        if (dispensable >> i & 1 && strlen(names[i]) == length && strncmp(names[i], name, length) == 0) {
            forbidden |= 1u << i;
            return true;
        }
    return length == 4 && strncmp(name, "none", 4) == 0;
}

static bool present(void)
{
    return cpu_has(0x80000001, 0, 2, CPUID_SVM);
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

static bool preflight(void)
{
    uint32_t a, b, c, d, unused;

    svm_name_exits();
    cpuid(CPUID_SVM_LEAF, 0, &a, &b, &c, &d);
    svm_cpu = (struct svm_capabilities){.asids = b, .features = d & ~forbidden, .revision = (uint8_t)a};
    cpuid(0x80000008, 0, &a, &unused, &unused, &unused);
    svm_cpu.physical_bits = (uint8_t)a;
    svm_cpu.pages_1g = cpu_has(0x80000001, 0, 3, CPUID_PAGES_1G);
    say_features("used", used & svm_cpu.features);
    say_features("not used, by `disable`", forbidden & d);
    say_features("not there, done without", used & ~d);
    say_features("there, not used", ~used & d);
    if (!svm_has(SVM_NESTED_PAGING))
        log_line("SVM: this CPU has no nested paging (CPUID Fn8000_000A EDX bit 0): Keel needs one that has, "
                 "as all have from AMD's family 10h on; " MODEL_WITH_NPT);
    if (b < 2)
        log_line("SVM: this CPU has %u address-space identifiers (CPUID Fn8000_000A EBX), 2 are needed", b);
    return svm_has(SVM_NESTED_PAGING) && b >= 2 && svm_make_maps();
}

/* APM, "Enabling SVM". */
static bool allow_svm(void)
{
    uint64_t vm_cr;

    if (!rdmsr_safe(VM_CR, &vm_cr) || !(vm_cr & VM_CR_SVMDIS))
        return true;
    if (wrmsr_safe(VM_CR, vm_cr & ~VM_CR_SVMDIS) && !(rdmsr(VM_CR) & VM_CR_SVMDIS))
        return true;
    log_line("cpu %u: SVM is locked off: VM_CR is 0x%lx, bit 4 must be 0. Turn on \"SVM Mode\" (AMD-V, "
             "virtualization) "
             "in the firmware's set-up and switch the power off and on.",
             this_cpu()->index, vm_cr);
    return false;
}

/* A core's pages: where VMRUN keeps the host's state, and what VMLOAD brings back after it. */
static bool enable(void)
{
    struct cpu *cpu = this_cpu();

    if (!allow_svm())
        return false;
    if (!cpu->vendor)
        cpu->vendor = host_allocate(2 * PAGE_SIZE);
    if (!cpu->vendor) {
        log_line("cpu %u: no memory for the host's state", cpu->index);
        return false;
    }
    wrmsr(IA32_EFER, rdmsr(IA32_EFER) | EFER_SVME);
    wrmsr(VM_HSAVE_PA, virt_to_phys(cpu->vendor));
    if (svm_has(SVM_TSC_RATIO)) /* a guest's TSC runs as the machine's does, whoever was here before */
        wrmsr_safe(TSC_RATIO, TSC_RATIO_ONE);
    __asm__ volatile("vmsave %%rax" : : "a"(virt_to_phys(cpu->vendor) + PAGE_SIZE) : "memory");
    log_line("cpu %u: SVM on, revision %u, %u ASIDs", cpu->index, svm_cpu.revision, svm_cpu.asids);
    if (cpu->index == 0)
        svm_find_quirks();
    return true;
}

static void disable(void)
{
    __asm__ volatile("stgi" : : : "memory");
    wrmsr(IA32_EFER, rdmsr(IA32_EFER) & ~EFER_SVME);
}

static bool vm_create(struct vm *vm)
{
    return nested_create(vm, &table_format_npt, svm_cpu.pages_1g ? 3 : 2, PAT_WB);
}

static void limits(struct cpuid_limits *out)
{
    native_limits(out);
    out->rdtscp = true;
    out->invpcid = true;
    out->xsaves = cpu_has(0xd, 1, 0, 3);
    out->waitpkg = false;
    out->physical_bits = (uint8_t)MIN(svm_cpu.physical_bits, 48); /* what a 4-level walk reaches */
}

/* The VMCB's words, as far as it has fields, but for the addresses of pages of this machine's. */
static unsigned words(uint16_t *numbers)
{
    unsigned count = 0;

    for (unsigned at = 0; at <= offsetof(union vmcb, exception_to); at += 8)
        if (at != offsetof(union vmcb, iopm) && at != offsetof(union vmcb, msrpm) &&
            at != offsetof(union vmcb, nested_cr3) && (at < 0x100 || at >= offsetof(union vmcb, es)))
            numbers[count++] = (uint16_t)at;
    return count;
}

static uint64_t word(struct vcpu *vcpu, uint16_t number)
{
    return *(const uint64_t *)(vmcb_of(vcpu)->bytes + number);
}

static const char *exit_name(uint32_t code)
{
    return svm_exit_name((uint64_t)(int32_t)code);
}

static void dump(struct vcpu *vcpu, struct writer *out)
{
    vmcb_print(vmcb_of(vcpu), VMCB_SHOWN_CRASH, out);
}

static unsigned explain(struct vcpu *vcpu, struct writer *out)
{
    vmcb_print(vmcb_of(vcpu), VMCB_SHOWN_DUMP, out);
    return svm_explain_vmrun(vmcb_of(vcpu), &svm_cpu, out);
}

const struct virt_ops svm_ops = {
    .name = "SVM",
    .present = present,
    .preflight = preflight,
    .enable = enable,
    .disable = disable,
    .vm_create = vm_create,
    .vm_destroy = nested_destroy,
    .vcpu_create = svm_vcpu_create,
    .vcpu_destroy = svm_vcpu_destroy,
    .vcpu_reset = svm_vcpu_reset,
    .vcpu_load = svm_vcpu_load,
    .vcpu_put = svm_vcpu_put,
    .run = svm_run,
    .get = svm_get,
    .set = svm_set,
    .get_segment = svm_get_segment,
    .set_segment = svm_set_segment,
    .get_code = svm_get_code,
    .watch_paging = svm_watch_paging,
    .get_bytes = svm_get_bytes,
    .get_msr = svm_get_msr,
    .set_msr = svm_set_msr,
    .advance = svm_advance,
    .interrupt_allowed = svm_interrupt_allowed,
    .nmi_allowed = svm_nmi_allowed,
    .unblock_nmi = svm_unblock_nmi,
    .inject = svm_inject,
    .set_windows = svm_set_windows,
    .set_debug = svm_set_debug,
    .flush = svm_flush,
    .page_set_present = nested_set_present,
    .forbid = forbid,
    .limits = limits,
    .details = svm_details,
    .words = words,
    .word = word,
    .constants = {{&svm_cpu, sizeof(svm_cpu)}},
    .exit_name = exit_name,
    .dump = dump,
    .explain = explain,
};
