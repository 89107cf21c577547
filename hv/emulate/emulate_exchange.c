/* XCHG, XADD and the compare-and-exchange instructions. */
#include "hv/emulate/emulation.h"
#include "hv/lib/string.h"

/* XCHG (locked on memory whatever its prefix) and XADD: the source register gets the destination's old value.
 */
enum outcome execute_exchange(struct emulation *e)
{
    const struct instruction *in = e->in;
    alu_function *compute = operation_compute[in->operation];
    struct alu alu = {.b = operand_register(e, &in->from),
                      .flags = vcpu_get(e->vcpu, REG_RFLAGS),
                      .size = in->operand_size};
    struct span span;

    if (in->to.kind != OPERAND_MEMORY) {
        uint64_t result;

        alu.a = operand_register(e, &in->to);
        result = compute(&alu);
        operand_set_register(e, &in->from, alu.a);
        operand_set_register(e, &in->to, result);
    } else {
        if (!operand_find(e, alu.size, 0, ACCESS_WRITE, &span))
            return OUTCOME_FAULT;
        if (!modify_memory(e, &span, in->lock || in->operation == OP_XCHG, compute, &alu))
            return OUTCOME_AGAIN;
        operand_set_register(e, &in->from, alu.a);
    }
    if (in->operation == OP_XADD)
        vcpu_set(e->vcpu, REG_RFLAGS, alu.flags);
    return OUTCOME_NEXT;
}

/* CMPXCHG: the destination is written in either case (SDM, "CMPXCHG"), with its old value if they differ. */
enum outcome execute_compare_exchange(struct emulation *e)
{
    const struct instruction *in = e->in;
    struct alu alu = {.b = operand_register(e, &in->from),
                      .accumulator = register_get(e->vcpu, REG_RAX, in->operand_size),
                      .flags = vcpu_get(e->vcpu, REG_RFLAGS),
                      .size = in->operand_size};
    struct span span;

    if (in->to.kind != OPERAND_MEMORY) {
        alu.a = operand_register(e, &in->to);
        operand_set_register(e, &in->to, alu_cmpxchg(&alu));
    } else {
        if (!operand_find(e, alu.size, 0, ACCESS_WRITE, &span))
            return OUTCOME_FAULT;
        if (!modify_memory(e, &span, in->lock, alu_cmpxchg, &alu))
            return OUTCOME_AGAIN;
    }
    if (!(alu.flags & RFLAGS_ZF))
        register_set(e->vcpu, REG_RAX, alu.size, alu.a);
    vcpu_set(e->vcpu, REG_RFLAGS, alu.flags);
    return OUTCOME_NEXT;
}

static uint64_t exchange_8_bytes(struct alu *alu)
{
    bool equal = alu->a == alu->accumulator;

    alu->flags = equal ? alu->flags | RFLAGS_ZF : alu->flags & ~RFLAGS_ZF;
    return equal ? alu->b : alu->a;
}

static enum outcome compare_exchange_8(struct emulation *e, const struct span *span)
{
    struct vcpu *vcpu = e->vcpu;
    struct alu alu = {.b = register_get(vcpu, REG_RCX, 4) << 32 | register_get(vcpu, REG_RBX, 4),
                      .accumulator = register_get(vcpu, REG_RDX, 4) << 32 | register_get(vcpu, REG_RAX, 4),
                      .flags = vcpu_get(vcpu, REG_RFLAGS),
                      .size = 8};

    if (!modify_memory(e, span, e->in->lock, exchange_8_bytes, &alu))
        return OUTCOME_AGAIN;
    if (!(alu.flags & RFLAGS_ZF)) {
        register_set(vcpu, REG_RAX, 4, alu.a);
        register_set(vcpu, REG_RDX, 4, alu.a >> 32);
    }
    vcpu_set(vcpu, REG_RFLAGS, alu.flags);
    return OUTCOME_NEXT;
}

static enum outcome compare_exchange_16(struct emulation *e, const struct span *span)
{
    uint64_t *gpr = e->vcpu->arch.gpr, old[2] = {gpr[REG_RAX], gpr[REG_RDX]},
             new[2] = {gpr[REG_RBX], gpr[REG_RCX]};
    uint64_t flags = vcpu_get(e->vcpu, REG_RFLAGS), seen[2];
    struct {
        uint64_t half[2];
    } *ram = span_ram(e->vcpu, span);
    bool equal;

    if (ram) {
        __asm__ volatile("lock cmpxchg16b %1"
                         : "=@ccz"(equal), "+m"(*ram), "+a"(old[0]), "+d"(old[1])
                         : "b"(new[0]), "c"(new[1])
                         : "memory");
        memcpy(seen, old, sizeof(seen));
    } else {
        span_read(e->vcpu, span, seen);
        equal = seen[0] == old[0] && seen[1] == old[1];
        span_write(e->vcpu, span, equal ? new : seen);
    }
    if (!equal) {
        gpr[REG_RAX] = seen[0];
        gpr[REG_RDX] = seen[1];
    }
    vcpu_set(e->vcpu, REG_RFLAGS, equal ? flags | RFLAGS_ZF : flags & ~RFLAGS_ZF);
    return OUTCOME_NEXT;
}

enum outcome execute_compare_exchange_pair(struct emulation *e)
{
    struct span span;

    if (!operand_find(e, e->in->operand_size, 0, ACCESS_WRITE, &span))
        return OUTCOME_FAULT;
    return e->in->operand_size == 16 ? compare_exchange_16(e, &span) : compare_exchange_8(e, &span);
}
