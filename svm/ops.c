#include "svm/ops.h"

#include "hv/cpu/cpuid.h"
#include "hv/cpu/native.h"
#include "hv/host/cpu.h"
#include "hv/host/feature.h"
#include "hv/host/instructions.h"
#include "hv/host/log.h"
#include "hv/host/paging.h"
#include "hv/vm/nested.h"
#include "svm/controls.h"
#include "svm/events.h"
#include "svm/exits.h"
#include "svm/quirks.h"
#include "svm/registers.h"
#include "svm/show.h"
#include "svm/vcpu.h"
#include "svm/vm.h"

#define CPUID_SVM     2 /* Fn8000_0001 ECX */
#define VM_CR_SVMDIS  BIT(4)
#define TSC_RATIO_ONE BIT(32) /* APM, "TSC Ratio MSR": the integer part begins there */

static bool present(void)
{
    return cpu_has(0x80000001, 0, 2, CPUID_SVM);
}

static bool preflight(void)
{
    svm_name_exits();
    svm_read_capabilities(&svm_cpu);
    return svm_choose_controls(&svm_cpu) && svm_make_maps();
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

/* What is used was chosen on the boot core: another one may be of another kind. */
static bool fits(const struct cpu *cpu)
{
    struct svm_capabilities own;
    struct log_lines lines;

    svm_read_capabilities(&own);
    log_lines_init(&lines);
    if (svm_print_unfit(&own, &svm_cpu, &lines.writer) == 0)
        return true;
    log_line("cpu %u: its SVM is not the boot core's, see above: it runs no guests", cpu->index);
    return false;
}

/* A core's pages: where VMRUN keeps the host's state, and what VMLOAD brings back after it. */
static bool enable(void)
{
    struct cpu *cpu = this_cpu();

    if (!allow_svm() || (cpu->index != 0 && !fits(cpu)))
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

static void limits(struct cpuid_limits *out)
{
    native_limits(out);
    out->rdtscp = true;
    out->invpcid = true;
    out->xsaves = cpu_has(0xd, 1, 0, 3);
    out->waitpkg = false;
    out->physical_bits = (uint8_t)MIN(svm_cpu.physical_bits, 48); /* what a 4-level walk reaches */
}

static const struct virt_state state = {
    .get = svm_get,
    .set = svm_set,
    .get_segment = svm_get_segment,
    .set_segment = svm_set_segment,
    .get_code = svm_get_code,
    .get_bytes = svm_get_bytes,
    .get_msr = svm_get_msr,
    .set_msr = svm_set_msr,
    .advance = svm_advance,
    .inject = svm_inject,
};

const struct virt_ops svm_ops = {
    .name = "SVM",
    .lifecycle =
        {
            .present = present,
            .preflight = preflight,
            .enable = enable,
            .disable = disable,
            .vm_create = svm_vm_create,
            .vm_destroy = nested_destroy,
            .vcpu_create = svm_vcpu_create,
            .vcpu_destroy = svm_vcpu_destroy,
            .vcpu_reset = svm_vcpu_reset,
            .vcpu_load = svm_vcpu_load,
            .vcpu_put = svm_vcpu_put,
            .controls = &svm_control_list,
            .limits = limits,
        },
    .run =
        {
            .enter = svm_run,
            .watch_paging = svm_watch_paging,
            .interrupt_allowed = svm_interrupt_allowed,
            .nmi_allowed = svm_nmi_allowed,
            .unblock_nmi = svm_unblock_nmi,
            .set_windows = svm_set_windows,
            .set_debug = svm_set_debug,
            .flush = svm_flush,
            .page_set_present = nested_set_present,
        },
    .state = &state,
    .show =
        {
            .details = svm_details,
            .words = svm_show_numbers,
            .word = svm_show_word,
            .constants = {{&svm_cpu, sizeof(svm_cpu)}},
            .exit_name = svm_show_reason,
            .dump = svm_dump,
            .explain = svm_explain,
        },
};
