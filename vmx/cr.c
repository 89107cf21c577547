/*
 * CR0 and CR4. Keel owns the bits that VMX fixes or that a guest may not have as it likes; the guest reads
 * them from the shadow. When a write would change an owned bit, Keel checks the whole value, brings shadow
 * and real bits in line with it, and lets the same MOV run again (vcpu_again): it then finds nothing owned to
 * change, and the CPU does all else there is to do.
 */
#include "hv/cpu/control.h"
#include "hv/cpu/cpuid.h"
#include "hv/emulate/emulate.h"
#include "hv/event/event.h"
#include "hv/exit/exit.h"
#include "vmx/vmx.h"

#define CR0_OWNED   (CR0_NE | CR0_CD | CR0_NW)
#define CR0_WATCHED CR0_PG
#define CR4_WATCHED (CR4_PAE | CR4_PSE | CR4_LA57)
#define CR4_DYNAMIC (CR4_MCE | CR4_OSXSAVE | CR4_PKE) /* the guest's to set, but not unseen */
static uint64_t cr4_allowed;

void vmx_cr_reset(void)
{
    struct cpuid_limits limits = {0};

    vmx_limits(&limits);
    cr4_allowed = cr4_offered(&limits) & vmx_cpu.cr4_fixed1;
}

uint64_t vmx_cr0_owned(void)
{
    return CR0_OWNED;
}

uint64_t vmx_cr4_allowed(struct vcpu *vcpu)
{
    return cr4_allowed & cr4_shown(vcpu);
}

uint64_t vmx_cr4_owned(const struct vcpu *vcpu)
{
    return ~vmx_of(vcpu)->cr4_allowed | CR4_DYNAMIC;
}

/* Unrestricted guest lifts the fixed PE and PG. Caches are the machine's: CD and NW stay off. */
uint64_t vmx_cr0_real(uint64_t guest)
{
    return (guest & ~(CR0_CD | CR0_NW)) | (vmx_cpu.cr0_fixed0 & ~(CR0_PE | CR0_PG));
}

/* A machine check must reach Keel, not shut the guest down: MCE is always on. */
uint64_t vmx_cr4_real(uint64_t guest)
{
    return guest | vmx_cpu.cr4_fixed0 | CR4_MCE;
}

/*
 * Owns for a while what decides how code is read and is otherwise the guest's to set. Real bits and shadow
 * are the same, so that what the guest reads stays; the MOV that changes one exits, gives them back, and runs
 * again.
 */
void vmx_watch_paging(struct vcpu *vcpu)
{
    struct vmx_vcpu *vmx = vmx_of(vcpu);

    if (vmx->watches_paging)
        return;
    vmx->watches_paging = true;
    vmwrite(VMCS_CR0_SHADOW, vmx_get(vcpu, REG_CR0));
    vmwrite(VMCS_CR4_SHADOW, vmx_get(vcpu, REG_CR4));
    vmwrite(VMCS_CR0_MASK, vmx_cr0_owned() | CR0_WATCHED);
    vmwrite(VMCS_CR4_MASK, vmx_cr4_owned(vcpu) | CR4_WATCHED);
}

static void end_watch(struct vcpu *vcpu)
{
    vcpu->arch.code_changed = true;
    vmx_of(vcpu)->watches_paging = false;
    vmwrite(VMCS_CR0_MASK, vmx_cr0_owned());
    vmwrite(VMCS_CR4_MASK, vmx_cr4_owned(vcpu));
}

static void write_cr0_bits(struct vcpu *vcpu, uint64_t value)
{
    if (!cr0_valid(vcpu, value)) {
        vcpu_raise_gp(vcpu);
        return;
    }
    vmwrite(VMCS_CR0_SHADOW, value);
    end_watch(vcpu);
    vcpu_again(vcpu);
}

static void write_cr4_bits(struct vcpu *vcpu, uint64_t value)
{
    uint64_t owned = vmx_cr4_owned(vcpu);

    if (!cr4_valid(vcpu, value, vmx_of(vcpu)->cr4_allowed)) {
        vcpu_raise_gp(vcpu);
        return;
    }
    vmwrite(VMCS_CR4_SHADOW, value);
    vmwrite(VMCS_GUEST_CR4, (vmread(VMCS_GUEST_CR4) & ~owned) | (vmx_cr4_real(value) & owned));
    vcpu_cpuid_changed(vcpu);
    end_watch(vcpu);
    vcpu_again(vcpu);
}

/* SDM, "Exit Qualification for Control-Register Accesses". */
void vmx_handle_cr_access(struct vcpu *vcpu)
{
    enum { MOV_TO, MOV_FROM };
    uint64_t qualification = vmread(VMCS_EXIT_QUALIFICATION);
    unsigned number = qualification & 15, type = qualification >> 4 & 3;
    enum vcpu_reg reg = (enum vcpu_reg)(qualification >> 8 & 15);

    if (type == MOV_TO) {
        uint64_t value = vcpu_get(vcpu, reg);

        if (!(vmx_get(vcpu, REG_EFER) & EFER_LMA) || !(vmread(VMCS_GUEST_CS_ACCESS_RIGHTS) & SEG_L))
            value = (uint32_t)value;
        if (number == 0) {
            write_cr0_bits(vcpu, value);
            return;
        }
        if (number == 4) {
            write_cr4_bits(vcpu, value);
            return;
        }
        if (number == 8) {
            if (exit_write_cr8(vcpu, value))
                vmx_advance(vcpu, (unsigned)vmread(VMCS_EXIT_INSTRUCTION_LENGTH));
            return;
        }
    } else if (type == MOV_FROM && number == 8) {
        vcpu_set(vcpu, reg, vcpu->arch.interrupts.get_tpr(vcpu->arch.interrupts.state));
        vmx_advance(vcpu, (unsigned)vmread(VMCS_EXIT_INSTRUCTION_LENGTH));
        return;
    }
    vm_crash(vcpu->vm, "unexpected control-register exit, qualification 0x%lx", qualification);
}
