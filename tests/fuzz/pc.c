#include "tests/fuzz/pc.h"

#include "devices/board.h"
#include "devices/irq/local_apic.h"
#include "hv/cpu/cpuid.h"
#include "hv/host/clock.h"
#include "hv/x86/pc.h"

struct pc pc;

/* A console that is sometimes full. */
static bool put(void *owner, uint8_t byte)
{
    (void)owner;
    return byte & 1;
}

void pc_make(unsigned options)
{
    static const struct serial_backend console = {put, NULL};
    static uint8_t test_memory[VM_TEST_MEMORY];
    struct vm *vm = &pc.vm;

    free(pc.memory);
    memset(&pc, 0, sizeof(pc));
    vm->vcpu_count = PC_VCPUS;
    vm->memory.count = 2;
    vm->memory.regions[0] = (struct guest_region){.first = 0, .size = 0xa0000};
    vm->memory.regions[1] = (struct guest_region){.first = 0xc0000, .size = MIB(16)};
    vm->test_memory = options & PC_TESTDEV ? test_memory : NULL;
    for (unsigned i = 0; i < PC_VCPUS; i++) {
        pc.vcpus[i].id = i;
        pc.vcpus[i].vm = vm;
        vm->vcpus[i] = &pc.vcpus[i];
    }
    pc.memory = aligned_alloc(PAGE_SIZE, ALIGN_UP(board_size(PC_VCPUS), PAGE_SIZE));
    memset(pc.memory, 0, board_size(PC_VCPUS));
    MUST(board_create(vm, pc.memory, &console,
                      &(struct cpuid_limits){.physical_bits = 40, .x2apic = true, .tsc_deadline = true}));
    for (unsigned i = 0; i < PC_VCPUS; i++) {
        struct vcpu *vcpu = &pc.vcpus[i];

        vcpu->arch.apic.shadows = options & PC_SHADOWS;
        vcpu->arch.apic.delivers = options & PC_SHADOWS && options & PC_DELIVERS;
        MUST(board_msr_ranges(vcpu, pc.msrs[i]) == 3);
        MUST(bus_init(&vcpu->msr_bus, "msr", pc.msrs[i], 3));
    }
    board_reset(vm);
}

/* An address that some device of the bus has, or one beside it. */
static uint64_t take_place(struct input *input, const struct bus *bus)
{
    const struct bus_range *range = &bus->ranges[take(input, 1) % bus->count];
    uint64_t length = range->last - range->first + 1;

    return range->first - 1 + take(input, length > 0x80 ? 2 : 1) % (length + 2);
}

static void access_bus(struct bus *bus, uint64_t address, unsigned size, struct input *input)
{
    bool write = take(input, 1) & 1;
    uint64_t value = 0;
    uint32_t stat_at;

    if (write) {
        bus_write_exit(bus, address, size, take(input, size), &stat_at);
    } else {
        bus_read_exit(bus, address, size, &value, &stat_at);
        MUST(!(value & ~size_mask(size)));
    }
}

static void port(struct vcpu *vcpu, struct input *input)
{
    struct bus *bus = &vcpu->vm->ports;

    access_bus(bus, take_place(input, bus), 1u << take(input, 1) % 3, input);
}

static void any_port(struct vcpu *vcpu, struct input *input)
{
    access_bus(&vcpu->vm->ports, take(input, 2), 1u << take(input, 1) % 3, input);
}

static void memory(struct vcpu *vcpu, struct input *input)
{
    struct bus *bus = &vcpu->vm->mmio;

    access_bus(bus, take_place(input, bus), 1u << take(input, 1) % 4, input);
}

static void redirect(struct vcpu *vcpu, struct input *input)
{
    struct bus *bus = &vcpu->vm->mmio;
    uint32_t stat_at;

    bus_write_exit(bus, PC_IOAPIC, 4, take(input, 1) & 0x3f, &stat_at);
    bus_write_exit(bus, PC_IOAPIC + 0x10, 4, take(input, 4), &stat_at);
}

static void apic_register(struct vcpu *vcpu, struct input *input)
{
    uint64_t at = vcpu->local.first + (take(input, 1) % APIC_REGS << 4), value = 0;

    if (!vcpu->local.last)
        return;
    bus_range_write(&vcpu->local, at, 4, take(input, 4));
    bus_range_read(&vcpu->local, at, 4, &value);
}

static void apic_page(struct vcpu *vcpu, struct input *input)
{
    unsigned size = 1u << take(input, 1) % 4;
    uint64_t offset = take(input, 2) & PAGE_MASK, value = 0;

    if (!vcpu->local.last || offset + size > PAGE_SIZE)
        return;
    bus_range_write(&vcpu->local, vcpu->local.first + offset, size, take(input, size));
    bus_range_read(&vcpu->local, vcpu->local.first + offset, size, &value);
}

static void apic_base(struct vcpu *vcpu, struct input *input)
{
    bus_write_number(&vcpu->msr_bus, IA32_APIC_BASE, take(input, 8));
}

/* EXTD, EN and BSP, at the usual place. */
static void apic_modes(struct vcpu *vcpu, struct input *input)
{
    bus_write_number(&vcpu->msr_bus, IA32_APIC_BASE, PC_LOCAL_APIC | (take(input, 1) & 0xd) << 8);
}

static void x2apic_register(struct vcpu *vcpu, struct input *input)
{
    uint64_t number = 0x800 + take(input, 1) % (APIC_REGS + 2), value;

    bus_write_number(&vcpu->msr_bus, number, take(input, 8));
    bus_read_number(&vcpu->msr_bus, number, &value);
}

static void deadline(struct vcpu *vcpu, struct input *input)
{
    uint64_t value;

    bus_write_number(&vcpu->msr_bus, 0x6e0, clock_now() + vcpu->arch.tsc_offset + take(input, 4));
    bus_read_number(&vcpu->msr_bus, 0x6e0, &value);
}

static void take_interrupt(struct vcpu *vcpu, struct input *input)
{
    struct interrupt_controller *interrupts = &vcpu->arch.interrupts;

    (void)input;
    MUST(interrupts->pending(interrupts->state) <= INTERRUPT_EXTERNAL);
    MUST(interrupts->acknowledge(interrupts->state) < 256);
}

/* Hardware that has the APIC's registers writes one of them, or ends an interrupt. */
static void hardware(struct vcpu *vcpu, struct input *input)
{
    struct interrupt_controller *interrupts = &vcpu->arch.interrupts;
    unsigned reg = take(input, 1) % APIC_REGS;

    if (!vcpu->arch.apic.shadows)
        return;
    __atomic_store_n(&vcpu->arch.apic.registers[4 * reg], (uint32_t)take(input, 4), __ATOMIC_RELAXED);
    interrupts->written(interrupts->state, reg << 4);
    interrupts->ended(interrupts->state, (unsigned)take(input, 1));
}

static void processor(struct vcpu *vcpu, struct input *input)
{
    struct interrupt_controller *interrupts = &vcpu->arch.interrupts;
    unsigned what = (unsigned)take(input, 1);

    if (what == 0xff) {
        interrupts->reset(interrupts->state, true);
    } else if (what & 0x10) {
        vcpu->arch.tsc_offset += take(input, 4);
        interrupts->tsc_changed(interrupts->state);
    } else {
        interrupts->set_tpr(interrupts->state, what & 15);
        MUST(interrupts->get_tpr(interrupts->state) < 16);
    }
}

void pc_guest(struct vcpu *vcpu, struct input *input)
{
    static void (*const things[])(struct vcpu * vcpu, struct input * input) = {
        port,     port,           port,          any_port,  memory,     redirect,
        redirect, apic_register,  apic_register, apic_page, apic_modes, x2apic_register,
        deadline, take_interrupt, hardware,      processor, apic_base,
    };

    things[take(input, 1) % ARRAY_LENGTH(things)](vcpu, input);
}

void pc_outside(struct input *input)
{
    unsigned what = (unsigned)take(input, 1);

    if (what & 0x80)
        board_serial_ready(&pc.vm);
    else if (what & 0x40)
        pc_board.signal(&pc.vm, what & 3, (unsigned)take(input, 2));
    else
        board_serial_input(&pc.vm, (uint8_t)what);
}

static void drop(struct writer *writer, const char *text, size_t length)
{
    (void)writer, (void)text, (void)length;
}

void pc_describe(void)
{
    struct writer out = {drop};
    const struct bus *bus = &pc.vm.ports;

    for (unsigned i = 0; i < bus->count; i++)
        if (bus->ranges[i].device->ops->describe)
            bus->ranges[i].device->ops->describe(bus->ranges[i].device, &out);
}
