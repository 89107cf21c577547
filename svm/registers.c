#include "svm/registers.h"

#include "hv/cpu/native.h"
#include "hv/event/event.h"
#include "hv/host/cpu.h"
#include "hv/lib/string.h"
#include "svm/quirks.h"
#include "svm/reasons.h"
#include "svm/vm.h"

struct native_policy svm_native = {.msrs = {IA32_TSC_AUX}};

#define FIELD(reg, name) [REG_##reg] = offsetof(union vmcb, name)

static const uint16_t fields[REG_COUNT] = {
    FIELD(RSP, rsp), FIELD(RIP, rip), FIELD(RFLAGS, rflags), FIELD(CR0, cr0), FIELD(CR2, cr2),
    FIELD(CR3, cr3), FIELD(CR4, cr4), FIELD(EFER, efer),     FIELD(DR6, dr6), FIELD(DR7, dr7),
};

static uint64_t *field(const struct vcpu *vcpu, enum vcpu_reg reg)
{
    return (uint64_t *)(vmcb_of(vcpu)->bytes + fields[reg]);
}

uint64_t svm_get(struct vcpu *vcpu, enum vcpu_reg reg)
{
    switch (reg) {
    case REG_CR4:
        return svm_of(vcpu)->cr4;
    case REG_EFER:
        return *field(vcpu, reg) & ~EFER_SVME;
    default:
        return *field(vcpu, reg);
    }
}

/* What a change of each register makes the CPU read again; of CR0, CR3 and CR4 it keeps translations too. */
static const uint16_t parts[REG_COUNT] = {
    [REG_CR0] = VMCB_CLEAN_CONTROL,  [REG_CR2] = VMCB_CLEAN_CR2,   [REG_CR3] = VMCB_CLEAN_CONTROL,
    [REG_CR4] = VMCB_CLEAN_CONTROL,  [REG_DR6] = VMCB_CLEAN_DEBUG, [REG_DR7] = VMCB_CLEAN_DEBUG,
    [REG_EFER] = VMCB_CLEAN_CONTROL,
};

void svm_set(struct vcpu *vcpu, enum vcpu_reg reg, uint64_t value)
{
    if (reg == REG_CR4) { /* a machine check must reach Keel, not shut the guest down: MCE is always on */
        svm_of(vcpu)->cr4 = value;
        value |= CR4_MCE;
    } else if (reg ==
               REG_EFER) { /* APM, "Canonicalization and Consistency Checks": SVME is on in every guest */
        value |= EFER_SVME;
    }
    *field(vcpu, reg) = value;
    if (reg == REG_CR2 && this_cpu()->current == vcpu)
        svm_cr2_changed(vmcb_of(vcpu));
    if (parts[reg] & VMCB_CLEAN_CONTROL)
        svm_flush(vcpu);
    vmcb_changed(vmcb_of(vcpu), parts[reg]);
}

/* Segments in the VMCB, by the core's numbers. */
static inline struct vmcb_segment *segment_at(struct vcpu *vcpu, enum vcpu_segment segment)
{
    union vmcb *vmcb = vmcb_of(vcpu);
    struct vmcb_segment *const all[SEG_COUNT] = {
        &vmcb->es, &vmcb->cs,   &vmcb->ss, &vmcb->ds,   &vmcb->fs,
        &vmcb->gs, &vmcb->ldtr, &vmcb->tr, &vmcb->gdtr, &vmcb->idtr,
    };

    return all[segment];
}

#define ATTRIBUTES_LOW   0xffu
#define ATTRIBUTES_HIGH  0xf00u
#define ATTRIBUTES_SHIFT 4 /* from here to where VMX has the upper ones */

/* G follows from the limit (the CPU does not keep it), an absent segment is an unusable one. */
static uint32_t attributes_of(const struct vmcb_segment *segment)
{
    uint32_t attributes = (segment->attributes & ATTRIBUTES_LOW) | (segment->attributes & ATTRIBUTES_HIGH)
                                                                       << ATTRIBUTES_SHIFT;

    if (!(attributes & SEG_P))
        attributes |= SEG_UNUSABLE;
    return segment->limit > 0xfffff ? attributes | SEG_G : attributes;
}

void svm_get_segment(struct vcpu *vcpu, enum vcpu_segment segment, struct segment *value)
{
    const struct vmcb_segment *from = segment_at(vcpu, segment);

    *value = (struct segment){.base = from->base, .limit = from->limit};
    if (segment >= SEG_GDTR)
        return;
    value->selector = from->selector;
    value->attributes = attributes_of(from);
    if (segment == SEG_SS) /* the CPU goes by the field CPL */
        value->attributes = (value->attributes & ~(3u << 5)) | (uint32_t)(vmcb_of(vcpu)->cpl & 3) << 5;
}

void svm_set_segment(struct vcpu *vcpu, enum vcpu_segment segment, const struct segment *value)
{
    struct vmcb_segment *to = segment_at(vcpu, segment);
    union vmcb *vmcb = vmcb_of(vcpu);

    to->base = value->base;
    to->limit = value->limit;
    vmcb_changed(vmcb, VMCB_CLEAN_SEGMENTS | VMCB_CLEAN_TABLES);
    if (segment >= SEG_GDTR)
        return;
    to->selector = value->selector;
    to->attributes = (uint16_t)((value->attributes & ATTRIBUTES_LOW) |
                                (value->attributes >> ATTRIBUTES_SHIFT & ATTRIBUTES_HIGH));
    if (value->attributes & SEG_UNUSABLE)
        to->attributes = 0;
    if (segment == SEG_SS)
        vmcb->cpl = SEG_DPL(value->attributes);
}

void svm_get_code(struct vcpu *vcpu, struct code_state *code)
{
    const union vmcb *vmcb = vmcb_of(vcpu);

    code->rip = vmcb->rip;
    code->cr3 = vmcb->cr3;
    code->base = vmcb->cs.base;
    code->attributes = code_attributes(vmcb->cs.attributes, vmcb->dr7);
}

/* APM, "Nested and intercepted #PF": only those exits say so. */
unsigned svm_get_bytes(struct vcpu *vcpu, uint8_t bytes[15])
{
    const union vmcb *vmcb = vmcb_of(vcpu);
    unsigned count = svm_has(SVM_DECODE_ASSISTS) && vmcb->exit_code == SVM_EXIT_NPF ? vmcb->fetched : 0;

    count = MIN(count, 15);
    memcpy(bytes, &vmcb->instruction, count);
    return count;
}

bool svm_get_msr(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    static const struct {
        uint32_t msr, offset;
    } rows[] = {
        {IA32_DEBUGCTL, offsetof(union vmcb, debugctl)},
        {IA32_STAR, offsetof(union vmcb, star)},
        {IA32_LSTAR, offsetof(union vmcb, lstar)},
        {IA32_CSTAR, offsetof(union vmcb, cstar)},
        {IA32_FMASK, offsetof(union vmcb, sfmask)},
        {IA32_KERNEL_GS_BASE, offsetof(union vmcb, kernel_gs_base)},
        {IA32_SYSENTER_CS, offsetof(union vmcb, sysenter_cs)},
        {IA32_SYSENTER_ESP, offsetof(union vmcb, sysenter_esp)},
        {IA32_SYSENTER_EIP, offsetof(union vmcb, sysenter_eip)},
        {IA32_FS_BASE, offsetof(union vmcb, fs.base)},
        {IA32_GS_BASE, offsetof(union vmcb, gs.base)},
        {IA32_PAT, offsetof(union vmcb, pat)},
    };

    for (unsigned i = 0; i < ARRAY_LENGTH(rows); i++)
        if (rows[i].msr == msr) {
            *value = *(const uint64_t *)(vmcb_of(vcpu)->bytes + rows[i].offset);
            return true;
        }
    return native_get_msr(vcpu, &svm_native, msr, value);
}

/* DBGCTL is the CPU's where it virtualizes branch records, and a value without effect elsewhere. */
bool svm_set_msr(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    union vmcb *vmcb = vmcb_of(vcpu);

    switch (msr) {
    case IA32_TSC: /* the offset */
        vmcb->tsc_offset = value;
        vmcb_changed(vmcb, VMCB_CLEAN_INTERCEPTS);
        return true;
    case IA32_DEBUGCTL:
        vmcb->debugctl = value;
        vmcb_changed(vmcb, VMCB_CLEAN_LBR);
        return true;
    default:
        return native_set_msr(vcpu, msr, value);
    }
}

void svm_end_instruction(struct vcpu *vcpu)
{
    union vmcb *vmcb = vmcb_of(vcpu);

    vmcb->rflags &= ~RFLAGS_RF;
    if (vmcb->interrupt_shadow & VMCB_SHADOW) { /* what waited for its end goes in at once */
        vmcb->interrupt_shadow = 0;
        vcpu_note(vcpu, REQUEST_EVENT);
    }
    if (vmcb->rflags & RFLAGS_TF && !(vmcb->debugctl & DEBUGCTL_BTF))
        vcpu_trap(vcpu, DR6_BS);
}

void svm_advance(struct vcpu *vcpu, unsigned length)
{
    svm_advance_to(vcpu, vmcb_of(vcpu), vmcb_of(vcpu)->rip + length);
}
