/* What the core asks of the CPU on a vCPU's behalf: state that stays in the CPU while the vCPU is loaded. */
#include "hv/host/x86.h"
#include "hv/vm/vcpu.h"
#include "hv/vm/walk.h"

/* Keel itself runs without protection keys; RDPKRU is undefined while CR4.PKE is off. */
uint32_t vcpu_pkru(struct vcpu *vcpu)
{
    uint64_t cr4 = read_cr4();
    uint32_t pkru;

    if (!(vcpu_get(vcpu, REG_CR4) & CR4_PKE))
        return 0;
    write_cr4(cr4 | CR4_PKE);
    pkru = rdpkru();
    write_cr4(cr4);
    return pkru;
}
