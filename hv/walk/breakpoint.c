#include "hv/walk/breakpoint.h"

#include "hv/cpu/native.h"

/* SDM, "Debug Registers": LEN 10 is eight bytes; the lowest bits of an address are not looked at. */
uint64_t breakpoints_hit(uint64_t dr7, unsigned kinds, uint64_t address, unsigned size)
{
    static const uint8_t lengths[4] = {1, 2, 8, 4};
    uint64_t hits = 0;

    for (unsigned n = 0; n < 4; n++) {
        unsigned kind = dr7 >> DR7_KIND(n) & 15, length = lengths[kind >> 2];
        uint64_t first = ALIGN_DOWN(native_dr(n), length);

        if ((dr7 & DR7_ENABLE(n)) && (kinds >> (kind & 3) & 1) &&
            address - first + size - 1 < length + size - 1)
            hits |= BIT(n);
    }
    return hits;
}

/* SDM, "Debug Registers": R/W 10 with CR4.DE is I/O. */
uint64_t port_breakpoints_hit(struct vcpu *vcpu, uint64_t dr7, uint16_t port, unsigned size)
{
    return vcpu_get(vcpu, REG_CR4) & CR4_DE ? breakpoints_hit(dr7, BREAKPOINTS_ON_PORT, port, size) : 0;
}
