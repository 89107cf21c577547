/* Near calls, returns and jumps, and LEAVE: what has its stack or operand on a device. */
#include "hv/emulate/emulation.h"

/* Goes on at `target`, if the code segment has it. */
static enum outcome go_to(struct emulation *e, uint64_t target)
{
    target &= size_mask(e->in->operand_size);
    if (e->mode == CODE_64 ? !vcpu_is_canonical(e->vcpu, target)
                           : target > vcpu_get_segment(e->vcpu, SEG_CS).limit) {
        e->fault = (struct fault){.vector = EXC_GP, .has_error = true};
        return OUTCOME_FAULT;
    }
    vcpu_set(e->vcpu, REG_RIP, target);
    vcpu_advance(e->vcpu, 0);
    return OUTCOME_DONE;
}

enum outcome execute_jump(struct emulation *e)
{
    uint64_t target;

    return operand_read(e, &e->in->from, &target) ? go_to(e, target) : OUTCOME_FAULT;
}

enum outcome execute_call(struct emulation *e)
{
    const struct instruction *in = e->in;
    unsigned size = in->operand_size, stack = stack_size(e);
    uint64_t top = stack_moved(e, -(int)size, stack), next = e->rip + in->length, target;
    enum outcome outcome;
    struct span span;

    if (!operand_read(e, &in->from, &target) ||
        !memory_find(e, SEG_SS, top & size_mask(stack), size, ACCESS_WRITE, &span))
        return OUTCOME_FAULT;
    if (in->from.kind == OPERAND_IMMEDIATE)
        target += next;
    outcome = go_to(e, target);
    if (outcome == OUTCOME_DONE) {
        span_set_value(e, &span, next & size_mask(size));
        vcpu_set(e->vcpu, REG_RSP, top);
    }
    return outcome;
}

enum outcome execute_return(struct emulation *e)
{
    unsigned size = e->in->operand_size, stack = stack_size(e);
    uint64_t popped = stack_moved(e, (int)(size + e->in->immediate), stack);
    enum outcome outcome;
    struct span span;

    if (!memory_find(e, SEG_SS, vcpu_get(e->vcpu, REG_RSP) & size_mask(stack), size, ACCESS_READ, &span))
        return OUTCOME_FAULT;
    outcome = go_to(e, span_value(e, &span));
    if (outcome == OUTCOME_DONE)
        vcpu_set(e->vcpu, REG_RSP, popped);
    return outcome;
}

/* RSP with its part in use, of `size` bytes, replaced. */
static uint64_t stack_at(struct emulation *e, uint64_t value, unsigned size)
{
    uint64_t mask = size_mask(size);

    return size == 2 ? (vcpu_get(e->vcpu, REG_RSP) & ~mask) | (value & mask) : value & mask;
}

enum outcome execute_leave(struct emulation *e)
{
    unsigned size = e->in->operand_size, stack = stack_size(e);
    uint64_t frame = e->vcpu->arch.gpr[REG_RBP] & size_mask(stack);
    struct span span;

    if (!memory_find(e, SEG_SS, frame, size, ACCESS_READ, &span))
        return OUTCOME_FAULT;
    vcpu_set(e->vcpu, REG_RSP, stack_at(e, frame + size, stack));
    register_set(e->vcpu, REG_RBP, size, span_value(e, &span));
    return OUTCOME_NEXT;
}
