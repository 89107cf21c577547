/* Linear addresses are physical ones. */
#include "hv/cpu/registers.h"
#include "hv/event/guest_debug.h"
#include "hv/vm/vm.h"

#include <string.h>

/* Linear addresses are physical ones. */
size_t debug_read(struct vcpu *vcpu, uint64_t address, void *to, size_t count)
{
    const struct guest_region *ram = vcpu->vm->memory.regions;

    if (!ram->host || address >= ram->size)
        return 0;
    count = MIN(count, ram->size - address);
    memcpy(to, (const uint8_t *)ram->host + address, count);
    return count;
}

gva_t debug_linear_rip(struct vcpu *vcpu)
{
    return vcpu_get(vcpu, REG_RIP);
}
