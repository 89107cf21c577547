/* MOV of control registers that the vendor has no masks for: CR4 and CR8. */
#include "hv/cpu/control.h"
#include "hv/cpu/cpuid.h"
#include "hv/emulate/emulation.h"
#include "hv/event/event.h"
#include "hv/event/guest_debug.h"

/* What reads as 1 whatever is written, and what can be written. */

static bool read_control(struct vcpu *vcpu, unsigned number, uint64_t *value)
{
    switch (number) {
    case 4:
        *value = vcpu_get(vcpu, REG_CR4);
        return true;
    case 8:
        *value = vcpu->arch.interrupts.get_tpr(vcpu->arch.interrupts.state);
        return true;
    default:
        return false;
    }
}

/* EXC_NONE, or what the write raises. */
static uint8_t write_control(struct vcpu *vcpu, unsigned number, uint64_t value)
{
    if (number == 8) {
        if (value > 15)
            return EXC_GP;
        vcpu->arch.interrupts.set_tpr(vcpu->arch.interrupts.state, (unsigned)value);
        return EXC_NONE;
    }
    if (!cr4_valid(vcpu, value, cr4_shown(vcpu)))
        return EXC_GP;
    vcpu_set(vcpu, REG_CR4, value);
    vcpu_cpuid_changed(vcpu);
    vcpu->arch.code_changed = true;
    return EXC_NONE;
}

enum outcome execute_move_control(struct emulation *e)
{
    const struct instruction *in = e->in;
    uint64_t value;

    e->fault = (struct fault){.vector = EXC_GP, .has_error = true};
    if (vcpu_cpl(e->vcpu) != 0)
        return OUTCOME_FAULT;
    if (in->from.kind == OPERAND_CONTROL) {
        if (!read_control(e->vcpu, in->from.index, &value))
            return OUTCOME_UNKNOWN;
        register_set(e->vcpu, in->to.index, in->to.size, value);
        return OUTCOME_NEXT;
    }
    if (in->to.index != 4 && in->to.index != 8)
        return OUTCOME_UNKNOWN;
    value = register_get(e->vcpu, in->from.index, in->from.size);
    return write_control(e->vcpu, in->to.index, value) == EXC_NONE ? OUTCOME_NEXT : OUTCOME_FAULT;
}

bool emulate_move_control(struct vcpu *vcpu, unsigned number, enum vcpu_reg reg, bool to_control)
{
    unsigned size = vcpu_code_mode(vcpu) == CODE_64 ? 8 : 4;
    uint64_t value = register_get(vcpu, reg, size);

    /* The processor has looked at the CPL; an emulator may not have. */
    if (vcpu_cpl(vcpu) != 0 || (to_control && write_control(vcpu, number, value) != EXC_NONE)) {
        vcpu_raise(vcpu, &(struct fault){.vector = EXC_GP, .has_error = true});
        return false;
    }
    if (!to_control && read_control(vcpu, number, &value))
        register_set(vcpu, reg, size, value);
    return true;
}

/*
 * SDM, "Debug Registers": DR4 and DR5 are DR6 and DR7 unless CR4.DE is set; the upper halves of both are
 * reserved. It comes here only while a debugger has some of the registers.
 */
enum outcome execute_move_debug(struct emulation *e)
{
    const struct instruction *in = e->in;
    bool reads = in->from.kind == OPERAND_CONTROL;
    unsigned number = reads ? in->from.index : in->to.index;
    uint64_t value;

    e->fault = (struct fault){.vector = EXC_GP, .has_error = true};
    if (vcpu_cpl(e->vcpu) != 0)
        return OUTCOME_FAULT;
    if (number == 4 || number == 5) {
        e->fault = (struct fault){.vector = EXC_UD};
        if (vcpu_get(e->vcpu, REG_CR4) & CR4_DE)
            return OUTCOME_FAULT;
        number += 2;
    }
    if (reads) {
        value = number == 6 ? vcpu_get(e->vcpu, REG_DR6) : debug_get_register(e->vcpu, number);
        register_set(e->vcpu, in->to.index, in->to.size, value);
        return OUTCOME_NEXT;
    }
    value = register_get(e->vcpu, in->from.index, in->from.size);
    if (number >= 6 && value >> 32)
        return OUTCOME_FAULT;
    if (number == 6)
        vcpu_set(e->vcpu, REG_DR6, (value & DR6_WRITABLE) | DR6_ONES);
    else
        debug_set_register(e->vcpu, number, number == 7 ? (value & DR7_WRITABLE) | DR7_ONES : value);
    return OUTCOME_NEXT;
}

/* What leaves the guest by itself is not emulated: its own exit does it. */
enum outcome execute_nothing(struct emulation *e)
{
    (void)e;
    return OUTCOME_UNKNOWN;
}
