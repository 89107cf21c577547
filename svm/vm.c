#include "svm/vm.h"

#include "hv/vm/nested.h"
#include "svm/capabilities.h"
#include "svm/vendor.h"

bool svm_asids_shared;

bool svm_vm_create(struct vm *vm)
{
    return nested_create(vm, &table_format_npt, svm_cpu.pages_1g ? 3 : 2, PAT_WB);
}

void svm_flush(struct vcpu *vcpu)
{
    vmcb_of(vcpu)->tlb_control = svm_has(SVM_FLUSH_ASID) ? VMCB_FLUSH_ASID : VMCB_FLUSH_ALL;
}

uint32_t svm_next_asid(void)
{
    static uint32_t given;
    uint32_t number = __atomic_fetch_add(&given, 1, __ATOMIC_RELAXED);

    if (number >= svm_cpu.asids - 1)
        svm_asids_shared = true;
    return number % (svm_cpu.asids - 1) + 1;
}
