#include "vmx/vm.h"

#include "hv/vm/nested.h"
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

bool vmx_vm_create(struct vm *vm)
{
    unsigned largest = vmx_cpu.ept_vpid & VMX_EPT_1G ? 3 : vmx_cpu.ept_vpid & VMX_EPT_2M ? 2 : 1;

    return nested_create(vm, &table_format_ept, largest, EPT_WB) &&
           (!(vmx_words.secondary & VMX_SECONDARY_VIRTUALIZE_APIC_ACCESSES) || nested_create_apic_access(vm));
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
