/* The instruction decoder: bytes in, one structure out. It knows what software uses on MMIO and string I/O.
 */
#pragma once

#include "hv/lib/base.h"

/* What an instruction does. The eight arithmetic and the eight shift operations are in the order of their
 * encodings. */
enum operation {
    OP_NONE,
    OP_ADD,
    OP_OR,
    OP_ADC,
    OP_SBB,
    OP_AND,
    OP_SUB,
    OP_XOR,
    OP_CMP,
    OP_ROL,
    OP_ROR,
    OP_RCL,
    OP_RCR,
    OP_SHL,
    OP_SHR,
    OP_SAR,
    OP_TEST,
    OP_NOT,
    OP_NEG,
    OP_INC,
    OP_DEC,
    OP_BT,
    OP_BTS,
    OP_BTR,
    OP_BTC,
    OP_XCHG,
    OP_XADD,
    OP_CMPXCHG,
    OP_CMPXCHG8B, /* and 16B: operand_size */
    OP_MOV,
    OP_MOVZX,
    OP_MOVSX,
    OP_MOVBE,
    OP_LOAD_SEGMENT,
    OP_PUSH,
    OP_POP,
    OP_POP_SEGMENT,
    OP_CMOV,
    OP_SET,
    OP_MUL,   /* rDX:rAX = rAX * operand */
    OP_IMUL1, /* likewise, signed */
    OP_DIV,   /* rAX, rDX = rDX:rAX / operand */
    OP_IDIV,
    OP_IMUL, /* register = register * operand, or operand * immediate */
    OP_BSF,
    OP_BSR,
    OP_SHLD, /* by an immediate or CL */
    OP_SHRD,
    OP_MOVS,
    OP_CMPS,
    OP_STOS,
    OP_LODS,
    OP_SCAS,
    OP_INS,
    OP_OUTS,
    OP_FLUSH,        /* CLFLUSH, CLFLUSHOPT, CLWB: addresses a byte and moves nothing */
    OP_RUN,          /* outside the integer core: hv/decode/decode_forms.h */
    OP_LOAD_SYSTEM,  /* LLDT, LTR */
    OP_STORE_SYSTEM, /* SLDT, STR, SMSW */
    OP_LOAD_TABLE,   /* LGDT, LIDT */
    OP_STORE_TABLE,  /* SGDT, SIDT */
    OP_LOAD_STATUS,  /* LMSW */
    OP_VERIFY_READ,  /* VERR, VERW, LAR, LSL: what a selector's descriptor allows and has */
    OP_VERIFY_WRITE,
    OP_LOAD_RIGHTS,
    OP_LOAD_LIMIT,
    OP_ADJUST_LEVEL, /* ARPL */
    OP_INVALIDATE,   /* INVPCID */
    OP_MOVE_LINE,    /* MOVDIR64B: to ES:register */
    OP_CLEAR_LINE,   /* CLZERO: at rAX */
    OP_CALL,         /* near */
    OP_RETURN,       /* near */
    OP_JUMP,         /* near, to an address in an operand */
    OP_JUMP_FAR,
    OP_CALL_FAR,
    OP_RETURN_FAR,
    OP_RETURN_INTERRUPT, /* IRET */
    OP_ENTER,
    OP_LEAVE,
    OP_PUSH_ALL,
    OP_POP_ALL,
    OP_PUSH_FLAGS,
    OP_POP_FLAGS,
    OP_LOAD_FAR, /* LDS, LES, LSS, LFS, LGS */
    OP_BOUND,
    OP_TRANSLATE, /* XLAT */
    OP_MOV_CONTROL,
    OP_MOV_DEBUG,
    OP_LEAVES, /* leaves the guest by itself, and is done when it does: only its length is of interest */
    OP_COUNT
};

enum operand_kind {
    OPERAND_NONE,
    OPERAND_REGISTER,
    OPERAND_HIGH_BYTE, /* AH, CH, DH, BH: bits 15:8 of register `index` */
    OPERAND_MEMORY,
    OPERAND_IMMEDIATE,
    OPERAND_SEGMENT, /* selector of segment register `index` */
    OPERAND_CONTROL, /* control or debug register `index`; as a source of others than MOV, CR0 */
};

struct operand {
    uint8_t kind, index, size; /* size in bytes */
};

#define NO_REGISTER 0xff

struct form_row;

struct instruction {
    uint64_t immediate;   /* sign-extended to 64 bits */
    int64_t displacement; /* also the address of a mov with an offset, and of RIP-relative operands */
    uint8_t operation, length, opcode;
    uint8_t operand_size, address_size; /* bytes */
    uint8_t segment;                    /* of the memory operand; of the source of a string instruction */
    uint8_t base, index;                /* NO_REGISTER, REG_RAX to REG_R15; base may be REG_RIP */
    uint8_t scale;                      /* as a shift: 0 to 3 */
    struct operand to, from;
    bool lock, rep, repne;

    /* Of OP_RUN. `reg` and `vector` (vvvv) have their upper bits, `vector_index` is the index of VSIB. */
    uint8_t space, modrm, reg, vector, vector_index;
    uint8_t vector_length : 2, mask : 3, w : 1, broadcast : 1, zeroes : 1;
    const struct form_row *form;
};

enum decode_result {
    DECODE_OK,
    DECODE_UNKNOWN, /* perhaps an instruction, but not one of ours */
    DECODE_INVALID, /* #UD on silicon */
    DECODE_MORE,    /* goes on after the bytes given; with 15 given it is too long (#GP on silicon) */
};

#define INSTRUCTION_MOST 15

/* Decodes the instruction that begins at `bytes` in 16-, 32- or 64-bit code. */
enum decode_result decode(const uint8_t *bytes, unsigned available, unsigned bits, struct instruction *out);

/* The opcode maps, for decode.c alone. Operands are named as in the SDM's opcode maps. */
enum operand_form {
    NONE,
    E_b, /* ModRM register or memory: byte, word, doubleword, operand size */
    E_w,
    E_d,
    E_v,
    E_s, /* selector: a word in memory, operand size in a register */
    M_b, /* ModRM memory only */
    M_v,
    M_y, /* 4 bytes, 8 with REX.W */
    M_q, /* 8 bytes, 16 with REX.W */
    M_a, /* two operands */
    M_o, /* 16 bytes */
    M_l, /* 64 bytes */
    M_p, /* a far pointer: its selector is not counted in the operand */
    G_b, /* ModRM reg */
    G_w,
    G_v,
    G_y,
    S_w, /* ModRM reg: segment register */
    R_y, /* ModRM rm: register of 4 bytes, 8 in 64-bit code */
    C_y, /* ModRM reg: control or debug register */
    S_o, /* segment register in the opcode */
    A_b, /* AL, rAX */
    A_v,
    C_b, /* CL */
    Z_b, /* register in the opcode's low three bits */
    Z_v,
    O_b, /* memory at an offset of the address size */
    O_v,
    I_b, /* immediate: byte sign-extended; up to four bytes; up to eight bytes; the number 1 */
    I_z,
    I_v,
    I_1,
    I_p, /* far pointer */
    I_w, /* two bytes; two, then one in bits 23:16 */
    I_e,
    L_r, /* LDTR, TR, CR0 */
    T_r,
    C_0,
    G_t, /* GDTR, IDTR */
    I_t,
};

#define ROW_LOCK     BIT(0) /* takes LOCK when its destination is memory */
#define ROW_BYTE     BIT(1) /* operand size is one byte though no operand says so */
#define ROW_D64      BIT(2) /* operand size defaults to 64 bits in 64-bit code */
#define ROW_NOT_64   BIT(3)
#define ROW_BY_MODE  BIT(4) /* `operation` numbers a group: first of 64-bit code, then of other */
#define ROW_GROUP    BIT(5) /* `operation` numbers a group, by ModRM reg */
#define ROW_PLAIN    BIT(6) /* with 66, F2 or F3 it is another instruction */
#define ROW_IMM_B    BIT(7) /* an immediate byte or z besides both operands */
#define ROW_IMM_Z    BIT(8)
#define ROW_66       BIT(9)  /* wants 66 and neither F2 nor F3 */
#define ROW_NO_REP   BIT(10) /* with F2 or F3 it is another instruction */
#define ROW_GROUP_RM BIT(11) /* with registers first by ModRM rm in the group `operation` + 1 + ModRM reg */
#define ROW_MOD_3    BIT(12) /* ModRM names registers, whatever its mod */
#define ROW_NO_F3    BIT(14) /* with F3 it is another instruction */
#define ROW_F64      BIT(13) /* operand size is 64 bits in 64-bit code, whatever the prefixes say */

struct opcode_row {
    uint8_t operation, to, from;
    uint16_t flags;
};

/* Row of an opcode in map 0 (one byte), 1 (0F) 2 (0F 38) or 3 (0F 3A); member `reg` of group `group`. */
const struct opcode_row *decode_row(unsigned map, uint8_t opcode);
const struct opcode_row *decode_group(unsigned group, unsigned reg);
