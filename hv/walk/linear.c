#include "hv/walk/linear.h"

#include "hv/lib/string.h"
#include "hv/vm/vm.h"

#define TYPE_CODE        BIT(3)
#define TYPE_EXPAND_DOWN BIT(2) /* of data */
#define TYPE_WRITABLE    BIT(1) /* of data; of code: readable */

enum code_mode vcpu_code_mode(struct vcpu *vcpu)
{
    if (!(vcpu_get(vcpu, REG_CR0) & CR0_PE))
        return CODE_REAL;
    if ((vcpu_get(vcpu, REG_EFER) & EFER_LMA))
        return vcpu_get_segment(vcpu, SEG_CS).attributes & SEG_L ? CODE_64 : CODE_PROTECTED;
    return vcpu_get(vcpu, REG_RFLAGS) & RFLAGS_VM ? CODE_V86 : CODE_PROTECTED;
}

static bool segment_fault(enum vcpu_segment segment, struct fault *fault)
{
    *fault = (struct fault){.vector = segment == SEG_SS ? EXC_SS : EXC_GP, .has_error = true};
    return false;
}

static inline bool canonical(struct vcpu *vcpu, gva_t gva)
{
    unsigned unused_bits = 64 - 48;

    if ((uint64_t)((int64_t)(gva << unused_bits) >> unused_bits) == gva)
        return true;
    unused_bits = 64 - 57;
    return (vcpu_get(vcpu, REG_CR4) & CR4_LA57) &&
           (uint64_t)((int64_t)(gva << unused_bits) >> unused_bits) == gva;
}

/* SDM, "Type Checking": what a segment lets an instruction do, whatever its limit. */
static bool type_allows(const struct segment *segment, bool write)
{
    uint32_t type = SEG_TYPE(segment->attributes);

    if (segment->attributes & SEG_UNUSABLE)
        return false;
    if (type & TYPE_CODE)
        return !write && (type & TYPE_WRITABLE);
    return !write || (type & TYPE_WRITABLE);
}

bool linear_within(const struct segment *segment, uint64_t offset, unsigned size)
{
    uint64_t last = offset + size - 1;
    uint32_t type = SEG_TYPE(segment->attributes);

    if (!(type & TYPE_CODE) && (type & TYPE_EXPAND_DOWN))
        return offset > segment->limit && last <= (segment->attributes & SEG_DB ? 0xffffffff : 0xffff);
    return last <= segment->limit;
}

bool linear_address(struct vcpu *vcpu, enum code_mode mode, enum vcpu_segment segment, uint64_t offset,
                    unsigned size, bool write, gva_t *gva, struct fault *fault)
{
    struct segment cached;

    if (mode == CODE_64) {
        *gva = offset;
        if (segment == SEG_FS || segment == SEG_GS)
            *gva += vcpu_get_segment(vcpu, segment).base;
        if (canonical(vcpu, *gva) && canonical(vcpu, *gva + size - 1))
            return true;
        return segment_fault(segment, fault);
    }
    cached = vcpu_get_segment(vcpu, segment);
    *gva = (uint32_t)(cached.base + offset);
    if ((mode == CODE_PROTECTED && !type_allows(&cached, write)) || !linear_within(&cached, offset, size))
        return segment_fault(segment, fault);
    return true;
}

bool linear_aligned(struct vcpu *vcpu, gva_t gva, unsigned size, struct fault *fault)
{
    if (likely(!(gva & (size - 1))) || vcpu_cpl(vcpu) != 3 || !(vcpu_get(vcpu, REG_CR0) & CR0_AM) ||
        !(vcpu_get(vcpu, REG_RFLAGS) & RFLAGS_AC))
        return true;
    *fault = (struct fault){.vector = EXC_AC, .has_error = true};
    return false;
}

bool span_find(struct vcpu *vcpu, gva_t gva, unsigned size, unsigned access, struct span *span,
               struct fault *fault)
{
    unsigned room = PAGE_SIZE - (gva & PAGE_MASK);

    *span = (struct span){.size = size, .first = MIN(size, room)};
    if (!guest_translate(vcpu, gva, access, &span->gpa[0], fault))
        return false;
    if (likely(size <= room))
        return true;
    gva += room;
    if (vcpu_code_mode(vcpu) != CODE_64)
        gva = (uint32_t)gva;
    return guest_translate(vcpu, gva, access, &span->gpa[1], fault);
}

/* The widest access of 1, 2, 4 or 8 bytes that is aligned at `gpa` and not longer than `left`; the whole if
 * that is a size. */
static unsigned part_of(gpa_t gpa, unsigned left)
{
    unsigned part = 8;

    if (left == 1 || left == 2 || left == 4 || left == 8)
        return left;
    while (part > left || (gpa & (part - 1)))
        part /= 2;
    return part;
}

static void read_run(struct vcpu *vcpu, gpa_t gpa, uint8_t *to, unsigned length)
{
    while (length > 0) {
        unsigned part = part_of(gpa, length);
        uint64_t value = vm_memory_read(vcpu, gpa, part);

        memcpy(to, &value, part);
        gpa += part, to += part, length -= part;
    }
}

static void write_run(struct vcpu *vcpu, gpa_t gpa, const uint8_t *from, unsigned length)
{
    while (length > 0) {
        unsigned part = part_of(gpa, length);
        uint64_t value = 0;

        memcpy(&value, from, part);
        vm_memory_write(vcpu, gpa, part, value);
        gpa += part, from += part, length -= part;
    }
}

void span_read(struct vcpu *vcpu, const struct span *span, void *to)
{
    read_run(vcpu, span->gpa[0], to, span->first);
    read_run(vcpu, span->gpa[1], (uint8_t *)to + span->first, span->size - span->first);
}

void span_write(struct vcpu *vcpu, const struct span *span, const void *from)
{
    write_run(vcpu, span->gpa[0], from, span->first);
    write_run(vcpu, span->gpa[1], (const uint8_t *)from + span->first, span->size - span->first);
}

void *span_ram(struct vcpu *vcpu, const struct span *span)
{
    gpa_t gpa = span->gpa[0];

    if (span->first != span->size || (gpa & (span->size - 1)))
        return NULL;
    if ((vcpu->local.device && gpa >= vcpu->local.first && gpa <= vcpu->local.last) ||
        bus_find(&vcpu->vm->mmio, gpa))
        return NULL;
    return guest_ptr(&vcpu->vm->memory, gpa, span->size);
}

bool linear_read(struct vcpu *vcpu, gva_t gva, void *to, unsigned size, unsigned access, struct fault *fault)
{
    struct span span;

    if (!span_find(vcpu, gva, size, access, &span, fault))
        return false;
    span_read(vcpu, &span, to);
    return true;
}

bool linear_write(struct vcpu *vcpu, gva_t gva, const void *from, unsigned size, unsigned access,
                  struct fault *fault)
{
    struct span span;

    if (!span_find(vcpu, gva, size, access | ACCESS_WRITE, &span, fault))
        return false;
    span_write(vcpu, &span, from);
    return true;
}
