/* The monitor's commands that look into a VM, which stands still for them. */
#include "hv/cpu/cpuid.h"
#include "hv/cpu/msr.h"
#include "hv/cpu/native.h"
#include "hv/event/guest_debug.h"
#include "hv/lib/string.h"
#include "hv/monitor/monitor_internal.h"
#include "hv/observe/stats.h"
#include "hv/show/guest_place.h"
#include "hv/show/walk_print.h"
#include "hv/vm/exit_stat.h"
#include "hv/vm/virt.h"

#define ROW 16

void monitor_regs(struct monitor_call *call)
{
    struct vcpu *vcpu = call->vcpu;
    struct writer *out = call->out;
    struct cpu_state state;

    print_to(out, "%s.%u: %s, CPL %u\n", call->name, call->vcpu_id, state_mode(vcpu), vcpu_cpl(vcpu));
    state_of_vcpu(vcpu, &state);
    state_print(&state, out);
    state_print_more(vcpu, out);
    guest_place_print(vcpu, &state, out);
}

static uint8_t seen[4096];

/* Rows of whole words, as the guest's processor reads them. Bytes have their text. */
static void print_memory(struct monitor_call *call, size_t count)
{
    struct writer *out = call->out;
    unsigned size = (unsigned)call->values[2] / 8;

    if (call->values[2] % 8 || size & (size - 1)) {
        print_to(out, "BITS is 8, 16, 32 or 64\n");
        return;
    }
    for (size_t row = 0; row + size <= count; row += ROW) {
        char text[ROW + 1] = "";

        print_to(out, "%016lx ", call->values[0] + row);
        for (size_t i = row; i < row + ROW && i + size <= count; i += size) {
            uint64_t word = 0;

            memcpy(&word, seen + i, size);
            print_to(out, " %0*lx", 2 * (int)size, word);
            text[i - row] = word >= ' ' && word < 0x7f ? (char)word : '.';
        }
        if (size == 1)
            print_to(out, "%*s  %s", 3 * (int)(ROW - MIN(count - row, (size_t)ROW)), "", text);
        print_to(out, "\n");
    }
}

void monitor_mem(struct monitor_call *call)
{
    size_t wanted = call->values[1], count = debug_read(call->vcpu, call->values[0], seen, wanted);

    print_memory(call, count);
    if (count < wanted)
        print_to(call->out, "No memory is mapped at 0x%lx: `translate` says why\n", call->values[0] + count);
}

void monitor_pmem(struct monitor_call *call)
{
    size_t wanted = call->values[1], count = 0;

    while (count < wanted && guest_read(&call->vm->memory, call->values[0] + count, seen + count, 1))
        count++;
    print_memory(call, count);
    if (count < wanted)
        print_to(call->out, "%s has no RAM at 0x%lx\n", call->name, call->values[0] + count);
}

void monitor_translate(struct monitor_call *call)
{
    walk_describe(call->vcpu, call->values[0], call->out);
}

void monitor_vmcs(struct monitor_call *call)
{
    unsigned broken = virt->show.explain(call->vcpu, call->out);

    if (broken)
        print_to(call->out, "%u %s the entry: see above\n", broken,
                 broken == 1 ? "check forbids" : "checks forbid");
    else
        print_to(call->out, "No check forbids the entry.\n");
}

void monitor_cpuid(struct monitor_call *call)
{
    cpuid_describe(call->vcpu, native_cpuid, call->out);
}

static bool contains(const char *text, const char *part)
{
    for (; *text; text++)
        if (strncmp(text, part, strlen(part)) == 0)
            return true;
    return false;
}

static void describe(struct writer *out, const struct bus_range *range, const char *place)
{
    struct device *device = range->device;

    print_to(out, "%s, %s 0x%lx-0x%lx\n", device->name, place, range->first, range->last);
    if (!device->ops->describe)
        return;
    if (device->lock)
        spin_lock(device->lock);
    device->ops->describe(device, out);
    if (device->lock)
        spin_unlock(device->lock);
}

/* Each device of a bus once, at its first range, if its name has this part. */
static void walk_bus(struct writer *out, const struct bus *bus, const char *place, const char *part,
                     bool mute_too)
{
    for (unsigned i = 0; i < bus->count; i++) {
        const struct device *device = bus->ranges[i].device;
        bool again = false;

        for (unsigned j = 0; j < i; j++)
            again |= bus->ranges[j].device == device;
        if (!again && contains(device->name, part) && (mute_too || device->ops->describe))
            describe(out, &bus->ranges[i], place);
    }
}

static void walk_vm(struct monitor_call *call, const char *part)
{
    struct vm *vm = call->vm;
    struct writer *out = call->out;

    walk_bus(out, &vm->ports, "ports", part, true);
    walk_bus(out, &vm->mmio, "memory", part, true);
    for (unsigned i = 0; i < vm->vcpu_count; i++) {
        struct vcpu *vcpu = vm->vcpus[i];

        vcpu_borrow(vcpu);
        print_to(out, "%s.%u:\n", call->name, i);
        if (vcpu->local.device)
            describe(out, &vcpu->local, "memory");
        walk_bus(out, &vcpu->msr_bus, "MSRs", part, false);
        vcpu_return(vcpu);
    }
}

static void print_misses(struct writer *out, const struct bus *bus)
{
    print_to(out, "%s: %lu accesses that nobody answered", bus->name, bus->misses.count);
    for (unsigned i = 0; i < MIN(bus->misses.count, (uint64_t)ARRAY_LENGTH(bus->misses.latest)); i++)
        print_to(out, "%s 0x%lx", i ? "," : ", the latest at", bus->misses.latest[i]);
    print_to(out, "\n");
}

void monitor_devs(struct monitor_call *call)
{
    walk_vm(call, "");
    print_misses(call->out, &call->vm->ports);
    print_misses(call->out, &call->vm->mmio);
}

/* Interrupt controllers have it in their names. */
void monitor_irq(struct monitor_call *call)
{
    walk_vm(call, "pic");
}

void monitor_exits(struct monitor_call *call)
{
    stats_print(call->vm, NULL, call->out);
}

void monitor_bars(struct monitor_call *call)
{
    stats_print_bars(call->vm, NULL, call->out);
}

void monitor_forget(struct monitor_call *call)
{
    stats_reset(call->vm);
}
