/* Decoding of what hv/decode/decode_forms.h has: prefixes VEX, EVEX and XOP, and the operand's place and
 * size. */
#include "hv/decode/decoder.h"
#include "hv/vm/vcpu.h"

static const struct form_table *table_of(unsigned space)
{
    static const struct form_table none;

    if (space < SPACE_VEX)
        return &forms_legacy[space];
    if (space < SPACE_EVEX)
        return &forms_vex[space - SPACE_VEX];
    if (space < SPACE_XOP)
        return &forms_evex[space - SPACE_EVEX];
    return space < SPACE_COUNT ? &forms_xop[space - SPACE_XOP] : &none;
}

const struct form_row *form_find(unsigned space, uint8_t opcode, unsigned prefix, unsigned reg)
{
    const struct form_table *table = table_of(space);

    for (unsigned i = 0; i < table->count && table->rows[i].first <= opcode; i++) {
        const struct form_row *row = &table->rows[i];

        if (opcode <= row->last && (row->which & 3) == prefix &&
            (!(row->which & 4) || row->which >> 3 == (reg & 7)))
            return row;
    }
    return NULL;
}

bool form_may_be(unsigned space, uint8_t opcode)
{
    const struct form_table *table = table_of(space);

    for (unsigned i = 0; i < table->count; i++)
        if (opcode >= table->rows[i].first && opcode <= table->rows[i].last)
            return true;
    return false;
}

static unsigned by_rule(uint8_t rule, unsigned length, bool w)
{
    return 1u << (rule & 7) << (rule & BIT(3) ? length : 0) << (rule & BIT(4) ? w : 0);
}

unsigned form_size(const struct form_row *row, unsigned length, bool w, unsigned operand_size)
{
    if (row->flags & FORM_OPERAND)
        return operand_size;
    switch (row->size) {
    case S_DDUP:
        return length ? 16u << length : 8;
    case S_K4:
        return w ? 4 : 1;
    case S_K8:
        return w ? 8 : 2;
    case S_10:
        return 10;
    case S_ENV:
        return operand_size == 2 ? 14 : 28;
    case S_STATE:
        return operand_size == 2 ? 94 : 108;
    default:
        return by_rule(row->size, length, w);
    }
}

unsigned form_lane(const struct form_row *row, bool w)
{
    return row->lane ? by_rule(row->lane, 0, w) : 0;
}

/* SDM, "The VEX Prefix". W, R, X and B are in d->rex, as of a REX prefix; outside 64-bit code they are 0. */
static void take_vex(struct decoder *d, uint8_t rxb, uint8_t w_v_l_p, unsigned space)
{
    d->space = space;
    d->rex = (uint8_t)((w_v_l_p >> 7) << 3 | (~rxb >> 5 & 7));
    d->vector = ~w_v_l_p >> 3 & 15;
    d->length = w_v_l_p >> 2 & 1;
    d->prefix = w_v_l_p & 3;
}

static bool take_evex(struct decoder *d)
{
    uint8_t p[3];

    for (unsigned i = 0; i < 3; i++)
        if (!decoder_byte(d, &p[i]))
            return false;
    take_vex(d, p[0], p[1], SPACE_EVEX + (p[0] & 7));
    d->high_reg = ~p[0] & 0x10;
    d->high_vector = ~p[2] & 8;
    d->length = p[2] >> 5 & 3;
    d->mask = p[2] & 7;
    d->broadcast = p[2] & 0x10;
    d->zeroes = p[2] & 0x80;
    d->wrong = p[0] & 8 || !(p[1] & 4) || d->length == 3;
    return true;
}

/*
 * A prefix of more than one byte behind which the opcode is; `byte` is its first. Outside 64-bit code it is
 * one only where LES, LDS, BOUND and POP would have a register.
 */
bool decoder_is_vex(const struct decoder *d, uint8_t byte)
{
    uint8_t next = d->at < d->available ? d->bytes[d->at] : 0;

    if (byte == 0x8f)
        return (next & 31) >= 8;
    return (byte == 0xc4 || byte == 0xc5 || byte == 0x62) && (d->bits == 64 || next >= 0xc0);
}

bool decoder_vex(struct decoder *d, uint8_t byte)
{
    uint8_t first = 0, second = 0;

    d->wrong = false;
    if (byte == 0x62) {
        if (!take_evex(d))
            return false;
    } else if (!decoder_byte(d, &first) || (byte != 0xc5 && !decoder_byte(d, &second))) {
        return false;
    } else if (byte == 0xc5) {
        take_vex(d, first | 0x60, first & 0x7f, SPACE_VEX + 1);
    } else {
        unsigned most = byte == 0xc4 ? 3 : 10;

        take_vex(d, first, second, (byte == 0xc4 ? SPACE_VEX : SPACE_XOP) + MIN(first & 31u, most));
        d->wrong = (first & 31) > most;
    }
    if (d->bits != 64) {
        d->rex &= REX_W;
        d->vector &= 7;
        d->high_reg = d->high_vector = false;
    }
    return true;
}

/* The mandatory prefix: of F2 and F3 the last, and 66 only without them. */
static unsigned mandatory(const struct decoder *d)
{
    if (d->space >= SPACE_VEX)
        return d->prefix;
    if (d->space == SPACE_X87 || d->space == SPACE_3DNOW)
        return P_NO;
    return d->in->repne ? P_F2 : d->in->rep ? P_F3 : d->operand_prefix ? P_66 : P_NO;
}

/* SDM, "Compressed Displacement (disp8*N) Support in EVEX". */
static void expand_displacement(struct decoder *d, const struct form_row *row, unsigned size, bool w)
{
    bool single = row->flags & (FORM_PACKED | FORM_VSIB) || d->broadcast;

    if (d->space >= SPACE_EVEX && d->space < SPACE_XOP && d->mod == 1)
        d->in->displacement *= single ? form_lane(row, w) : size;
}

/* The index of VSIB: its SIB byte follows the ModRM byte at `modrm_at`. */
static bool take_vector_index(struct decoder *d, unsigned modrm_at)
{
    uint8_t sib;

    if (d->in->address_size == 2 || (d->bytes[modrm_at] & 7) != 4)
        return false;
    sib = d->bytes[modrm_at + 1];
    d->in->index = NO_REGISTER;
    d->in->scale = sib >> 6;
    d->in->vector_index = (sib >> 3 & 7) | (d->rex & REX_X ? 8 : 0) | (d->high_vector ? 16 : 0);
    return true;
}

static bool take_rest(struct decoder *d, const struct form_row *row)
{
    uint8_t byte;

    for (unsigned i = row->flags & FORM_IMM_8 ? 1 : row->flags & FORM_IMM_32 ? 4 : 0; i; i--)
        if (!decoder_byte(d, &byte))
            return false;
    return true;
}

/* Without a memory operand of ModRM, but with memory at a register. VMASKMOVDQU has two operands of 16 bytes.
 */
static bool take_register_address(struct decoder *d, const struct form_row *row)
{
    d->in->base = row->flags & FORM_AT_RDI ? REG_RDI : d->rm;
    d->in->vector_index = d->rm;
    return !d->vector && !d->length;
}

static void fill(struct decoder *d, const struct form_row *row, unsigned modrm_at, unsigned size)
{
    struct instruction *in = d->in;
    struct operand memory = {OPERAND_MEMORY, 0, (uint8_t)size};

    in->operation = OP_RUN;
    in->form = row;
    in->space = d->space;
    in->modrm = d->bytes[modrm_at];
    in->reg = d->reg | (d->high_reg ? 16 : 0);
    in->vector = d->vector | (d->high_vector ? 16 : 0);
    in->w = d->rex & REX_W ? 1 : 0;
    in->vector_length = d->length;
    in->mask = d->mask;
    in->broadcast = d->broadcast;
    in->zeroes = d->zeroes;
    if (row->flags & FORM_STORES)
        in->to = memory;
    else
        in->from = memory;
}

enum decode_result decode_form(struct decoder *d)
{
    unsigned modrm_at = d->at, size;
    const struct form_row *row;
    bool w, at_register;

    if (d->at >= d->available)
        return DECODE_MORE;
    row = form_find(d->space, d->in->opcode, mandatory(d), d->bytes[d->at] >> 3 & 7);
    at_register = row && row->flags & (FORM_AT_RDI | FORM_AT_RM);
    if (!row || (d->bytes[d->at] >= 0xc0) != at_register)
        return DECODE_UNKNOWN;
    if (!decoder_modrm(d, false))
        return DECODE_MORE;
    if (d->bits != 64 && row->flags & FORM_W_64)
        d->rex &= (uint8_t)~REX_W;
    decoder_operand_size(d, 0);
    w = d->rex & REX_W;
    size = d->broadcast && row->lane ? form_lane(row, w) : form_size(row, d->length, w, d->in->operand_size);
    expand_displacement(d, row, size, w);
    if ((row->flags & FORM_VSIB && !take_vector_index(d, modrm_at)) ||
        (at_register && !take_register_address(d, row)))
        return DECODE_INVALID;
    if (!take_rest(d, row))
        return DECODE_MORE;
    if (d->in->lock || d->wrong || d->after_prefix)
        return DECODE_INVALID;
    fill(d, row, modrm_at, size);
    return DECODE_OK;
}
