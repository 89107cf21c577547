/* The bytes of an instruction, taken one after the other: immediates, ModRM, SIB and displacement. */
#include "hv/decode/decoder.h"
#include "hv/vm/vcpu.h"

/* Takes the next `count` bytes (1, 2, 4 or 8), sign-extended; false if they are not there. */
bool decoder_take(struct decoder *d, unsigned count, int64_t *value)
{
    uint64_t bits = 0;

    if (d->available - d->at < count)
        return false;
    for (unsigned i = 0; i < count; i++)
        bits |= (uint64_t)d->bytes[d->at + i] << (8 * i);
    d->at += count;
    *value = (int64_t)(bits << (64 - 8 * count)) >> (64 - 8 * count);
    return true;
}

bool decoder_byte(struct decoder *d, uint8_t *byte)
{
    if (d->at >= d->available)
        return false;
    *byte = d->bytes[d->at++];
    return true;
}

/* SDM, "16-Bit Addressing Forms with the ModR/M Byte". */
static bool take_address_16(struct decoder *d)
{
    static const uint8_t bases[] = {REG_RBX, REG_RBX, REG_RBP, REG_RBP, REG_RSI, REG_RDI, REG_RBP, REG_RBX};
    static const uint8_t indexes[] = {REG_RSI,     REG_RDI,     REG_RSI,     REG_RDI,
                                      NO_REGISTER, NO_REGISTER, NO_REGISTER, NO_REGISTER};
    struct instruction *in = d->in;

    if (d->mod == 0 && d->rm == 6)
        return decoder_take(d, 2, &in->displacement);
    in->base = bases[d->rm & 7];
    in->index = indexes[d->rm & 7];
    return d->mod == 0 || decoder_take(d, d->mod == 1 ? 1 : 2, &in->displacement);
}

/* SDM, "32-Bit Addressing Forms with the ModR/M Byte" and "with the SIB Byte", and their 64-bit extension. */
static bool take_address_32(struct decoder *d)
{
    struct instruction *in = d->in;
    unsigned base = d->rm & 7;

    if (base == REG_RSP) {
        uint8_t sib, index;

        if (!decoder_byte(d, &sib))
            return false;
        base = sib & 7;
        index = (sib >> 3 & 7) | (d->rex & REX_X ? 8 : 0);
        in->scale = sib >> 6;
        if (index != REG_RSP)
            in->index = index;
    } else if (d->mod == 0 && base == REG_RBP && d->bits == 64) {
        in->base = REG_RIP;
        return decoder_take(d, 4, &in->displacement);
    }
    if (d->mod == 0 && base == REG_RBP)
        return decoder_take(d, 4, &in->displacement);
    in->base = base | (d->rex & REX_B ? 8 : 0);
    return d->mod == 0 || decoder_take(d, d->mod == 1 ? 1 : 4, &in->displacement);
}

bool decoder_modrm(struct decoder *d, bool registers)
{
    uint8_t byte;

    if (!decoder_byte(d, &byte))
        return false;
    d->has_modrm = true;
    d->mod = registers ? 3 : byte >> 6;
    d->reg = (byte >> 3 & 7) | (d->rex & REX_R ? 8 : 0);
    d->rm = (byte & 7) | (d->rex & REX_B ? 8 : 0);
    if (d->mod == 3)
        return true;
    return d->in->address_size == 2 ? take_address_16(d) : take_address_32(d);
}

void decoder_operand_size(struct decoder *d, unsigned flags)
{
    if (flags & ROW_BYTE)
        d->in->operand_size = 1;
    else if (d->bits == 64 && ((d->rex & REX_W) || (flags & ROW_F64)))
        d->in->operand_size = 8;
    else if (d->bits == 64 && (flags & ROW_D64) && !d->operand_prefix)
        d->in->operand_size = 8;
    else
        d->in->operand_size = (d->bits == 16) == d->operand_prefix ? 4 : 2;
}
