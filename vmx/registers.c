#include "vmx/registers.h"

#include "hv/cpu/native.h"
#include "hv/event/event.h"
#include "hv/host/cpu.h"
#include "hv/host/instructions.h"
#include "hv/vm/vm.h"
#include "vmx/owned.h"

struct native_policy vmx_native = {
    .msrs = {IA32_STAR, IA32_LSTAR, IA32_CSTAR, IA32_FMASK, IA32_KERNEL_GS_BASE, IA32_TSC_AUX},
};

/* A register's field; 0 where reading or writing needs more than the field. */
static const uint16_t fields[REG_COUNT] = {
    [REG_RSP] = VMCS_GUEST_RSP, [REG_RIP] = VMCS_GUEST_RIP, [REG_RFLAGS] = VMCS_GUEST_RFLAGS,
    [REG_CR3] = VMCS_GUEST_CR3, [REG_DR7] = VMCS_GUEST_DR7, [REG_EFER] = VMCS_GUEST_EFER,
};

/* SDM, "CR0 and CR4 guest/host masks and read shadows": owned bits read from the shadow. */
static uint64_t read_shadowed(uint32_t field, uint32_t shadow, uint64_t owned)
{
    return (vmread(field) & ~owned) | (vmread(shadow) & owned);
}

uint64_t vmx_get(struct vcpu *vcpu, enum vcpu_reg reg)
{
    switch (reg) {
    case REG_CR0:
        return read_shadowed(VMCS_GUEST_CR0, VMCS_CR0_SHADOW, CR0_OWNED);
    case REG_CR4:
        return read_shadowed(VMCS_GUEST_CR4, VMCS_CR4_SHADOW, vmx_cr4_owned(vcpu));
    case REG_CR2:
        return this_cpu()->current == vcpu ? read_cr2() : vcpu->arch.cr2;
    case REG_DR6:
        return this_cpu()->current == vcpu ? read_dr6() : vcpu->arch.dr6;
    default:
        return vmread(fields[reg]);
    }
}

/* "IA-32e mode guest" follows EFER.LMA (SDM, "Checks on Guest Control Registers, Debug Registers, and MSRs").
 */
static void set_efer(struct vcpu *vcpu, uint64_t efer)
{
    struct vmx_vcpu *vmx = vmx_of(vcpu);
    uint32_t entry = (uint32_t)vmread(VMCS_ENTRY_CONTROLS) & ~(uint32_t)VMX_ENTRY_IA32E_MODE_GUEST;

    if (efer & EFER_LMA)
        entry |= VMX_ENTRY_IA32E_MODE_GUEST;
    vmx->entry = entry;
    vmwrite(VMCS_ENTRY_CONTROLS, entry);
    vmwrite(VMCS_GUEST_EFER, efer);
}

/* PAE paging keeps its four top entries in the CPU (SDM, "PDPTE Registers"). */
static void load_pdptes(struct vcpu *vcpu)
{
    uint64_t entries[4] = {0};
    uint64_t cr0 = vmx_get(vcpu, REG_CR0), cr4 = vmx_get(vcpu, REG_CR4);

    if (!(cr0 & CR0_PG) || !(cr4 & CR4_PAE) || (vmread(VMCS_GUEST_EFER) & EFER_LMA))
        return;
    guest_read(&vcpu->vm->memory, vmread(VMCS_GUEST_CR3) & 0xffffffe0, entries, sizeof(entries));
    for (unsigned i = 0; i < 4; i++)
        vmwrite(VMCS_GUEST_PDPTE0 + 2 * i, entries[i]);
}

void vmx_set(struct vcpu *vcpu, enum vcpu_reg reg, uint64_t value)
{
    uint64_t old;

    switch (reg) {
    case REG_CR0:
        old = vmx_get(vcpu, REG_CR0);
        vmwrite(VMCS_CR0_SHADOW, value);
        vmwrite(VMCS_GUEST_CR0, vmx_cr0_real(value));
        if ((old ^ value) & (CR0_CD | CR0_NW | CR0_PG))
            load_pdptes(vcpu);
        break;
    case REG_CR4:
        vmwrite(VMCS_CR4_SHADOW, value);
        vmwrite(VMCS_GUEST_CR4, vmx_cr4_real(value));
        break;
    case REG_CR3:
        vmwrite(VMCS_GUEST_CR3, value);
        load_pdptes(vcpu);
        break;
    case REG_EFER:
        set_efer(vcpu, value);
        break;
    case REG_RIP:
        *vmx_rip(vcpu) = value;
        vmwrite(VMCS_GUEST_RIP, value);
        break;
    case REG_CR2:
        vcpu->arch.cr2 = value;
        if (this_cpu()->current == vcpu)
            write_cr2(value);
        break;
    case REG_DR6:
        vcpu->arch.dr6 = value;
        if (this_cpu()->current == vcpu)
            write_dr6(value);
        break;
    default:
        vmwrite(fields[reg], value);
        break;
    }
}

/* The fields of segments follow each other in the order of the instruction encoding, each in its own row. */
static bool is_table(enum vcpu_segment segment)
{
    return segment == SEG_GDTR || segment == SEG_IDTR;
}

void vmx_get_segment(struct vcpu *vcpu, enum vcpu_segment segment, struct segment *value)
{
    unsigned step = 2 * segment;

    (void)vcpu;
    *value = (struct segment){
        .base = vmread(VMCS_GUEST_ES_BASE + step),
        .limit = (uint32_t)vmread(VMCS_GUEST_ES_LIMIT + step),
    };
    if (is_table(segment))
        return;
    value->selector = (uint16_t)vmread(VMCS_GUEST_ES_SELECTOR + step);
    value->attributes = (uint32_t)vmread(VMCS_GUEST_ES_ACCESS_RIGHTS + step);
}

void vmx_set_segment(struct vcpu *vcpu, enum vcpu_segment segment, const struct segment *value)
{
    unsigned step = 2 * segment;

    (void)vcpu;
    vmwrite(VMCS_GUEST_ES_BASE + step, value->base);
    vmwrite(VMCS_GUEST_ES_LIMIT + step, value->limit);
    if (is_table(segment))
        return;
    vmwrite(VMCS_GUEST_ES_SELECTOR + step, value->selector);
    vmwrite(VMCS_GUEST_ES_ACCESS_RIGHTS + step, value->attributes);
}

void vmx_get_code(struct vcpu *vcpu, struct code_state *code)
{
    code->rip = *vmx_rip(vcpu);
    code->cr3 = vmread(VMCS_GUEST_CR3);
    code->base = vmread(VMCS_GUEST_CS_BASE);
    code->attributes = code_attributes(vmread(VMCS_GUEST_CS_ACCESS_RIGHTS), vmread(VMCS_GUEST_DR7));
}

bool vmx_get_msr(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    static const struct {
        uint32_t msr, field;
    } fields_of[] = {
        {IA32_DEBUGCTL, VMCS_GUEST_DEBUGCTL},
        {IA32_SYSENTER_CS, VMCS_GUEST_SYSENTER_CS},
        {IA32_SYSENTER_ESP, VMCS_GUEST_SYSENTER_ESP},
        {IA32_SYSENTER_EIP, VMCS_GUEST_SYSENTER_EIP},
        {IA32_FS_BASE, VMCS_GUEST_ES_BASE + 2 * SEG_FS},
        {IA32_GS_BASE, VMCS_GUEST_ES_BASE + 2 * SEG_GS},
        {IA32_PAT, VMCS_GUEST_PAT},
    };

    for (unsigned i = 0; i < ARRAY_LENGTH(fields_of); i++)
        if (fields_of[i].msr == msr) {
            *value = vmread(fields_of[i].field);
            return true;
        }
    return native_get_msr(vcpu, &vmx_native, msr, value);
}

bool vmx_set_msr(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    switch (msr) {
    case IA32_TSC: /* the offset */
        vmwrite(VMCS_TSC_OFFSET, value);
        return true;
    case IA32_DEBUGCTL:
        vmwrite(VMCS_GUEST_DEBUGCTL, value);
        return true;
    default:
        return native_set_msr(vcpu, msr, value);
    }
}

#define DEBUG_TRAPS (DR6_HITS | DR6_BS) /* of the pending debug exceptions */

uint64_t vmx_wrapped(uint64_t rip)
{
    return vmread(VMCS_GUEST_CS_ACCESS_RIGHTS) & SEG_L ? rip : (uint32_t)rip;
}

void vmx_begin_debug(void)
{
    uint64_t debugctl = vmread(VMCS_GUEST_DEBUGCTL);

    if (unlikely(debugctl & (DEBUGCTL_LBR | DEBUGCTL_BTF)))
        vmwrite(VMCS_GUEST_DEBUGCTL, debugctl & ~(DEBUGCTL_LBR | DEBUGCTL_BTF));
}

static void trap(struct vcpu *vcpu, uint64_t causes)
{
    if (!causes)
        return;
    vmx_begin_debug();
    vcpu_trap(vcpu, causes);
}

/* SDM, "Delivery of Pending Debug Exceptions after VM Entry": an entry that injects something drops them. */
static uint64_t take_pending(void)
{
    uint64_t pending = vmread(VMCS_GUEST_PENDING_DEBUG);

    if (pending)
        vmwrite(VMCS_GUEST_PENDING_DEBUG, 0);
    return pending & DEBUG_TRAPS;
}

void vmx_end_instruction(struct vcpu *vcpu)
{
    uint64_t blocking = vmread(VMCS_GUEST_INTERRUPTIBILITY), flags = vmread(VMCS_GUEST_RFLAGS), causes = 0;
    uint64_t pending;

    if (flags & RFLAGS_RF)
        vmwrite(VMCS_GUEST_RFLAGS, flags & ~RFLAGS_RF);
    if (flags & RFLAGS_TF && !(vmread(VMCS_GUEST_DEBUGCTL) & DEBUGCTL_BTF))
        causes = DR6_BS;
    /* What was pending ends with the instruction. Without a shadow there is nothing, or what is left wrongly
     * (docs/emulators.md). */
    pending = take_pending();
    if (blocking & BLOCKING_BY_STI_OR_MOV_SS) {
        vmwrite(VMCS_GUEST_INTERRUPTIBILITY, blocking & ~(uint64_t)BLOCKING_BY_STI_OR_MOV_SS);
        causes |= pending;
    }
    trap(vcpu, causes);
}

void vmx_trap_pending(struct vcpu *vcpu)
{
    trap(vcpu, take_pending());
}

void vmx_advance(struct vcpu *vcpu, unsigned length)
{
    vmx_move_on(vcpu, length);
}
