/* The monitor's commands that look into a VM, which stands still for them. */
#include "hv/debug/monitor_internal.h"
#include "hv/debug/stats.h"
#include "hv/debug/walk_print.h"
#include "hv/lib/string.h"
#include "hv/vm/cpuid.h"
#include "hv/vm/decode.h"
#include "hv/vm/guest_debug.h"
#include "hv/vm/linear.h"
#include "hv/vm/msr.h"
#include "hv/vm/native.h"
#include "hv/vm/virt.h"

#define ROW 16

/* Registers by name, so many in a row. */
struct named {
    char name[8];
    uint32_t number;
};

static const struct named general[] = {
    {"rax", REG_RAX}, {"rbx", REG_RBX}, {"rcx", REG_RCX},       {"rdx", REG_RDX}, {"rsi", REG_RSI},
    {"rdi", REG_RDI}, {"rbp", REG_RBP}, {"rsp", REG_RSP},       {"r8", REG_R8},   {"r9", REG_R9},
    {"r10", REG_R10}, {"r11", REG_R11}, {"r12", REG_R12},       {"r13", REG_R13}, {"r14", REG_R14},
    {"r15", REG_R15}, {"rip", REG_RIP}, {"rflags", REG_RFLAGS}, {"cr0", REG_CR0}, {"cr2", REG_CR2},
    {"cr3", REG_CR3}, {"cr4", REG_CR4}, {"efer", REG_EFER},     {"dr6", REG_DR6},
};

/* SDM, "Model-Specific Registers (MSRs)". */
static const struct named msrs[] = {
    {"star", 0xc0000081},    {"lstar", 0xc0000082}, {"cstar", 0xc0000083}, {"fmask", 0xc0000084},
    {"kgsbase", 0xc0000102}, {"syscs", 0x174},      {"sysesp", 0x175},     {"syseip", 0x176},
    {"pat", 0x277},          {"apic", 0x1b},        {"misc", 0x1a0},       {"tscaux", 0xc0000103},
    {"mtrrdef", 0x2ff},      {"xss", 0xda0},
};

static void print_named(struct writer *out, unsigned *column, const char *name, uint64_t value)
{
    print_to(out, "%-7s %016lx%s", name, value, ++*column % 4 ? "  " : "\n");
}

static void end_row(struct writer *out, unsigned *column)
{
    if (*column % 4)
        print_to(out, "\n");
    *column = 0;
}

/* While a debugger has the debug registers, the guest's own are kept aside. */
static uint64_t debug_register(const struct vcpu *vcpu, unsigned number)
{
    if (vcpu->debug.intercepts & DEBUG_REGISTERS)
        return debug_get_register(vcpu, number);
    return native_dr(number);
}

static void print_segments(struct writer *out, struct vcpu *vcpu)
{
    static const char names[SEG_COUNT][5] = {"es", "cs",   "ss", "ds",   "fs",
                                             "gs", "ldtr", "tr", "gdtr", "idtr"};

    for (unsigned i = 0; i < SEG_COUNT; i++) {
        struct segment segment = vcpu_get_segment(vcpu, (enum vcpu_segment)i);

        print_to(out, "%-7s %04x base %016lx limit %08x attributes %05x\n", names[i], segment.selector,
                 segment.base, segment.limit, segment.attributes);
    }
}

void monitor_regs(struct monitor_call *call)
{
    static const char *const modes[] = {"real mode", "virtual-8086 mode", "protected mode", "64-bit mode"};
    static const char dr[4][4] = {"dr0", "dr1", "dr2", "dr3"};
    struct vcpu *vcpu = call->vcpu;
    struct writer *out = call->out;
    unsigned column = 0;
    uint64_t value;

    print_to(out, "%s.%u: %s, CPL %u\n", call->name, call->vcpu_id, modes[vcpu_code_mode(vcpu)],
             vcpu_cpl(vcpu));
    for (unsigned i = 0; i < ARRAY_LENGTH(general); i++)
        print_named(out, &column, general[i].name, vcpu_get(vcpu, (enum vcpu_reg)general[i].number));
    for (unsigned i = 0; i < ARRAY_LENGTH(dr); i++)
        print_named(out, &column, dr[i], debug_register(vcpu, i));
    value = vcpu->debug.intercepts & DEBUG_REGISTERS ? debug_get_register(vcpu, 7) : vcpu_get(vcpu, REG_DR7);
    print_named(out, &column, "dr7", value);
    print_named(out, &column, "cr8", vcpu->interrupts.get_tpr(vcpu->interrupts.state));
    native_take_xcr0(vcpu);
    print_named(out, &column, "xcr0", vcpu->xcr0);
    print_named(out, &column, "tscoff", vcpu->tsc_offset);
    print_segments(out, vcpu);
    for (unsigned i = 0; i < ARRAY_LENGTH(msrs); i++)
        if (virt->get_msr(vcpu, msrs[i].number, &value) || msr_read(vcpu, msrs[i].number, &value))
            print_named(out, &column, msrs[i].name, value);
    end_row(out, &column);
}

static void print_bytes(struct writer *out, uint64_t address, const uint8_t *bytes, size_t count)
{
    for (size_t row = 0; row < count; row += ROW) {
        size_t length = MIN(count - row, (size_t)ROW);
        char text[ROW + 1];

        print_to(out, "%016lx ", address + row);
        for (size_t i = 0; i < ROW; i++) {
            uint8_t byte = i < length ? bytes[row + i] : ' ';

            if (i < length)
                print_to(out, " %02x", byte);
            else
                print_to(out, "   ");
            text[i] = byte >= ' ' && byte < 0x7f ? (char)byte : '.';
        }
        text[length] = 0;
        print_to(out, "  %s\n", text);
    }
}

static uint8_t seen[4096];

void monitor_mem(struct monitor_call *call)
{
    size_t wanted = call->values[1], count = debug_read(call->vcpu, call->values[0], seen, wanted);

    print_bytes(call->out, call->values[0], seen, count);
    if (count < wanted)
        print_to(call->out, "No memory is mapped at 0x%lx: `translate` says why\n", call->values[0] + count);
}

void monitor_pmem(struct monitor_call *call)
{
    size_t wanted = call->values[1], count = 0;

    while (count < wanted && guest_read(&call->vm->memory, call->values[0] + count, seen + count, 1))
        count++;
    print_bytes(call->out, call->values[0], seen, count);
    if (count < wanted)
        print_to(call->out, "%s has no RAM at 0x%lx\n", call->name, call->values[0] + count);
}

void monitor_translate(struct monitor_call *call)
{
    walk_describe(call->vcpu, call->values[0], call->out);
}

void monitor_vmcs(struct monitor_call *call)
{
    unsigned broken = virt->explain(call->vcpu, call->out);

    print_to(call->out, broken ? "%u checks forbid the entry: see above\n" : "No check forbids the entry.\n",
             broken);
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

        monitor_load(vcpu);
        print_to(out, "%s.%u:\n", call->name, i);
        if (vcpu->local.device)
            describe(out, &vcpu->local, "memory");
        walk_bus(out, &vcpu->msr_bus, "MSRs", part, false);
        monitor_unload(vcpu);
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
