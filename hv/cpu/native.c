#include "hv/cpu/native.h"

#include "hv/cpu/cpuid.h"
#include "hv/cpu/msr.h"
#include "hv/cpu/state_area.h"
#include "hv/host/cpu.h"
#include "hv/host/feature.h"
#include "hv/host/instructions.h"
#include "hv/host/paging.h"
#include "hv/host/quirks.h"
#include "hv/host/witness.h"
#include "hv/lib/string.h"

#define XSAVE_AREA KIB(16) /* more than all components that guests may have */

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
    return (uint32_t)witness_value(pkru);
}

bool native_create(struct vcpu *vcpu)
{
    vcpu->arch.native.xsave = host_allocate(XSAVE_AREA);
    if (!vcpu->arch.native.xsave)
        return false;
    native_reset(vcpu);
    return true;
}

void native_destroy(struct vcpu *vcpu)
{
    if (vcpu->arch.native.xsave)
        host_free(vcpu->arch.native.xsave, XSAVE_AREA);
    vcpu->arch.native.xsave = NULL;
}

/* As XRSTOR and FXRSTOR take it: FCW and MXCSR, x87 and SSE marked as present, nothing else. */
void native_reset(struct vcpu *vcpu)
{
    uint8_t *area = vcpu->arch.native.xsave;
    const uint16_t fcw = 0x40;
    const uint32_t mxcsr = 0x1f80;
    const uint64_t x87_and_sse = 3;

    memset(area, 0, XSAVE_AREA);
    memcpy(area, &fcw, sizeof(fcw));
    memcpy(area + 24, &mxcsr, sizeof(mxcsr));
    memcpy(area + 512, &x87_and_sse, sizeof(x87_and_sse));
    memset(vcpu->arch.native.dr, 0, sizeof(vcpu->arch.native.dr));
    memset(vcpu->arch.native.msrs, 0, sizeof(vcpu->arch.native.msrs));
    vcpu->arch.native.xss = 0;
    vcpu->arch.xcr0 = 1;
}

/* Extended state moves in all components that guests may have, whatever the guest's own XCR0 is just now. */
static void load_extended(struct vcpu *vcpu, const uint8_t *area)
{
    if (!vcpu->arch.msrs->xcr0_allowed) {
        __asm__ volatile("fxrstor64 %0" : : "m"(*area));
        return;
    }
    xsetbv(0, vcpu->arch.msrs->xcr0_allowed);
    __asm__ volatile("xrstor64 %0" : : "m"(*area), "a"(-1), "d"(-1) : "memory");
    xsetbv(0, vcpu->arch.xcr0);
}

void native_take_xcr0(struct vcpu *vcpu)
{
    uint64_t xcr0;

    if (!vcpu->arch.msrs->xcr0_allowed)
        return;
    xcr0 = xgetbv(0);
    if (likely(xcr0 == vcpu->arch.xcr0))
        return;
    vcpu->arch.xcr0 = xcr0;
    vcpu_cpuid_changed(vcpu);
}

static void save_extended(struct vcpu *vcpu, uint8_t *area)
{
    if (!vcpu->arch.msrs->xcr0_allowed) {
        __asm__ volatile("fxsave64 %0" : "=m"(*area));
        return;
    }
    xsetbv(0, vcpu->arch.msrs->xcr0_allowed);
    __asm__ volatile("xsave64 %0" : "=m"(*area) : "a"(-1), "d"(-1) : "memory");
}

void native_save_fpu(uint8_t *image, bool wide)
{
    if (wide)
        __asm__ volatile("fxsave64 (%0)" : : "r"(image) : "memory");
    else
        __asm__ volatile("fxsave (%0)" : : "r"(image) : "memory");
}

void native_load_fpu(const uint8_t *image, bool wide)
{
    if (wide)
        __asm__ volatile("fxrstor64 (%0)" : : "r"(image) : "memory");
    else
        __asm__ volatile("fxrstor (%0)" : : "r"(image) : "memory");
}

/* The vCPU's own area is free while its state is in the CPU. */
void native_keep(struct vcpu *vcpu)
{
    save_extended(vcpu, vcpu->arch.native.xsave);
    if (vcpu->arch.msrs->xcr0_allowed)
        xsetbv(0, vcpu->arch.xcr0);
}

void native_return_upper(struct vcpu *vcpu, uint8_t *scratch)
{
    const uint8_t *before = vcpu->arch.native.xsave;

    memset(scratch, 0, AREA_MOST);
    save_extended(vcpu, scratch);
    if (!vcpu->arch.msrs->xcr0_allowed) /* FXSAVE has no header: native_reset made it */
        memcpy(scratch + AREA_HEADER, before + AREA_HEADER, AREA_HEADER_SIZE);
    area_take_upper(vcpu, scratch, before);
    load_extended(vcpu, scratch);
}

void native_load(struct vcpu *vcpu, const struct native_policy *policy)
{
    struct native_state *state = &vcpu->arch.native;

    for (unsigned i = 0; policy->msrs[i]; i++)
        wrmsr_safe(policy->msrs[i], state->msrs[i]);
    if (policy->xsaves)
        wrmsr(IA32_XSS, state->xss);
    load_extended(vcpu, state->xsave);
    write_dr0(state->dr[0]);
    write_dr1(state->dr[1]);
    write_dr2(state->dr[2]);
    write_dr3(state->dr[3]);
}

void native_put(struct vcpu *vcpu, const struct native_policy *policy)
{
    struct native_state *state = &vcpu->arch.native;

    for (unsigned i = 0; policy->msrs[i]; i++)
        rdmsr_safe(policy->msrs[i], &state->msrs[i]);
    save_extended(vcpu, state->xsave);
    state->dr[0] = read_dr0();
    state->dr[1] = read_dr1();
    state->dr[2] = read_dr2();
    state->dr[3] = read_dr3();
}

void native_cpuid(uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out)
{
    const uint32_t xsavec_xsaves = BIT(1) | BIT(3);

    cpuid(leaf, subleaf, &out->eax, &out->ebx, &out->ecx, &out->edx);
    if (leaf == 0xd && subleaf == 1 && !host_compacts())
        out->eax &= ~xsavec_xsaves;
}

/* x87, SSE, AVX, AVX-512 and PKRU, where the CPU has them. */
#define XCR0_OFFERED (XCR0_X87 | XCR0_SSE | XCR0_AVX | XCR0_AVX512 | XCR0_PKRU)

void native_limits(struct cpuid_limits *limits)
{
    uint32_t a = 0, b, c, d = 0;

    if (cpu_has(1, 0, 2, 26))
        cpuid(0xd, 0, &a, &b, &c, &d);
    limits->xcr0 = (a | (uint64_t)d << 32) & XCR0_OFFERED;
    limits->pku = limits->xcr0 & BIT(9);
    limits->xss = 0;
}

bool native_set_msr(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    if (msr != IA32_XSS)
        return false;
    vcpu->arch.native.xss = value;
    wrmsr(IA32_XSS, value);
    return true;
}

static void reset_segments(struct vcpu *vcpu)
{
    const struct segment data = {.limit = 0xffff, .attributes = 0x93};
    const struct segment code = {.selector = 0xf000, .base = 0xffff0000, .limit = 0xffff, .attributes = 0x9b};
    const struct segment ldtr = {.limit = 0xffff, .attributes = 0x82};
    const struct segment tr = {.limit = 0xffff, .attributes = 0x8b};
    const struct segment table = {.limit = 0xffff};

    for (enum vcpu_segment i = SEG_ES; i <= SEG_GS; i++)
        vcpu_set_segment(vcpu, i, i == SEG_CS ? &code : &data);
    vcpu_set_segment(vcpu, SEG_LDTR, &ldtr);
    vcpu_set_segment(vcpu, SEG_TR, &tr);
    vcpu_set_segment(vcpu, SEG_GDTR, &table);
    vcpu_set_segment(vcpu, SEG_IDTR, &table);
}

void reset_registers(struct vcpu *vcpu)
{
    static const struct {
        uint32_t reg, value;
    } rows[] = {
        {REG_EFER, 0},     {REG_CR0, CR0_CD | CR0_NW | CR0_ET},
        {REG_CR2, 0},      {REG_CR3, 0},
        {REG_CR4, 0},      {REG_RFLAGS, RFLAGS_1},
        {REG_RIP, 0xfff0}, {REG_RSP, 0},
        {REG_DR7, 0x400},  {REG_DR6, 0xffff0ff0},
    };

    memset(vcpu->arch.gpr, 0, sizeof(vcpu->arch.gpr));
    vcpu->arch.gpr[REG_RDX] = cpuid_lookup(vcpu, 1, 0)->eax;
    for (unsigned i = 0; i < ARRAY_LENGTH(rows); i++)
        vcpu_set(vcpu, rows[i].reg, rows[i].value);
    for (unsigned n = 0; n < 4; n++)
        native_set_dr(n, 0);
    reset_segments(vcpu);
}

bool native_get_msr(const struct vcpu *vcpu, const struct native_policy *policy, uint32_t msr,
                    uint64_t *value)
{
    for (unsigned i = 0; policy->msrs[i]; i++)
        if (policy->msrs[i] == msr) {
            *value = vcpu->arch.native.msrs[i];
            return this_cpu()->current == vcpu ? rdmsr_safe(msr, value) : true;
        }
    return false;
}

uint64_t native_dr(unsigned number)
{
    switch (number) {
    case 0:
        return read_dr0();
    case 1:
        return read_dr1();
    case 2:
        return read_dr2();
    default:
        return read_dr3();
    }
}

void native_set_dr(unsigned number, uint64_t value)
{
    switch (number) {
    case 0:
        write_dr0(value);
        break;
    case 1:
        write_dr1(value);
        break;
    case 2:
        write_dr2(value);
        break;
    default:
        write_dr3(value);
        break;
    }
}
