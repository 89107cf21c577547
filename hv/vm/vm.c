/* What a VM's vCPUs and devices do to it as a whole: touch its memory, and end it. */
#include "hv/vm/vm.h"

#include "hv/lib/string.h"
#include "hv/vm/virt.h"

/* RAM that the guest sees but that an access came to Keel for: a page under an APIC, or beside a device. */
static bool ram_access(struct vm *vm, gpa_t gpa, unsigned size, uint64_t *value, bool write)
{
    void *at = guest_ptr(&vm->memory, gpa, size);

    if (!at)
        return false;
    if (write)
        memcpy(at, value, size);
    else
        memcpy(value, at, size);
    return true;
}

void vm_memory_read(struct vcpu *vcpu, gpa_t gpa, unsigned size, uint64_t *value)
{
    struct vm *vm = vcpu->vm;

    *value = 0;
    if (gpa >= vcpu->local.first && gpa <= vcpu->local.last) {
        struct bus local = {.name = "local", .ranges = &vcpu->local, .count = 1};

        bus_read(&local, gpa, size, value);
    } else if (bus_find(&vm->mmio, gpa) || !ram_access(vm, gpa, size, value, false)) {
        bus_read(&vm->mmio, gpa, size, value);
    }
}

void vm_memory_write(struct vcpu *vcpu, gpa_t gpa, unsigned size, uint64_t value)
{
    struct vm *vm = vcpu->vm;

    if (gpa >= vcpu->local.first && gpa <= vcpu->local.last) {
        struct bus local = {.name = "local", .ranges = &vcpu->local, .count = 1};

        bus_write(&local, gpa, size, value);
    } else if (bus_find(&vm->mmio, gpa) || !ram_access(vm, gpa, size, &value, true)) {
        bus_write(&vm->mmio, gpa, size, value);
    }
}

static bool first_to_end(struct vm *vm, enum vm_end end)
{
    enum vm_end runs = VM_RUNS;

    return __atomic_compare_exchange_n(&vm->end, &runs, end, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

static void stop_vcpus(struct vm *vm)
{
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        vcpu_request(vm->vcpus[i], REQUEST_STOP);
}

void vm_stop(struct vm *vm, enum vm_end end, unsigned status)
{
    if (!first_to_end(vm, end))
        return;
    vm->status = status;
    stop_vcpus(vm);
}

void vm_crash(struct vm *vm, const char *format, ...)
{
    struct text_buffer buffer;
    va_list arguments;

    if (!first_to_end(vm, VM_CRASHED))
        return;
    text_buffer_init(&buffer, vm->reason, sizeof(vm->reason));
    va_start(arguments, format);
    vprint_to(&buffer.writer, format, arguments);
    va_end(arguments);
    stop_vcpus(vm);
}
