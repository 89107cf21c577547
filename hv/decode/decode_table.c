/* The opcode maps (SDM, "Opcode Map"), as far as the emulator goes. */
#include "hv/decode/decode.h"

enum group {
    GROUP_1_EB_IB,
    GROUP_1_EV_IZ,
    GROUP_1_EV_IB,
    GROUP_1_EB_IB_NOT_64,
    GROUP_1A,
    GROUP_2_EB_IB,
    GROUP_2_EV_IB,
    GROUP_2_EB_1,
    GROUP_2_EV_1,
    GROUP_2_EB_CL,
    GROUP_2_EV_CL,
    GROUP_3_EB,
    GROUP_3_EV,
    GROUP_4,
    GROUP_5,
    GROUP_6,
    GROUP_7,
    GROUP_7_0, /* to GROUP_7_7: by ModRM rm of registers */
    GROUP_7_2 = GROUP_7_0 + 2,
    GROUP_7_3,
    GROUP_7_7 = GROUP_7_0 + 7,
    GROUP_8,
    GROUP_9,
    GROUP_11_EB,
    GROUP_11_EV,
    GROUP_15,
    GROUP_MOVSXD,
};

/* clang-format off */
#define GROUP(opcode, number) [opcode] = {number, NONE, NONE, ROW_GROUP}

#define ARITHMETIC(first, operation, lock)                                     \
    [(first) + 0] = {operation, E_b, G_b, lock}, [(first) + 1] = {operation, E_v, G_v, lock}, \
    [(first) + 2] = {operation, G_b, E_b, 0},    [(first) + 3] = {operation, G_v, E_v, 0},    \
    [(first) + 4] = {operation, A_b, I_b, 0},    [(first) + 5] = {operation, A_v, I_z, 0}

#define ROWS_8(first, ...)                                                     \
    [(first) + 0] = {__VA_ARGS__}, [(first) + 1] = {__VA_ARGS__},              \
    [(first) + 2] = {__VA_ARGS__}, [(first) + 3] = {__VA_ARGS__},              \
    [(first) + 4] = {__VA_ARGS__}, [(first) + 5] = {__VA_ARGS__},              \
    [(first) + 6] = {__VA_ARGS__}, [(first) + 7] = {__VA_ARGS__}

#define ROWS_16(first, ...) ROWS_8(first, __VA_ARGS__), ROWS_8((first) + 8, __VA_ARGS__)

static const struct opcode_row one_byte[256] = {
    ARITHMETIC(0x00, OP_ADD, ROW_LOCK),
    ARITHMETIC(0x08, OP_OR,  ROW_LOCK),
    ARITHMETIC(0x10, OP_ADC, ROW_LOCK),
    ARITHMETIC(0x18, OP_SBB, ROW_LOCK),
    ARITHMETIC(0x20, OP_AND, ROW_LOCK),
    ARITHMETIC(0x28, OP_SUB, ROW_LOCK),
    ARITHMETIC(0x30, OP_XOR, ROW_LOCK),
    ARITHMETIC(0x38, OP_CMP, 0),
    [0x06] = {OP_PUSH,        NONE, S_o,  ROW_NOT_64},
    [0x07] = {OP_POP_SEGMENT, S_o,  NONE, ROW_NOT_64},
    [0x0e] = {OP_PUSH,        NONE, S_o,  ROW_NOT_64},
    [0x16] = {OP_PUSH,        NONE, S_o,  ROW_NOT_64},
    [0x17] = {OP_POP_SEGMENT, S_o,  NONE, ROW_NOT_64},
    [0x1e] = {OP_PUSH,        NONE, S_o,  ROW_NOT_64},
    [0x1f] = {OP_POP_SEGMENT, S_o,  NONE, ROW_NOT_64},
    ROWS_8(0x40, OP_INC, Z_v, NONE, ROW_NOT_64),
    ROWS_8(0x48, OP_DEC, Z_v, NONE, ROW_NOT_64),
    ROWS_8(0x50, OP_PUSH, NONE, Z_v, ROW_D64),
    ROWS_8(0x58, OP_POP, Z_v, NONE, ROW_D64),
    [0x60] = {OP_PUSH_ALL, NONE, NONE, ROW_NOT_64},
    [0x61] = {OP_POP_ALL,  NONE, NONE, ROW_NOT_64},
    [0x62] = {OP_BOUND,    G_v,  M_a,  ROW_NOT_64},
    [0x63] = {GROUP_MOVSXD, NONE, NONE, ROW_BY_MODE},
    [0x68] = {OP_PUSH,  NONE, I_z,  ROW_D64},
    [0x69] = {OP_IMUL,  G_v,  E_v,  ROW_IMM_Z},
    [0x6a] = {OP_PUSH,  NONE, I_b,  ROW_D64},
    [0x6b] = {OP_IMUL,  G_v,  E_v,  ROW_IMM_B},
    [0x6c] = {OP_INS,   NONE, NONE, ROW_BYTE},
    [0x6d] = {OP_INS,   NONE, NONE, 0},
    [0x6e] = {OP_OUTS,  NONE, NONE, ROW_BYTE},
    [0x6f] = {OP_OUTS,  NONE, NONE, 0},
    GROUP(0x80, GROUP_1_EB_IB),
    GROUP(0x81, GROUP_1_EV_IZ),
    GROUP(0x82, GROUP_1_EB_IB_NOT_64),
    GROUP(0x83, GROUP_1_EV_IB),
    [0x84] = {OP_TEST, E_b, G_b, 0},
    [0x85] = {OP_TEST, E_v, G_v, 0},
    [0x86] = {OP_XCHG, E_b, G_b, ROW_LOCK},
    [0x87] = {OP_XCHG, E_v, G_v, ROW_LOCK},
    [0x88] = {OP_MOV,  E_b, G_b, 0},
    [0x89] = {OP_MOV,  E_v, G_v, 0},
    [0x8a] = {OP_MOV,  G_b, E_b, 0},
    [0x8b] = {OP_MOV,  G_v, E_v, 0},
    [0x8c] = {OP_MOV,  E_s, S_w, 0},
    [0x8e] = {OP_LOAD_SEGMENT, S_w, E_w, 0},
    GROUP(0x8f, GROUP_1A),
    [0xa0] = {OP_MOV,  A_b,  O_b,  0},
    [0xa1] = {OP_MOV,  A_v,  O_v,  0},
    [0xa2] = {OP_MOV,  O_b,  A_b,  0},
    [0xa3] = {OP_MOV,  O_v,  A_v,  0},
    [0xa4] = {OP_MOVS, NONE, NONE, ROW_BYTE},
    [0xa5] = {OP_MOVS, NONE, NONE, 0},
    [0xa6] = {OP_CMPS, NONE, NONE, ROW_BYTE},
    [0xa7] = {OP_CMPS, NONE, NONE, 0},
    [0xa8] = {OP_TEST, A_b,  I_b,  0},
    [0xa9] = {OP_TEST, A_v,  I_z,  0},
    [0xaa] = {OP_STOS, NONE, NONE, ROW_BYTE},
    [0xab] = {OP_STOS, NONE, NONE, 0},
    [0xac] = {OP_LODS, NONE, NONE, ROW_BYTE},
    [0xad] = {OP_LODS, NONE, NONE, 0},
    [0xae] = {OP_SCAS, NONE, NONE, ROW_BYTE},
    [0xaf] = {OP_SCAS, NONE, NONE, 0},
    [0x9c] = {OP_PUSH_FLAGS, NONE, NONE, ROW_D64},
    [0x9d] = {OP_POP_FLAGS, NONE, NONE, ROW_D64},
    [0xc4] = {OP_LOAD_FAR, G_v,  M_p,  ROW_NOT_64},
    [0xc5] = {OP_LOAD_FAR, G_v,  M_p,  ROW_NOT_64},
    [0xd7] = {OP_TRANSLATE, NONE, NONE, ROW_BYTE},
    [0x9a] = {OP_CALL_FAR, NONE, I_p, ROW_NOT_64},
    [0xca] = {OP_RETURN_FAR, NONE, I_w, 0},
    [0xcb] = {OP_RETURN_FAR, NONE, NONE, 0},
    [0xc2] = {OP_RETURN, NONE, I_w,  ROW_F64},
    [0xc3] = {OP_RETURN, NONE, NONE, ROW_F64},
    [0xc8] = {OP_ENTER,  NONE, I_e,  ROW_D64},
    [0xc9] = {OP_LEAVE,  NONE, NONE, ROW_D64},
    [0xe8] = {OP_CALL,   NONE, I_z,  ROW_F64},
    [0xcc] = {OP_LEAVES, NONE, NONE, 0}, /* INT: to other tasks */
    [0xcd] = {OP_LEAVES, NONE, I_b, 0},
    [0xce] = {OP_LEAVES, NONE, NONE, ROW_NOT_64},
    [0xcf] = {OP_RETURN_INTERRUPT, NONE, NONE, 0},
    [0xea] = {OP_JUMP_FAR, NONE, I_p, ROW_NOT_64},
    [0xf1] = {OP_LEAVES, NONE, NONE, 0},
    [0xf4] = {OP_LEAVES, NONE, NONE, 0}, /* HLT */
    ROWS_8(0xb0, OP_MOV, Z_b, I_b, 0),
    ROWS_8(0xb8, OP_MOV, Z_v, I_v, 0),
    GROUP(0xc0, GROUP_2_EB_IB),
    GROUP(0xc1, GROUP_2_EV_IB),
    GROUP(0xc6, GROUP_11_EB),
    GROUP(0xc7, GROUP_11_EV),
    GROUP(0xd0, GROUP_2_EB_1),
    GROUP(0xd1, GROUP_2_EV_1),
    GROUP(0xd2, GROUP_2_EB_CL),
    GROUP(0xd3, GROUP_2_EV_CL),
    GROUP(0xf6, GROUP_3_EB),
    GROUP(0xf7, GROUP_3_EV),
    GROUP(0xfe, GROUP_4),
    GROUP(0xff, GROUP_5),
};

static const struct opcode_row two_byte[256] = {
    GROUP(0x00, GROUP_6),
    [0x01] = {GROUP_7, NONE, NONE, ROW_GROUP | ROW_GROUP_RM},
    [0x02] = {OP_LOAD_RIGHTS, G_v, E_w, 0},
    [0x03] = {OP_LOAD_LIMIT,  G_v, E_w, 0},
    [0x08] = {OP_LEAVES, NONE, NONE, 0}, /* INVD, WBINVD, WRMSR, RDMSR, RDPMC, CPUID */
    [0x09] = {OP_LEAVES, NONE, NONE, 0},
    [0x20] = {OP_MOV_CONTROL, R_y, C_y, ROW_MOD_3},
    [0x21] = {OP_MOV_DEBUG, R_y, C_y, ROW_MOD_3},
    [0x22] = {OP_MOV_CONTROL, C_y, R_y, ROW_MOD_3},
    [0x23] = {OP_MOV_DEBUG, C_y, R_y, ROW_MOD_3},
    [0x30] = {OP_LEAVES, NONE, NONE, 0},
    [0x32] = {OP_LEAVES, NONE, NONE, 0},
    [0x33] = {OP_LEAVES, NONE, NONE, 0},
    [0xa2] = {OP_LEAVES, NONE, NONE, 0},
    ROWS_16(0x40, OP_CMOV, G_v, E_v, 0),
    ROWS_16(0x90, OP_SET, E_b, NONE, 0),
    [0xa0] = {OP_PUSH,        NONE, S_o,  ROW_D64},
    [0xa1] = {OP_POP_SEGMENT, S_o,  NONE, ROW_D64},
    [0xa3] = {OP_BT,          E_v,  G_v,  0},
    [0xa4] = {OP_SHLD,        E_v,  G_v,  ROW_IMM_B},
    [0xa5] = {OP_SHLD,        E_v,  G_v,  0},
    [0xa8] = {OP_PUSH,        NONE, S_o,  ROW_D64},
    [0xa9] = {OP_POP_SEGMENT, S_o,  NONE, ROW_D64},
    [0xac] = {OP_SHRD,        E_v,  G_v,  ROW_IMM_B},
    [0xad] = {OP_SHRD,        E_v,  G_v,  0},
    [0xab] = {OP_BTS,         E_v,  G_v,  ROW_LOCK},
    GROUP(0xae, GROUP_15),
    [0xaf] = {OP_IMUL,        G_v,  E_v,  0},
    [0xb0] = {OP_CMPXCHG,     E_b,  G_b,  ROW_LOCK},
    [0xb1] = {OP_CMPXCHG,     E_v,  G_v,  ROW_LOCK},
    [0xb2] = {OP_LOAD_FAR,    G_v,  M_p,  0},
    [0xb4] = {OP_LOAD_FAR,    G_v,  M_p,  0},
    [0xb5] = {OP_LOAD_FAR,    G_v,  M_p,  0},
    [0xb3] = {OP_BTR,         E_v,  G_v,  ROW_LOCK},
    [0xb6] = {OP_MOVZX,       G_v,  E_b,  0},
    [0xb7] = {OP_MOVZX,       G_v,  E_w,  0},
    GROUP(0xba, GROUP_8),
    [0xbb] = {OP_BTC,         E_v,  G_v,  ROW_LOCK},
    [0xbc] = {OP_BSF,         G_v,  E_v,  ROW_NO_F3},
    [0xbd] = {OP_BSR,         G_v,  E_v,  ROW_NO_F3},
    [0xbe] = {OP_MOVSX,       G_v,  E_b,  0},
    [0xbf] = {OP_MOVSX,       G_v,  E_w,  0},
    [0xc0] = {OP_XADD,        E_b,  G_b,  ROW_LOCK},
    [0xc1] = {OP_XADD,        E_v,  G_v,  ROW_LOCK},
    [0xc3] = {OP_MOV,         M_y,  G_y,  ROW_PLAIN}, /* MOVNTI */
    GROUP(0xc7, GROUP_9),
};

static const struct opcode_row three_byte_38[256] = {
    [0x82] = {OP_INVALIDATE, G_v, M_o, ROW_66 | ROW_F64},
    [0xf8] = {OP_MOVE_LINE,  G_v, M_l, ROW_66 | ROW_F64},
    [0xf0] = {OP_MOVBE, G_v, M_v, ROW_NO_REP},
    [0xf1] = {OP_MOVBE, M_v, G_v, ROW_NO_REP},
};

#define GROUP_1(to, from, flags)                                               \
    {{OP_ADD, to, from, (flags) | ROW_LOCK}, {OP_OR,  to, from, (flags) | ROW_LOCK}, \
     {OP_ADC, to, from, (flags) | ROW_LOCK}, {OP_SBB, to, from, (flags) | ROW_LOCK}, \
     {OP_AND, to, from, (flags) | ROW_LOCK}, {OP_SUB, to, from, (flags) | ROW_LOCK}, \
     {OP_XOR, to, from, (flags) | ROW_LOCK}, {OP_CMP, to, from, flags}}

#define GROUP_2(to, from)                                                      \
    {{OP_ROL, to, from, 0}, {OP_ROR, to, from, 0}, {OP_RCL, to, from, 0}, {OP_RCR, to, from, 0}, \
     {OP_SHL, to, from, 0}, {OP_SHR, to, from, 0}, {OP_SHL, to, from, 0}, {OP_SAR, to, from, 0}}

#define GROUP_3(operand, immediate)                                            \
    {{OP_TEST, operand, immediate, 0},       {OP_TEST, operand, immediate, 0}, \
     {OP_NOT, operand, NONE, ROW_LOCK},      {OP_NEG, operand, NONE, ROW_LOCK}, \
     {OP_MUL, NONE, operand, 0},             {OP_IMUL1, NONE, operand, 0},     \
     {OP_DIV, NONE, operand, 0},             {OP_IDIV, NONE, operand, 0}}

static const struct opcode_row groups[][8] = {
    [GROUP_1_EB_IB]        = GROUP_1(E_b, I_b, 0),
    [GROUP_1_EV_IZ]        = GROUP_1(E_v, I_z, 0),
    [GROUP_1_EV_IB]        = GROUP_1(E_v, I_b, 0),
    [GROUP_1_EB_IB_NOT_64] = GROUP_1(E_b, I_b, ROW_NOT_64),
    [GROUP_1A]             = {{OP_POP, E_v, NONE, ROW_D64}},
    [GROUP_2_EB_IB]        = GROUP_2(E_b, I_b),
    [GROUP_2_EV_IB]        = GROUP_2(E_v, I_b),
    [GROUP_2_EB_1]         = GROUP_2(E_b, I_1),
    [GROUP_2_EV_1]         = GROUP_2(E_v, I_1),
    [GROUP_2_EB_CL]        = GROUP_2(E_b, C_b),
    [GROUP_2_EV_CL]        = GROUP_2(E_v, C_b),
    [GROUP_3_EB]           = GROUP_3(E_b, I_b),
    [GROUP_3_EV]           = GROUP_3(E_v, I_z),
    [GROUP_4]              = {{OP_INC, E_b, NONE, ROW_LOCK}, {OP_DEC, E_b, NONE, ROW_LOCK}},
    [GROUP_5]              = {{OP_INC, E_v, NONE, ROW_LOCK}, {OP_DEC, E_v, NONE, ROW_LOCK},
                              {OP_CALL, NONE, E_v, ROW_F64}, {OP_CALL_FAR, NONE, M_p, 0},
                              {OP_JUMP, NONE, E_v, ROW_F64}, {OP_JUMP_FAR, NONE, M_p, 0},
                              {OP_PUSH, NONE, E_v, ROW_D64}},
    [GROUP_6]              = {{OP_STORE_SYSTEM, E_s, L_r, 0}, {OP_STORE_SYSTEM, E_s, T_r, 0},
                              {OP_LOAD_SYSTEM, L_r, E_w, 0}, {OP_LOAD_SYSTEM, T_r, E_w, 0},
                              {OP_VERIFY_READ, NONE, E_w, 0}, {OP_VERIFY_WRITE, NONE, E_w, 0}},
    [GROUP_7]              = {{OP_STORE_TABLE, M_p, G_t, ROW_F64}, {OP_STORE_TABLE, M_p, I_t, ROW_F64},
                              {OP_LOAD_TABLE, G_t, M_p, ROW_F64}, {OP_LOAD_TABLE, I_t, M_p, ROW_F64},
                              {OP_STORE_SYSTEM, E_s, C_0, 0}, [6] = {OP_LOAD_STATUS, NONE, E_w, 0}},
    [GROUP_7_2]            = {[1] = {OP_LEAVES, NONE, NONE, ROW_PLAIN}}, /* XSETBV, VMMCALL */
    [GROUP_7_3]            = {[1] = {OP_LEAVES, NONE, NONE, 0}},
    [GROUP_7_7]            = {[4] = {OP_CLEAR_LINE, NONE, NONE, 0}},
    [GROUP_8]              = {[4] = {OP_BT, E_v, I_b, 0}, {OP_BTS, E_v, I_b, ROW_LOCK},
                              {OP_BTR, E_v, I_b, ROW_LOCK}, {OP_BTC, E_v, I_b, ROW_LOCK}},
    [GROUP_9]              = {[1] = {OP_CMPXCHG8B, M_q, NONE, ROW_LOCK}},
    [GROUP_11_EB]          = {{OP_MOV, E_b, I_b, 0}},
    [GROUP_11_EV]          = {{OP_MOV, E_v, I_z, 0}},
    [GROUP_15]             = {[6] = {OP_FLUSH, NONE, M_b, ROW_66}, [7] = {OP_FLUSH, NONE, M_b, ROW_NO_REP}},
    [GROUP_MOVSXD]         = {{OP_MOVSX, G_v, E_d, 0}, {OP_ADJUST_LEVEL, E_w, G_w, 0}},
};
/* clang-format on */

const struct opcode_row *decode_row(unsigned map, uint8_t opcode)
{
    static const struct opcode_row three_byte_3a[256];
    static const struct opcode_row *const maps[] = {one_byte, two_byte, three_byte_38, three_byte_3a};

    return &maps[map][opcode];
}

const struct opcode_row *decode_group(unsigned group, unsigned reg)
{
    return &groups[group][reg & 7];
}
