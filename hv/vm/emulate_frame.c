/* What moves several values at once between registers and memory: stack frames, far pointers, bounds; and
 * POPF and XLAT. */
#include "hv/vm/emulation.h"

#define IOPL(flags) ((flags) >> 12 & 3)
#define FLAGS_POPPED                                                                                         \
    (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_TF | RFLAGS_DF | RFLAGS_OF |         \
     RFLAGS_NT | RFLAGS_AC | RFLAGS_ID)

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

/* SDM, "POPF": IOPL is the kernel's to change, IF that of who IOPL admits. A step is due by TF as it was. */
enum outcome execute_pop_flags(struct emulation *e)
{
    unsigned size = e->in->operand_size, stack = stack_size(e), cpl = vcpu_cpl(e->vcpu);
    uint64_t flags = vcpu_get(e->vcpu, REG_RFLAGS), popped = stack_moved(e, (int)size, stack);
    uint64_t changes = FLAGS_POPPED | (cpl == 0 ? RFLAGS_IOPL : 0) | (cpl <= IOPL(flags) ? RFLAGS_IF : 0);
    struct span span;

    e->fault = (struct fault){.vector = EXC_GP, .has_error = true};
    if (e->mode == CODE_V86 && IOPL(flags) < 3)
        return OUTCOME_FAULT;
    if (!memory_find(e, SEG_SS, vcpu_get(e->vcpu, REG_RSP) & size_mask(stack), size, ACCESS_READ, &span))
        return OUTCOME_FAULT;
    changes &= size_mask(size);
    vcpu_set(e->vcpu, REG_RSP, popped);
    vcpu_advance(e->vcpu, e->in->length);
    vcpu_set(e->vcpu, REG_RFLAGS, (flags & ~changes & ~RFLAGS_RF) | (span_value(e, &span) & changes));
    return OUTCOME_DONE;
}

/* ENTER: the frame pointers of the outer levels are copied, and that of this one is added. */
enum outcome execute_enter(struct emulation *e)
{
    unsigned size = e->in->operand_size, stack = stack_size(e), level = e->in->immediate >> 16 & 31;
    uint64_t frame = stack_moved(e, -(int)size, stack), mask = size_mask(stack);
    uint64_t outer = e->vcpu->gpr[REG_RBP], top = frame - level * size;
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
