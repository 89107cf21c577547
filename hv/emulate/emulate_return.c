/* Far returns and IRET (SDM, "RET", "IRET/IRETD/IRETQ"): of a stack on a device, to any mode and level. */
#include "hv/emulate/emulate_far.h"

#include "hv/emulate/task_switch.h"
#include "hv/vm/virt.h"

#define FLAGS_DEFINED 0x3f7fd5 /* bits that there are */
#define SLOTS_MOST    9        /* to virtual-8086 mode */

/* What lies on the stack, in slots of the operand size. */
enum { SLOT_RIP, SLOT_CS, SLOT_FLAGS, SLOT_V86_RSP, SLOT_V86_SS, SLOT_V86_ES };

/* Slots `first` to `first` + `count` - 1, `beyond` bytes further up. */
static bool pop(struct emulation *e, unsigned first, unsigned count, unsigned beyond, uint64_t *values)
{
    unsigned size = e->in->operand_size, width = stack_size(e);
    uint64_t rsp = vcpu_get(e->vcpu, REG_RSP) + beyond;
    struct span spans[SLOTS_MOST];

    for (unsigned i = 0; i < count; i++)
        if (!memory_find(e, SEG_SS, (rsp + (first + i) * size) & size_mask(width), size, ACCESS_READ,
                         &spans[i]))
            return false;
    for (unsigned i = 0; i < count; i++)
        values[i] = span_value(e, &spans[i]);
    return true;
}

/* The outer level's stack; that of 64-bit code needs no descriptor but at level 3. */
static bool load_outer_stack(struct emulation *e, const struct segment *cs, uint16_t selector,
                             struct segment *ss)
{
    unsigned level = cs->selector & SELECTOR_RPL;
    struct segment_rules rules = {.cpl = level, .bad = EXC_GP};
    bool to_64 = far_long_mode(e) && cs->attributes & SEG_L;

    if (selector & ~(uint32_t)SELECTOR_RPL)
        return segment_check(e->vcpu, SEG_SS, selector, &rules, ss, &e->fault);
    if (!to_64 || level == 3 || selector != level)
        return far_fault(e, EXC_GP, 0);
    *ss = (struct segment){.selector = selector, .attributes = SEG_UNUSABLE | level << 5};
    return true;
}

/* Data segments that the outer level may not use. */
static void drop_segments(struct emulation *e, unsigned level)
{
    static const enum vcpu_segment segments[] = {SEG_ES, SEG_DS, SEG_FS, SEG_GS};

    for (unsigned i = 0; i < ARRAY_LENGTH(segments); i++) {
        struct segment value = vcpu_get_segment(e->vcpu, segments[i]);
        bool conforming = (SEG_TYPE(value.attributes) & 0xc) == 0xc;

        if (value.attributes & SEG_UNUSABLE || conforming || SEG_DPL(value.attributes) >= level)
            continue;
        value.selector = 0;
        value.attributes = SEG_UNUSABLE;
        vcpu_set_segment(e->vcpu, segments[i], &value);
    }
}

/* A return on its way: `slots` popped before another stack's pointer and selector, then `released` bytes. */
struct back {
    struct segment cs;
    uint64_t target;
    unsigned slots, released;
    bool other_stack; /* also at the same level: IRET of 64-bit code */
};

static enum outcome go_back(struct emulation *e, struct back *back)
{
    unsigned level = back->cs.selector & SELECTOR_RPL, size = e->in->operand_size, width = stack_size(e);
    bool outer = !far_is_real(e) && level > vcpu_cpl(e->vcpu);
    uint64_t stack[2], rsp = stack_moved(e, (int)(back->slots * size + back->released), width);
    struct segment ss;

    if (outer || back->other_stack) {
        bool to_64 = far_long_mode(e) && back->cs.attributes & SEG_L;

        if (!pop(e, back->slots, 2, back->released, stack) ||
            !load_outer_stack(e, &back->cs, (uint16_t)stack[1], &ss))
            return OUTCOME_FAULT;
        rsp = far_stack(e, &ss, to_64, stack[0] + back->released);
    }
    if (!far_check_target(e, &back->cs, back->target))
        return OUTCOME_FAULT;
    if (outer || back->other_stack)
        vcpu_set_segment(e->vcpu, SEG_SS, &ss);
    if (outer)
        drop_segments(e, level);
    vcpu_set(e->vcpu, REG_RSP, rsp);
    return far_go(e, &back->cs, back->target);
}

enum outcome execute_return_far(struct emulation *e)
{
    struct back back = {.slots = 2, .released = (uint16_t)e->in->immediate};
    uint64_t values[2];

    if (!pop(e, SLOT_RIP, 2, 0, values) || !far_load_code(e, (uint16_t)values[SLOT_CS], &back.cs))
        return OUTCOME_FAULT;
    back.target = values[SLOT_RIP];
    return go_back(e, &back);
}

/* Once the instruction has ended, as by its old TF it does. */
static enum outcome set_flags(struct emulation *e, enum outcome outcome, uint64_t flags)
{
    if (outcome == OUTCOME_DONE)
        vcpu_set(e->vcpu, REG_RFLAGS, flags);
    return outcome;
}

/* SDM, "Entering Virtual-8086 Mode". */
static enum outcome enter_v86(struct emulation *e, uint64_t flags)
{
    static const enum vcpu_segment order[] = {SEG_SS, SEG_ES, SEG_DS, SEG_FS, SEG_GS};
    uint64_t values[SLOTS_MOST];
    struct segment cs;
    enum outcome outcome;

    if (!pop(e, 0, SLOTS_MOST, 0, values))
        return OUTCOME_FAULT;
    cs = segment_v86((uint16_t)values[SLOT_CS]);
    if (values[SLOT_RIP] > cs.limit) {
        far_fault(e, EXC_GP, 0);
        return OUTCOME_FAULT;
    }
    for (unsigned i = 0; i < ARRAY_LENGTH(order); i++) {
        struct segment value = segment_v86((uint16_t)values[SLOT_V86_SS + i]);

        vcpu_set_segment(e->vcpu, order[i], &value);
    }
    vcpu_set(e->vcpu, REG_RSP, values[SLOT_V86_RSP]);
    outcome = far_go(e, &cs, values[SLOT_RIP]);
    return set_flags(e, outcome, (flags & FLAGS_DEFINED) | RFLAGS_1);
}

/* IRET with RFLAGS.NT: to the task whose TSS this one's names. */
static enum outcome return_to_task(struct emulation *e)
{
    struct segment tr = vcpu_get_segment(e->vcpu, SEG_TR);
    struct task_switch request = {.source = TASK_SWITCH_IRET};

    if (far_long_mode(e)) {
        far_fault(e, EXC_GP, 0);
        return OUTCOME_FAULT;
    }
    if (!linear_read(e->vcpu, (uint32_t)tr.base, &request.selector, sizeof(request.selector), ACCESS_SYSTEM,
                     &e->fault))
        return OUTCOME_FAULT;
    return far_switch(e, &request);
}

enum outcome execute_return_interrupt(struct emulation *e)
{
    struct back back = {.slots = 3, .other_stack = e->mode == CODE_64};
    uint64_t values[3], flags;

    if (!flags_allowed(e))
        return OUTCOME_FAULT;
    virt->run.unblock_nmi(e->vcpu);
    vcpu_note(e->vcpu, REQUEST_EVENT);
    if (vcpu_get(e->vcpu, REG_RFLAGS) & RFLAGS_NT && !far_is_real(e))
        return return_to_task(e);
    if (!pop(e, SLOT_RIP, 3, 0, values))
        return OUTCOME_FAULT;
    if (values[SLOT_FLAGS] & RFLAGS_VM && e->in->operand_size == 4 && !far_is_real(e) && !far_long_mode(e) &&
        vcpu_cpl(e->vcpu) == 0)
        return enter_v86(e, values[SLOT_FLAGS]);
    if (!far_load_code(e, (uint16_t)values[SLOT_CS], &back.cs) ||
        !flags_popped(e, values[SLOT_FLAGS], true, &flags))
        return OUTCOME_FAULT;
    back.target = values[SLOT_RIP];
    return set_flags(e, go_back(e, &back), flags);
}
