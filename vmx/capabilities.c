#include "vmx/capabilities.h"

struct vmx_capabilities vmx_cpu;

/* CPUID leaves and bits that the checks of a VM entry depend on. */
#define LEAF_FEATURES            7
#define LEAF_PERFORMANCE         0xa
#define LEAF_EXTENDED            0x80000000
#define LEAF_ADDRESS_SIZES       0x80000008
#define FEATURES_EBX_SGX         BIT(2)
#define FEATURES_EBX_RTM         BIT(11)
#define FEATURES_ECX_BUS_LOCK    BIT(24)
#define FEATURES_1_EAX_LAM       BIT(26)

#define PERF_GLOBAL_CTRL_METRICS BIT(48)

/* A pair of allowed-0 and allowed-1 settings; where TRUE controls exist, they name what else may be 0. */
struct control_msr {
    uint8_t word;
    uint16_t msr, true_msr;
};

static const struct control_msr control_msrs[] = {
    {VMX_PIN, MSR_VMX_PINBASED_CTLS, MSR_VMX_TRUE_PINBASED_CTLS},
    {VMX_PRIMARY, MSR_VMX_PROCBASED_CTLS, MSR_VMX_TRUE_PROCBASED_CTLS},
    {VMX_EXIT, MSR_VMX_EXIT_CTLS, MSR_VMX_TRUE_EXIT_CTLS},
    {VMX_ENTRY, MSR_VMX_ENTRY_CTLS, MSR_VMX_TRUE_ENTRY_CTLS},
};

static void set_word(struct vmx_capabilities *cpu, enum vmx_control_word word, uint64_t settings)
{
    cpu->must_be_1[word] = (uint32_t)settings;
    cpu->may_be_1[word] = settings >> 32;
}

static void read_controls(struct vmx_capabilities *cpu, uint64_t (*rdmsr)(uint32_t))
{
    bool has_true = cpu->basic & VMX_BASIC_TRUE_CONTROLS;

    for (unsigned i = 0; i < ARRAY_LENGTH(control_msrs); i++) {
        const struct control_msr *row = &control_msrs[i];
        set_word(cpu, row->word, rdmsr(has_true ? row->true_msr : row->msr));
    }
    if (vmx_allowed(cpu, VMX_PRIMARY, VMX_PRIMARY_ACTIVATE_SECONDARY))
        set_word(cpu, VMX_SECONDARY, rdmsr(MSR_VMX_PROCBASED_CTLS2));
    /* These two have 64 bits that may be 1, and none that must be. */
    if (vmx_allowed(cpu, VMX_PRIMARY, VMX_PRIMARY_ACTIVATE_TERTIARY))
        cpu->may_be_1[VMX_TERTIARY] = rdmsr(MSR_VMX_PROCBASED_CTLS3);
    if (vmx_allowed(cpu, VMX_EXIT, VMX_EXIT_ACTIVATE_SECONDARY))
        cpu->may_be_1[VMX_EXIT2] = rdmsr(MSR_VMX_EXIT_CTLS2);
}

static void read_cpuid(struct vmx_capabilities *cpu,
                       struct vmx_cpuid (*cpuid)(uint32_t leaf, uint32_t subleaf))
{
    uint32_t basic = cpuid(0, 0).eax;

    cpu->physical_bits = 36;
    cpu->linear_bits = 48;
    if (cpuid(LEAF_EXTENDED, 0).eax >= LEAF_ADDRESS_SIZES) {
        uint32_t sizes = cpuid(LEAF_ADDRESS_SIZES, 0).eax;
        cpu->physical_bits = MAX(32, MIN(sizes & 0xff, 52));
        cpu->linear_bits = MAX(48, MIN(sizes >> 8 & 0xff, 57));
    }
    if (basic >= LEAF_FEATURES) {
        struct vmx_cpuid features = cpuid(LEAF_FEATURES, 0);
        cpu->sgx = features.ebx & FEATURES_EBX_SGX;
        cpu->rtm = features.ebx & FEATURES_EBX_RTM;
        cpu->bus_lock_detect = features.ecx & FEATURES_ECX_BUS_LOCK;
        cpu->lam = features.eax >= 1 && cpuid(LEAF_FEATURES, 1).eax & FEATURES_1_EAX_LAM;
    }
    /* Bit 48 depends on IA32_PERF_CAPABILITIES, which is not read here: it is never called wrong. */
    cpu->perf_global_ctrl = PERF_GLOBAL_CTRL_METRICS;
    if (basic >= LEAF_PERFORMANCE) {
        struct vmx_cpuid performance = cpuid(LEAF_PERFORMANCE, 0);
        unsigned general = MIN(performance.eax >> 8 & 0xff, 32), fixed = MIN(performance.edx & 0x1f, 16);
        cpu->perf_global_ctrl |= (BIT(general) - 1) | (BIT(fixed) - 1) << 32;
    }
}

void vmx_read_capabilities(struct vmx_capabilities *cpu, uint64_t (*rdmsr)(uint32_t msr),
                           struct vmx_cpuid (*cpuid)(uint32_t leaf, uint32_t subleaf))
{
    *cpu = (struct vmx_capabilities){
        .basic = rdmsr(MSR_VMX_BASIC),
        .misc = rdmsr(MSR_VMX_MISC),
        .cr0_fixed0 = rdmsr(MSR_VMX_CR0_FIXED0),
        .cr0_fixed1 = rdmsr(MSR_VMX_CR0_FIXED1),
        .cr4_fixed0 = rdmsr(MSR_VMX_CR4_FIXED0),
        .cr4_fixed1 = rdmsr(MSR_VMX_CR4_FIXED1),
    };
    read_controls(cpu, rdmsr);
    if (cpu->may_be_1[VMX_SECONDARY] & (VMX_SECONDARY_ENABLE_EPT | VMX_SECONDARY_ENABLE_VPID))
        cpu->ept_vpid = rdmsr(MSR_VMX_EPT_VPID_CAP);
    if (vmx_allowed(cpu, VMX_SECONDARY, VMX_SECONDARY_ENABLE_VM_FUNCTIONS))
        cpu->vmfunc = rdmsr(MSR_VMX_VMFUNC);
    read_cpuid(cpu, cpuid);
}
