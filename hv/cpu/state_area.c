#include "hv/cpu/state_area.h"

#include "hv/cpu/cpuid.h"
#include "hv/lib/string.h"

#define LEAF_XSAVE   0xd
#define ALIGNS_TO_64 BIT(1) /* subleaf of a component: ECX */
#define XMM_AT       160
#define XMM_SIZE     256
#define EXTENDED_AT  (AREA_HEADER + AREA_HEADER_SIZE)

/* Components of which 64-bit code alone has a part, behind what all code has: XMM, YMM, ZMM8 to 15, ZMM16
 * to 31. */
static const struct {
    uint8_t component;
    uint16_t lower;
} uppers[AREA_UPPER_MOST] = {{COMPONENT_SSE, 128}, {COMPONENT_AVX, 128}, {6, 256}, {7, 0}};

unsigned area_size(struct vcpu *vcpu)
{
    unsigned standard = cpuid_lookup(vcpu, LEAF_XSAVE, 0)->ecx,
             compacted = cpuid_lookup(vcpu, LEAF_XSAVE, 1)->ebx;

    return MAX(standard, compacted);
}

/* SDM, "Standard Format of Extended Region" and "Compacted Format of Extended Region". */
bool area_component(struct vcpu *vcpu, unsigned component, uint64_t xcomp, struct area_part *part)
{
    bool compacted = xcomp & AREA_COMPACTED;
    unsigned at = EXTENDED_AT, size = 0;

    *part = (struct area_part){XMM_AT, XMM_SIZE};
    if (component == COMPONENT_SSE)
        return true;
    if (compacted && !(xcomp >> component & 1))
        return false;
    for (unsigned i = compacted ? COMPONENT_AVX : component; i <= component; i++) {
        struct cpuid_regs regs = *cpuid_lookup(vcpu, LEAF_XSAVE, i);

        if (compacted && !(xcomp >> i & 1))
            continue;
        at = !compacted ? regs.ebx : regs.ecx & ALIGNS_TO_64 ? ALIGN_UP(at + size, 64) : at + size;
        size = regs.eax;
        if (size > AREA_MOST || at > AREA_MOST - size)
            return false;
    }
    *part = (struct area_part){(uint16_t)at, (uint16_t)size};
    return size != 0;
}

unsigned area_upper(struct vcpu *vcpu, uint64_t xcomp, struct area_part parts[AREA_UPPER_MOST])
{
    unsigned count = 0;

    for (unsigned i = 0; i < AREA_UPPER_MOST; i++) {
        struct area_part part;

        if (area_component(vcpu, uppers[i].component, xcomp, &part) && part.size > uppers[i].lower)
            parts[count++] = (struct area_part){part.at + uppers[i].lower, part.size - uppers[i].lower};
    }
    return count;
}

void area_take_upper(struct vcpu *vcpu, uint8_t *area, const uint8_t *from)
{
    uint64_t there, others;

    memcpy(&there, area + AREA_HEADER, sizeof(there));
    memcpy(&others, from + AREA_HEADER, sizeof(others));
    for (unsigned i = 0; i < AREA_UPPER_MOST; i++) {
        unsigned component = uppers[i].component, lower = uppers[i].lower;
        struct area_part part;

        if (!area_component(vcpu, component, 0, &part) || part.size <= lower)
            continue;
        if (!(there >> component & 1)) /* as after RESET */
            memset(area + part.at, 0, part.size);
        if (others >> component & 1)
            memcpy(area + part.at + lower, from + part.at + lower, part.size - lower);
        else
            memset(area + part.at + lower, 0, part.size - lower);
        there |= others & BIT(component);
    }
    memcpy(area + AREA_HEADER, &there, sizeof(there));
}
