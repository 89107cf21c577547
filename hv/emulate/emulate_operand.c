/* Operands of an emulated instruction: registers, immediates, memory. */
#include "hv/emulate/emulation.h"
#include "hv/walk/breakpoint.h"

uint64_t register_get(struct vcpu *vcpu, unsigned index, unsigned size)
{
    return vcpu_get(vcpu, index) & size_mask(size);
}

void register_set(struct vcpu *vcpu, unsigned index, unsigned size, uint64_t value)
{
    value &= size_mask(size);
    if (size < 4)
        value |= vcpu_get(vcpu, index) & ~size_mask(size);
    vcpu_set(vcpu, index, value);
}

uint64_t operand_register(struct emulation *e, const struct operand *operand)
{
    if (operand->kind == OPERAND_HIGH_BYTE)
        return vcpu_get(e->vcpu, operand->index) >> 8 & 0xff;
    return register_get(e->vcpu, operand->index, operand->size);
}

void operand_set_register(struct emulation *e, const struct operand *operand, uint64_t value)
{
    if (operand->kind == OPERAND_HIGH_BYTE)
        vcpu_set(e->vcpu, operand->index,
                 (vcpu_get(e->vcpu, operand->index) & ~UINT64_C(0xff00)) | (value & 0xff) << 8);
    else
        register_set(e->vcpu, operand->index, operand->size, value);
}

uint64_t operand_value(struct emulation *e, const struct operand *operand)
{
    if (operand->kind == OPERAND_IMMEDIATE)
        return e->in->immediate & size_mask(operand->size);
    if (operand->kind == OPERAND_SEGMENT)
        return vcpu_get_segment(e->vcpu, operand->index).selector;
    if (operand->kind == OPERAND_CONTROL) /* SMSW */
        return vcpu_get(e->vcpu, REG_CR0);
    return operand_register(e, operand);
}

uint64_t effective_address(struct emulation *e)
{
    const struct instruction *in = e->in;
    uint64_t address = in->displacement;

    if (in->base == REG_RIP)
        address += e->rip + in->length;
    else if (in->base != NO_REGISTER)
        address += vcpu_get(e->vcpu, in->base);
    if (in->base == REG_RSP)
        address += e->rsp_bias;
    if (in->index != NO_REGISTER)
        address += vcpu_get(e->vcpu, in->index) << in->scale;
    return address & size_mask(in->address_size);
}

/* Natural alignment as #AC means it; CMPXCHG16B has its own rule, as vectors have in emulate_run.c. */
static inline bool aligned(struct emulation *e, gva_t gva, unsigned size)
{
    if (e->in->operation == OP_CMPXCHG8B && size == 16 && (gva & 15)) {
        e->fault = (struct fault){.vector = EXC_GP, .has_error = true};
        return false;
    }
    return linear_aligned(e->vcpu, gva, BIT(31 - __builtin_clz(size)), &e->fault);
}

void watch_data(struct emulation *e, gva_t gva, unsigned size, unsigned access)
{
    if (unlikely(e->dr7))
        e->hits |= breakpoints_hit(e->dr7, access & ACCESS_WRITE ? BREAKPOINTS_ON_WRITE : BREAKPOINTS_ON_READ,
                                   gva, size);
}

bool memory_find(struct emulation *e, enum vcpu_segment segment, uint64_t offset, unsigned size,
                 unsigned access, struct span *span)
{
    gva_t gva;

    if (!linear_address(e->vcpu, e->mode, segment, offset, size, access & ACCESS_WRITE, &gva, &e->fault) ||
        !aligned(e, gva, size))
        return false;
    watch_data(e, gva, size, access);
    return span_find(e->vcpu, gva, size, access, span, &e->fault);
}

bool operand_find(struct emulation *e, unsigned size, uint64_t offset, unsigned access, struct span *span)
{
    uint64_t address = (effective_address(e) + offset) & size_mask(e->in->address_size);
    gva_t gva;

    if (!linear_address(e->vcpu, e->mode, e->in->segment, address, size, access & ACCESS_WRITE, &gva,
                        &e->fault) ||
        !aligned(e, gva, size))
        return false;
    watch_data(e, gva, size, access);
    if (e->gpa != EMULATE_NO_GPA && !((gva ^ e->gpa) & PAGE_MASK) && (gva & PAGE_MASK) + size <= PAGE_SIZE) {
        *span = (struct span){.gpa = {e->gpa}, .size = size, .first = size};
        return true;
    }
    return span_find(e->vcpu, gva, size, access, span, &e->fault);
}

bool operand_read(struct emulation *e, const struct operand *operand, uint64_t *value)
{
    struct span span;

    if (operand->kind != OPERAND_MEMORY) {
        *value = operand_value(e, operand);
        return true;
    }
    if (!operand_find(e, operand->size, 0, ACCESS_READ, &span))
        return false;
    *value = span_value(e, &span);
    return true;
}

uint64_t span_value(struct emulation *e, const struct span *span)
{
    uint64_t value = 0;

    span_read(e->vcpu, span, &value);
    return value;
}

void span_set_value(struct emulation *e, const struct span *span, uint64_t value)
{
    span_write(e->vcpu, span, &value);
}
