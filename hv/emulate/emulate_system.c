/* System registers and tables, and what a selector's descriptor says: instructions of one operand in memory.
 */
#include "hv/cpu/cpuid.h"
#include "hv/emulate/emulation.h"
#include "hv/vm/virt.h"

#define TABLE_LIMIT   2           /* bytes, in front of the base (SDM, "Pseudo-Descriptor Formats") */
#define CPUID_INVPCID BIT(10)     /* 7:EBX */
#define RIGHTS        0x00f0ff00u /* of a descriptor's upper half, as LAR has them */
#define CR0_STATUS    (CR0_PE | CR0_MP | CR0_EM | CR0_TS)

static bool fail(struct emulation *e, uint8_t vector)
{
    emulation_fault(e, vector);
    return false;
}

static bool at_level_0(struct emulation *e)
{
    return vcpu_cpl(e->vcpu) == 0 || fail(e, EXC_GP);
}

/* Selectors are not recognized where segments have no descriptors. */
static bool has_descriptors(struct emulation *e)
{
    return (e->mode != CODE_REAL && e->mode != CODE_V86) || fail(e, EXC_UD);
}

/* SDM, "User-Mode Instruction Prevention". */
static bool may_store(struct emulation *e)
{
    return !(vcpu_get(e->vcpu, REG_CR4) & CR4_UMIP) || at_level_0(e);
}

enum outcome execute_store_system(struct emulation *e)
{
    if (e->in->from.kind == OPERAND_SEGMENT && !has_descriptors(e))
        return OUTCOME_FAULT;
    return may_store(e) ? execute_move(e) : OUTCOME_FAULT;
}

/* The limit and the base behind it, which has 32 bits outside 64-bit code. */
static bool find_table(struct emulation *e, unsigned access, struct span *limit, struct span *base)
{
    unsigned size = e->mode == CODE_64 ? 8 : 4;

    return operand_find(e, TABLE_LIMIT, 0, access, limit) && operand_find(e, size, TABLE_LIMIT, access, base);
}

enum outcome execute_store_table(struct emulation *e)
{
    struct segment table = vcpu_get_segment(e->vcpu, e->in->from.index);
    struct span limit, base;

    if (!may_store(e) || !find_table(e, ACCESS_WRITE, &limit, &base))
        return OUTCOME_FAULT;
    span_set_value(e, &limit, (uint16_t)table.limit);
    span_set_value(e, &base, table.base & size_mask(base.size));
    return OUTCOME_NEXT;
}

/* SDM, "LGDT/LIDT": with a 16-bit operand size the base has 24 bits. */
enum outcome execute_load_table(struct emulation *e)
{
    struct segment table = {0};
    struct span limit, base;

    if (!at_level_0(e) || !find_table(e, ACCESS_READ, &limit, &base))
        return OUTCOME_FAULT;
    table.limit = (uint32_t)span_value(e, &limit);
    table.base = span_value(e, &base);
    if (e->in->operand_size == 2)
        table.base &= 0xffffff;
    if (e->mode == CODE_64 && !vcpu_is_canonical(e->vcpu, table.base))
        return emulation_fault(e, EXC_GP);
    vcpu_set_segment(e->vcpu, e->in->to.index, &table);
    return OUTCOME_NEXT;
}

/* LMSW: as a MOV to CR0 of the four lowest bits, of which PE is set and never cleared. */
enum outcome execute_load_status(struct emulation *e)
{
    uint64_t cr0 = vcpu_get(e->vcpu, REG_CR0), status;

    if (!at_level_0(e) || !operand_read(e, &e->in->from, &status))
        return OUTCOME_FAULT;
    status = (cr0 & ~CR0_STATUS) | (status & CR0_STATUS) | (cr0 & CR0_PE);
    if (status != cr0)
        vcpu_set(e->vcpu, REG_CR0, status);
    return OUTCOME_NEXT;
}

/* SDM, "LTR" and "LLDT", at CPL 0. In long mode the descriptor has 16 bytes. */
enum outcome execute_load_system(struct emulation *e)
{
    struct segment_rules rules = {.bad = EXC_GP};
    bool task = e->in->to.index == SEG_TR, long_mode = vcpu_get(e->vcpu, REG_EFER) & EFER_LMA;
    struct segment value = {.attributes = SEG_UNUSABLE};
    uint64_t selector, raw, high = 0;
    unsigned type;
    uint8_t access;
    gva_t where;

    if (!has_descriptors(e) || !at_level_0(e) || !operand_read(e, &e->in->from, &selector))
        return OUTCOME_FAULT;
    e->fault = (struct fault){.vector = EXC_GP, .has_error = true, .error = selector & SELECTOR_INDEX};
    value.selector = (uint16_t)selector;
    if (!(selector & ~(uint64_t)SELECTOR_RPL) && !task) {
        vcpu_set_segment(e->vcpu, SEG_LDTR, &value);
        return OUTCOME_NEXT;
    }
    if (selector & SELECTOR_TI || !(selector & SELECTOR_INDEX) ||
        (long_mode && (selector | 7) + 8 > vcpu_get_segment(e->vcpu, SEG_GDTR).limit))
        return OUTCOME_FAULT;
    if ((long_mode &&
         !segment_descriptor(e->vcpu, (uint16_t)(selector + 8), &rules, &high, &where, &e->fault)) ||
        !segment_descriptor(e->vcpu, (uint16_t)selector, &rules, &raw, &where, &e->fault))
        return OUTCOME_FAULT;
    value = segment_from((uint16_t)selector, raw);
    value.base |= high << 32;
    type = SEG_TYPE(value.attributes);
    e->fault = (struct fault){.vector = EXC_GP, .has_error = true, .error = selector & SELECTOR_INDEX};
    if (value.attributes & SEG_S || !vcpu_is_canonical(e->vcpu, value.base) ||
        (task ? type != SYSTEM_TSS_32 && (long_mode || type != SYSTEM_TSS_16) : type != SYSTEM_LDT))
        return OUTCOME_FAULT;
    e->fault.vector = EXC_NP;
    if (!(value.attributes & SEG_P))
        return OUTCOME_FAULT;
    if (task) {
        access = (uint8_t)(raw >> 40 | SYSTEM_BUSY);
        if (!linear_write(e->vcpu, where + 5, &access, 1, ACCESS_SYSTEM, &e->fault))
            return OUTCOME_FAULT;
        value.attributes |= SYSTEM_BUSY;
    }
    vcpu_set_segment(e->vcpu, e->in->to.index, &value);
    return OUTCOME_NEXT;
}

/* SDM, "VERR/VERW", "LAR", "LSL": types of system descriptors that the latter two take, in long mode second.
 */
static const uint16_t system_types[][2] = {
    [OP_LOAD_RIGHTS - OP_VERIFY_READ] = {0x1a3e, 0x1a04}, /* TSS 1, 3, 9, 11, LDT 2, gates 4, 5, 12 */
    [OP_LOAD_LIMIT - OP_VERIFY_READ] = {0x0a0e, 0x0a04},  /* TSS, LDT */
};

/* Whether the program may ask, and gets an answer: by the type and the privilege levels. */
static bool is_visible(struct emulation *e, const struct segment *value)
{
    unsigned type = SEG_TYPE(value->attributes), dpl = SEG_DPL(value->attributes);
    bool long_mode = vcpu_get(e->vcpu, REG_EFER) & EFER_LMA, code = value->attributes & SEG_S && type & 8;

    if (!(value->attributes & SEG_S) &&
        !(system_types[e->in->operation - OP_VERIFY_READ][long_mode] >> type & 1))
        return false;
    if (e->in->operation == OP_VERIFY_READ && code && !(type & 2))
        return false;
    if (e->in->operation == OP_VERIFY_WRITE && (code || !(type & 2)))
        return false;
    return (code && type & 4) || (dpl >= vcpu_cpl(e->vcpu) && dpl >= (value->selector & SELECTOR_RPL));
}

/* VERR, VERW, LAR, LSL: whether they have the descriptor is in RFLAGS.ZF, and a null selector has none. */
enum outcome execute_ask_selector(struct emulation *e)
{
    struct segment_rules rules = {.bad = EXC_NONE};
    uint64_t flags = vcpu_get(e->vcpu, REG_RFLAGS) & ~RFLAGS_ZF, selector, raw;
    struct segment value;
    gva_t where;

    if (!has_descriptors(e) || !operand_read(e, &e->in->from, &selector))
        return OUTCOME_FAULT;
    e->fault.vector = EXC_NONE;
    if (selector & ~(uint64_t)SELECTOR_RPL &&
        segment_descriptor(e->vcpu, (uint16_t)selector, &rules, &raw, &where, &e->fault)) {
        value = segment_from((uint16_t)selector, raw);
        if (is_visible(e, &value)) {
            flags |= RFLAGS_ZF;
            if (e->in->operation == OP_LOAD_RIGHTS)
                operand_set_register(e, &e->in->to, raw >> 32 & RIGHTS);
            else if (e->in->operation == OP_LOAD_LIMIT)
                operand_set_register(e, &e->in->to, value.limit);
        }
    }
    if (e->fault.vector != EXC_NONE) /* of the access to the table */
        return OUTCOME_FAULT;
    vcpu_set(e->vcpu, REG_RFLAGS, flags);
    return OUTCOME_NEXT;
}

/* ARPL: the selector in memory gets no less a privilege level than the register's. */
enum outcome execute_adjust_level(struct emulation *e)
{
    uint64_t flags = vcpu_get(e->vcpu, REG_RFLAGS) & ~RFLAGS_ZF, selector;
    unsigned level = operand_register(e, &e->in->from) & SELECTOR_RPL;
    struct span span = {0};

    if (!has_descriptors(e) ||
        (e->in->to.kind == OPERAND_MEMORY && !operand_find(e, sizeof(uint16_t), 0, ACCESS_WRITE, &span)))
        return OUTCOME_FAULT;
    selector = span.size ? span_value(e, &span) : operand_register(e, &e->in->to);
    if ((selector & SELECTOR_RPL) < level) {
        flags |= RFLAGS_ZF;
        selector = (selector & ~(uint64_t)SELECTOR_RPL) | level;
        if (span.size)
            span_set_value(e, &span, selector);
        else
            operand_set_register(e, &e->in->to, selector);
    }
    vcpu_set(e->vcpu, REG_RFLAGS, flags);
    return OUTCOME_NEXT;
}

/* SDM, "INVPCID": the types, and what each allows in the descriptor. */
enum { INVPCID_ADDRESS, INVPCID_CONTEXT, INVPCID_ALL, INVPCID_ALL_BUT_GLOBAL };

static bool invpcid_allows(struct emulation *e, uint64_t type, const uint64_t descriptor[2])
{
    bool one = type == INVPCID_ADDRESS || type == INVPCID_CONTEXT;

    if (type > INVPCID_ALL_BUT_GLOBAL || descriptor[0] >> 12)
        return false;
    if (one && descriptor[0] && !(vcpu_get(e->vcpu, REG_CR4) & CR4_PCIDE))
        return false;
    return type != INVPCID_ADDRESS || vcpu_is_canonical(e->vcpu, descriptor[1]);
}

/* Whatever it names, all that the CPU remembers of the guest's paging is dropped, which is always allowed. */
enum outcome execute_invalidate(struct emulation *e)
{
    uint64_t type = register_get(e->vcpu, e->in->to.index, e->mode == CODE_64 ? 8 : 4), descriptor[2];
    struct span span;

    if (!(cpuid_lookup(e->vcpu, 7, 0)->ebx & CPUID_INVPCID))
        return emulation_fault(e, EXC_UD);
    if (!at_level_0(e) || !operand_find(e, sizeof(descriptor), 0, ACCESS_READ, &span))
        return OUTCOME_FAULT;
    span_read(e->vcpu, &span, descriptor);
    if (!invpcid_allows(e, type, descriptor))
        return emulation_fault(e, EXC_GP);
    virt->run.flush(e->vcpu);
    return OUTCOME_NEXT;
}
