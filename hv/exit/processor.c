#include "hv/exit/processor.h"

#include "hv/cpu/msr.h"
#include "hv/cpu/native.h"
#include "hv/emulate/emulate.h"
#include "hv/event/guest_debug.h"
#include "hv/host/clock.h"
#include "hv/host/paging.h"
#include "hv/vm/virt.h"
#include "hv/vm/vm.h"
#include "hv/x86/pc.h"

/* Cuts one allocation into the parts of a vCPU. */
struct carver {
    uint8_t *next;
};

static void *carve(struct carver *carver, size_t size)
{
    void *part = carver->next;

    carver->next += ALIGN_UP(size, 64);
    return part;
}

/* The parts of a vCPU, in the order in which they are carved; without `fill` this only adds up the sizes. */
static struct vcpu *lay_out_vcpu(struct carver *carver, bool fill)
{
    struct vcpu *vcpu = carve(carver, sizeof(*vcpu));
    void *cpuid = carve(carver, cpuid_table_size());
    void *msrs = carve(carver, sizeof(struct msr_state));
    void *cache = carve(carver, decode_cache_size());

    if (fill) {
        vcpu->arch.cpuid = cpuid;
        vcpu->arch.msrs = msrs;
        vcpu->arch.decode_cache = cache;
    }
    return vcpu;
}

static size_t vcpu_size(void)
{
    struct carver sizes = {0};

    lay_out_vcpu(&sizes, false);
    carve(&sizes, msr_devices_size());
    carve(&sizes, (msr_range_count() + PROCESSOR_BOARD_RANGES) * sizeof(struct bus_range));
    return (size_t)sizes.next;
}

void processor_limits(struct cpuid_limits *limits)
{
    virt->lifecycle.limits(limits);
    limits->tsc_hz = clock_hz();
    limits->tsc_deadline = true;
    limits->x2apic = true;
    cpuid_limit(limits);
}

bool processor_create(struct vm *vm, unsigned id, const struct processor_plan *plan)
{
    void *memory = host_allocate(vcpu_size());
    struct carver carver = {memory};
    struct vcpu *vcpu;

    if (!memory)
        return false;
    vcpu = lay_out_vcpu(&carver, true);
    vcpu->vm = vm;
    vcpu->id = id;
    vm->vcpus[id] = vcpu;
    cpuid_init(vcpu, plan->vcpus, plan->limits, plan->cpuid);
    if (!virt->lifecycle.vcpu_create(vcpu))
        return false;
    if (plan->alone)
        vcpu->arch.apic.post = NULL;
    return true;
}

void processor_destroy(struct vcpu *vcpu)
{
    virt->lifecycle.vcpu_destroy(vcpu);
    host_free(vcpu, vcpu_size());
}

bool processor_connect(struct vcpu *vcpu, processor_board_ranges *board)
{
    struct carver carver = {(uint8_t *)vcpu};
    struct bus_range *ranges;
    unsigned count = msr_range_count();
    void *devices;

    lay_out_vcpu(&carver, false);
    devices = carve(&carver, msr_devices_size());
    ranges = carve(&carver, (count + PROCESSOR_BOARD_RANGES) * sizeof(struct bus_range));
    msr_ranges(vcpu, devices, ranges);
    count += board(vcpu, ranges + count);
    return bus_init(&vcpu->msr_bus, "msr", ranges, count) &&
           bus_init(&vcpu->hypercall_bus, "hypercall", NULL, 0);
}

void processor_reset(struct vcpu *vcpu, const struct cpuid_limits *limits, uint64_t now)
{
    vcpu->arch.tsc_offset = -now;
    vcpu->arch.event.valid = false;
    vcpu->arch.nmis = 0;
    vcpu->requests = REQUEST_FLUSH;
    debug_reset(vcpu);
    vcpu->arch.code_changed = true;
    native_reset(vcpu);
    msr_reset(vcpu, limits, PC_PCI_HOLE);
    virt->lifecycle.vcpu_load(vcpu);
    virt->lifecycle.vcpu_reset(vcpu);
}

void processor_settle(struct vcpu *vcpu)
{
    vcpu_cpuid_changed(vcpu);
    virt->lifecycle.vcpu_put(vcpu);
}
