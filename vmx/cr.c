#include "vmx/cr.h"

#include "hv/cpu/control.h"
#include "hv/cpu/cpuid.h"
#include "hv/emulate/emulate.h"
#include "hv/event/event.h"
#include "hv/exit/exit.h"
#include "vmx/fields.h"
#include "vmx/instructions.h"
#include "vmx/owned.h"
#include "vmx/registers.h"

#define CR0_WATCHED CR0_PG
#define CR4_WATCHED (CR4_PAE | CR4_PSE | CR4_LA57)

static uint64_t cr4_allowed;

void vmx_cr_init(const struct cpuid_limits *limits)
{
    cr4_allowed = cr4_offered(limits) & vmx_cpu.cr4_fixed1;
}

uint64_t vmx_cr4_allowed(struct vcpu *vcpu)
{
    return cr4_allowed & cr4_shown(vcpu);
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
    vmwrite(VMCS_CR0_MASK, CR0_OWNED | CR0_WATCHED);
    vmwrite(VMCS_CR4_MASK, vmx_cr4_owned(vcpu) | CR4_WATCHED);
}

static void end_watch(struct vcpu *vcpu)
{
    vcpu->arch.code_changed = true;
    vmx_of(vcpu)->watches_paging = false;
    vmwrite(VMCS_CR0_MASK, CR0_OWNED);
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
