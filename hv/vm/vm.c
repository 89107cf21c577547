/* What a VM's vCPUs and devices do to it as a whole: touch its memory, change what is there, and end it. */
#include "hv/vm/vm.h"

#include "hv/lib/string.h"
#include "hv/vm/virt.h"
#include "hv/x86/pc.h"

/* RAM that the guest sees but that an access came to Keel for: a page under an APIC, or beside a device. */
static void *ram_at(struct vm *vm, gpa_t gpa, unsigned size)
{
    return bus_find(&vm->mmio, gpa) ? NULL : guest_ptr(&vm->memory, gpa, size);
}

static bool is_local(const struct vcpu *vcpu, gpa_t gpa)
{
    return gpa - vcpu->local.first < vcpu->local.starts[0];
}

uint64_t vm_memory_read(struct vcpu *vcpu, gpa_t gpa, unsigned size)
{
    struct vm *vm = vcpu->vm;
    uint64_t value = 0;
    const void *ram;

    if (is_local(vcpu, gpa)) {
        vcpu->stat_at = vcpu->local.stat_at;
        if (!bus_range_read(&vcpu->local, gpa, size, &value))
            value = size_mask(size);
    } else if ((gpa >= DEVICES_FIRST && gpa < DEVICES_END) || !(ram = ram_at(vm, gpa, size))) {
        bus_read_exit(&vm->mmio, gpa, size, &value, &vcpu->stat_at);
    } else {
        memcpy(&value, ram, size);
    }
    return value;
}

void vm_memory_write(struct vcpu *vcpu, gpa_t gpa, unsigned size, uint64_t value)
{
    struct vm *vm = vcpu->vm;
    void *ram;

    if (is_local(vcpu, gpa)) {
        vcpu->stat_at = vcpu->local.stat_at;
        bus_range_write(&vcpu->local, gpa, size, value);
    } else if ((gpa >= DEVICES_FIRST && gpa < DEVICES_END) || !(ram = ram_at(vm, gpa, size))) {
        bus_write_exit(&vm->mmio, gpa, size, value, &vcpu->stat_at);
    } else {
        memcpy(ram, &value, size);
    }
}

uint64_t vm_memory_missed(struct vcpu *vcpu, gpa_t gpa, unsigned size)
{
    if (!is_local(vcpu, gpa))
        bus_missed(&vcpu->vm->mmio, gpa);
    return size_mask(size);
}

void vm_show_page(struct vm *vm)
{
    if (vm->hidden)
        virt->run.page_set_present(vm, vm->hidden - 1, true);
    vm->hidden = 0;
}

void vm_hide_page(struct vm *vm, gpa_t page)
{
    vm_show_page(vm);
    if (!guest_ptr(&vm->memory, page, PAGE_SIZE))
        return;
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        if (is_local(vm->vcpus[i], page))
            return;
    if (!virt->run.page_set_present(vm, page, false))
        return;
    vm->hidden = page + 1;
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        vcpu_request(vm->vcpus[i], REQUEST_FLUSH);
}

bool vm_find_page(struct vm *vm, gpa_t gpa)
{
    bool found;

    spin_lock(&vm->lock);
    found = vm->hidden && ALIGN_DOWN(gpa, PAGE_SIZE) == vm->hidden - 1;
    if (found)
        vm_show_page(vm);
    spin_unlock(&vm->lock);
    return found;
}

/* Whoever comes first says why; nobody sees `end` before the words behind it are there. */
static bool first_to_end(struct vm *vm)
{
    return !__atomic_exchange_n(&vm->ending, true, __ATOMIC_ACQ_REL);
}

static void end_with(struct vm *vm, enum vm_end end)
{
    __atomic_store_n(&vm->end, end, __ATOMIC_RELEASE);
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        vcpu_request(vm->vcpus[i], REQUEST_STOP);
}

void vm_stop(struct vm *vm, enum vm_end end, unsigned status)
{
    if (!first_to_end(vm))
        return;
    vm->status = status;
    end_with(vm, end);
}

void vm_crash(struct vm *vm, const char *format, ...)
{
    struct text_buffer buffer;
    va_list arguments;

    if (!first_to_end(vm))
        return;
    text_buffer_init(&buffer, vm->reason, sizeof(vm->reason));
    va_start(arguments, format);
    vprint_to(&buffer.writer, format, arguments);
    va_end(arguments);
    end_with(vm, VM_CRASHED);
}
