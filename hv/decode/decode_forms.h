/*
 * Instructions outside the integer core that have a memory operand: x87, MMX, SSE, AVX, AVX-512, BMI and
 * their like. What they compute is the CPU's business (hv/emulate/emulate_run.c); the tables here say which
 * there are, how long their operand is, and which way it goes. An instruction that is in none of them is
 * never run.
 */
#pragma once

#include "hv/lib/base.h"

/* What of the state that stays in the CPU an instruction uses. */
enum extended_state {
    STATE_NONE, /* general registers alone */
    STATE_VEX,  /* likewise, of a VEX or XOP prefix */
    STATE_X87,
    STATE_FXSR, /* FXSAVE, FXRSTOR */
    STATE_MMX,
    STATE_SSE,
    STATE_XSAVE,
    STATE_AVX,
    STATE_AVX512,
};

/* The spaces of opcodes. Those of a prefix VEX, EVEX or XOP begin at the map of their number 0. */
enum form_space {
    SPACE_X87, /* one byte */
    SPACE_0F,
    SPACE_0F38,
    SPACE_0F3A,
    SPACE_3DNOW,
    SPACE_VEX,
    SPACE_EVEX = SPACE_VEX + 4,
    SPACE_XOP = SPACE_EVEX + 7,
    SPACE_COUNT = SPACE_XOP + 11,
};

/* `which`: the mandatory prefix, and the member of a group by ModRM reg. */
#define P_NO                        0
#define P_66                        1
#define P_F3                        2
#define P_F2                        3
#define REG(n)                      (4 | (n) << 3)
#define ANY                         0

/*
 * Sizes in bytes. L: twice as many for each step of the vector length; W: with W. The rest are of one
 * instruction or two: MOVDDUP, KMOV, the x87 environment and state, which go by the operand size.
 */
#define SIZE(log2, by_length, by_w) (0x20 | (log2) | (by_length) << 3 | (by_w) << 4)
#define S_1                         SIZE(0, 0, 0)
#define S_2                         SIZE(1, 0, 0)
#define S_4                         SIZE(2, 0, 0)
#define S_8                         SIZE(3, 0, 0)
#define S_16                        SIZE(4, 0, 0)
#define S_64                        SIZE(6, 0, 0)
#define S_2L                        SIZE(1, 1, 0)
#define S_4L                        SIZE(2, 1, 0)
#define S_8L                        SIZE(3, 1, 0)
#define S_16L                       SIZE(4, 1, 0)
#define S_1W                        SIZE(0, 0, 1)
#define S_4W                        SIZE(2, 0, 1)
#define S_8W                        SIZE(3, 0, 1)
#define S_8LW                       SIZE(3, 1, 1)
#define S_DDUP                      0x80
#define S_K4                        0x81 /* 1, or 4 with W */
#define S_K8                        0x82 /* 2, or 8 with W */
#define S_10                        0x83
#define S_ENV                       0x84
#define S_STATE                     0x85

#define FORM_STORES                 BIT(0) /* the operand is written, and not read */
#define FORM_ALIGNED                BIT(1) /* #GP where it is not aligned to its size */
#define FORM_GENERAL                BIT(2) /* ModRM reg (and VEX.vvvv of STATE_VEX) are general registers */
#define FORM_OPERAND                BIT(3) /* of the operand size */
#define FORM_W_64                   BIT(4) /* W counts in 64-bit code alone */
#define FORM_IMM_8                  BIT(5)
#define FORM_IMM_32                 BIT(6)
#define FORM_VSIB                   BIT(7) /* gathers and scatters: the index is a vector, elements are of `lane` */
#define FORM_MASKED                 BIT(8) /* elements of `lane` whose bit in the mask is 0 are not touched */
#define FORM_PACKED                 BIT(9) /* as many elements as the mask has bits */
#define FORM_ANY                    BIT(10) /* one read for all elements: none if the mask has no bit */
#define FORM_BY_VECTOR              BIT(11) /* masked by the signs of the elements of vector register vvvv */
#define FORM_AT_RDI                 BIT(12) /* between registers, and memory at rDI: masked by the bytes of ModRM rm */
#define FORM_AREA                   BIT(14) /* state in one piece, aligned to the size given here and longer */
#define FORM_SUPERVISOR             BIT(15) /* at CPL 0 alone */
#define FORM_AT_RM                  BIT(13) /* register ModRM rm has the address of what is touched, and no more */

struct form_row {
    uint8_t first, last; /* opcodes */
    uint8_t which;
    uint8_t size;
    uint8_t lane;  /* of an element; 0: it has none */
    uint8_t state; /* enum extended_state */
    uint16_t flags;
};

struct form_table {
    const struct form_row *rows;
    unsigned count;
};

/* By space; ascending by opcode. */
extern const struct form_table forms_legacy[SPACE_VEX], forms_vex[4], forms_evex[7], forms_xop[11];

/* The row of an opcode in a space with this mandatory prefix and ModRM reg. NULL: none. */
const struct form_row *form_find(unsigned space, uint8_t opcode, unsigned prefix, unsigned reg);

/* Whether any row of the space has the opcode, whatever its prefix and ModRM reg. */
bool form_may_be(unsigned space, uint8_t opcode);

/* How long the operand is, at vector length `length` (0 to 2), W and the operand size. */
unsigned form_size(const struct form_row *row, unsigned length, bool w, unsigned operand_size);
unsigned form_lane(const struct form_row *row, bool w);
