/*
 * Arithmetic on guest operands with exact flags. Flags that the SDM leaves undefined come out so: AF of logic
 * operations and shifts is 0, OF of shifts and rotates by more than one is as for one, flags of BT besides CF
 * keep their values.
 */
#include "hv/emulate/emulation.h"

static unsigned width(const struct alu *alu)
{
    return 8 * alu->size;
}

static uint64_t sign_bit(const struct alu *alu)
{
    return BIT(width(alu) - 1);
}

static void set_flag(struct alu *alu, uint64_t flag, bool on)
{
    alu->flags = on ? alu->flags | flag : alu->flags & ~flag;
}

/* SF, ZF and PF of a result. */
static uint64_t set_result(struct alu *alu, uint64_t result)
{
    result &= size_mask(alu->size);
    set_flag(alu, RFLAGS_ZF, result == 0);
    set_flag(alu, RFLAGS_SF, result & sign_bit(alu));
    set_flag(alu, RFLAGS_PF, !__builtin_parity(result & 0xff));
    return result;
}

/* The carries out of every bit of a sum tell CF, AF and OF at once. */
static uint64_t set_sum(struct alu *alu, uint64_t result, uint64_t carries)
{
    bool carry = carries & sign_bit(alu), into_sign = carries & sign_bit(alu) >> 1;

    set_flag(alu, RFLAGS_CF, carry);
    set_flag(alu, RFLAGS_AF, carries & BIT(3));
    set_flag(alu, RFLAGS_OF, carry != into_sign);
    return set_result(alu, result);
}

static uint64_t sum(struct alu *alu, uint64_t a, uint64_t b, unsigned carry)
{
    uint64_t result = a + b + carry;

    return set_sum(alu, result, (a & b) | ((a | b) & ~result));
}

static uint64_t difference(struct alu *alu, uint64_t a, uint64_t b, unsigned borrow)
{
    uint64_t result = a - b - borrow;

    return set_sum(alu, result, (~a & b) | ((~a | b) & result));
}

static uint64_t logic(struct alu *alu, uint64_t result)
{
    alu->flags &= ~(RFLAGS_CF | RFLAGS_OF | RFLAGS_AF);
    return set_result(alu, result);
}

uint64_t alu_add(struct alu *alu)
{
    return sum(alu, alu->a, alu->b, 0);
}

uint64_t alu_adc(struct alu *alu)
{
    return sum(alu, alu->a, alu->b, alu->flags & RFLAGS_CF);
}

uint64_t alu_sub(struct alu *alu)
{
    return difference(alu, alu->a, alu->b, 0);
}

uint64_t alu_sbb(struct alu *alu)
{
    return difference(alu, alu->a, alu->b, alu->flags & RFLAGS_CF);
}

uint64_t alu_or(struct alu *alu)
{
    return logic(alu, alu->a | alu->b);
}

uint64_t alu_and(struct alu *alu)
{
    return logic(alu, alu->a & alu->b);
}

uint64_t alu_xor(struct alu *alu)
{
    return logic(alu, alu->a ^ alu->b);
}

uint64_t alu_not(struct alu *alu)
{
    return ~alu->a & size_mask(alu->size);
}

uint64_t alu_neg(struct alu *alu)
{
    return difference(alu, 0, alu->a, 0);
}

uint64_t alu_inc(struct alu *alu)
{
    uint64_t carry = alu->flags & RFLAGS_CF, result = sum(alu, alu->a, 1, 0);

    set_flag(alu, RFLAGS_CF, carry);
    return result;
}

uint64_t alu_dec(struct alu *alu)
{
    uint64_t carry = alu->flags & RFLAGS_CF, result = difference(alu, alu->a, 1, 0);

    set_flag(alu, RFLAGS_CF, carry);
    return result;
}

uint64_t alu_xchg(struct alu *alu)
{
    return alu->b;
}

uint64_t alu_cmpxchg(struct alu *alu)
{
    difference(alu, alu->accumulator, alu->a, 0);
    return alu->flags & RFLAGS_ZF ? alu->b : alu->a;
}

/* A shift's count: five bits, six for 64-bit operands. */
static unsigned count_of(const struct alu *alu)
{
    return alu->b & (alu->size == 8 ? 63 : 31);
}

uint64_t alu_shl(struct alu *alu)
{
    unsigned count = count_of(alu);
    uint64_t last, result;

    if (count == 0)
        return alu->a;
    last = count <= width(alu) ? alu->a >> (width(alu) - count) & 1 : 0;
    result = count < 64 ? alu->a << count : 0;
    logic(alu, result);
    set_flag(alu, RFLAGS_CF, last);
    set_flag(alu, RFLAGS_OF, !!(result & sign_bit(alu)) != last);
    return result & size_mask(alu->size);
}

uint64_t alu_shr(struct alu *alu)
{
    unsigned count = count_of(alu);
    uint64_t result;

    if (count == 0)
        return alu->a;
    result = logic(alu, alu->a >> count);
    set_flag(alu, RFLAGS_CF, alu->a >> (count - 1) & 1);
    set_flag(alu, RFLAGS_OF, alu->a & sign_bit(alu));
    return result;
}

uint64_t alu_sar(struct alu *alu)
{
    unsigned count = count_of(alu);
    int64_t value = sign_extend(alu->a, alu->size);
    uint64_t result;

    if (count == 0)
        return alu->a;
    result = logic(alu, value >> count);
    set_flag(alu, RFLAGS_CF, value >> (count - 1) & 1);
    return result;
}

uint64_t alu_rol(struct alu *alu)
{
    unsigned count = count_of(alu) % width(alu);
    uint64_t result = alu->a;

    if (count_of(alu) == 0)
        return result;
    if (count)
        result = (alu->a << count | alu->a >> (width(alu) - count)) & size_mask(alu->size);
    set_flag(alu, RFLAGS_CF, result & 1);
    set_flag(alu, RFLAGS_OF, !!(result & sign_bit(alu)) != (result & 1));
    return result;
}

uint64_t alu_ror(struct alu *alu)
{
    unsigned count = count_of(alu) % width(alu);
    uint64_t result = alu->a;

    if (count_of(alu) == 0)
        return result;
    if (count)
        result = (alu->a >> count | alu->a << (width(alu) - count)) & size_mask(alu->size);
    set_flag(alu, RFLAGS_CF, result & sign_bit(alu));
    set_flag(alu, RFLAGS_OF, !!(result & sign_bit(alu)) != !!(result & sign_bit(alu) >> 1));
    return result;
}

uint64_t alu_rcl(struct alu *alu)
{
    unsigned count = count_of(alu);
    uint64_t value = alu->a, carry = alu->flags & RFLAGS_CF;

    if (count == 0)
        return value;
    for (; count > 0; count--) {
        uint64_t out = !!(value & sign_bit(alu));

        value = (value << 1 | carry) & size_mask(alu->size);
        carry = out;
    }
    set_flag(alu, RFLAGS_CF, carry);
    set_flag(alu, RFLAGS_OF, !!(value & sign_bit(alu)) != carry);
    return value;
}

uint64_t alu_rcr(struct alu *alu)
{
    unsigned count = count_of(alu);
    uint64_t value = alu->a, carry = alu->flags & RFLAGS_CF;

    if (count == 0)
        return value;
    for (; count > 0; count--) {
        uint64_t out = value & 1;

        value = value >> 1 | carry << (width(alu) - 1);
        carry = out;
    }
    set_flag(alu, RFLAGS_CF, carry);
    set_flag(alu, RFLAGS_OF, !!(value & sign_bit(alu)) != !!(value & sign_bit(alu) >> 1));
    return value;
}

/* The bit that BT and its like mean, with CF set from it. */
static uint64_t bit_of(struct alu *alu)
{
    uint64_t bit = BIT(alu->b & (width(alu) - 1));

    set_flag(alu, RFLAGS_CF, alu->a & bit);
    return bit;
}

uint64_t alu_bt(struct alu *alu)
{
    bit_of(alu);
    return alu->a;
}

uint64_t alu_bts(struct alu *alu)
{
    return alu->a | bit_of(alu);
}

uint64_t alu_btr(struct alu *alu)
{
    return alu->a & ~bit_of(alu);
}

uint64_t alu_btc(struct alu *alu)
{
    return alu->a ^ bit_of(alu);
}

/* The lowest and the highest bit set; a source of 0 leaves the destination alone. */
static uint64_t scanned(struct alu *alu, unsigned bit)
{
    set_flag(alu, RFLAGS_ZF, alu->b == 0);
    return alu->b ? bit : alu->a;
}

uint64_t alu_bsf(struct alu *alu)
{
    return scanned(alu, (unsigned)__builtin_ctzll(alu->b | BIT(63)));
}

uint64_t alu_bsr(struct alu *alu)
{
    return scanned(alu, 63 - (unsigned)__builtin_clzll(alu->b | 1));
}

/* Double shifts, whose count may be more than the width of 16-bit operands: undefined, and nothing here. */
static unsigned double_count(const struct alu *alu)
{
    unsigned count = alu->accumulator & (alu->size == 8 ? 63 : 31);

    return count > width(alu) ? 0 : count;
}

static uint64_t double_shifted(struct alu *alu, uint64_t result, uint64_t last)
{
    result = logic(alu, result);
    set_flag(alu, RFLAGS_CF, last & 1);
    set_flag(alu, RFLAGS_OF, (result ^ alu->a) & sign_bit(alu));
    return result;
}

uint64_t alu_shld(struct alu *alu)
{
    unsigned count = double_count(alu), rest = width(alu) - count;

    if (count == 0)
        return alu->a;
    return double_shifted(alu, (rest ? alu->a << count : 0) | alu->b >> rest, alu->a >> rest);
}

uint64_t alu_shrd(struct alu *alu)
{
    unsigned count = double_count(alu), rest = width(alu) - count;

    if (count == 0)
        return alu->a;
    return double_shifted(alu, (rest ? alu->a >> count : 0) | alu->b << rest, alu->a >> (count - 1));
}
