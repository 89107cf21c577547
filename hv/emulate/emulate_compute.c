/* What each arithmetic operation computes. */
#include "hv/emulate/emulation.h"

alu_function *const operation_compute[OP_COUNT] = {
    [OP_ADD] = alu_add,   [OP_OR] = alu_or,     [OP_ADC] = alu_adc,         [OP_SBB] = alu_sbb,
    [OP_AND] = alu_and,   [OP_SUB] = alu_sub,   [OP_XOR] = alu_xor,         [OP_CMP] = alu_sub,
    [OP_ROL] = alu_rol,   [OP_ROR] = alu_ror,   [OP_RCL] = alu_rcl,         [OP_RCR] = alu_rcr,
    [OP_SHL] = alu_shl,   [OP_SHR] = alu_shr,   [OP_SAR] = alu_sar,         [OP_TEST] = alu_and,
    [OP_NOT] = alu_not,   [OP_NEG] = alu_neg,   [OP_INC] = alu_inc,         [OP_DEC] = alu_dec,
    [OP_BT] = alu_bt,     [OP_BTS] = alu_bts,   [OP_BTR] = alu_btr,         [OP_BTC] = alu_btc,
    [OP_XCHG] = alu_xchg, [OP_XADD] = alu_add,  [OP_CMPXCHG] = alu_cmpxchg, [OP_BSF] = alu_bsf,
    [OP_BSR] = alu_bsr,   [OP_SHLD] = alu_shld, [OP_SHRD] = alu_shrd,
};
