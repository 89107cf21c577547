#include "vmx/vm.h"

#include "hv/host/paging.h"
#include "hv/vm/nested.h"
#include "hv/x86/pc.h"
#include "vmx/controls.h"

void vmx_forget_all(void)
{
    const struct {
        uint64_t pointer, reserved;
    } all = {0, 0};

    __asm__ volatile("invept %0, %1" : : "m"(all), "r"(UINT64_C(2)) : "cc", "memory");
}

#define EPT_WALK_4_LEVELS   (UINT64_C(3) << 3)
#define EPT_ENABLE_ACCESSED BIT(6)

uint64_t vmx_eptp(const struct vm *vm)
{
    return vm->nested.root | EPT_WB | EPT_WALK_4_LEVELS |
           (vmx_cpu.ept_vpid & VMX_EPT_ACCESSED_DIRTY ? EPT_ENABLE_ACCESSED : 0);
}

/* A VM's own: VMX's words of struct vm_arch. */
struct vmx_vm {
    hpa_t apic_access; /* hardware's page for xAPIC accesses; 0: it has none */
    bool apic_present; /* it is mapped */
};
_Static_assert(sizeof(struct vmx_vm) <= sizeof(((struct vm_arch *)0)->vendor), "it has its place there");

static struct vmx_vm *of(const struct vm *vm)
{
    return (struct vmx_vm *)vm->arch.vendor;
}

/* With all that mapping it later needs. */
static bool create_apic_access(struct vm *vm)
{
    void *page = host_allocate(PAGE_SIZE);

    if (!page)
        return false;
    of(vm)->apic_access = virt_to_phys(page);
    return nested_map(vm, PC_LOCAL_APIC, of(vm)->apic_access) && nested_unmap(vm, PC_LOCAL_APIC);
}

bool vmx_vm_create(struct vm *vm)
{
    unsigned largest = vmx_cpu.ept_vpid & VMX_EPT_1G ? 3 : vmx_cpu.ept_vpid & VMX_EPT_2M ? 2 : 1;

    return nested_create(vm, &table_format_ept, largest, EPT_WB) &&
           (!(vmx_words.secondary & VMX_SECONDARY_VIRTUALIZE_APIC_ACCESSES) || create_apic_access(vm));
}

void vmx_vm_destroy(struct vm *vm)
{
    nested_destroy(vm);
    if (of(vm)->apic_access)
        host_free(phys_to_virt(of(vm)->apic_access), PAGE_SIZE);
    *of(vm) = (struct vmx_vm){0};
}

hpa_t vmx_apic_page(const struct vm *vm)
{
    return of(vm)->apic_access;
}

/* One APIC that is off, in x2APIC mode or elsewhere makes all accesses exit, and software answers. */
void vmx_apic_placed(struct vm *vm)
{
    bool present = true;

    for (unsigned i = 0; i < vm->vcpu_count; i++)
        present = present && vm->vcpus[i]->local.first == PC_LOCAL_APIC;
    if (!of(vm)->apic_access || present == of(vm)->apic_present)
        return;
    of(vm)->apic_present = present;
    if (present)
        nested_map(vm, PC_LOCAL_APIC, of(vm)->apic_access);
    else
        nested_unmap(vm, PC_LOCAL_APIC);
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        vcpu_request(vm->vcpus[i], REQUEST_FLUSH);
}

void vmx_flush(struct vcpu *vcpu)
{
    const struct {
        uint64_t pointer, reserved;
    } one = {vmx_eptp(vcpu->vm), 0};

    if (vmx_cpu.ept_vpid & VMX_EPT_INVEPT_SINGLE)
        __asm__ volatile("invept %0, %1" : : "m"(one), "r"(UINT64_C(1)) : "cc", "memory");
    else
        vmx_forget_all();
}
