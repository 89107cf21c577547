#include "hv/cpu/msr.h"
#include "hv/cpu/cpuid.h"

#include "hv/cpu/virt_state.h"
#include "hv/host/clock.h"
#include "hv/lib/string.h"

const uint32_t msr_native[] = {
    IA32_SYSENTER_CS,
    IA32_SYSENTER_ESP,
    IA32_SYSENTER_EIP,
    IA32_PAT,
    IA32_STAR,
    IA32_LSTAR,
    IA32_CSTAR,
    IA32_FMASK,
    IA32_FS_BASE,
    IA32_GS_BASE,
    IA32_KERNEL_GS_BASE,
    IA32_TSC_AUX,
    0,
};

#define MTRRCAP           (MTRR_VARIABLE | BIT(8) | BIT(10)) /* fixed ranges, write-combining */
#define MTRR_DEF_ENABLE   (BIT(10) | BIT(11))                /* fixed ranges, all */
#define MTRR_VALID        BIT(11)
#define MEMORY_WB         6
#define MCG_CAP_BANKS     0

/* IA32_MISC_ENABLE: fast strings on; no branch trace storage, no precise events. Bits that may be written are
 * kept. */
#define MISC_FAST_STRINGS BIT(0)
#define MISC_NO_BTS       BIT(11)
#define MISC_NO_PEBS      BIT(12)
/* Besides: thermal control, EIST, MONITOR, limit of CPUID, xTPR disable, XD disable. */
#define MISC_WRITABLE     (MISC_FAST_STRINGS | BIT(3) | BIT(16) | BIT(18) | BIT(22) | BIT(23) | BIT(34))

/* Reserved bits of SDM, "Memory Type Range Registers". */
static bool valid_memory_type(uint64_t type)
{
    return type == 0 || type == 1 || (type >= 4 && type <= 6);
}

static struct vcpu *vcpu_of(struct device *device)
{
    return device->state;
}

static bool read_zero(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    (void)device, (void)offset, (void)size;
    *value = 0;
    return true;
}

static bool write_ignored(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    (void)device, (void)offset, (void)size, (void)value;
    return true;
}

static bool write_only_zero(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    (void)device, (void)offset, (void)size;
    return value == 0;
}

/* The TSC: a write moves the offset, and TSC_ADJUST by as much (SDM, "IA32_TSC_ADJUST Register Support"). */
static bool tsc_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    (void)offset, (void)size;
    *value = clock_now() + vcpu_of(device)->arch.tsc_offset;
    return true;
}

static void move_tsc(struct vcpu *vcpu, uint64_t by)
{
    vcpu->arch.tsc_offset += by;
    virt_state->set_msr(vcpu, IA32_TSC, vcpu->arch.tsc_offset);
    vcpu->arch.interrupts.tsc_changed(vcpu->arch.interrupts.state);
}

static bool tsc_write(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct vcpu *vcpu = vcpu_of(device);
    uint64_t by = value - (clock_now() + vcpu->arch.tsc_offset);

    (void)offset, (void)size;
    move_tsc(vcpu, by);
    vcpu->arch.msrs->tsc_adjust += by;
    return true;
}

static bool has_tsc_adjust(struct vcpu *vcpu)
{
    return cpuid_lookup(vcpu, 7, 0)->ebx & BIT(1);
}

static bool tsc_adjust_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    (void)offset, (void)size;
    *value = vcpu_of(device)->arch.msrs->tsc_adjust;
    return has_tsc_adjust(vcpu_of(device));
}

static bool tsc_adjust_write(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct vcpu *vcpu = vcpu_of(device);

    (void)offset, (void)size;
    if (!has_tsc_adjust(vcpu))
        return false;
    move_tsc(vcpu, value - vcpu->arch.msrs->tsc_adjust);
    vcpu->arch.msrs->tsc_adjust = value;
    return true;
}

/* Locked, with VMX off: what firmware leaves where virtualization is disabled. */
static bool feature_control_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    (void)device, (void)offset, (void)size;
    *value = 1;
    return true;
}

/* A microcode revision that no errata list asks for. */
static bool microcode_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    (void)device, (void)offset, (void)size;
    *value = UINT64_C(1) << 32;
    return true;
}

static bool mtrrcap_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    (void)device, (void)offset, (void)size;
    *value = MTRRCAP;
    return true;
}

static bool mcg_cap_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    (void)device, (void)offset, (void)size;
    *value = MCG_CAP_BANKS;
    return true;
}

static bool mcg_status_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    (void)offset, (void)size;
    *value = vcpu_of(device)->arch.msrs->mcg_status;
    return true;
}

/* Ratio 10 in bits 15:8 and 31:40 would need the true multiplier; what reads it divides by it, so never 0. */
static bool perf_status_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    uint64_t ratio = MIN(clock_hz() / 100000000, 0xff);

    (void)device, (void)offset, (void)size;
    *value = MAX(ratio, 1) << 8;
    return true;
}

static bool misc_enable_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    (void)offset, (void)size;
    *value = vcpu_of(device)->arch.msrs->misc_enable;
    return true;
}

static bool misc_enable_write(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct msr_state *msrs = vcpu_of(device)->arch.msrs;

    (void)offset, (void)size;
    msrs->misc_enable = (msrs->misc_enable & ~MISC_WRITABLE) | (value & MISC_WRITABLE);
    return true;
}

static bool vendor_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    (void)offset, (void)size;
    return virt_state->get_msr(vcpu_of(device), IA32_DEBUGCTL, value);
}

static bool debugctl_write(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    (void)offset, (void)size;
    if (value & ~(DEBUGCTL_LBR | DEBUGCTL_BTF))
        return false;
    return virt_state->set_msr(vcpu_of(device), IA32_DEBUGCTL, value);
}

/* Variable MTRRs: base and mask in turn. */
static bool mtrr_variable_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    struct msr_state *msrs = vcpu_of(device)->arch.msrs;

    (void)size;
    *value = offset & 1 ? msrs->mtrr_mask[offset / 2] : msrs->mtrr_base[offset / 2];
    return true;
}

static bool mtrr_variable_write(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct msr_state *msrs = vcpu_of(device)->arch.msrs;
    uint64_t reserved = ~(BIT(msrs->physical_bits) - 1);

    (void)size;
    if (offset & 1) {
        if (value & (reserved | (PAGE_MASK & ~MTRR_VALID)))
            return false;
        msrs->mtrr_mask[offset / 2] = value;
    } else {
        if ((value & (reserved | 0xf00)) || !valid_memory_type(value & 0xff))
            return false;
        msrs->mtrr_base[offset / 2] = value;
    }
    return true;
}

/* The eleven fixed MTRRs lie in three ranges; `first` is the number of the range's first one. */
static bool fixed_read(struct vcpu *vcpu, unsigned number, uint64_t *value)
{
    *value = vcpu->arch.msrs->mtrr_fixed[number];
    return true;
}

static bool fixed_write(struct vcpu *vcpu, unsigned number, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++)
        if (!valid_memory_type(value >> (8 * i) & 0xff))
            return false;
    vcpu->arch.msrs->mtrr_fixed[number] = value;
    return true;
}

#define FIXED_RANGE(name, first)                                                                             \
    static bool name##_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)          \
    {                                                                                                        \
        (void)size;                                                                                          \
        return fixed_read(vcpu_of(device), (first) + (unsigned)offset, value);                               \
    }                                                                                                        \
    static bool name##_write(struct device *device, uint64_t offset, unsigned size, uint64_t value)          \
    {                                                                                                        \
        (void)size;                                                                                          \
        return fixed_write(vcpu_of(device), (first) + (unsigned)offset, value);                              \
    }

FIXED_RANGE(fixed_64k, 0)
FIXED_RANGE(fixed_16k, 1)
FIXED_RANGE(fixed_4k, 3)

static bool mtrr_default_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    (void)offset, (void)size;
    *value = vcpu_of(device)->arch.msrs->mtrr_default;
    return true;
}

static bool mtrr_default_write(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    (void)offset, (void)size;
    if ((value & ~(MTRR_DEF_ENABLE | 0xff)) || !valid_memory_type(value & 0xff))
        return false;
    vcpu_of(device)->arch.msrs->mtrr_default = value;
    return true;
}

static bool xss_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    (void)offset, (void)size;
    *value = vcpu_of(device)->arch.msrs->xss;
    return cpuid_lookup(vcpu_of(device), 0xd, 1)->eax & BIT(3);
}

static bool xss_write(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct vcpu *vcpu = vcpu_of(device);

    (void)offset, (void)size;
    if (!(cpuid_lookup(vcpu, 0xd, 1)->eax & BIT(3)) || (value & ~vcpu->arch.msrs->xss_allowed))
        return false;
    vcpu->arch.msrs->xss = value;
    virt_state->set_msr(vcpu, IA32_XSS, value);
    vcpu_cpuid_changed(vcpu);
    return true;
}

static bool efer_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    (void)offset, (void)size;
    *value = vcpu_get(vcpu_of(device), REG_EFER);
    return true;
}

/* SDM, "IA32_EFER": LMA is the CPU's own; LME may not change while paging is on. */
static bool efer_write(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct vcpu *vcpu = vcpu_of(device);
    uint64_t old = vcpu_get(vcpu, REG_EFER);

    (void)offset, (void)size;
    if (value & ~(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE))
        return false;
    if (value & EFER_NXE && !(cpuid_lookup(vcpu, 0x80000001, 0)->edx & BIT(20)))
        return false;
    if (((value ^ old) & EFER_LME) && (vcpu_get(vcpu, REG_CR0) & CR0_PG))
        return false;
    vcpu_set(vcpu, REG_EFER, (value & ~EFER_LMA) | (old & EFER_LMA));
    vcpu->arch.code_changed = true;
    return true;
}

/* What AMD's processors have besides: read and written unasked by systems that find one. On others #GP. */
static bool is_amd(struct device *device)
{
    uint32_t name = cpuid_lookup(vcpu_of(device), 0, 0)->ecx;

    return name == 0x444d4163 || name == 0x656e6975; /* AuthenticAMD, HygonGenuine */
}

static bool amd_read_zero(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    (void)offset, (void)size;
    *value = 0;
    return is_amd(device);
}

static bool amd_write_ignored(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    (void)offset, (void)size, (void)value;
    return is_amd(device);
}

/* TscFreqSel: the TSC counts at the frequency of P0. */
static bool hwcr_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    (void)offset, (void)size;
    *value = BIT(24);
    return is_amd(device);
}

/* LS_CFG to DE_CFG and on: LFENCE serializes, all else as it may be. */
static bool core_config_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    (void)size;
    *value = offset == DE_CFG - LS_CFG ? BIT(1) : 0;
    return is_amd(device);
}

/* clang-format off */
static const struct row {
    uint32_t first, last;
    const char *name;
    struct device_ops ops;
} rows[] = {
    {IA32_P5_MC_ADDR, IA32_P5_MC_TYPE, "IA32_P5_MC_*", {.read = read_zero, .write = write_only_zero, .width = 8}},
    {IA32_TSC, IA32_TSC, "IA32_TIME_STAMP_COUNTER", {.read = tsc_read, .write = tsc_write, .width = 8}},
    {IA32_PLATFORM_ID, IA32_PLATFORM_ID, "IA32_PLATFORM_ID", {.read = read_zero, .width = 8}},
    {IA32_FEATURE_CONTROL, IA32_FEATURE_CONTROL, "IA32_FEATURE_CONTROL", {.read = feature_control_read, .width = 8}},
    {IA32_TSC_ADJUST, IA32_TSC_ADJUST, "IA32_TSC_ADJUST", {.read = tsc_adjust_read, .write = tsc_adjust_write, .width = 8}},
    {IA32_BIOS_UPDT_TRIG, IA32_BIOS_UPDT_TRIG, "IA32_BIOS_UPDT_TRIG", {.write = write_ignored, .width = 8}},
    {IA32_BIOS_SIGN_ID, IA32_BIOS_SIGN_ID, "IA32_BIOS_SIGN_ID", {.read = microcode_read, .write = write_ignored, .width = 8}},
    {IA32_MTRRCAP, IA32_MTRRCAP, "IA32_MTRRCAP", {.read = mtrrcap_read, .width = 8}},
    {IA32_MCG_CAP, IA32_MCG_CAP, "IA32_MCG_CAP", {.read = mcg_cap_read, .width = 8}},
    {IA32_MCG_STATUS, IA32_MCG_STATUS, "IA32_MCG_STATUS", {.read = mcg_status_read, .write = write_only_zero, .width = 8}},
    {IA32_PERF_STATUS, IA32_PERF_STATUS, "IA32_PERF_STATUS", {.read = perf_status_read, .width = 8}},
    {IA32_MISC_ENABLE, IA32_MISC_ENABLE, "IA32_MISC_ENABLE", {.read = misc_enable_read, .write = misc_enable_write, .width = 8}},
    {IA32_DEBUGCTL, IA32_DEBUGCTL, "IA32_DEBUGCTL", {.read = vendor_read, .write = debugctl_write, .width = 8}},
    {IA32_MTRR_PHYSBASE0, IA32_MTRR_PHYSBASE0 + 2 * MTRR_VARIABLE - 1, "IA32_MTRR_PHYS*", {.read = mtrr_variable_read, .write = mtrr_variable_write, .width = 8}},
    {IA32_MTRR_FIX64K_00000, IA32_MTRR_FIX64K_00000, "IA32_MTRR_FIX64K", {.read = fixed_64k_read, .write = fixed_64k_write, .width = 8}},
    {IA32_MTRR_FIX16K_80000, IA32_MTRR_FIX16K_80000 + 1, "IA32_MTRR_FIX16K", {.read = fixed_16k_read, .write = fixed_16k_write, .width = 8}},
    {IA32_MTRR_FIX4K_C0000, IA32_MTRR_FIX4K_C0000 + 7, "IA32_MTRR_FIX4K", {.read = fixed_4k_read, .write = fixed_4k_write, .width = 8}},
    {IA32_MTRR_DEF_TYPE, IA32_MTRR_DEF_TYPE, "IA32_MTRR_DEF_TYPE", {.read = mtrr_default_read, .write = mtrr_default_write, .width = 8}},
    {IA32_XSS, IA32_XSS, "IA32_XSS", {.read = xss_read, .write = xss_write, .width = 8}},
    {IA32_EFER, IA32_EFER, "IA32_EFER", {.read = efer_read, .write = efer_write, .width = 8}},
    {PERF_LEGACY_CTL0, PERF_LEGACY_CTL0 + 7, "PERF_LEGACY_*", {.read = amd_read_zero, .write = amd_write_ignored, .width = 8}},
    {SYSCFG, SYSCFG, "SYSCFG", {.read = amd_read_zero, .write = amd_write_ignored, .width = 8}},
    {HWCR, HWCR, "HWCR", {.read = hwcr_read, .write = amd_write_ignored, .width = 8}},
    {NB_CFG, NB_CFG, "NB_CFG", {.read = amd_read_zero, .write = amd_write_ignored, .width = 8}},
    {PATCH_LOADER, PATCH_LOADER, "PATCH_LOADER", {.write = amd_write_ignored, .width = 8}},
    {INT_PENDING, INT_PENDING, "INT_PENDING", {.read = amd_read_zero, .write = amd_write_ignored, .width = 8}},
    {MMIO_CONF_BASE, MMIO_CONF_BASE, "MMIO_CONF_BASE", {.read = amd_read_zero, .write = amd_write_ignored, .width = 8}},
    {SMM_ADDR, SMM_ADDR + 1, "SMM_ADDR, SMM_MASK", {.read = amd_read_zero, .write = amd_write_ignored, .width = 8}},
    {LS_CFG, LS_CFG + 15, "LS_CFG and the like", {.read = core_config_read, .write = amd_write_ignored, .width = 8}},
};
/* clang-format on */

unsigned msr_range_count(void)
{
    return ARRAY_LENGTH(rows);
}

size_t msr_devices_size(void)
{
    return ARRAY_LENGTH(rows) * sizeof(struct device);
}

void msr_ranges(struct vcpu *vcpu, void *devices, struct bus_range *ranges)
{
    struct device *device = devices;

    for (unsigned i = 0; i < ARRAY_LENGTH(rows); i++) {
        device[i] = (struct device){.name = rows[i].name, .ops = &rows[i].ops, .state = vcpu};
        ranges[i] = (struct bus_range){rows[i].first, rows[i].last, &device[i]};
    }
}

void msr_reset(struct vcpu *vcpu, const struct cpuid_limits *limits, gpa_t low_memory_end)
{
    struct msr_state *msrs = vcpu->arch.msrs;

    *msrs = (struct msr_state){
        .misc_enable = MISC_FAST_STRINGS | MISC_NO_BTS | MISC_NO_PEBS,
        .xss_allowed = limits->xss,
        .xcr0_allowed = limits->xcr0,
        .physical_bits = limits->physical_bits,
        .mtrr_default = MTRR_DEF_ENABLE | MEMORY_WB,
    };
    /* As a PC's firmware leaves them: all memory write-back but VGA's window, and the hole below 4 GiB
     * uncached. */
    msrs->mtrr_base[0] = low_memory_end;
    msrs->mtrr_mask[0] = ((BIT(limits->physical_bits) - 1) & ~(GIB(4) - low_memory_end - 1)) | MTRR_VALID;
    memset(msrs->mtrr_fixed, MEMORY_WB, sizeof(msrs->mtrr_fixed));
    msrs->mtrr_fixed[2] = 0;
}

bool msr_read(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    return bus_read_number(&vcpu->msr_bus, msr, value);
}

bool msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    return bus_write_number(&vcpu->msr_bus, msr, value);
}

/* SDM, "XSETBV": x87 always; AVX with SSE; the two MPX and three AVX-512 components together. */
bool xcr0_write(struct vcpu *vcpu, uint32_t index, uint64_t value)
{
    const uint64_t x87 = BIT(0), sse = BIT(1), avx = BIT(2), mpx = BIT(3) | BIT(4),
                   avx512 = BIT(5) | BIT(6) | BIT(7);

    const struct cpuid_regs *shown = cpuid_lookup(vcpu, 0xd, 0);

    if (index != 0 || (value & ~(shown->eax | (uint64_t)shown->edx << 32)) || !(value & x87))
        return false;
    if ((value & avx) && !(value & sse))
        return false;
    if ((value & mpx) && (value & mpx) != mpx)
        return false;
    if ((value & avx512) && ((value & avx512) != avx512 || !(value & avx)))
        return false;
    vcpu->arch.xcr0 = value;
    vcpu_cpuid_changed(vcpu);
    return true;
}
