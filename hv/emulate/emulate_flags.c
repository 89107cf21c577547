/* PUSHF and POPF, and what they and IRET may do with RFLAGS. */
#include "hv/emulate/emulation.h"

#define FLAGS_POPPED                                                                                         \
    (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_TF | RFLAGS_DF | RFLAGS_OF |         \
     RFLAGS_NT | RFLAGS_AC | RFLAGS_ID)

static bool fail(struct emulation *e)
{
    e->fault = (struct fault){.vector = EXC_GP, .has_error = true};
    return false;
}

/* SDM, "Virtual-8086 Mode Extensions": IF of the program is VIF. */
static bool is_virtual(struct emulation *e)
{
    return e->mode == CODE_V86 && IOPL(vcpu_get(e->vcpu, REG_RFLAGS)) < 3;
}

bool flags_allowed(struct emulation *e)
{
    if (!is_virtual(e) || (vcpu_get(e->vcpu, REG_CR4) & CR4_VME && e->in->operand_size == 2))
        return true;
    return fail(e);
}

bool flags_popped(struct emulation *e, uint64_t value, bool returns, uint64_t *flags)
{
    uint64_t old = vcpu_get(e->vcpu, REG_RFLAGS), changed = FLAGS_POPPED | (returns ? RFLAGS_RF : 0);
    unsigned cpl = vcpu_cpl(e->vcpu);

    if (cpl <= IOPL(old))
        changed |= RFLAGS_IF;
    if (cpl == 0)
        changed |= RFLAGS_IOPL | (returns && e->mode != CODE_REAL ? RFLAGS_VIF | RFLAGS_VIP : 0);
    changed &= size_mask(e->in->operand_size);
    if (is_virtual(e)) {
        if (value & RFLAGS_TF || (value & RFLAGS_IF && old & RFLAGS_VIP))
            return fail(e);
        changed |= RFLAGS_VIF;
        value = (value & ~RFLAGS_VIF) | (value & RFLAGS_IF ? RFLAGS_VIF : 0);
    }
    *flags = (old & ~changed & ~RFLAGS_RF) | (value & changed);
    return true;
}

/* SDM, "PUSHF": without VM and RF. */
enum outcome execute_push_flags(struct emulation *e)
{
    unsigned size = e->in->operand_size, stack = stack_size(e);
    uint64_t top = stack_moved(e, -(int)size, stack);
    uint64_t flags = vcpu_get(e->vcpu, REG_RFLAGS) & ~(RFLAGS_VM | RFLAGS_RF);
    struct span span;

    if (!flags_allowed(e) || !memory_find(e, SEG_SS, top & size_mask(stack), size, ACCESS_WRITE, &span))
        return OUTCOME_FAULT;
    if (is_virtual(e))
        flags = (flags & ~RFLAGS_IF) | RFLAGS_IOPL | (flags & RFLAGS_VIF ? RFLAGS_IF : 0);
    span_set_value(e, &span, flags & size_mask(size));
    vcpu_set(e->vcpu, REG_RSP, top);
    return OUTCOME_NEXT;
}

/* SDM, "POPF": IOPL is the kernel's to change, IF that of who IOPL admits. A step is due by TF as it was. */
enum outcome execute_pop_flags(struct emulation *e)
{
    unsigned size = e->in->operand_size, stack = stack_size(e);
    uint64_t popped = stack_moved(e, (int)size, stack), flags;
    struct span span;

    if (!flags_allowed(e) ||
        !memory_find(e, SEG_SS, vcpu_get(e->vcpu, REG_RSP) & size_mask(stack), size, ACCESS_READ, &span) ||
        !flags_popped(e, span_value(e, &span), false, &flags))
        return OUTCOME_FAULT;
    vcpu_set(e->vcpu, REG_RSP, popped);
    vcpu_advance(e->vcpu, e->in->length);
    vcpu_set(e->vcpu, REG_RFLAGS, flags);
    return OUTCOME_DONE;
}
