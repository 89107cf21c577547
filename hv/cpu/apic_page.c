#include "hv/cpu/apic_page.h"

#include "hv/vm/virt.h"
#include "hv/vm/vm.h"

/* RAM under an APIC is hidden from every vCPU's direct sight; the emulator then finds APIC or RAM, as it
 * should be. */
static void hide_or_show(struct vm *vm, gpa_t page)
{
    bool covered = false;

    if (!guest_ptr(&vm->memory, page, PAGE_SIZE))
        return;
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        covered = covered || (vm->vcpus[i]->local.last && vm->vcpus[i]->local.first == page);
    if (!virt->run.page_set_present(vm, page, !covered))
        vm_crash(vm, "Keel has no memory left for the page tables of an APIC over RAM at 0x%lx", page);
}

void vcpu_place_apic(struct vcpu *vcpu, enum apic_mode mode, gpa_t base)
{
    struct vm *vm = vcpu->vm;
    gpa_t old = vcpu->local.first;
    bool xapic = mode == APIC_XAPIC, was_there = vcpu->local.last;

    spin_lock(&vm->lock);
    vcpu->arch.apic.mode = mode;
    vcpu->local.first = xapic ? base : 1;
    vcpu->local.last = xapic ? base + PAGE_MASK : 0;
    bus_range_prepare(&vcpu->local);
    if (was_there)
        hide_or_show(vm, old);
    if (xapic)
        hide_or_show(vm, base);
    if (virt->run.apic_placed)
        virt->run.apic_placed(vm);
    spin_unlock(&vm->lock);
    vcpu_request(vcpu, REQUEST_FLUSH);
}
