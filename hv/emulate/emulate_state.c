/* Which of the state that stays in the CPU an instruction may use as the guest's control registers are. */
#include "hv/emulate/emulation.h"

/* #UD of each kind (SDM, "Instruction Exceptions Specification"; for x87 there is none). */
static bool is_undefined(struct emulation *e, enum extended_state state, uint64_t cr0, uint64_t cr4)
{
    uint64_t needed = XCR0_SSE | XCR0_AVX | (state == STATE_AVX512 ? XCR0_AVX512 : 0);

    switch (state) {
    case STATE_MMX:
        return cr0 & CR0_EM;
    case STATE_SSE:
        return cr0 & CR0_EM || !(cr4 & CR4_OSFXSR);
    case STATE_XSAVE:
        return !(cr4 & CR4_OSXSAVE);
    case STATE_AVX:
    case STATE_AVX512:
        return e->mode == CODE_REAL || e->mode == CODE_V86 || !(cr4 & CR4_OSXSAVE) ||
               (e->vcpu->arch.xcr0 & needed) != needed;
    case STATE_VEX:
        return e->mode == CODE_REAL || e->mode == CODE_V86;
    default:
        return false;
    }
}

bool state_usable(struct emulation *e, enum extended_state state)
{
    uint64_t cr0 = vcpu_get(e->vcpu, REG_CR0), cr4 = vcpu_get(e->vcpu, REG_CR4);
    bool by_em = state == STATE_X87 || state == STATE_FXSR;

    if (is_undefined(e, state, cr0, cr4)) {
        e->fault = (struct fault){.vector = EXC_UD};
        return false;
    }
    if (state != STATE_NONE && state != STATE_VEX && cr0 & (by_em ? CR0_EM | CR0_TS : CR0_TS)) {
        e->fault = (struct fault){.vector = EXC_NM};
        return false;
    }
    return true;
}
