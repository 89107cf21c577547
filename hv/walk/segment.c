#include "hv/walk/segment.h"

#include "hv/walk/linear.h"

#define RAW_ACCESSED    BIT(40)

#define TYPE_CODE       BIT(3)
#define TYPE_CONFORMING BIT(2) /* of code */
#define TYPE_READABLE   BIT(1) /* of code; of data: writable */

static bool selector_fault(uint8_t vector, uint16_t selector, const struct segment_rules *rules,
                           struct fault *fault)
{
    *fault = (struct fault){
        .vector = vector, .has_error = true, .error = (selector & ~SELECTOR_RPL) | rules->external};
    return false;
}

bool segment_descriptor(struct vcpu *vcpu, uint16_t selector, const struct segment_rules *rules,
                        uint64_t *raw, gva_t *where, struct fault *fault)
{
    struct segment table = vcpu_get_segment(vcpu, selector & SELECTOR_TI ? SEG_LDTR : SEG_GDTR);
    bool none = (selector & SELECTOR_TI) && (table.attributes & SEG_UNUSABLE);

    if (none || (selector | 7u) > table.limit)
        return selector_fault(rules->bad, selector, rules, fault);
    *where = table.base + (selector & SELECTOR_INDEX);
    if (!(vcpu_get(vcpu, REG_EFER) & EFER_LMA))
        *where = (uint32_t)*where;
    return linear_read(vcpu, *where, raw, sizeof(*raw), ACCESS_SYSTEM, fault);
}

struct segment segment_from(uint16_t selector, uint64_t raw)
{
    struct segment value = {.selector = selector, .attributes = raw >> 40 & 0xf0ff};

    value.base = (raw >> 16 & 0xffffff) | (raw >> 56 << 24);
    value.limit = (raw & 0xffff) | (raw >> 48 & 0xf) << 16;
    if (value.attributes & SEG_G)
        value.limit = value.limit << 12 | 0xfff;
    return value;
}

struct segment segment_v86(uint16_t selector)
{
    return (struct segment){
        .selector = selector, .base = (uint32_t)selector << 4, .limit = 0xffff, .attributes = 0xf3};
}

static bool data_allowed(const struct segment *value, const struct segment_rules *rules)
{
    unsigned type = SEG_TYPE(value->attributes), dpl = SEG_DPL(value->attributes);

    if ((type & TYPE_CODE) && !(type & TYPE_READABLE))
        return false;
    if ((type & TYPE_CODE) && (type & TYPE_CONFORMING))
        return true;
    return dpl >= rules->cpl && dpl >= (value->selector & SELECTOR_RPL);
}

static bool code_allowed(const struct segment *value)
{
    unsigned type = SEG_TYPE(value->attributes), dpl = SEG_DPL(value->attributes);
    unsigned rpl = value->selector & SELECTOR_RPL;

    if (!(type & TYPE_CODE))
        return false;
    return type & TYPE_CONFORMING ? dpl <= rpl : dpl == rpl;
}

static bool stack_allowed(const struct segment *value, const struct segment_rules *rules)
{
    unsigned type = SEG_TYPE(value->attributes);

    return !(type & TYPE_CODE) && (type & TYPE_READABLE) && SEG_DPL(value->attributes) == rules->cpl &&
           (value->selector & SELECTOR_RPL) == rules->cpl;
}

/* Type and privilege (SDM, "Privilege Level Checking When Accessing Data Segments" and its neighbours). */
static bool allowed(enum vcpu_segment segment, const struct segment *value, const struct segment_rules *rules)
{
    if (segment == SEG_LDTR)
        return !(value->attributes & SEG_S) && SEG_TYPE(value->attributes) == SYSTEM_LDT;
    if (!(value->attributes & SEG_S))
        return false;
    if (segment == SEG_CS)
        return code_allowed(value);
    return segment == SEG_SS ? stack_allowed(value, rules) : data_allowed(value, rules);
}

static bool null_check(struct vcpu *vcpu, enum vcpu_segment segment, uint16_t selector,
                       const struct segment_rules *rules, struct segment *value, struct fault *fault)
{
    bool null_stack = vcpu_code_mode(vcpu) == CODE_64 && rules->bad == EXC_GP && rules->cpl < 3 &&
                      (selector & SELECTOR_RPL) == rules->cpl;

    if (segment == SEG_CS || (segment == SEG_SS && !null_stack))
        return selector_fault(rules->bad, 0, rules, fault);
    *value = (struct segment){.selector = selector, .attributes = SEG_UNUSABLE};
    if (segment == SEG_SS)
        value->attributes |= rules->cpl << 5; /* keeps CPL */
    return true;
}

bool segment_check(struct vcpu *vcpu, enum vcpu_segment segment, uint16_t selector,
                   const struct segment_rules *rules, struct segment *value, struct fault *fault)
{
    uint8_t absent = segment == SEG_SS ? EXC_SS : segment == SEG_LDTR ? rules->bad : EXC_NP;
    uint64_t raw;
    gva_t where;

    if (!(selector & ~SELECTOR_RPL))
        return null_check(vcpu, segment, selector, rules, value, fault);
    if (segment == SEG_LDTR && (selector & SELECTOR_TI))
        return selector_fault(rules->bad, selector, rules, fault);
    if (!segment_descriptor(vcpu, selector, rules, &raw, &where, fault))
        return false;
    *value = segment_from(selector, raw);
    if (!allowed(segment, value, rules))
        return selector_fault(rules->bad, selector, rules, fault);
    if (!(value->attributes & SEG_P))
        return selector_fault(absent, selector, rules, fault);
    if (segment != SEG_LDTR && !(raw & RAW_ACCESSED)) {
        uint8_t access = (raw | RAW_ACCESSED) >> 40;

        if (!linear_write(vcpu, where + 5, &access, 1, ACCESS_SYSTEM, fault))
            return false;
        value->attributes |= 1;
    }
    return true;
}

bool segment_load(struct vcpu *vcpu, enum vcpu_segment segment, uint16_t selector, struct fault *fault)
{
    enum code_mode mode = vcpu_code_mode(vcpu);
    struct segment value;

    if (mode == CODE_REAL) {
        value = vcpu_get_segment(vcpu, segment);
        value.selector = selector;
        value.base = (uint32_t)selector << 4; /* limit and attributes stay */
    } else if (mode == CODE_V86) {
        value = segment_v86(selector);
    } else {
        struct segment_rules rules = {.cpl = vcpu_cpl(vcpu), .bad = EXC_GP};

        if (!segment_check(vcpu, segment, selector, &rules, &value, fault))
            return false;
    }
    vcpu_set_segment(vcpu, segment, &value);
    return true;
}
