#include "vmx/vcpu.h"

#include "hv/cpu/cpuid.h"
#include "hv/cpu/msr.h"
#include "hv/cpu/native.h"
#include "hv/event/event.h"
#include "hv/event/guest_debug.h"
#include "hv/host/clock.h"
#include "hv/host/cpu.h"
#include "hv/host/instructions.h"
#include "hv/host/interrupts.h"
#include "hv/host/log.h"
#include "hv/host/paging.h"
#include "hv/lib/string.h"
#include "vmx/apic.h"
#include "vmx/cr.h"
#include "vmx/entry.h"
#include "vmx/events.h"
#include "vmx/owned.h"
#include "vmx/registers.h"
#include "vmx/vm.h"

_Static_assert(offsetof(struct vcpu, arch.gpr) == 0 && sizeof(((struct vcpu *)0)->arch.gpr) == 128,
               "as in entry.asm");
_Static_assert(offsetof(struct vcpu, arch.host_stack) == 128, "as in entry.asm");

#define MSR_BITMAP_WRITE 2048 /* offset of the write bitmaps; reads come first */
#define MSR_BITMAP_HIGH  1024 /* offset of the bitmap for 0xc0000000 and up */

/* Bounds each run of a guest: also the longest that a host interrupt waits where an emulator loses its exit.
 */
#define RUN_BOUND_HZ     1000

/* PAUSE-loop exiting, in ticks of the TSC: what is apart by less is one loop, and how long it may last. PAUSE
 * itself takes up to 140. */
#define PLE_GAP          256
#define PLE_WINDOW       16384

/*
 * Every guest may touch the same MSRs natively: one bitmap for all, and one for all in x2APIC mode; and two
 * more for those without RDTSCP, and so without IA32_TSC_AUX.
 */
enum { BITMAP_X2APIC = 1, BITMAP_NO_TSC_AUX = 2, BITMAPS = 4 };
static uint8_t *msr_bitmaps[BITMAPS];

static void clear_bit(uint32_t msr, unsigned base)
{
    unsigned at = base + (msr >= 0xc0000000 ? MSR_BITMAP_HIGH : 0), bit = msr & 0x1fff;

    msr_bitmaps[0][at + bit / 8] &= (uint8_t) ~(1 << bit % 8);
}

/* Lets some of the first 64 registers from X2APIC_FIRST on through. */
static void open_x2apic(uint64_t registers, unsigned base)
{
    uint64_t *words = (uint64_t *)(msr_bitmaps[1] + base);

    words[X2APIC_FIRST / 64] &= ~registers;
}

static void close_tsc_aux(uint8_t *bitmap)
{
    unsigned at = MSR_BITMAP_HIGH + (IA32_TSC_AUX & 0x1fff) / 8;

    bitmap[at] |= BIT(IA32_TSC_AUX % 8);
    bitmap[at + MSR_BITMAP_WRITE] |= BIT(IA32_TSC_AUX % 8);
}

bool vmx_make_maps(void)
{
    struct x2apic_open open = vmx_x2apic_open(&vmx_words);

    msr_bitmaps[0] = host_allocate(BITMAPS * PAGE_SIZE);
    if (!msr_bitmaps[0]) {
        log_line("VMX: no memory for the MSR bitmaps: give the machine more");
        return false;
    }
    memset(msr_bitmaps[0], 0xff, PAGE_SIZE);
    for (const uint32_t *msr = msr_native; *msr; msr++) {
        if (*msr == IA32_TSC_AUX && !(vmx_words.secondary & VMX_SECONDARY_ENABLE_RDTSCP))
            continue;
        clear_bit(*msr, 0);
        clear_bit(*msr, MSR_BITMAP_WRITE);
    }
    clear_bit(IA32_TSC, 0); /* reads include the offset */
    msr_bitmaps[1] = msr_bitmaps[0] + PAGE_SIZE;
    memcpy(msr_bitmaps[1], msr_bitmaps[0], PAGE_SIZE);
    open_x2apic(open.read, 0);
    open_x2apic(open.write, MSR_BITMAP_WRITE);
    for (unsigned i = BITMAP_NO_TSC_AUX; i < BITMAPS; i++) {
        msr_bitmaps[i] = msr_bitmaps[0] + i * PAGE_SIZE;
        memcpy(msr_bitmaps[i], msr_bitmaps[i - BITMAP_NO_TSC_AUX], PAGE_SIZE);
        close_tsc_aux(msr_bitmaps[i]);
    }
    return true;
}

static uint32_t run_bound(void)
{
    return (uint32_t)MAX(clock_hz() / RUN_BOUND_HZ >> vmx_preemption_shift(&vmx_cpu), 1);
}

static void vmclear(struct vmx_vcpu *vmx)
{
    __asm__ volatile("vmclear %0" : : "m"(vmx->vmcs) : "cc", "memory");
    vmx->launched = false;
}

static void vmptrld(const struct vmx_vcpu *vmx)
{
    __asm__ volatile("vmptrld %0" : : "m"(vmx->vmcs) : "cc", "memory");
}

/* The same in every VMCS and on every core. */
static void write_constant_fields(struct vcpu *vcpu)
{
    const struct {
        uint32_t field;
        uint64_t value;
    } fields[] = {
        {VMCS_PIN_CONTROLS, vmx_words.pin},
        {VMCS_EXIT_CONTROLS, vmx_words.exit},
        {VMCS_EPTP, vmx_eptp(vcpu->vm)},
        {VMCS_LINK_POINTER, UINT64_MAX},
        {VMCS_EXCEPTION_BITMAP, VMX_EXCEPTIONS},
        {VMCS_CR0_MASK, CR0_OWNED},
        {VMCS_CR4_MASK, vmx_cr4_owned(vcpu)},
        {VMCS_HOST_CR0, read_cr0()},
        {VMCS_HOST_CR4, read_cr4()},
        {VMCS_HOST_CR3, vcpu->vm->space.root},
        {VMCS_HOST_EFER, rdmsr(IA32_EFER)},
        {VMCS_HOST_PAT, rdmsr(IA32_PAT)},
        {VMCS_HOST_CS_SELECTOR, SELECTOR_CODE},
        {VMCS_HOST_SS_SELECTOR, SELECTOR_DATA},
        {VMCS_HOST_DS_SELECTOR, SELECTOR_DATA},
        {VMCS_HOST_ES_SELECTOR, SELECTOR_DATA},
        {VMCS_HOST_TR_SELECTOR, SELECTOR_TSS},
        {VMCS_HOST_RSP, (uint64_t)&vcpu->arch.gpr[16]},
        {VMCS_HOST_RIP, (uint64_t)vmx_exit},
    };

    for (unsigned i = 0; i < ARRAY_LENGTH(fields); i++)
        vmwrite(fields[i].field, fields[i].value);
    if (vmx_words.secondary & VMX_SECONDARY_ENABLE_VPID)
        vmwrite(VMCS_VPID, vmx_of(vcpu)->vpid);
    if (vmx_words.secondary & VMX_SECONDARY_ENABLE_XSAVES)
        vmwrite(VMCS_XSS_EXITING_BITMAP, 0);
    if (vcpu->arch.apic.shadows)
        vmwrite(VMCS_VIRTUAL_APIC_ADDRESS, virt_to_phys(vcpu->arch.apic.registers));
    for (unsigned i = 0; i < 4 && vcpu->arch.apic.delivers; i++)
        vmwrite(VMCS_EOI_EXIT_BITMAP_0 + 2 * i, vmx_of(vcpu)->eoi_exits[i]);
    if (vmx_apic_page(vcpu->vm))
        vmwrite(VMCS_APIC_ACCESS_ADDRESS, vmx_apic_page(vcpu->vm));
    if (vcpu->arch.apic.post) {
        vmwrite(VMCS_POSTED_INTERRUPT_VECTOR, VECTOR_POSTED);
        vmwrite(VMCS_POSTED_INTERRUPT_DESCRIPTOR, virt_to_phys(vcpu->arch.apic.posted));
    }
    if (vmx_words.secondary & VMX_SECONDARY_PAUSE_LOOP_EXITING) {
        vmwrite(VMCS_PLE_GAP, PLE_GAP);
        vmwrite(VMCS_PLE_WINDOW, PLE_WINDOW);
    }
}

/* Host state that is the core's own. */
static void write_core_fields(struct cpu *cpu)
{
    struct PACKED {
        uint16_t limit;
        uint64_t base;
    } idt;

    __asm__ volatile("sidt %0" : "=m"(idt));
    vmwrite(VMCS_HOST_GS_BASE, (uint64_t)cpu);
    vmwrite(VMCS_HOST_TR_BASE, (uint64_t)&cpu->tss);
    vmwrite(VMCS_HOST_GDTR_BASE, (uint64_t)cpu->gdt);
    vmwrite(VMCS_HOST_IDTR_BASE, idt.base);
}

/* Instructions that raise #UD without their control. */
static uint32_t hidden_controls(const struct vcpu *vcpu)
{
    static const struct {
        const char *name;
        uint32_t control;
    } rows[] = {
        {"rdtscp", VMX_SECONDARY_ENABLE_RDTSCP},
        {"invpcid", VMX_SECONDARY_ENABLE_INVPCID},
        {"xsaves", VMX_SECONDARY_ENABLE_XSAVES},
        {"waitpkg", VMX_SECONDARY_ENABLE_USER_WAIT},
    };
    uint32_t hidden = 0;

    for (unsigned i = 0; i < ARRAY_LENGTH(rows); i++)
        if (cpuid_hides(vcpu, rows[i].name))
            hidden |= rows[i].control;
    return hidden;
}

bool vmx_vcpu_create(struct vcpu *vcpu)
{
    static uint16_t next_vpid;
    struct vmx_vcpu *vmx = host_allocate(sizeof(*vmx));
    uint32_t *region;

    vcpu->arch.vendor = vmx;
    if (!vmx || !native_create(vcpu))
        return false;
    region = host_allocate(PAGE_SIZE);
    if (!region)
        return false;
    vmx_native.xsaves = vmx_words.secondary & VMX_SECONDARY_ENABLE_XSAVES;
    *region = vmx_revision(&vmx_cpu);
    vmx->vmcs = virt_to_phys(region);
    vmx->core = -1;
    vmx->hidden = hidden_controls(vcpu);
    vmx->cr4_allowed = vmx_cr4_allowed(vcpu);
    vcpu->arch.apic.shadows = vmx_words.primary & VMX_PRIMARY_USE_TPR_SHADOW;
    vcpu->arch.apic.post = vmx_words.pin & VMX_PIN_PROCESS_POSTED_INTERRUPTS ? vcpu_post : NULL;
    vcpu->arch.apic.delivers = vmx_words.secondary & VMX_SECONDARY_VIRTUAL_INTERRUPT_DELIVERY;
    vmx->vpid = (uint16_t)(__atomic_fetch_add(&next_vpid, 1, __ATOMIC_RELAXED) % UINT16_MAX + 1);
    vmclear(vmx);
    return true;
}

void vmx_vcpu_destroy(struct vcpu *vcpu)
{
    struct vmx_vcpu *vmx = vcpu->arch.vendor;

    if (!vmx)
        return;
    if (vmx->vmcs) {
        vmclear(vmx);
        host_free(phys_to_virt(vmx->vmcs), PAGE_SIZE);
    }
    native_destroy(vcpu);
    host_free(vmx, sizeof(*vmx));
    vcpu->arch.vendor = NULL;
}

/* The controls for xAPIC or x2APIC mode. An APIC that is off is not reached either way. */
static void set_apic_mode(struct vmx_vcpu *vmx, bool x2apic)
{
    vmx->x2apic = x2apic;
    vmwrite(VMCS_SECONDARY_CONTROLS, vmx_apic_secondary(&vmx_words, x2apic) & ~vmx->hidden);
    vmwrite(VMCS_MSR_BITMAP,
            virt_to_phys(msr_bitmaps[(x2apic ? BITMAP_X2APIC : 0) |
                                     (vmx->hidden & VMX_SECONDARY_ENABLE_RDTSCP ? BITMAP_NO_TSC_AUX : 0)]));
}

/* SDM, "VM-Execution Control Fields", "Controls for APIC Virtualization", and "Guest Non-Register State". */
void vmx_update_apic(struct vcpu *vcpu)
{
    struct vmx_vcpu *vmx = vmx_of(vcpu);
    const uint32_t *registers = vcpu->arch.apic.registers;
    bool x2apic = vcpu->arch.apic.mode == APIC_X2APIC;
    uint32_t status;

    if (!vcpu->arch.apic.shadows)
        return;
    if (unlikely(x2apic != vmx->x2apic))
        set_apic_mode(vmx, x2apic);
    if (!vcpu->arch.apic.delivers) {
        vmwrite(VMCS_TPR_THRESHOLD, vmx_tpr_threshold(registers));
        return;
    }
    status = vmx_interrupt_status(registers);
    if (unlikely(debug_steps(&vcpu->arch.debug)))
        status &= 0xff00; /* no request: an interrupt would carry the step away */
    vmwrite(VMCS_GUEST_INTERRUPT_STATUS, status);
    for (unsigned i = 0; i < 4; i++) {
        uint64_t exits = vmx_eoi_exits(registers, i);

        if (likely(exits == vmx->eoi_exits[i]))
            continue;
        vmx->eoi_exits[i] = exits;
        vmwrite(VMCS_EOI_EXIT_BITMAP_0 + 2 * i, exits);
    }
}

void vmx_vcpu_reset(struct vcpu *vcpu)
{
    static const uint32_t zero[] = {
        VMCS_GUEST_DEBUGCTL, VMCS_GUEST_SYSENTER_CS,      VMCS_GUEST_SYSENTER_ESP,  VMCS_GUEST_SYSENTER_EIP,
        VMCS_GUEST_ACTIVITY, VMCS_GUEST_INTERRUPTIBILITY, VMCS_GUEST_PENDING_DEBUG, VMCS_ENTRY_INTERRUPTION,
    };
    struct vmx_vcpu *vmx = vmx_of(vcpu);

    for (unsigned i = 0; i < ARRAY_LENGTH(zero); i++)
        vmwrite(zero[i], 0);
    vmx->primary = (uint32_t)vmx_words.primary;
    vmx->entry = (uint32_t)vmx_words.entry;
    set_apic_mode(vmx, false);
    vmwrite(VMCS_PRIMARY_CONTROLS, vmx->primary);
    vmwrite(VMCS_ENTRY_CONTROLS, vmx->entry);
    vmwrite(VMCS_GUEST_PAT, PAT_RESET);
    vmwrite(VMCS_TSC_OFFSET, vcpu->arch.tsc_offset);
    reset_registers(vcpu);
}

void vmx_vcpu_load(struct vcpu *vcpu)
{
    struct vmx_vcpu *vmx = vmx_of(vcpu);
    struct cpu *cpu = this_cpu();

    vmptrld(vmx);
    if (vmx->core < 0) {
        write_constant_fields(vcpu);
        vmwrite(VMCS_PREEMPTION_TIMER, run_bound()); /* not saved at exits: each entry begins with it */
    }
    if (vmx->core != (int)cpu->index) {
        write_core_fields(cpu);
        vmx_flush(vcpu);
        vmx->core = (int)cpu->index;
    }
    write_cr3(vcpu->vm->space.root);
    native_load(vcpu, &vmx_native);
    write_dr6(vcpu->arch.dr6);
    write_cr2(vcpu->arch.cr2);
    cpu->current = vcpu;
}

void vmx_vcpu_put(struct vcpu *vcpu)
{
    struct vmx_vcpu *vmx = vmx_of(vcpu);

    native_put(vcpu, &vmx_native);
    vcpu->arch.dr6 = read_dr6();
    vcpu->arch.cr2 = read_cr2();
    vmclear(vmx);
    write_cr3(paging_root());
    this_cpu()->current = NULL;
}

void vmx_run(struct vcpu *vcpu)
{
    if (!vcpu_begins(vcpu))
        return;
    vmx_enter(vcpu, vmx_of(vcpu)->launched);
    vmx_of(vcpu)->launched = true;
}
