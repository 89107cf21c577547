#include "hv/walk/io_permission.h"

#include "hv/walk/linear.h"
#include "hv/walk/segment.h"

#define TSS_MAP_BASE 0x66

static bool bitmap_permits(struct vcpu *vcpu, uint16_t port, unsigned size, struct fault *fault)
{
    struct segment tss = vcpu_get_segment(vcpu, SEG_TR);
    uint32_t byte;
    uint16_t map, bits;

    *fault = (struct fault){.vector = EXC_GP, .has_error = true};
    if ((tss.attributes & SEG_UNUSABLE) || (SEG_TYPE(tss.attributes) & ~SYSTEM_BUSY) != SYSTEM_TSS_32 ||
        tss.limit < TSS_MAP_BASE + 1)
        return false;
    if (!linear_read(vcpu, tss.base + TSS_MAP_BASE, &map, sizeof(map), ACCESS_SYSTEM, fault))
        return false;
    byte = map + port / 8u;
    if (byte + 1 > tss.limit) /* two bytes are read, whatever the port */
        return false;
    if (!linear_read(vcpu, tss.base + byte, &bits, sizeof(bits), ACCESS_SYSTEM, fault))
        return false;
    return !(bits >> (port & 7) & ((1u << size) - 1));
}

bool io_permitted(struct vcpu *vcpu, uint16_t port, unsigned size, struct fault *fault)
{
    uint64_t flags;

    if (!(vcpu_get(vcpu, REG_CR0) & CR0_PE))
        return true;
    flags = vcpu_get(vcpu, REG_RFLAGS);
    if (!(flags & RFLAGS_VM) && vcpu_cpl(vcpu) <= (flags >> 12 & 3))
        return true;
    return bitmap_permits(vcpu, port, size, fault);
}
