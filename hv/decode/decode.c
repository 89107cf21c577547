/* Which instruction some bytes are: prefixes, opcode and operands, by the tables of decode_table.c. */
#include "hv/decode/decoder.h"
#include "hv/vm/vcpu.h"

/* One legacy prefix; false if `byte` is none. */
static bool is_prefix(struct decoder *d, uint8_t byte)
{
    static const uint8_t segments[] = {SEG_ES, SEG_CS, SEG_SS, SEG_DS};

    switch (byte) {
    case 0x26:
    case 0x2e:
    case 0x36:
    case 0x3e:
        if (d->bits != 64) /* without effect in 64-bit code */
            d->segment = segments[byte >> 3 & 3];
        return true;
    case 0x64:
    case 0x65:
        d->segment = byte == 0x64 ? SEG_FS : SEG_GS;
        return true;
    case 0x66:
        d->operand_prefix = true;
        return true;
    case 0x67:
        d->address_prefix = true;
        return true;
    case 0xf0:
        d->in->lock = true;
        return true;
    case 0xf2:
    case 0xf3: /* the last one counts */
        d->in->repne = byte == 0xf2;
        d->in->rep = byte == 0xf3;
        return true;
    default:
        return false;
    }
}

/* Prefixes and opcode bytes. A REX prefix counts only right before the opcode. */
static bool take_opcode(struct decoder *d)
{
    uint8_t byte;

    for (;;) {
        if (!decoder_byte(d, &byte))
            return false;
        if (is_prefix(d, byte))
            d->rex = 0;
        else if (d->bits == 64 && (byte & 0xf0) == 0x40)
            d->rex = byte;
        else
            break;
    }
    if (decoder_is_vex(d, byte)) {
        d->after_prefix = d->rex || d->operand_prefix || d->in->rep || d->in->repne;
        return decoder_vex(d, byte) && decoder_byte(d, &d->in->opcode);
    }
    if (byte == 0x0f) {
        d->map = 1;
        if (!decoder_byte(d, &byte))
            return false;
        if (byte == 0x38 || byte == 0x3a) {
            d->map = byte == 0x38 ? 2 : 3;
            if (!decoder_byte(d, &byte))
                return false;
        }
    }
    d->in->opcode = byte;
    d->space = d->map == 1 && byte == 0x0f ? SPACE_3DNOW : d->map;
    return true;
}

static bool wants_modrm(unsigned form)
{
    return form >= E_b && form <= C_y;
}

static void set_address_size(struct decoder *d)
{
    if (d->bits == 64)
        d->in->address_size = d->address_prefix ? 4 : 8;
    else
        d->in->address_size = (d->bits == 32) != d->address_prefix ? 4 : 2;
}

static inline struct operand register_operand(const struct decoder *d, unsigned index, unsigned size)
{
    if (size == 1 && !d->rex && index >= 4)
        return (struct operand){OPERAND_HIGH_BYTE, index - 4, 1};
    return (struct operand){OPERAND_REGISTER, index, size};
}

static struct operand rm_operand(const struct decoder *d, unsigned size)
{
    if (d->mod == 3)
        return register_operand(d, d->rm, size);
    return (struct operand){OPERAND_MEMORY, 0, size};
}

/* Size in bytes of what a form names. */
static unsigned named_size(const struct decoder *d, unsigned form)
{
    static const uint8_t fixed[] = {
        [E_b] = 1,  [E_w] = 2, [E_d] = 4, [M_b] = 1, [G_b] = 1, [G_w] = 2, [S_w] = 2, [M_p] = 0, [M_o] = 16,
        [M_l] = 64, [S_o] = 2, [A_b] = 1, [C_b] = 1, [Z_b] = 1, [O_b] = 1, [I_1] = 0, [I_p] = 0, [I_t] = 0};

    if (form == E_s)
        return d->mod == 3 ? d->in->operand_size : 2;
    if (form == E_d)
        return MIN(4, d->in->operand_size);
    if (form == M_y || form == G_y)
        return d->rex & REX_W ? 8 : 4;
    if (form == R_y || form == C_y)
        return d->bits == 64 ? 8 : 4;
    if (form == M_a)
        return 2u * d->in->operand_size;
    if (form == M_q)
        return d->rex & REX_W ? 16 : 8;
    return fixed[form] ? fixed[form] : d->in->operand_size;
}

static bool take_immediate(struct decoder *d, unsigned form)
{
    unsigned size = d->in->operand_size;
    int64_t value = 1;

    uint8_t level = 0;

    if (form == I_b)
        size = 1;
    else if (form == I_z)
        size = MIN(size, 4);
    else if (form == I_w || form == I_e)
        size = 2;
    if (form != I_1 && !decoder_take(d, size, &value))
        return false;
    if (form == I_e && !decoder_byte(d, &level))
        return false;
    if (form == I_w || form == I_e)
        value = (uint16_t)value | level << 16;
    d->in->immediate = value;
    return true;
}

/* Fills one operand, taking what bytes it still needs; false if they are not there. */
/* Operands that the opcode or the ModRM byte's reg names, and that need no more bytes; false: not one of
 * them. */
static bool name_operand(const struct decoder *d, unsigned form, unsigned size, struct operand *operand)
{
    unsigned low = d->in->opcode & 7, segment = d->in->opcode >> 3;

    switch (form) {
    case G_b ... G_y:
        *operand = register_operand(d, d->reg, size);
        return true;
    case C_y:
    case C_0:
        *operand = (struct operand){OPERAND_CONTROL, form == C_y ? d->reg : 0, size};
        return true;
    case L_r:
    case T_r:
        *operand = (struct operand){OPERAND_SEGMENT, form == L_r ? SEG_LDTR : SEG_TR, 2};
        return true;
    case G_t:
    case I_t:
        *operand = (struct operand){OPERAND_SEGMENT, form == G_t ? SEG_GDTR : SEG_IDTR, 10};
        return true;
    case S_w:
        *operand = (struct operand){OPERAND_SEGMENT, d->reg & 7, 2};
        return true;
    case S_o:
        *operand = (struct operand){OPERAND_SEGMENT, d->map ? SEG_FS + (segment & 1) : segment & 3, 2};
        return true;
    case A_b:
    case A_v:
        *operand = (struct operand){OPERAND_REGISTER, REG_RAX, size};
        return true;
    case C_b:
        *operand = (struct operand){OPERAND_REGISTER, REG_RCX, 1};
        return true;
    case Z_b:
    case Z_v:
        *operand = register_operand(d, low | (d->rex & REX_B ? 8 : 0), size);
        return true;
    }
    return false;
}

static bool take_operand(struct decoder *d, unsigned form, struct operand *operand)
{
    unsigned size = named_size(d, form);

    if (form == NONE || name_operand(d, form, size, operand))
        return true;
    switch (form) {
    case O_b:
    case O_v:
        *operand = (struct operand){OPERAND_MEMORY, 0, size};
        return decoder_take(d, d->in->address_size, &d->in->displacement);
    case I_p: /* the selector lies where there is no displacement */
        *operand = (struct operand){OPERAND_IMMEDIATE, 0, d->in->operand_size};
        return take_immediate(d, I_v) && decoder_take(d, 2, &d->in->displacement);
    case I_b:
    case I_z:
    case I_v:
    case I_1:
    case I_w:
    case I_e:
        *operand = (struct operand){OPERAND_IMMEDIATE, 0, d->in->operand_size};
        return take_immediate(d, form);
    default:
        *operand = rm_operand(d, size);
        return true;
    }
}

static bool memory_only(unsigned form)
{
    return form >= M_b && form <= M_p;
}

/* What the prefixes and the mode say against this row. */
static enum decode_result check_row(const struct decoder *d, const struct opcode_row *row)
{
    bool rep = d->in->rep || d->in->repne;

    if (row->operation == OP_NONE)
        return DECODE_UNKNOWN;
    if (d->has_modrm && d->mod == 3 && (memory_only(row->to) || memory_only(row->from)))
        return DECODE_UNKNOWN;
    if (((row->flags & ROW_PLAIN) && (rep || d->operand_prefix)) || ((row->flags & ROW_NO_REP) && rep) ||
        ((row->flags & ROW_NO_F3) && d->in->rep) || ((row->flags & ROW_66) && (rep || !d->operand_prefix)))
        return DECODE_UNKNOWN;
    if ((row->flags & ROW_NOT_64) && d->bits == 64)
        return DECODE_INVALID;
    return DECODE_OK;
}

static bool is_control(const struct operand *operand)
{
    return operand->index <= 8 && (BIT(operand->index) & (BIT(0) | BIT(2) | BIT(3) | BIT(4) | BIT(8)));
}

/* APM, "MOV CRn": with LOCK, CR0 is CR8, for those without a REX prefix (AltMovCr8). */
static void take_alternative_cr8(struct instruction *in)
{
    struct operand *control = in->to.kind == OPERAND_CONTROL ? &in->to : &in->from;

    if (in->operation == OP_MOV_CONTROL && in->lock && control->index == 0) {
        control->index = 8;
        in->lock = false;
    }
}

/* Encodings that the opcode maps allow and the instructions' descriptions forbid. */
static bool is_valid(const struct decoder *d, const struct opcode_row *row)
{
    const struct instruction *in = d->in;

    if ((row->to == S_w && in->to.index > SEG_GS) || (row->from == S_w && in->from.index > SEG_GS))
        return false;
    if (in->operation == OP_LOAD_SEGMENT && in->to.index == SEG_CS)
        return false;
    if (in->operation == OP_MOV_DEBUG && d->reg > 7)
        return false;
    if (in->operation == OP_MOV_CONTROL && !is_control(in->to.kind == OPERAND_CONTROL ? &in->to : &in->from))
        return false;
    return !in->lock || ((row->flags & ROW_LOCK) && in->to.kind == OPERAND_MEMORY);
}

static void finish(struct decoder *d)
{
    struct instruction *in = d->in;
    bool stack = in->base == REG_RSP || in->base == REG_RBP;

    in->segment = d->segment != NO_REGISTER ? d->segment : stack ? SEG_SS : SEG_DS;
    in->length = d->at;
}

/* The operand size of those that have another than their prefixes say. */
static void adjust_size(struct decoder *d, const struct opcode_row *row)
{
    struct instruction *in = d->in;

    if (in->operation == OP_TRANSLATE) /* at rBX + AL */
        in->base = REG_RBX, in->from = (struct operand){OPERAND_MEMORY, 0, 1};
    if (row->operation == OP_CMPXCHG8B)
        in->operand_size = in->to.size;
    else if (in->to.kind != OPERAND_NONE && named_size(d, row->to) == 1)
        in->operand_size = 1;
    else if (in->operation >= OP_MUL && in->operation <= OP_IDIV && in->from.size == 1)
        in->operand_size = 1;
    if ((in->operation == OP_INS || in->operation == OP_OUTS) && in->operand_size == 8)
        in->operand_size = 4;
}

/* The member of a group that the ModRM byte names. */
static const struct opcode_row *member(const struct decoder *d, const struct opcode_row *row)
{
    if (row->flags & ROW_GROUP_RM && d->mod == 3) {
        const struct opcode_row *by_rm = decode_group(row->operation + 1u + (d->reg & 7), d->rm);

        if (by_rm->operation != OP_NONE)
            return by_rm;
    }
    return decode_group(row->operation, d->reg);
}

/* An instruction of the integer core. */
static enum decode_result decode_core(struct decoder *d)
{
    const struct opcode_row *row = decode_row(d->map, d->in->opcode);
    enum decode_result result;

    if (row->flags & ROW_BY_MODE)
        row = decode_group(row->operation, d->bits != 64);
    if (row->flags & ROW_GROUP || wants_modrm(row->to) || wants_modrm(row->from)) {
        if (!decoder_modrm(d, row->flags & ROW_MOD_3))
            return DECODE_MORE;
        if (row->flags & ROW_GROUP)
            row = member(d, row);
    }
    result = check_row(d, row);
    if (result != DECODE_OK)
        return result;
    decoder_operand_size(d, row->flags);
    d->in->operation = row->operation;
    if (!take_operand(d, row->to, &d->in->to) || !take_operand(d, row->from, &d->in->from))
        return DECODE_MORE;
    if ((row->flags & (ROW_IMM_B | ROW_IMM_Z)) && !take_immediate(d, row->flags & ROW_IMM_B ? I_b : I_z))
        return DECODE_MORE;
    take_alternative_cr8(d->in);
    if (!is_valid(d, row))
        return DECODE_INVALID;
    adjust_size(d, row);
    return DECODE_OK;
}

enum decode_result decode(const uint8_t *bytes, unsigned available, unsigned bits, struct instruction *out)
{
    struct decoder d = {
        .bytes = bytes, .available = available, .bits = bits, .segment = NO_REGISTER, .in = out};
    enum decode_result result = DECODE_UNKNOWN;

    *out = (struct instruction){.base = NO_REGISTER, .index = NO_REGISTER};
    if (d.available > INSTRUCTION_MOST)
        d.available = INSTRUCTION_MOST;
    if (!take_opcode(&d))
        return DECODE_MORE;
    set_address_size(&d);
    if (form_may_be(d.space, out->opcode))
        result = decode_form(&d);
    if (result == DECODE_UNKNOWN && d.space < SPACE_VEX)
        result = decode_core(&d);
    if (result == DECODE_OK)
        finish(&d);
    return result;
}
