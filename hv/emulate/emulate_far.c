/*
 * Far jumps and calls: what they read or push lies on a device, or a descriptor on their way does. Through
 * gates and to other tasks as in SDM, "JMP", "CALL", "Accessing a Code Segment Through a Call Gate".
 */
#include "hv/emulate/emulate_far.h"

#include "hv/emulate/task_switch.h"

#define TYPE_TASK_GATE    5
#define TYPE_CALL_GATE_16 4
#define TYPE_CALL_GATE_32 12 /* of 64 bits in long mode */
#define TYPE_CONFORMING   4  /* of code */
#define PARAMETERS_MOST   31
#define PUSHED_MOST       (PARAMETERS_MOST + 4)

bool far_fault(struct emulation *e, uint8_t vector, uint16_t selector)
{
    e->fault =
        (struct fault){.vector = vector, .has_error = true, .error = selector & ~(uint32_t)SELECTOR_RPL};
    return false;
}

static bool is_long_and_default(struct emulation *e, const struct segment *cs)
{
    return cs->attributes & SEG_L && cs->attributes & SEG_DB && far_long_mode(e);
}

bool far_load_code(struct emulation *e, uint16_t selector, struct segment *cs)
{
    struct segment_rules rules = {.cpl = vcpu_cpl(e->vcpu), .bad = EXC_GP};

    if (far_is_real(e)) {
        *cs = vcpu_get_segment(e->vcpu, SEG_CS);
        cs->selector = selector;
        cs->base = (uint32_t)selector << 4;
        return true;
    }
    if (selector & ~(uint32_t)SELECTOR_RPL && (selector & SELECTOR_RPL) < rules.cpl)
        return far_fault(e, EXC_GP, selector);
    if (!segment_check(e->vcpu, SEG_CS, selector, &rules, cs, &e->fault))
        return false;
    return !is_long_and_default(e, cs) || far_fault(e, EXC_GP, selector);
}

bool far_check_target(struct emulation *e, const struct segment *cs, uint64_t target)
{
    bool to_64 = far_long_mode(e) && cs->attributes & SEG_L;

    if (to_64 ? vcpu_is_canonical(e->vcpu, target) : target <= cs->limit)
        return true;
    return far_fault(e, EXC_GP, 0);
}

enum outcome far_go(struct emulation *e, const struct segment *cs, uint64_t target)
{
    vcpu_set_segment(e->vcpu, SEG_CS, cs);
    vcpu_set(e->vcpu, REG_RIP, target);
    vcpu_advance(e->vcpu, 0);
    return OUTCOME_DONE;
}

enum outcome far_switch(struct emulation *e, struct task_switch *request)
{
    request->length = e->in->length;
    return task_switch(e->vcpu, request) ? OUTCOME_DONE : OUTCOME_RAISED;
}

uint64_t far_stack(struct emulation *e, const struct segment *ss, bool to_64, uint64_t value)
{
    if (to_64)
        return value;
    if (ss->attributes & SEG_DB)
        return (uint32_t)value;
    return (vcpu_get(e->vcpu, REG_RSP) & ~UINT64_C(0xffff)) | (uint16_t)value;
}

/* A jump or call on its way. */
struct transfer {
    bool calls;
    unsigned slot;     /* bytes of what is pushed: by the operand size, or by the gate */
    uint16_t selector; /* of code, or of a gate */
    uint64_t target;
    struct segment cs;
    unsigned parameters;
};

/* The far pointer, in memory or in the instruction. */
static bool take_pointer(struct emulation *e, struct transfer *transfer)
{
    unsigned size = e->in->operand_size;
    struct span offset, selector;

    transfer->slot = size;
    if (e->in->from.kind == OPERAND_IMMEDIATE) {
        transfer->target = e->in->immediate & size_mask(size);
        transfer->selector = (uint16_t)e->in->displacement;
        return true;
    }
    if (!operand_find(e, size, 0, ACCESS_READ, &offset) ||
        !operand_find(e, sizeof(uint16_t), size, ACCESS_READ, &selector))
        return false;
    transfer->target = span_value(e, &offset);
    transfer->selector = (uint16_t)span_value(e, &selector);
    return true;
}

/* On the stack as it is: the return address. */
static enum outcome finish(struct emulation *e, const struct transfer *transfer)
{
    unsigned width = stack_size(e), size = transfer->slot;
    uint64_t top = stack_moved(e, -2 * (int)size, width), next = e->rip + e->in->length;
    uint16_t selector = vcpu_get_segment(e->vcpu, SEG_CS).selector;
    struct span address, segment;

    if (transfer->calls &&
        (!memory_find(e, SEG_SS, top & size_mask(width), size, ACCESS_WRITE, &address) ||
         !memory_find(e, SEG_SS, (top + size) & size_mask(width), size, ACCESS_WRITE, &segment)))
        return OUTCOME_FAULT;
    if (!far_check_target(e, &transfer->cs, transfer->target))
        return OUTCOME_FAULT;
    if (transfer->calls) {
        span_set_value(e, &address, next & size_mask(size));
        span_set_value(e, &segment, selector);
        vcpu_set(e->vcpu, REG_RSP, top);
    }
    return far_go(e, &transfer->cs, transfer->target);
}

/* Without a gate the level stays: a conforming segment may be of a higher one, and asks no RPL. */
static bool load_same_level(struct emulation *e, struct transfer *transfer, uint64_t raw)
{
    unsigned cpl = vcpu_cpl(e->vcpu), type = raw >> 40 & 15;

    if (!(type & TYPE_CONFORMING) && (transfer->selector & SELECTOR_RPL) > cpl)
        return far_fault(e, EXC_GP, transfer->selector);
    return far_load_code(e, (uint16_t)((transfer->selector & ~SELECTOR_RPL) | cpl), &transfer->cs);
}

static bool read_tss(struct emulation *e, unsigned at, unsigned size, uint64_t *value)
{
    struct segment tr = vcpu_get_segment(e->vcpu, SEG_TR);
    gva_t gva = tr.base + at;

    *value = 0;
    if (at + size - 1 > tr.limit)
        return far_fault(e, EXC_TS, tr.selector);
    return linear_read(e->vcpu, far_long_mode(e) ? gva : (uint32_t)gva, value, size, ACCESS_SYSTEM,
                       &e->fault);
}

/* SDM, "Stack Switching" and "Stack Switching in IA-32e Mode": the stack of a level, from the TSS. */
static bool load_inner_stack(struct emulation *e, unsigned level, struct segment *ss, uint64_t *rsp)
{
    struct segment_rules rules = {.cpl = level, .bad = EXC_TS};
    bool wide = SEG_TYPE(vcpu_get_segment(e->vcpu, SEG_TR).attributes) & 8;
    uint64_t selector;

    if (far_long_mode(e)) {
        *ss = (struct segment){.selector = (uint16_t)level, .attributes = SEG_UNUSABLE | level << 5};
        return read_tss(e, 4 + 8 * level, 8, rsp);
    }
    if (!read_tss(e, wide ? 4 + 8 * level : 2 + 4 * level, wide ? 4 : 2, rsp) ||
        !read_tss(e, wide ? 8 + 8 * level : 4 + 4 * level, 2, &selector))
        return false;
    return segment_check(e->vcpu, SEG_SS, (uint16_t)selector, &rules, ss, &e->fault);
}

/* Places on the new stack, which is written with the rights of its level: that of supervisor pages. */
static bool find_inner(struct emulation *e, const struct segment *ss, uint64_t top, unsigned size,
                       unsigned count, struct span *spans)
{
    uint64_t mask = far_long_mode(e) ? UINT64_MAX : ss->attributes & SEG_DB ? UINT32_MAX : UINT16_MAX;

    for (unsigned i = 0; i < count; i++) {
        uint64_t offset = (top + i * size) & mask;
        gva_t gva = far_long_mode(e) ? offset : (uint32_t)(ss->base + offset);

        if (far_long_mode(e) ? !vcpu_is_canonical(e->vcpu, gva) || !vcpu_is_canonical(e->vcpu, gva + size - 1)
                             : !linear_within(ss, offset, size))
            return far_fault(e, EXC_SS, ss->selector);
        watch_data(e, gva, size, ACCESS_WRITE);
        if (!span_find(e->vcpu, gva, size, ACCESS_WRITE | ACCESS_SYSTEM, &spans[i], &e->fault))
            return false;
    }
    return true;
}

static bool read_parameters(struct emulation *e, const struct transfer *transfer, uint64_t *values)
{
    unsigned width = stack_size(e), size = transfer->slot;
    uint64_t rsp = vcpu_get(e->vcpu, REG_RSP);
    struct span spans[PARAMETERS_MOST];

    for (unsigned i = 0; i < transfer->parameters; i++)
        if (!memory_find(e, SEG_SS, (rsp + i * size) & size_mask(width), size, ACCESS_READ, &spans[i]))
            return false;
    for (unsigned i = 0; i < transfer->parameters; i++)
        values[i] = span_value(e, &spans[i]);
    return true;
}

/* To a higher level: onto its stack, with the old one's pointer, the parameters and the return address. */
static enum outcome finish_inner(struct emulation *e, struct transfer *transfer)
{
    unsigned level = SEG_DPL(transfer->cs.attributes), size = transfer->slot,
             count = 4 + transfer->parameters;
    uint64_t values[PUSHED_MOST], rsp, top;
    struct span spans[PUSHED_MOST];
    struct segment ss;

    if (!load_inner_stack(e, level, &ss, &rsp))
        return OUTCOME_FAULT;
    top = rsp - count * size;
    if (!find_inner(e, &ss, top, size, count, spans) ||
        !far_check_target(e, &transfer->cs, transfer->target) || !read_parameters(e, transfer, values + 2))
        return OUTCOME_FAULT;
    values[0] = e->rip + e->in->length;
    values[1] = vcpu_get_segment(e->vcpu, SEG_CS).selector;
    values[count - 2] = vcpu_get(e->vcpu, REG_RSP);
    values[count - 1] = vcpu_get_segment(e->vcpu, SEG_SS).selector;
    for (unsigned i = 0; i < count; i++)
        span_set_value(e, &spans[i], values[i] & size_mask(size));
    vcpu_set(e->vcpu, REG_RSP, far_stack(e, &ss, far_long_mode(e), top));
    vcpu_set_segment(e->vcpu, SEG_SS, &ss);
    return far_go(e, &transfer->cs, transfer->target);
}

/* The code segment that a gate leads to; its selector's RPL is of no interest. */
static bool load_gates_code(struct emulation *e, struct transfer *transfer, uint16_t selector)
{
    unsigned cpl = vcpu_cpl(e->vcpu);
    struct segment_rules rules = {.cpl = cpl, .bad = EXC_GP};
    struct segment code;
    uint64_t raw;
    gva_t where;

    if (!(selector & ~SELECTOR_RPL))
        return far_fault(e, EXC_GP, 0);
    if (!segment_descriptor(e->vcpu, selector, &rules, &raw, &where, &e->fault))
        return false;
    code = segment_from(selector, raw);
    if (!(code.attributes & SEG_S) || !(code.attributes & 8) || SEG_DPL(code.attributes) > cpl ||
        (!transfer->calls && !(code.attributes & TYPE_CONFORMING) && SEG_DPL(code.attributes) != cpl) ||
        (far_long_mode(e) && (!(code.attributes & SEG_L) || code.attributes & SEG_DB)))
        return far_fault(e, EXC_GP, selector);
    if (!(code.attributes & TYPE_CONFORMING))
        cpl = SEG_DPL(code.attributes);
    return segment_check(e->vcpu, SEG_CS, (uint16_t)((selector & ~SELECTOR_RPL) | cpl), &rules, &transfer->cs,
                         &e->fault);
}

/* Of a gate in long mode, which has 16 bytes: its type is 0. */
static bool read_upper_half(struct emulation *e, uint16_t selector, uint64_t *high)
{
    struct segment_rules rules = {.bad = EXC_NONE};
    gva_t where;

    e->fault.vector = EXC_NONE;
    if (selector + 8u <= UINT16_MAX &&
        segment_descriptor(e->vcpu, (uint16_t)(selector + 8), &rules, high, &where, &e->fault) &&
        !(*high >> 40 & 31))
        return true;
    return e->fault.vector != EXC_NONE ? false : far_fault(e, EXC_GP, selector);
}

/* SDM, "Call Gates" and "IA-32e Mode Call Gates". */
static enum outcome through_gate(struct emulation *e, struct transfer *transfer, uint64_t raw)
{
    bool long_mode = far_long_mode(e), wide = (raw >> 40 & 15) == TYPE_CALL_GATE_32;
    uint64_t high = 0;

    if (long_mode && !read_upper_half(e, transfer->selector, &high))
        return OUTCOME_FAULT;
    if (long_mode) /* its code is of 64 bits, and so is what it finds on its stack */
        e->mode = CODE_64;
    transfer->slot = long_mode ? 8 : wide ? 4 : 2;
    transfer->parameters = long_mode ? 0 : raw >> 32 & PARAMETERS_MOST;
    transfer->target = (raw & 0xffff) | (wide ? raw >> 48 << 16 : 0) | high << 32;
    if (!load_gates_code(e, transfer, raw >> 16 & 0xffff))
        return OUTCOME_FAULT;
    if (transfer->calls && !(transfer->cs.attributes & TYPE_CONFORMING) &&
        SEG_DPL(transfer->cs.attributes) < vcpu_cpl(e->vcpu))
        return finish_inner(e, transfer);
    return finish(e, transfer);
}

/* A system descriptor: who may use it, and what it is. */
static enum outcome through_system(struct emulation *e, struct transfer *transfer, uint64_t raw)
{
    struct segment gate = segment_from(transfer->selector, raw);
    unsigned type = SEG_TYPE(gate.attributes), dpl = SEG_DPL(gate.attributes);
    bool to_task = type == TYPE_TASK_GATE || type == SYSTEM_TSS_16 || type == SYSTEM_TSS_32;
    bool known = type == TYPE_CALL_GATE_32 || (!far_long_mode(e) && (to_task || type == TYPE_CALL_GATE_16));
    struct task_switch request = {.selector =
                                      type == TYPE_TASK_GATE ? raw >> 16 & 0xffff : transfer->selector,
                                  .source = transfer->calls ? TASK_SWITCH_CALL : TASK_SWITCH_JMP};

    if (!known || dpl < vcpu_cpl(e->vcpu) || dpl < (transfer->selector & SELECTOR_RPL))
        far_fault(e, EXC_GP, transfer->selector);
    else if (!(gate.attributes & SEG_P))
        far_fault(e, EXC_NP, transfer->selector);
    else
        return to_task ? far_switch(e, &request) : through_gate(e, transfer, raw);
    return OUTCOME_FAULT;
}

static enum outcome transfer_far(struct emulation *e, bool calls)
{
    struct segment_rules rules = {.bad = EXC_GP};
    struct transfer transfer = {.calls = calls};
    uint64_t raw;
    gva_t where;

    if (!take_pointer(e, &transfer))
        return OUTCOME_FAULT;
    if (far_is_real(e))
        return far_load_code(e, transfer.selector, &transfer.cs) ? finish(e, &transfer) : OUTCOME_FAULT;
    if (!(transfer.selector & ~SELECTOR_RPL)) {
        far_fault(e, EXC_GP, 0);
        return OUTCOME_FAULT;
    }
    if (!segment_descriptor(e->vcpu, transfer.selector, &rules, &raw, &where, &e->fault))
        return OUTCOME_FAULT;
    if (!(raw >> 40 & SEG_S))
        return through_system(e, &transfer, raw);
    return load_same_level(e, &transfer, raw) ? finish(e, &transfer) : OUTCOME_FAULT;
}

enum outcome execute_jump_far(struct emulation *e)
{
    return transfer_far(e, false);
}

enum outcome execute_call_far(struct emulation *e)
{
    return transfer_far(e, true);
}
