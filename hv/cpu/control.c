#include "hv/cpu/control.h"

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

enum { EBX = 1, ECX, EDX };

/* clang-format off */
static const struct {
    uint64_t cr4;
    uint8_t leaf, reg, bit;
} shown_by[] = {
    {CR4_VME | CR4_PVI, 1, EDX, 1}, {CR4_TSD, 1, EDX, 4},          {CR4_DE, 1, EDX, 2},     {CR4_PSE, 1, EDX, 3},
    {CR4_PAE, 1, EDX, 6},           {CR4_MCE, 1, EDX, 7},          {CR4_PGE, 1, EDX, 13},   {CR4_PCE, 1, EDX, 5},
    {CR4_OSFXSR, 1, EDX, 24},       {CR4_OSXMMEXCPT, 1, EDX, 25},  {CR4_PCIDE, 1, ECX, 17}, {CR4_OSXSAVE, 1, ECX, 26},
    {CR4_FSGSBASE, 7, EBX, 0},      {CR4_SMEP, 7, EBX, 7},         {CR4_SMAP, 7, EBX, 20},  {CR4_UMIP, 7, ECX, 2},
    {CR4_PKE, 7, ECX, 3},           {CR4_LA57, 7, ECX, 16},
};
/* clang-format on */

uint64_t cr4_shown(struct vcpu *vcpu)
{
    uint64_t bits = 0;

    for (unsigned i = 0; i < ARRAY_LENGTH(shown_by); i++) {
        const struct cpuid_regs *regs = cpuid_lookup(vcpu, shown_by[i].leaf, 0);
        const uint32_t all[] = {regs->eax, regs->ebx, regs->ecx, regs->edx};

        if (all[shown_by[i].reg] >> shown_by[i].bit & 1)
            bits |= shown_by[i].cr4;
    }
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
