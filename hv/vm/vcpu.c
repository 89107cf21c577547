/* Registers of a vCPU by name, wherever they are kept. */
#include "hv/vm/vcpu.h"

#include "hv/load/pc.h"
#include "hv/vm/cpuid.h"
#include "hv/vm/virt.h"
#include "hv/vm/vm.h"

uint64_t vcpu_get(struct vcpu *vcpu, enum vcpu_reg reg)
{
    return reg <= REG_R15 && reg != REG_RSP ? vcpu->gpr[reg] : virt->get(vcpu, reg);
}

void vcpu_set(struct vcpu *vcpu, enum vcpu_reg reg, uint64_t value)
{
    if (reg <= REG_R15 && reg != REG_RSP)
        vcpu->gpr[reg] = value;
    else
        virt->set(vcpu, reg, value);
}

struct segment vcpu_get_segment(struct vcpu *vcpu, enum vcpu_segment segment)
{
    struct segment value;

    virt->get_segment(vcpu, segment, &value);
    return value;
}

void vcpu_set_segment(struct vcpu *vcpu, enum vcpu_segment segment, const struct segment *value)
{
    virt->set_segment(vcpu, segment, value);
}

unsigned vcpu_cpl(struct vcpu *vcpu)
{
    if (!(virt->get(vcpu, REG_CR0) & CR0_PE))
        return 0;
    if (virt->get(vcpu, REG_RFLAGS) & RFLAGS_VM)
        return 3;
    return SEG_DPL(vcpu_get_segment(vcpu, SEG_SS).attributes);
}

void vcpu_advance(struct vcpu *vcpu, unsigned length)
{
    virt->advance(vcpu, length);
}

/*
 * Hardware's page for xAPIC accesses is there while it is right for every vCPU: one APIC that is off, in
 * x2APIC mode or elsewhere makes all accesses exit, and software answers.
 */
static void share_apic_page(struct vm *vm)
{
    bool present = true;

    for (unsigned i = 0; i < vm->vcpu_count; i++)
        present = present && vm->vcpus[i]->local.first == PC_LOCAL_APIC;
    if (!vm->apic_access || present == vm->apic_access_present)
        return;
    vm->apic_access_present = present;
    virt->page_set_present(vm, PC_LOCAL_APIC, present);
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        vcpu_request(vm->vcpus[i], REQUEST_FLUSH);
}

/* RAM under an APIC is hidden from every vCPU's direct sight; the emulator then finds APIC or RAM, as it
 * should be. */
static void hide_or_show(struct vm *vm, gpa_t page)
{
    bool covered = false;

    if (!guest_ptr(&vm->memory, page, PAGE_SIZE))
        return;
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        covered = covered || (vm->vcpus[i]->local.last && vm->vcpus[i]->local.first == page);
    if (!virt->page_set_present(vm, page, !covered))
        vm_crash(vm, "Keel has no memory left for the page tables of an APIC over RAM at 0x%lx", page);
}

void vcpu_place_apic(struct vcpu *vcpu, enum apic_mode mode, gpa_t base)
{
    struct vm *vm = vcpu->vm;
    gpa_t old = vcpu->local.first;
    bool xapic = mode == APIC_XAPIC, was_there = vcpu->local.last;

    spin_lock(&vm->lock);
    vcpu->apic.mode = mode;
    vcpu->local.first = xapic ? base : 1;
    vcpu->local.last = xapic ? base + PAGE_MASK : 0;
    if (was_there)
        hide_or_show(vm, old);
    if (xapic)
        hide_or_show(vm, base);
    share_apic_page(vm);
    spin_unlock(&vm->lock);
    vcpu_request(vcpu, REQUEST_FLUSH);
}
