#include "hv/show/gdb_vcpu.h"

#include "hv/cpu/virt_state.h"
#include "hv/walk/linear.h"

/* In GDB's order. */
static const uint8_t segment_order[6] = {SEG_CS, SEG_SS, SEG_DS, SEG_ES, SEG_FS, SEG_GS};

bool gdb_registers_are_wide(struct vcpu *vcpu)
{
    return vcpu_get(vcpu, REG_EFER) & EFER_LMA;
}

void gdb_registers_take(struct vcpu *vcpu, struct gdb_registers *out)
{
    for (unsigned i = 0; i < 16; i++)
        out->general[i] = vcpu_get(vcpu, (enum vcpu_reg)i);
    for (unsigned i = 0; i < 6; i++)
        out->segments[i] = vcpu_get_segment(vcpu, segment_order[i]).selector;
    out->rip = vcpu_get(vcpu, REG_RIP);
    out->rflags = vcpu_get(vcpu, REG_RFLAGS);
    out->fs_base = vcpu_get_segment(vcpu, SEG_FS).base;
    out->gs_base = vcpu_get_segment(vcpu, SEG_GS).base;
    virt_state->get_msr(vcpu, IA32_KERNEL_GS_BASE, &out->kernel_gs_base);
    out->cr0 = vcpu_get(vcpu, REG_CR0);
    out->cr2 = vcpu_get(vcpu, REG_CR2);
    out->cr3 = vcpu_get(vcpu, REG_CR3);
    out->cr4 = vcpu_get(vcpu, REG_CR4);
    out->cr8 = vcpu->arch.interrupts.get_tpr(vcpu->arch.interrupts.state);
    out->efer = vcpu_get(vcpu, REG_EFER);
}

void gdb_registers_take_fpu(const struct vcpu *vcpu, struct gdb_registers *out)
{
    gdb_take_fpu(out, vcpu->arch.native.xsave);
}

/*
 * Where nothing could be fetched, and reserved flags, no guest can be brought to. Bases are as the hand that
 * sets them wants them: an entry that refuses one says so, and ends that VM alone.
 */
#define RFLAGS_WRITABLE (RFLAGS_DEFINED & ~(RFLAGS_1 | RFLAGS_VM)) /* VM is half of a switch */

static bool may_be_set(struct vcpu *vcpu, const struct gdb_registers *in)
{
    return vcpu_code_mode(vcpu) == CODE_64 ? vcpu_is_canonical(vcpu, in->rip) : !(in->rip >> 32);
}

bool gdb_registers_give(struct vcpu *vcpu, const struct gdb_registers *in)
{
    static const enum vcpu_segment based[2] = {SEG_FS, SEG_GS};

    if (!may_be_set(vcpu, in))
        return false;
    for (unsigned i = 0; i < 16; i++)
        vcpu_set(vcpu, (enum vcpu_reg)i, in->general[i]);
    vcpu_set(vcpu, REG_RIP, in->rip);
    vcpu_set(vcpu, REG_RFLAGS,
             (in->rflags & RFLAGS_WRITABLE) | RFLAGS_1 | (vcpu_get(vcpu, REG_RFLAGS) & RFLAGS_VM));
    for (unsigned i = 0; i < 2; i++) {
        struct segment segment = vcpu_get_segment(vcpu, based[i]);

        segment.base = i ? in->gs_base : in->fs_base;
        vcpu_set_segment(vcpu, based[i], &segment);
    }
    return true;
}

void gdb_registers_give_fpu(struct vcpu *vcpu, const struct gdb_registers *in)
{
    gdb_give_fpu(in, vcpu->arch.native.xsave);
}
