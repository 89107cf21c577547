/* Whole lines of 64 bytes: MOVDIR64B and CLZERO. A device gets them as its widest accesses, from the lowest
 * on. */
#include "hv/cpu/cpuid.h"
#include "hv/emulate/emulation.h"
#include "hv/lib/string.h"

#define LINE            64
#define CPUID_MOVDIR64B BIT(28) /* 7:ECX */
#define CPUID_CLZERO    BIT(0)  /* 8000_0008:EBX */

/* SDM, "MOVDIR64B": to ES:register, whatever the prefixes, and at a multiple of 64 there. */
enum outcome execute_move_line(struct emulation *e)
{
    const struct instruction *in = e->in;
    uint64_t offset = register_get(e->vcpu, in->to.index, in->address_size);
    uint64_t base = e->mode == CODE_64 ? 0 : vcpu_get_segment(e->vcpu, SEG_ES).base;
    uint8_t line[LINE];
    struct span from, to;

    if (!(cpuid_lookup(e->vcpu, 7, 0)->ecx & CPUID_MOVDIR64B))
        return emulation_fault(e, EXC_UD);
    if ((base + offset) % LINE)
        return emulation_fault(e, EXC_GP);
    if (!operand_find(e, LINE, 0, ACCESS_READ, &from) ||
        !memory_find(e, SEG_ES, offset, LINE, ACCESS_WRITE, &to))
        return OUTCOME_FAULT;
    span_read(e->vcpu, &from, line);
    span_write(e->vcpu, &to, line);
    return OUTCOME_NEXT;
}

/* APM, "CLZERO": the line that rAX points into. */
enum outcome execute_clear_line(struct emulation *e)
{
    static const uint8_t zeroes[LINE];
    uint64_t offset = register_get(e->vcpu, REG_RAX, e->in->address_size), base = 0;
    enum vcpu_segment segment = e->in->segment;
    struct span span;

    if (!(cpuid_lookup(e->vcpu, 0x80000008, 0)->ebx & CPUID_CLZERO))
        return emulation_fault(e, EXC_UD);
    if (e->mode != CODE_64 || segment == SEG_FS || segment == SEG_GS)
        base = vcpu_get_segment(e->vcpu, segment).base;
    offset -= (base + offset) % LINE;
    if (!memory_find(e, segment, offset & size_mask(e->in->address_size), LINE, ACCESS_WRITE, &span))
        return OUTCOME_FAULT;
    span_write(e->vcpu, &span, zeroes);
    return OUTCOME_NEXT;
}
