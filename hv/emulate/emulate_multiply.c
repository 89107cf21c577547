/* Multiplication and division. */
#include "hv/emulate/emulation.h"

/* CF and OF of a multiplication: whether the upper half says anything. The others, undefined, stay. */
static void set_multiply_flags(struct emulation *e, bool significant)
{
    uint64_t flags = vcpu_get(e->vcpu, REG_RFLAGS) & ~(RFLAGS_CF | RFLAGS_OF);

    vcpu_set(e->vcpu, REG_RFLAGS, significant ? flags | RFLAGS_CF | RFLAGS_OF : flags);
}

/* What of a product lies above `size` bytes: without a shift of 128 bits by a variable, for which clang wants
 * a library. */
static uint64_t upper(unsigned __int128 product, unsigned size)
{
    return size == 8 ? (uint64_t)(product >> 64) : (uint64_t)product >> 8 * size;
}

static void set_product(struct emulation *e, unsigned __int128 product)
{
    unsigned size = e->in->operand_size;

    if (size == 1) {
        register_set(e->vcpu, REG_RAX, 2, product);
    } else {
        register_set(e->vcpu, REG_RAX, size, product);
        register_set(e->vcpu, REG_RDX, size, upper(product, size));
    }
}

enum outcome execute_multiply(struct emulation *e)
{
    const struct instruction *in = e->in;
    unsigned size = in->operand_size;
    uint64_t a, b;
    __int128 product;

    if (!operand_read(e, &in->from, &a))
        return OUTCOME_FAULT;
    if (in->operation != OP_IMUL)
        b = register_get(e->vcpu, REG_RAX, size);
    else if (in->opcode == 0xaf)
        b = operand_register(e, &in->to);
    else
        b = in->immediate;
    if (in->operation == OP_MUL) {
        unsigned __int128 wide = (unsigned __int128)a * b;

        set_product(e, wide);
        set_multiply_flags(e, upper(wide, size));
        return OUTCOME_NEXT;
    }
    product = (__int128)sign_extend(a, size) * sign_extend(b, size);
    if (in->operation == OP_IMUL)
        operand_set_register(e, &in->to, product);
    else
        set_product(e, product);
    set_multiply_flags(e, product != sign_extend(product, size));
    return OUTCOME_NEXT;
}

/* The upper half is less than the divisor. */
static uint64_t divide(uint64_t high, uint64_t low, uint64_t divisor, uint64_t *rest)
{
    uint64_t quotient;

    __asm__("divq %4" : "=a"(quotient), "=d"(*rest) : "0"(low), "1"(high), "r"(divisor) : "cc");
    return quotient;
}

static unsigned __int128 dividend_of(struct emulation *e, unsigned size, bool is_signed)
{
    unsigned whole = MIN(2 * size, 8); /* of it are in one word */
    uint64_t low = register_get(e->vcpu, REG_RAX, size == 1 ? 2 : size), high = 0;

    if (size > 1)
        high = register_get(e->vcpu, REG_RDX, size);
    if (size == 8)
        return (unsigned __int128)high << 64 | low;
    low |= high << 8 * size;
    return is_signed ? (unsigned __int128)sign_extend(low, whole) : low;
}

/* DIV and IDIV: of signed numbers, the magnitudes are divided. */
enum outcome execute_divide(struct emulation *e)
{
    unsigned size = e->in->operand_size;
    bool is_signed = e->in->operation == OP_IDIV, below, negative;
    unsigned __int128 dividend;
    uint64_t divisor, quotient, rest, most = size_mask(size);

    if (!operand_read(e, &e->in->from, &divisor))
        return OUTCOME_FAULT;
    dividend = dividend_of(e, size, is_signed);
    below = is_signed && (__int128)dividend < 0;
    negative = below;
    if (below)
        dividend = -dividend;
    if (is_signed && sign_extend(divisor, size) < 0) {
        divisor = -(uint64_t)sign_extend(divisor, size);
        negative = !negative;
    }
    if (is_signed)
        most = (most >> 1) + negative;
    e->fault = (struct fault){.vector = EXC_DE};
    if (dividend >> 64 >= divisor)
        return OUTCOME_FAULT;
    quotient = divide((uint64_t)(dividend >> 64), (uint64_t)dividend, divisor, &rest);
    if (quotient > most)
        return OUTCOME_FAULT;
    quotient = negative ? -quotient : quotient;
    rest = below ? -rest : rest;
    if (size == 1) {
        register_set(e->vcpu, REG_RAX, 2, (quotient & 0xff) | rest << 8);
    } else {
        register_set(e->vcpu, REG_RAX, size, quotient);
        register_set(e->vcpu, REG_RDX, size, rest);
    }
    return OUTCOME_NEXT;
}
