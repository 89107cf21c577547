/* Instructions that read, compute and write back, and those that only compute. */
#include "hv/emulate/emulation.h"

/* How often a locked access tries before the guest is let run and begins the instruction anew. */
#define LOCKED_TRIES 64

/* One compare-and-exchange on guest RAM, of 1, 2, 4 or 8 bytes; `seen` gets what was there. */
static bool exchange_if(void *ram, unsigned size, uint64_t *seen, uint64_t value)
{
    uint8_t byte = *seen;
    uint16_t word = *seen;
    uint32_t dword = *seen;
    bool done;

    switch (size) {
    case 1:
        done = __atomic_compare_exchange_n((uint8_t *)ram, &byte, value, false, __ATOMIC_SEQ_CST,
                                           __ATOMIC_SEQ_CST);
        *seen = byte;
        return done;
    case 2:
        done = __atomic_compare_exchange_n((uint16_t *)ram, &word, value, false, __ATOMIC_SEQ_CST,
                                           __ATOMIC_SEQ_CST);
        *seen = word;
        return done;
    case 4:
        done = __atomic_compare_exchange_n((uint32_t *)ram, &dword, value, false, __ATOMIC_SEQ_CST,
                                           __ATOMIC_SEQ_CST);
        *seen = dword;
        return done;
    default:
        return __atomic_compare_exchange_n((uint64_t *)ram, seen, value, false, __ATOMIC_SEQ_CST,
                                           __ATOMIC_SEQ_CST);
    }
}

/* On RAM a locked instruction is one atomic access; on a device, and across pages, a read and a write. */
bool modify_memory(struct emulation *e, const struct span *span, bool locked, alu_function *compute,
                   struct alu *alu)
{
    void *ram = locked ? span_ram(e->vcpu, span) : NULL;
    uint64_t seen = span_value(e, span);

    for (unsigned i = 0; i < LOCKED_TRIES; i++) {
        struct alu trial = *alu;
        uint64_t result;

        trial.a = seen;
        result = compute(&trial);
        if (!ram)
            span_set_value(e, span, result);
        else if (!exchange_if(ram, span->size, &seen, result))
            continue;
        *alu = trial;
        return true;
    }
    return false;
}

static struct alu alu_for(struct emulation *e)
{
    return (struct alu){.flags = vcpu_get(e->vcpu, REG_RFLAGS), .size = e->in->operand_size};
}

/* Destination = destination op source. `offset` moves a memory destination. */
static enum outcome modify(struct emulation *e, struct alu *alu, uint64_t offset, alu_function *compute)
{
    const struct operand *to = &e->in->to;
    struct span span;

    if (to->kind != OPERAND_MEMORY) {
        alu->a = operand_register(e, to);
        operand_set_register(e, to, compute(alu));
    } else {
        if (!operand_find(e, to->size, offset, ACCESS_WRITE, &span))
            return OUTCOME_FAULT;
        if (!modify_memory(e, &span, e->in->lock, compute, alu))
            return OUTCOME_AGAIN;
    }
    if (compute != alu_not)
        vcpu_set(e->vcpu, REG_RFLAGS, alu->flags);
    return OUTCOME_NEXT;
}

/* ADD to XOR, shifts, NOT, NEG, INC, DEC; the source may be memory or the destination, not both. */
enum outcome execute_modify(struct emulation *e)
{
    struct alu alu = alu_for(e);

    if (e->in->from.kind != OPERAND_NONE && !operand_read(e, &e->in->from, &alu.b))
        return OUTCOME_FAULT;
    return modify(e, &alu, 0, operation_compute[e->in->operation]);
}

/* CMP and TEST: the result goes nowhere. */
enum outcome execute_compare(struct emulation *e)
{
    struct alu alu = alu_for(e);

    if (!operand_read(e, &e->in->to, &alu.a) || !operand_read(e, &e->in->from, &alu.b))
        return OUTCOME_FAULT;
    operation_compute[e->in->operation](&alu);
    vcpu_set(e->vcpu, REG_RFLAGS, alu.flags);
    return OUTCOME_NEXT;
}

/* BT, BTS, BTR, BTC: a bit number in a register reaches beyond a memory operand (SDM, "Bit String"). */
enum outcome execute_bit(struct emulation *e)
{
    const struct instruction *in = e->in;
    struct alu alu = alu_for(e);
    uint64_t offset = 0;
    struct span span;

    alu.b = operand_value(e, &in->from);
    if (in->to.kind == OPERAND_MEMORY && in->from.kind == OPERAND_REGISTER) {
        int64_t unit = sign_extend(alu.b, alu.size) >> (alu.size == 8 ? 6 : alu.size == 4 ? 5 : 4);

        offset = (uint64_t)unit * alu.size;
        e->gpa = EMULATE_NO_GPA; /* silicon may have touched another part of the bit string */
    }
    if (in->operation != OP_BT)
        return modify(e, &alu, offset, operation_compute[e->in->operation]);
    if (in->to.kind == OPERAND_MEMORY) {
        if (!operand_find(e, alu.size, offset, ACCESS_READ, &span))
            return OUTCOME_FAULT;
        alu.a = span_value(e, &span);
    } else {
        alu.a = operand_register(e, &in->to);
    }
    alu_bt(&alu);
    vcpu_set(e->vcpu, REG_RFLAGS, alu.flags);
    return OUTCOME_NEXT;
}

/* SHLD and SHRD. */
enum outcome execute_double_shift(struct emulation *e)
{
    const struct instruction *in = e->in;
    bool by_immediate = !(in->opcode & 1);
    struct alu alu = alu_for(e);

    alu.accumulator = by_immediate ? in->immediate : e->vcpu->arch.gpr[REG_RCX];
    alu.b = operand_register(e, &in->from);
    return modify(e, &alu, 0, operation_compute[e->in->operation]);
}
