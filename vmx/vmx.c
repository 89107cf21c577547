/* VMX on and off, and what a VM has of it: the vendor's table of operations. */
#include "vmx/vmx.h"

#include "hv/cpu/cpuid.h"
#include "hv/cpu/native.h"
#include "hv/host/feature.h"
#include "hv/host/instructions.h"
#include "hv/host/log.h"
#include "hv/host/paging.h"
#include "hv/host/quirks.h"
#include "hv/lib/string.h"
#include "hv/vm/nested.h"
#include "vmx/entry_checks.h"
#include "vmx/exit_reasons.h"
#include "vmx/quirks.h"

struct vmx_capabilities vmx_cpu;
struct vmx_controls vmx_words;

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

static bool trusting;

static bool forbid(const char *name, size_t length)
{
    if (length == 4 && strncmp(name, "none", 4) == 0) {
        trusting = true;
        return true;
    }
    return vmx_forbid(name, length);
}

static bool preflight(void)
{
    struct log_lines lines;

    log_lines_init(&lines);
    vmx_read_capabilities(&vmx_cpu, read_msr, read_cpuid);
    if (!trusting)
        vmx_find_quirks();
    vmx_apply_forbidden(&vmx_cpu);
    if (!host_compacts())
        vmx_cpu.may_be_1[VMX_SECONDARY] &= ~(uint64_t)VMX_SECONDARY_ENABLE_XSAVES;
    if (!vmx_compute_controls(&vmx_cpu, &vmx_words)) {
        vmx_print_needed(&vmx_cpu, &lines.writer);
        return false;
    }
    vmx_print_controls(&vmx_words, &lines.writer);
    vmx_cr_reset();
    vmx_name_exits();
    return vmx_make_msr_bitmaps();
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

static void invalidate_ept(void)
{
    const struct {
        uint64_t pointer, reserved;
    } all = {0, 0};

    __asm__ volatile("invept %0, %1" : : "m"(all), "r"(UINT64_C(2)) : "cc", "memory");
}

static bool enable(void)
{
    struct cpu *cpu = this_cpu();
    uint64_t region;
    uint8_t failed;

    if (!allow_vmx())
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
    invalidate_ept();
    log_line("cpu %u: VMX on, revision 0x%x", cpu->index, vmx_revision(&vmx_cpu));
    return true;
}

static void disable(void)
{
    __asm__ volatile("vmxoff" : : : "cc", "memory");
    write_cr4(read_cr4() & ~CR4_VMXE);
}

#define EPT_WALK_4_LEVELS   (UINT64_C(3) << 3)
#define EPT_ENABLE_ACCESSED BIT(6)

uint64_t vmx_eptp(const struct vm *vm)
{
    return vm->nested.root | EPT_WB | EPT_WALK_4_LEVELS |
           (vmx_cpu.ept_vpid & VMX_EPT_ACCESSED_DIRTY ? EPT_ENABLE_ACCESSED : 0);
}

static bool vm_create(struct vm *vm)
{
    unsigned largest = vmx_cpu.ept_vpid & VMX_EPT_1G ? 3 : vmx_cpu.ept_vpid & VMX_EPT_2M ? 2 : 1;

    return nested_create(vm, &table_format_ept, largest, EPT_WB) &&
           (!(vmx_words.secondary & VMX_SECONDARY_VIRTUALIZE_APIC_ACCESSES) || nested_create_apic_access(vm));
}

void vmx_flush(struct vcpu *vcpu)
{
    const struct {
        uint64_t pointer, reserved;
    } one = {vmx_eptp(vcpu->vm), 0};

    if (vmx_cpu.ept_vpid & VMX_EPT_INVEPT_SINGLE)
        __asm__ volatile("invept %0, %1" : : "m"(one), "r"(UINT64_C(1)) : "cc", "memory");
    else
        invalidate_ept();
}

void vmx_limits(struct cpuid_limits *out)
{
    uint64_t secondary = vmx_words.secondary;

    native_limits(out);
    out->rdtscp = secondary & VMX_SECONDARY_ENABLE_RDTSCP;
    out->invpcid = secondary & VMX_SECONDARY_ENABLE_INVPCID;
    out->xsaves = secondary & VMX_SECONDARY_ENABLE_XSAVES;
    out->waitpkg = secondary & VMX_SECONDARY_ENABLE_USER_WAIT;
    out->physical_bits = (uint8_t)MIN(vmx_cpu.physical_bits, 48); /* what a 4-level EPT walk reaches */
}

static uint64_t read_current(void *context, uint32_t encoding)
{
    (void)context;
    return vmread(encoding);
}

static bool read_physical(void *context, uint64_t address, uint32_t *value)
{
    const uint32_t *at = host_map(address, sizeof(*value), HOST_READ);

    (void)context;
    if (at)
        *value = *at;
    return at;
}

const struct vmcs_reader vmx_current = {read_current, read_physical, NULL};

/* Of the control fields none that is a machine's address. */
static __attribute__((cold)) unsigned words(uint16_t *numbers)
{
    unsigned count = 0;

    for (unsigned i = 0; i < vmcs_field_count; i++) {
        const struct vmcs_field *field = &vmcs_fields[i];
        bool address = field->group == VMCS_GROUP_CONTROL && field->width < VMCS_WIDTH_32 &&
                       field->encoding != VMCS_TSC_OFFSET &&
                       (field->encoding < VMCS_EOI_EXIT_BITMAP_0 || field->encoding > VMCS_EOI_EXIT_BITMAP_3);

        if (field->group != VMCS_GROUP_HOST && !address && vmcs_field_exists(field, &vmx_cpu))
            numbers[count++] = field->encoding;
    }
    return count;
}

static uint64_t word(struct vcpu *vcpu, uint16_t number)
{
    (void)vcpu;
    return vmread(number);
}

static const char *exit_name(unsigned reason)
{
    return vmx_exit_reason_name(reason);
}

static void dump(struct vcpu *vcpu, struct writer *out)
{
    (void)vcpu;
    vmcs_print(&vmx_current, &vmx_cpu, VMCS_SHOWN_CRASH, out);
    vmx_print_events(&vmx_current, out);
}

static unsigned explain(struct vcpu *vcpu, struct writer *out)
{
    (void)vcpu;
    vmcs_print(&vmx_current, &vmx_cpu, VMCS_SHOWN_DUMP, out);
    vmx_print_events(&vmx_current, out);
    return vmx_explain_entry(&vmx_current, &vmx_cpu, out);
}

static bool interrupt_allowed(struct vcpu *vcpu)
{
    (void)vcpu;
    return (vmread(VMCS_GUEST_RFLAGS) & RFLAGS_IF) && !(vmread(VMCS_GUEST_INTERRUPTIBILITY) & 3);
}

#define BLOCKING_BY_NMI BIT(3)

static bool nmi_allowed(struct vcpu *vcpu)
{
    (void)vcpu;
    return !(vmread(VMCS_GUEST_INTERRUPTIBILITY) & (BLOCKING_BY_STI_OR_MOV_SS | BLOCKING_BY_NMI));
}

static void unblock_nmi(struct vcpu *vcpu)
{
    (void)vcpu;
    vmwrite(VMCS_GUEST_INTERRUPTIBILITY, vmread(VMCS_GUEST_INTERRUPTIBILITY) & ~(uint64_t)BLOCKING_BY_NMI);
}

#define INTERRUPTION_VALID BIT(31)
#define INTERRUPTION_ERROR BIT(11)

/* SDM, "VM-Entry Controls for Event Injection". */
static void inject(struct vcpu *vcpu, const struct event *event)
{
    uint64_t information = INTERRUPTION_VALID | (uint64_t)event->type << 8 | event->vector;
    uint64_t blocking = vmread(VMCS_GUEST_INTERRUPTIBILITY), clear = BLOCKING_BY_STI_OR_MOV_SS;

    (void)vcpu;
    /* "Checks on Guest Non-Register State": delivery ends the shadow; a re-injected NMI must not find itself
     * blocked. */
    if (event->type == EVENT_NMI)
        clear |= BLOCKING_BY_NMI;
    if (blocking & clear)
        vmwrite(VMCS_GUEST_INTERRUPTIBILITY, blocking & ~clear);
    if (event->has_error) {
        information |= INTERRUPTION_ERROR;
        vmwrite(VMCS_ENTRY_ERROR_CODE, event->error);
    }
    if (event->type >= EVENT_SOFT_INTERRUPT)
        vmwrite(VMCS_ENTRY_INSTRUCTION_LENGTH, event->length);
    vmwrite(VMCS_ENTRY_INTERRUPTION, information);
}

static void set_windows(struct vcpu *vcpu, bool interrupt, bool nmi)
{
    struct vmx_vcpu *vmx = vmx_of(vcpu);
    uint32_t primary =
        vmx->primary & ~(uint32_t)(VMX_PRIMARY_INTERRUPT_WINDOW_EXITING | VMX_PRIMARY_NMI_WINDOW_EXITING);

    if (interrupt)
        primary |= VMX_PRIMARY_INTERRUPT_WINDOW_EXITING;
    if (nmi)
        primary |= VMX_PRIMARY_NMI_WINDOW_EXITING;
    if (primary != vmx->primary) {
        vmx->primary = primary;
        vmwrite(VMCS_PRIMARY_CONTROLS, primary);
    }
}

static void set_debug(struct vcpu *vcpu, unsigned what)
{
    struct vmx_vcpu *vmx = vmx_of(vcpu);
    uint32_t bitmap = VMX_EXCEPTIONS | (what & DEBUG_BREAKPOINTS ? BIT(EXC_BP) : 0);
    uint64_t blocking = vmread(VMCS_GUEST_INTERRUPTIBILITY);

    vmwrite(VMCS_EXCEPTION_BITMAP, what & DEBUG_EXCEPTIONS ? UINT32_MAX : bitmap);
    vmx->primary &= ~(uint32_t)VMX_PRIMARY_MOV_DR_EXITING;
    if (what & DEBUG_REGISTERS)
        vmx->primary |= VMX_PRIMARY_MOV_DR_EXITING & vmx_cpu.may_be_1[VMX_PRIMARY];
    vmwrite(VMCS_PRIMARY_CONTROLS, vmx->primary);
    if (what & DEBUG_EXCEPTIONS && blocking & BLOCKING_BY_STI_OR_MOV_SS)
        vmwrite(VMCS_GUEST_INTERRUPTIBILITY, blocking & ~(uint64_t)BLOCKING_BY_STI_OR_MOV_SS);
}

const struct virt_ops vmx_ops = {
    .name = "VMX",
    .present = present,
    .preflight = preflight,
    .enable = enable,
    .disable = disable,
    .vm_create = vm_create,
    .vm_destroy = nested_destroy,
    .vcpu_create = vmx_vcpu_create,
    .vcpu_destroy = vmx_vcpu_destroy,
    .vcpu_reset = vmx_vcpu_reset,
    .vcpu_load = vmx_vcpu_load,
    .vcpu_put = vmx_vcpu_put,
    .run = vmx_run,
    .get = vmx_get,
    .set = vmx_set,
    .get_segment = vmx_get_segment,
    .set_segment = vmx_set_segment,
    .get_code = vmx_get_code,
    .loads_pdptes = true,
    .watch_paging = vmx_watch_paging,
    .get_msr = vmx_get_msr,
    .set_msr = vmx_set_msr,
    .advance = vmx_advance,
    .interrupt_allowed = interrupt_allowed,
    .nmi_allowed = nmi_allowed,
    .unblock_nmi = unblock_nmi,
    .inject = inject,
    .set_windows = set_windows,
    .set_debug = set_debug,
    .flush = vmx_flush,
    .page_set_present = nested_set_present,
    .limits = vmx_limits,
    .update_apic = vmx_update_apic,
    .forbid = forbid,
    .details = vmx_details,
    .words = words,
    .word = word,
    .constants = {{&vmx_cpu, sizeof(vmx_cpu)}, {&vmx_words, sizeof(vmx_words)}},
    .exit_name = exit_name,
    .dump = dump,
    .explain = explain,
};
