#include "vmx/ops.h"

#include "hv/cpu/cpuid.h"
#include "hv/cpu/native.h"
#include "hv/host/cpu.h"
#include "hv/host/feature.h"
#include "hv/host/instructions.h"
#include "hv/host/log.h"
#include "hv/host/paging.h"
#include "hv/host/quirks.h"
#include "hv/lib/string.h"
#include "hv/vm/nested.h"
#include "vmx/controls.h"
#include "vmx/cr.h"
#include "vmx/events.h"
#include "vmx/exits.h"
#include "vmx/quirks.h"
#include "vmx/registers.h"
#include "vmx/show.h"
#include "vmx/vcpu.h"
#include "vmx/vm.h"

#define FEATURE_LOCKED     BIT(0)
#define FEATURE_VMX_IN_SMX BIT(1)
#define FEATURE_VMX        BIT(2)
#define CPUID_SMX          6
#define CPUID_VMX          5

static bool present(void)
{
    return cpu_has(1, 0, 2, CPUID_VMX);
}

static uint64_t read_msr(uint32_t msr)
{
    return rdmsr(msr);
}

static struct vmx_cpuid read_cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct vmx_cpuid regs;

    cpuid(leaf, subleaf, &regs.eax, &regs.ebx, &regs.ecx, &regs.edx);
    return regs;
}

static void limits(struct cpuid_limits *out)
{
    uint64_t secondary = vmx_words.secondary;

    native_limits(out);
    out->rdtscp = secondary & VMX_SECONDARY_ENABLE_RDTSCP;
    out->invpcid = secondary & VMX_SECONDARY_ENABLE_INVPCID;
    out->xsaves = secondary & VMX_SECONDARY_ENABLE_XSAVES;
    out->waitpkg = secondary & VMX_SECONDARY_ENABLE_USER_WAIT;
    out->physical_bits = (uint8_t)MIN(vmx_cpu.physical_bits, 48); /* what a 4-level EPT walk reaches */
}

static bool preflight(void)
{
    struct cpuid_limits most = {0};
    struct log_lines lines;

    log_lines_init(&lines);
    vmx_read_capabilities(&vmx_cpu, read_msr, read_cpuid);
    if (!vmx_control_list.trusted)
        vmx_find_quirks();
    vmx_apply_forbidden(&vmx_cpu);
    if (!host_compacts())
        vmx_cpu.may_be_1[VMX_SECONDARY] &= ~(uint64_t)VMX_SECONDARY_ENABLE_XSAVES;
    if (!vmx_compute_controls(&vmx_cpu, &vmx_words)) {
        vmx_print_needed(&vmx_cpu, &lines.writer);
        return false;
    }
    vmx_print_controls(&vmx_words, &lines.writer);
    limits(&most);
    vmx_cr_init(&most);
    vmx_name_exits();
    return vmx_make_maps();
}

/* SDM, "Enabling and Entering VMX Operation": the lock bit must be set, with VMX outside SMX allowed. */
static bool allow_vmx(void)
{
    uint64_t feature;

    if (!rdmsr_safe(IA32_FEATURE_CONTROL, &feature)) {
        log_line("cpu %u: no IA32_FEATURE_CONTROL: VMX is assumed to be allowed", this_cpu()->index);
        return true;
    }
    if (!(feature & FEATURE_LOCKED)) {
        feature |= FEATURE_LOCKED | FEATURE_VMX | (cpu_has(1, 0, 2, CPUID_SMX) ? FEATURE_VMX_IN_SMX : 0);
        wrmsr(IA32_FEATURE_CONTROL, feature);
    }
    if (feature & FEATURE_VMX)
        return true;
    log_line("cpu %u: VMX is locked off: IA32_FEATURE_CONTROL is 0x%lx, bit 2 is needed. Turn on \"Intel "
             "Virtualization "
             "Technology\" (VT-x) in the firmware's set-up and switch the power off and on.",
             this_cpu()->index, feature);
    return false;
}

/* The words were computed on the boot core: another one may be of another kind. */
static bool fits(const struct cpu *cpu)
{
    struct vmx_capabilities own;
    struct log_lines lines;

    vmx_read_capabilities(&own, read_msr, read_cpuid);
    log_lines_init(&lines);
    if (vmx_print_unfit(&own, &vmx_cpu, &vmx_words, &lines.writer) == 0)
        return true;
    log_line("cpu %u: its VMX is not the boot core's, see above: it runs no guests", cpu->index);
    return false;
}

static bool enable(void)
{
    struct cpu *cpu = this_cpu();
    uint64_t region;
    uint8_t failed;

    if (!allow_vmx() || (cpu->index != 0 && !fits(cpu)))
        return false;
    if (!cpu->vendor)
        cpu->vendor = host_allocate(PAGE_SIZE);
    if (!cpu->vendor) {
        log_line("cpu %u: no memory for a VMXON region", cpu->index);
        return false;
    }
    *(uint32_t *)cpu->vendor = vmx_revision(&vmx_cpu);
    write_cr0((read_cr0() | vmx_cpu.cr0_fixed0) & vmx_cpu.cr0_fixed1);
    write_cr4((read_cr4() | vmx_cpu.cr4_fixed0) & vmx_cpu.cr4_fixed1);
    region = virt_to_phys(cpu->vendor);
    __asm__ volatile("vmxon %1\n setna %0" : "=r"(failed) : "m"(region) : "cc", "memory");
    if (failed) {
        log_line("cpu %u: VMXON failed with CR0 0x%lx and CR4 0x%lx", cpu->index, read_cr0(), read_cr4());
        return false;
    }
    vmx_forget_all();
    log_line("cpu %u: VMX on, revision 0x%x", cpu->index, vmx_revision(&vmx_cpu));
    return true;
}

static void disable(void)
{
    __asm__ volatile("vmxoff" : : : "cc", "memory");
    write_cr4(read_cr4() & ~CR4_VMXE);
}

static const struct virt_state state = {
    .get = vmx_get,
    .set = vmx_set,
    .get_segment = vmx_get_segment,
    .set_segment = vmx_set_segment,
    .get_code = vmx_get_code,
    .loads_pdptes = true,
    .get_msr = vmx_get_msr,
    .set_msr = vmx_set_msr,
    .advance = vmx_advance,
    .inject = vmx_inject,
};

const struct virt_ops vmx_ops = {
    .name = "VMX",
    .lifecycle =
        {
            .present = present,
            .preflight = preflight,
            .enable = enable,
            .disable = disable,
            .vm_create = vmx_vm_create,
            .vm_destroy = vmx_vm_destroy,
            .vcpu_create = vmx_vcpu_create,
            .vcpu_destroy = vmx_vcpu_destroy,
            .vcpu_reset = vmx_vcpu_reset,
            .vcpu_load = vmx_vcpu_load,
            .vcpu_put = vmx_vcpu_put,
            .limits = limits,
            .controls = &vmx_control_list,
        },
    .run =
        {
            .enter = vmx_run,
            .watch_paging = vmx_watch_paging,
            .interrupt_allowed = vmx_interrupt_allowed,
            .nmi_allowed = vmx_nmi_allowed,
            .unblock_nmi = vmx_unblock_nmi,
            .set_windows = vmx_set_windows,
            .set_debug = vmx_set_debug,
            .flush = vmx_flush,
            .page_set_present = nested_set_present,
            .apic_placed = vmx_apic_placed,
            .update_apic = vmx_update_apic,
        },
    .state = &state,
    .show =
        {
            .details = vmx_details,
            .words = vmx_show_numbers,
            .word = vmx_show_word,
            .constants = {{&vmx_cpu, sizeof(vmx_cpu)}, {&vmx_words, sizeof(vmx_words)}},
            .exit_name = vmx_show_reason,
            .dump = vmx_dump,
            .explain = vmx_explain,
        },
};
