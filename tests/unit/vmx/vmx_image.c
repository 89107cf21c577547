#include "tests/unit/vmx/vmx_image.h"

#include <string.h>

#include "hv/vm/vcpu.h"

#define REVISION 0x12

/* Bits that are 1 in every VMX without TRUE controls and reserved (SDM, "Reserved Controls and Default
 * Settings"). */
static const uint64_t default_1[VMX_WORDS] = {
    [VMX_PIN] = 0x16, [VMX_PRIMARY] = 0x4006172, [VMX_EXIT] = 0x36dfb, [VMX_ENTRY] = 0x11fb};

void image_cpu(struct vmx_capabilities *cpu)
{
    *cpu = (struct vmx_capabilities){
        .basic = REVISION | UINT64_C(4096) << 32 | UINT64_C(6) << 50 | VMX_BASIC_TRUE_CONTROLS,
        .misc = VMX_MISC_ACTIVITY_HLT | VMX_MISC_ACTIVITY_SHUTDOWN | VMX_MISC_ACTIVITY_SIPI |
                VMX_MISC_STORE_LMA | 4 << 16,
        .ept_vpid = VMX_EPT_4_LEVELS | VMX_EPT_5_LEVELS | VMX_EPT_UC | VMX_EPT_WB | VMX_EPT_INVEPT |
                    VMX_EPT_ACCESSED_DIRTY | VMX_EPT_INVEPT_SINGLE | VMX_EPT_INVEPT_ALL | VMX_VPID_INVVPID |
                    VMX_VPID_SINGLE | VMX_VPID_ALL | UINT64_C(1) << 48,
        .vmfunc = 1,
        .cr0_fixed0 = CR0_PE | CR0_NE | CR0_PG,
        .cr0_fixed1 = 0xffffffff,
        .cr4_fixed0 = CR4_VMXE,
        .cr4_fixed1 = 0x1ffffff,
        .physical_bits = 46,
        .linear_bits = 48,
        .perf_global_ctrl = UINT64_C(0xf000000ff),
        .sgx = true,
        .rtm = true,
        .bus_lock_detect = true,
    };
    for (unsigned word = 0; word < VMX_WORDS; word++)
        cpu->must_be_1[word] = cpu->may_be_1[word] = default_1[word];
    for (unsigned i = 0; i < vmx_control_list.count; i++)
        cpu->may_be_1[vmx_control_list.rows[i].word] |= BIT(vmx_control_list.rows[i].bit);
}

/* Segments in the order of enum vcpu_segment, ES to TR. */
static void set_segment(struct image *image, unsigned segment, uint16_t selector, uint64_t base,
                        uint32_t limit, uint32_t rights)
{
    *image_at(image, VMCS_GUEST_ES_SELECTOR + 2 * segment) = selector;
    *image_at(image, VMCS_GUEST_ES_BASE + 2 * segment) = base;
    *image_at(image, VMCS_GUEST_ES_LIMIT + 2 * segment) = limit;
    *image_at(image, VMCS_GUEST_ES_ACCESS_RIGHTS + 2 * segment) = rights;
}

static void build_controls(struct image *image, const struct vmx_capabilities *cpu, enum image_kind kind)
{
    struct vmx_capabilities plain = *cpu; /* mutations turn APIC virtualization on, piece by piece */
    struct vmx_controls controls;

    plain.may_be_1[VMX_PRIMARY] &= ~(uint64_t)VMX_PRIMARY_USE_TPR_SHADOW;
    vmx_compute_controls(&plain, &controls);
    *image_at(image, VMCS_PIN_CONTROLS) = controls.pin;
    *image_at(image, VMCS_PRIMARY_CONTROLS) = controls.primary;
    *image_at(image, VMCS_SECONDARY_CONTROLS) = controls.secondary;
    *image_at(image, VMCS_EXIT_CONTROLS) = controls.exit;
    *image_at(image, VMCS_ENTRY_CONTROLS) =
        controls.entry | (kind == IMAGE_64 ? VMX_ENTRY_IA32E_MODE_GUEST : 0);
    *image_at(image, VMCS_MSR_BITMAP) = 0x2000;
    *image_at(image, VMCS_EPTP) = 0x1000 | 1 << 6 | 3 << 3 | 6;
    *image_at(image, VMCS_VPID) = 1;
    *image_at(image, VMCS_LINK_POINTER) = UINT64_MAX;
    *image_at(image, VMCS_VIRTUAL_APIC_ADDRESS) = IMAGE_VIRTUAL_APIC;
    image->vtpr = 0x20;
}

static void build_host(struct image *image)
{
    *image_at(image, VMCS_HOST_CR0) = CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_PE;
    *image_at(image, VMCS_HOST_CR4) = CR4_VMXE | CR4_PAE;
    *image_at(image, VMCS_HOST_CR3) = 0x3000;
    *image_at(image, VMCS_HOST_EFER) = EFER_LMA | EFER_LME | EFER_NXE;
    *image_at(image, VMCS_HOST_PAT) = UINT64_C(0x0007040600070406);
    *image_at(image, VMCS_HOST_CS_SELECTOR) = 0x08;
    *image_at(image, VMCS_HOST_TR_SELECTOR) = 0x18;
    *image_at(image, VMCS_HOST_GDTR_BASE) = UINT64_C(0xffffffff80001000);
    *image_at(image, VMCS_HOST_IDTR_BASE) = UINT64_C(0xffffffff80002000);
    *image_at(image, VMCS_HOST_RIP) = UINT64_C(0xffffffff80100000);
}

static void build_flat(struct image *image, uint32_t code_size)
{
    for (unsigned segment = SEG_ES; segment <= SEG_GS; segment++)
        set_segment(image, segment, 0x10, 0, 0xffffffff, 0x93 | SEG_DB | SEG_G);
    set_segment(image, SEG_CS, 0x08, 0, 0xffffffff, 0x9b | code_size | SEG_G);
    *image_at(image, VMCS_GUEST_CR0) = CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_PE;
    *image_at(image, VMCS_GUEST_CR3) = 0x4000;
}

static void build_16_bit(struct image *image, uint32_t data_rights, uint32_t code_rights)
{
    for (unsigned segment = SEG_ES; segment <= SEG_GS; segment++)
        set_segment(image, segment, 0x1000, 0x10000, 0xffff, data_rights);
    *image_at(image, VMCS_GUEST_CS_ACCESS_RIGHTS) = code_rights;
}

void image_build(struct image *image, const struct vmx_capabilities *cpu, enum image_kind kind)
{
    memset(image, 0, sizeof(*image));
    build_controls(image, cpu, kind);
    build_host(image);
    *image_at(image, VMCS_GUEST_CR4) = CR4_VMXE;
    *image_at(image, VMCS_GUEST_PAT) = UINT64_C(0x0007040600070406);
    *image_at(image, VMCS_GUEST_DR7) = 0x400;
    *image_at(image, VMCS_GUEST_RFLAGS) = RFLAGS_1;
    *image_at(image, VMCS_GUEST_GDTR_LIMIT) = *image_at(image, VMCS_GUEST_IDTR_LIMIT) = 0xffff;
    set_segment(image, SEG_TR, 0x18, 0, 0x67, 0x8b);
    set_segment(image, SEG_LDTR, 0, 0, 0, SEG_UNUSABLE);
    switch (kind) {
    case IMAGE_64:
        build_flat(image, SEG_L);
        *image_at(image, VMCS_GUEST_CR4) |= CR4_PAE;
        *image_at(image, VMCS_GUEST_EFER) = EFER_LMA | EFER_LME | EFER_SCE;
        *image_at(image, VMCS_GUEST_RIP) = UINT64_C(0xffffffff81000000);
        break;
    case IMAGE_PAE:
        build_flat(image, SEG_DB);
        *image_at(image, VMCS_GUEST_CR4) |= CR4_PAE;
        for (unsigned i = 0; i < 4; i++)
            *image_at(image, VMCS_GUEST_PDPTE0 + 2 * i) = 0x8001 + 0x1000 * i;
        *image_at(image, VMCS_GUEST_RIP) = 0xc0100000;
        break;
    case IMAGE_8086:
        build_16_bit(image, 0xf3, 0xf3);
        *image_at(image, VMCS_GUEST_CR0) = CR0_PG | CR0_NE | CR0_ET | CR0_PE;
        *image_at(image, VMCS_GUEST_RFLAGS) = RFLAGS_VM | RFLAGS_1;
        break;
    default:
        build_16_bit(image, 0x93, 0x9b);
        *image_at(image, VMCS_GUEST_CR0) = CR0_NE | CR0_ET;
        *image_at(image, VMCS_GUEST_RIP) = 0x7c00;
    }
}

static uint64_t read(void *context, uint32_t encoding)
{
    return *image_at(context, encoding);
}

static bool read_memory(void *context, uint64_t address, uint32_t *value)
{
    const struct image *image = context;

    if (address == IMAGE_VIRTUAL_APIC + 0x80)
        *value = image->vtpr;
    else if (address == IMAGE_LINKED_VMCS)
        *value = REVISION;
    else if (address == IMAGE_OTHER_VMCS)
        *value = REVISION + 1;
    else
        return false;
    return true;
}

struct vmcs_reader image_reader(struct image *image)
{
    return (struct vmcs_reader){.read = read, .read_memory = read_memory, .context = image};
}
