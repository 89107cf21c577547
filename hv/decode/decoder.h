/* Between the files of the decoder: one instruction on its way through it. Others include decode.h. */
#pragma once

#include "hv/decode/decode.h"
#include "hv/decode/decode_forms.h"

struct decoder {
    const uint8_t *bytes;
    unsigned at, available;
    unsigned bits; /* of the code: 16, 32 or 64 */
    unsigned map;
    bool operand_prefix, address_prefix;
    uint8_t rex; /* 0 if none */
    uint8_t segment;
    bool has_modrm;
    uint8_t mod, reg, rm;                 /* reg and rm with their REX bits */
    uint8_t space;                        /* enum form_space: by the map, or by a prefix VEX, EVEX or XOP */
    uint8_t vector, length, prefix, mask; /* of such a prefix: vvvv, L, pp, aaa */
    bool high_reg, high_vector, broadcast, zeroes;
    bool wrong, after_prefix; /* #UD on silicon */
    struct instruction *in;
};

#define REX_W 8
#define REX_R 4
#define REX_X 2
#define REX_B 1

/* decode_bytes.c: the next `count` bytes (1, 2, 4 or 8), sign-extended; the next byte; the ModRM byte with
 * SIB and displacement. false: they are not there. */
bool decoder_take(struct decoder *d, unsigned count, int64_t *value);
bool decoder_byte(struct decoder *d, uint8_t *byte);
bool decoder_modrm(struct decoder *d, bool registers);

/* decode_bytes.c: the operand size, by the flags of an opcode's row. */
void decoder_operand_size(struct decoder *d, unsigned flags);

/* decode_form.c: whether `byte` begins a prefix VEX, EVEX or XOP, and the rest of it; false: not there. */
bool decoder_is_vex(const struct decoder *d, uint8_t byte);
bool decoder_vex(struct decoder *d, uint8_t byte);

/* decode_form.c: what comes behind the opcode, if it is in hv/decode/decode_forms.h. */
enum decode_result decode_form(struct decoder *d);
