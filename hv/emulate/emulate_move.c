/* Moves between registers, memory, segment registers and the stack. */
#include "hv/emulate/emulation.h"

/* Writes a destination of any kind; false: fault. */
static bool store(struct emulation *e, const struct operand *to, uint64_t value)
{
    struct span span;

    if (to->kind != OPERAND_MEMORY) {
        operand_set_register(e, to, value);
        return true;
    }
    if (!operand_find(e, to->size, 0, ACCESS_WRITE, &span))
        return false;
    span_set_value(e, &span, value & size_mask(to->size));
    return true;
}

static uint64_t swap_bytes(uint64_t value, unsigned size)
{
    return __builtin_bswap64(value) >> (64 - 8 * size);
}

/* MOV, MOVZX, MOVSX, MOVSXD, MOVBE, MOVNTI: one operand is memory at most. */
enum outcome execute_move(struct emulation *e)
{
    const struct instruction *in = e->in;
    uint64_t value;

    if (!operand_read(e, &in->from, &value))
        return OUTCOME_FAULT;
    if (in->operation == OP_MOVSX)
        value = sign_extend(value, in->from.size);
    else if (in->operation == OP_MOVBE)
        value = swap_bytes(value, in->operand_size);
    return store(e, &in->to, value) ? OUTCOME_NEXT : OUTCOME_FAULT;
}

/* The condition in an opcode's low four bits (SDM, "EFLAGS Condition Codes"). */
static bool condition(uint8_t opcode, uint64_t flags)
{
    bool sign = flags & RFLAGS_SF, overflow = flags & RFLAGS_OF, zero = flags & RFLAGS_ZF,
         carry = flags & RFLAGS_CF;
    const bool conditions[] = {overflow,
                               carry,
                               zero,
                               carry || zero,
                               sign,
                               flags & RFLAGS_PF,
                               sign != overflow,
                               zero || sign != overflow};

    return conditions[opcode >> 1 & 7] != (opcode & 1);
}

/* CMOVcc reads its source, and writes its destination's upper half in 64-bit code, whatever the condition. */
enum outcome execute_move_conditionally(struct emulation *e)
{
    const struct instruction *in = e->in;
    uint64_t value;

    if (!operand_read(e, &in->from, &value))
        return OUTCOME_FAULT;
    if (!condition(in->opcode, vcpu_get(e->vcpu, REG_RFLAGS)))
        value = operand_register(e, &in->to);
    operand_set_register(e, &in->to, value);
    return OUTCOME_NEXT;
}

enum outcome execute_set(struct emulation *e)
{
    bool value = condition(e->in->opcode, vcpu_get(e->vcpu, REG_RFLAGS));

    return store(e, &e->in->to, value) ? OUTCOME_NEXT : OUTCOME_FAULT;
}

enum outcome execute_load_segment(struct emulation *e)
{
    uint64_t selector;

    if (!operand_read(e, &e->in->from, &selector) ||
        !segment_load(e->vcpu, e->in->to.index, selector, &e->fault))
        return OUTCOME_FAULT;
    return OUTCOME_NEXT;
}

/* Bytes of the stack pointer in use (SDM, "Stack-Address Size"). */
unsigned stack_size(struct emulation *e)
{
    if (e->mode == CODE_64)
        return 8;
    return vcpu_get_segment(e->vcpu, SEG_SS).attributes & SEG_DB ? 4 : 2;
}

/* The stack pointer moved by `by` bytes, within its size: what RSP becomes. */
uint64_t stack_moved(struct emulation *e, int by, unsigned size)
{
    uint64_t rsp = vcpu_get(e->vcpu, REG_RSP);

    if (size == 2)
        return (rsp & ~UINT64_C(0xffff)) | (uint16_t)(rsp + by);
    return (rsp + by) & size_mask(size);
}

enum outcome execute_push(struct emulation *e)
{
    const struct operand *from = &e->in->from;
    unsigned size = e->in->operand_size, stack = stack_size(e);
    uint64_t top = stack_moved(e, -(int)size, stack), value = 0;
    struct span source, target;

    if (from->kind == OPERAND_MEMORY && !operand_find(e, from->size, 0, ACCESS_READ, &source))
        return OUTCOME_FAULT;
    if (!memory_find(e, SEG_SS, top & size_mask(stack), size, ACCESS_WRITE, &target))
        return OUTCOME_FAULT;
    value = from->kind == OPERAND_MEMORY ? span_value(e, &source) : operand_value(e, from);
    span_set_value(e, &target, value);
    vcpu_set(e->vcpu, REG_RSP, top);
    return OUTCOME_NEXT;
}

/* Finds the top of the stack, and tells what RSP is once it has been popped. */
static bool find_top(struct emulation *e, struct span *span, uint64_t *popped)
{
    unsigned size = e->in->operand_size, stack = stack_size(e);

    *popped = stack_moved(e, size, stack);
    return memory_find(e, SEG_SS, vcpu_get(e->vcpu, REG_RSP) & size_mask(stack), size, ACCESS_READ, span);
}

/* POP: RSP has already moved when it addresses the destination, and is overwritten when it is the
 * destination. */
enum outcome execute_pop(struct emulation *e)
{
    const struct operand *to = &e->in->to;
    struct span source, target;
    uint64_t popped;

    if (!find_top(e, &source, &popped))
        return OUTCOME_FAULT;
    e->rsp_bias = popped - vcpu_get(e->vcpu, REG_RSP);
    if (to->kind == OPERAND_MEMORY) {
        if (!operand_find(e, to->size, 0, ACCESS_WRITE, &target))
            return OUTCOME_FAULT;
        span_set_value(e, &target, span_value(e, &source));
        vcpu_set(e->vcpu, REG_RSP, popped);
    } else {
        uint64_t value = span_value(e, &source);

        vcpu_set(e->vcpu, REG_RSP, popped);
        operand_set_register(e, to, value);
    }
    return OUTCOME_NEXT;
}

enum outcome execute_pop_segment(struct emulation *e)
{
    struct span source;
    uint64_t popped;

    if (!find_top(e, &source, &popped) ||
        !segment_load(e->vcpu, e->in->to.index, span_value(e, &source), &e->fault))
        return OUTCOME_FAULT;
    vcpu_set(e->vcpu, REG_RSP, popped);
    return OUTCOME_NEXT;
}

/* Cache-line flushes: checked as a read of one byte; devices have no cache lines. */
enum outcome execute_flush(struct emulation *e)
{
    struct span span;

    return operand_find(e, 1, 0, ACCESS_READ, &span) ? OUTCOME_NEXT : OUTCOME_FAULT;
}
