/* What moves several values at once between registers and memory: stack frames, far pointers, bounds; and
 * XLAT. */
#include "hv/emulate/emulation.h"

/* PUSHA and POPA: the order of the registers in memory is that of their numbers, from the top down. */
#define ALL 8

static bool find_all(struct emulation *e, uint64_t lowest, unsigned access, struct span *spans)
{
    unsigned size = e->in->operand_size;

    for (unsigned i = 0; i < ALL; i++)
        if (!memory_find(e, SEG_SS, (lowest + i * size) & size_mask(stack_size(e)), size, access, &spans[i]))
            return false;
    return true;
}

enum outcome execute_push_all(struct emulation *e)
{
    unsigned size = e->in->operand_size;
    uint64_t top = stack_moved(e, -(int)(ALL * size), stack_size(e));
    struct span spans[ALL];

    if (!find_all(e, top, ACCESS_WRITE, spans))
        return OUTCOME_FAULT;
    for (unsigned i = 0; i < ALL; i++)
        span_set_value(e, &spans[ALL - 1 - i], register_get(e->vcpu, i, size));
    vcpu_set(e->vcpu, REG_RSP, top);
    return OUTCOME_NEXT;
}

/* RSP's own is passed over. */
enum outcome execute_pop_all(struct emulation *e)
{
    unsigned size = e->in->operand_size;
    uint64_t popped = stack_moved(e, (int)(ALL * size), stack_size(e));
    struct span spans[ALL];

    if (!find_all(e, vcpu_get(e->vcpu, REG_RSP), ACCESS_READ, spans))
        return OUTCOME_FAULT;
    for (unsigned i = 0; i < ALL; i++)
        if (i != REG_RSP)
            register_set(e->vcpu, i, size, span_value(e, &spans[ALL - 1 - i]));
    vcpu_set(e->vcpu, REG_RSP, popped);
    return OUTCOME_NEXT;
}

/* ENTER: the frame pointers of the outer levels are copied, and that of this one is added. */
enum outcome execute_enter(struct emulation *e)
{
    unsigned size = e->in->operand_size, stack = stack_size(e), level = e->in->immediate >> 16 & 31;
    uint64_t frame = stack_moved(e, -(int)size, stack), mask = size_mask(stack);
    uint64_t outer = e->vcpu->arch.gpr[REG_RBP], top = frame - level * size;
    struct span saved, from[32], to[32];

    if (!memory_find(e, SEG_SS, frame & mask, size, ACCESS_WRITE, &saved))
        return OUTCOME_FAULT;
    for (unsigned i = 1; i <= level; i++)
        if ((i < level && !memory_find(e, SEG_SS, (outer - i * size) & mask, size, ACCESS_READ, &from[i])) ||
            !memory_find(e, SEG_SS, (frame - i * size) & mask, size, ACCESS_WRITE, &to[i]))
            return OUTCOME_FAULT;
    span_set_value(e, &saved, register_get(e->vcpu, REG_RBP, size));
    for (unsigned i = 1; i <= level; i++)
        span_set_value(e, &to[i], i < level ? span_value(e, &from[i]) : frame & size_mask(size));
    register_set(e->vcpu, REG_RBP, stack, frame);
    top -= (uint16_t)e->in->immediate;
    vcpu_set(e->vcpu, REG_RSP, size_mask(stack) == 0xffff ? (frame & ~mask) | (top & mask) : top & mask);
    return OUTCOME_NEXT;
}

/* LDS, LES, LSS, LFS, LGS: offset, then selector. */
enum outcome execute_load_far(struct emulation *e)
{
    const struct instruction *in = e->in;
    unsigned size = in->operand_size, segment;
    struct span offset, selector;

    switch (in->opcode) {
    case 0xc4:
        segment = SEG_ES;
        break;
    case 0xc5:
        segment = SEG_DS;
        break;
    case 0xb2:
        segment = SEG_SS;
        break;
    default:
        segment = in->opcode == 0xb4 ? SEG_FS : SEG_GS;
    }
    if (!operand_find(e, size, 0, ACCESS_READ, &offset) || !operand_find(e, 2, size, ACCESS_READ, &selector))
        return OUTCOME_FAULT;
    {
        uint64_t value = span_value(e, &offset);

        if (!segment_load(e->vcpu, segment, (uint16_t)span_value(e, &selector), &e->fault))
            return OUTCOME_FAULT;
        operand_set_register(e, &in->to, value);
    }
    return OUTCOME_NEXT;
}

/* BOUND: a signed index between two signed bounds, both of which are allowed. */
enum outcome execute_bound(struct emulation *e)
{
    unsigned size = e->in->operand_size;
    int64_t index = sign_extend(operand_register(e, &e->in->to), size), lower, upper;
    struct span low, high;

    if (!operand_find(e, size, 0, ACCESS_READ, &low) || !operand_find(e, size, size, ACCESS_READ, &high))
        return OUTCOME_FAULT;
    lower = sign_extend(span_value(e, &low), size), upper = sign_extend(span_value(e, &high), size);
    e->fault = (struct fault){.vector = EXC_BR};
    return index >= lower && index <= upper ? OUTCOME_NEXT : OUTCOME_FAULT;
}

enum outcome execute_translate(struct emulation *e)
{
    struct span span;

    if (!operand_find(e, 1, register_get(e->vcpu, REG_RAX, 1), ACCESS_READ, &span))
        return OUTCOME_FAULT;
    register_set(e->vcpu, REG_RAX, 1, span_value(e, &span));
    return OUTCOME_NEXT;
}
