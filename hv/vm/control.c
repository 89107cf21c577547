#include "hv/vm/control.h"

#include "hv/vm/segment.h"

uint64_t cr4_offered(const struct cpuid_limits *limits)
{
    uint64_t bits = CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE | CR4_PGE | CR4_PCE |
                    CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_UMIP | CR4_LA57 | CR4_FSGSBASE | CR4_PCIDE | CR4_SMEP |
                    CR4_SMAP;

    if (limits->xcr0)
        bits |= CR4_OSXSAVE;
    if (limits->pku)
        bits |= CR4_PKE;
    return bits;
}

static bool in_64_bit_code(struct vcpu *vcpu)
{
    return (vcpu_get(vcpu, REG_EFER) & EFER_LMA) && (vcpu_get_segment(vcpu, SEG_CS).attributes & SEG_L);
}

/* SDM, "Initializing IA-32e Mode": its consistency checks. */
static bool may_enter_long_mode(struct vcpu *vcpu, uint64_t cr4)
{
    return (cr4 & CR4_PAE) && !(vcpu_get_segment(vcpu, SEG_CS).attributes & SEG_L) &&
           SEG_TYPE(vcpu_get_segment(vcpu, SEG_TR).attributes) != (SYSTEM_TSS_16 | SYSTEM_BUSY);
}

/* SDM, "MOV - Move to/from Control Registers": the general-protection faults. */
bool cr0_valid(struct vcpu *vcpu, uint64_t value)
{
    uint64_t old = vcpu_get(vcpu, REG_CR0), cr4 = vcpu_get(vcpu, REG_CR4);

    if (value >> 32 || ((value & CR0_PG) && !(value & CR0_PE)) || ((value & CR0_NW) && !(value & CR0_CD)))
        return false;
    if (!(old & CR0_PG) && (value & CR0_PG) && (vcpu_get(vcpu, REG_EFER) & EFER_LME) &&
        !may_enter_long_mode(vcpu, cr4))
        return false;
    if ((old & CR0_PG) && !(value & CR0_PG) && ((cr4 & CR4_PCIDE) || in_64_bit_code(vcpu)))
        return false;
    return true;
}

bool cr4_valid(struct vcpu *vcpu, uint64_t value, uint64_t allowed)
{
    uint64_t old = vcpu_get(vcpu, REG_CR4);
    bool long_mode = vcpu_get(vcpu, REG_EFER) & EFER_LMA;

    if (value & ~allowed)
        return false;
    if (long_mode && (!(value & CR4_PAE) || ((value ^ old) & CR4_LA57)))
        return false;
    return !((value & ~old) & CR4_PCIDE) || (long_mode && !(vcpu_get(vcpu, REG_CR3) & 0xfff));
}
