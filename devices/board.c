#include "devices/board.h"

#include "devices/acpi_pm.h"
#include "devices/debug_ports.h"
#include "devices/fw_cfg.h"
#include "devices/i8042.h"
#include "devices/irq/ioapic.h"
#include "devices/irq/local_apic.h"
#include "devices/irq/pic.h"
#include "devices/pci.h"
#include "devices/pit.h"
#include "devices/reset.h"
#include "devices/rtc.h"
#include "devices/testdev.h"
#include "devices/uart.h"
#include "devices/vga.h"
#include "hv/x86/pc.h"

#define PORT_RANGES 24
#define MMIO_RANGES 1
#define TEST_PORTS  4
#define TEST_MMIO   1

struct board {
    struct vm *vm;
    struct pic pic;
    struct pit pit;
    struct rtc rtc;
    struct i8042 i8042;
    struct uart com1;
    struct vga vga;
    struct acpi_pm pm;
    struct reset_control reset;
    struct pci pci;
    struct debug_ports debug;
    struct fw_cfg fw_cfg;
    struct ioapic ioapic;
    struct testdev test; /* if the VM has test_memory */
    struct bus_range ports[PORT_RANGES + TEST_PORTS], mmio[MMIO_RANGES + TEST_MMIO];
    struct local_apic_group group;
    struct local_apic apics[];
};

#define AT(member)      offsetof(struct board, member)

/* clang-format off */

/* Which device answers where. */
struct place {
    uint64_t first, last;
    size_t device;
};

static const struct place port_map[PORT_RANGES] = {
    {0x0020, 0x0021, AT(pic.master)},
    {0x0040, 0x0043, AT(pit.counter_ports)},
    {0x0060, 0x0060, AT(i8042.data)},
    {0x0061, 0x0061, AT(pit.control_port)},
    {0x0064, 0x0064, AT(i8042.command)},
    {0x0070, 0x0071, AT(rtc.device)},
    {0x0080, 0x008f, AT(debug.post)},
    {0x0092, 0x0092, AT(reset.port_a)},
    {0x00a0, 0x00a1, AT(pic.slave)},
    {0x00b2, 0x00b3, AT(pm.smi)},
    {0x00e9, 0x00e9, AT(debug.console)},
    {0x00eb, 0x00eb, AT(debug.delay)},
    {0x00ed, 0x00ed, AT(debug.delay)},
    {0x00f0, 0x00f1, AT(debug.fpu)},
    {0x00f4, 0x00f7, AT(debug.exit)},
    {0x03b4, 0x03bb, AT(vga.mono)},
    {0x03c0, 0x03cf, AT(vga.registers)},
    {0x03d4, 0x03db, AT(vga.color)},
    {0x03f8, 0x03ff, AT(com1.device)},
    {0x04d0, 0x04d1, AT(pic.elcr)},
    {0x0510, 0x0511, AT(fw_cfg.device)},
    {0x0600, 0x060f, AT(pm.block)},
    {0x0cf8, 0x0cfb, AT(pci.address)}, /* 0xCF9 too: pci.c passes it on to reset.control */
    {0x0cfc, 0x0cff, AT(pci.data)},
};

static const struct place mmio_map[MMIO_RANGES] = {
    {PC_IOAPIC, PC_IOAPIC + IOAPIC_SIZE - 1, AT(ioapic.device)},
};

/* For `testdev = yes`: these take the place of what else answers there. */
static const struct place test_ports[TEST_PORTS] = {
    {0x00e0, 0x00e3, AT(test.latch)},
    {0x00e4, 0x00e7, AT(test.flush)},
    {0x00e8, 0x00eb, AT(test.bytes)},
    {0x2000, 0x2000 + TESTDEV_LINES - 1, AT(test.lines)},
};

static const struct place test_mmio[TEST_MMIO] = {
    {0xff000000, 0xff000000 + VM_TEST_MEMORY - 1, AT(test.memory)},
};

/* Interrupt lines: each goes to a pin of the 8259As and to one of the I/O APIC. */
static const struct {
    size_t line;
    uint8_t pic_pin, ioapic_pin;
    bool (*may_raise)(const void *device); /* NULL: only at once, when the guest asks for it */
    size_t device;
} wires[] = {
    {AT(pit.irq),            0,               PC_TIMER_GSI,    pit_may_raise,     AT(pit)},
    {AT(i8042.keyboard_irq), PC_KEYBOARD_IRQ, PC_KEYBOARD_IRQ, i8042_may_raise,   AT(i8042)},
    {AT(com1.irq),           PC_COM1_IRQ,     PC_COM1_IRQ,     uart_may_raise,    AT(com1)},
    {AT(rtc.irq),            PC_RTC_IRQ,      PC_RTC_IRQ,      rtc_may_raise,     AT(rtc)},
    {AT(pm.sci),             PC_SCI_IRQ,      PC_SCI_IRQ,      acpi_pm_may_raise, AT(pm)},
    {AT(i8042.aux_irq),      PC_AUX_IRQ,      PC_AUX_IRQ,      NULL,              0},
};

static const size_t timers[] = {AT(pit.timer), AT(rtc.timer), AT(com1.timeout), AT(pm.timer)};

/* clang-format on */

#define IOAPIC_PIN_INTR 0 /* the 8259As' INTR: an I/O APIC passes it on as ExtINT */
#define LINT0           0

/* The loaders and the ACPI tables tell the guest these places: they must be where the map has them. */
_Static_assert(PC_PIT == 0x40 && PC_I8042_DATA == 0x60 && PC_I8042_STATUS == 0x64 && PC_RTC == 0x70 &&
                   PC_SMI_CMD == 0xb2 && PC_COM1 == 0x3f8 && PC_COM1_PORTS == 8 && PC_PM_BASE == 0x600 &&
                   PC_PM_PORTS == 16 && PC_RESET_REG == 0xcf9 && PC_IOAPIC_PINS == IOAPIC_PINS &&
                   PC_LOCAL_APIC == PC_LOCAL_APIC,
               "hv/x86/pc.h and port_map agree");

static void *part(struct board *board, size_t offset)
{
    return (char *)board + offset;
}

static void set_wire(void *owner, unsigned wire, bool asserted)
{
    struct board *board = owner;

    pic_set_line(&board->pic, wires[wire].pic_pin, asserted);
    ioapic_set_line(&board->ioapic, wires[wire].ioapic_pin, asserted);
}

static bool hears_wire(void *owner, unsigned wire)
{
    const struct board *board = owner;

    return pic_is_open(&board->pic, wires[wire].pic_pin) ||
           ioapic_is_open(&board->ioapic, wires[wire].ioapic_pin, true);
}

/* The devices that raise their lines by the clock. */
static void update_sources(void *owner)
{
    struct board *board = owner;

    pit_update(&board->pit);
    rtc_update(&board->rtc);
    acpi_pm_update(&board->pm);
}

/* A vCPU is served again. */
static void resumed(void *owner)
{
    struct board *board = owner;

    spin_lock(&board->vm->lock);
    pit_resume(&board->pit);
    spin_unlock(&board->vm->lock);
}

/* The 8259As' INTR reaches LINT0 of every local APIC, of which firmware opens the bootstrap processor's. */
static void set_intr(void *owner, unsigned pin, bool asserted)
{
    struct board *board = owner;

    (void)pin;
    local_apic_group_set_lint(&board->group, LINT0, asserted);
    ioapic_set_line(&board->ioapic, IOAPIC_PIN_INTR, asserted);
}

/* A processor acknowledges an external interrupt. */
static int acknowledge(void *owner)
{
    struct board *board = owner;
    int vector;

    spin_lock(&board->vm->lock);
    vector = pic_acknowledge(&board->pic);
    spin_unlock(&board->vm->lock);
    return vector;
}

/* A local APIC has ended a level-triggered interrupt. */
static void broadcast_eoi(void *owner, uint8_t vector)
{
    struct board *board = owner;

    spin_lock(&board->vm->lock);
    ioapic_eoi(&board->ioapic, vector);
    spin_unlock(&board->vm->lock);
}

static void create_shared_devices(struct board *board, const struct serial_backend *serial)
{
    struct vm *vm = board->vm;
    struct spinlock *lock = &vm->lock;
    const struct guest_region *regions = vm->memory.regions;
    const struct apic_fabric fabric = {local_apic_deliver, &board->group};
    uint64_t low_end = vm->memory.count > 0 ? regions[0].size : 0;
    uint64_t high_size = vm->memory.count > 1 ? regions[1].size : 0;

    pic_init(&board->pic, lock);
    ioapic_init(&board->ioapic, PC_IOAPIC_ID, &fabric, lock);
    pit_init(&board->pit, vm);
    rtc_init(&board->rtc, lock, low_end, high_size);
    uart_init(&board->com1, "com1", lock, serial);
    vga_init(&board->vga, lock);
    i8042_init(&board->i8042, vm);
    acpi_pm_init(&board->pm, vm);
    reset_control_init(&board->reset, vm);
    pci_init(&board->pci, vm, &board->reset.control);
    debug_ports_init(&board->debug, vm, serial);
    fw_cfg_init(&board->fw_cfg, lock, vm->vcpu_count, low_end + high_size);

    for (unsigned i = 0; i < ARRAY_LENGTH(wires); i++)
        *(struct irq_line *)part(board, wires[i].line) = (struct irq_line){set_wire, board, i, hears_wire};
    for (unsigned i = 0; i < ARRAY_LENGTH(timers); i++)
        ((struct timer *)part(board, timers[i]))->payer = &vm->vcpus[0]->runner;
    board->pic.sources = board->ioapic.sources = (struct irq_sources){update_sources, board};
    board->pic.intr = (struct irq_line){set_intr, board, 0, NULL};
}

static void create_local_apics(struct board *board, const struct cpuid_limits *limits)
{
    struct vm *vm = board->vm;

    board->group = (struct local_apic_group){.members = board->apics, .count = vm->vcpu_count};
    for (unsigned i = 0; i < vm->vcpu_count; i++)
        local_apic_init(&board->apics[i], &(struct local_apic_config){
                                              .vcpu = vm->vcpus[i],
                                              .group = &board->group,
                                              .physical_bits = limits->physical_bits,
                                              .x2apic = limits->x2apic,
                                              .tsc_deadline = limits->tsc_deadline,
                                              .bootstrap = i == 0,
                                              .extint = {acknowledge, board},
                                              .resumed = {resumed, board},
                                              .eoi = {broadcast_eoi, board},
                                          });
}

static bool overlaps(const struct place *place, const struct place *others, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (place->first <= others[i].last && place->last >= others[i].first)
            return true;
    return false;
}

/* Those of the PC and of the test device, if there is one, in ascending order. */
static bool create_bus(struct board *board, struct bus *bus, const char *name, struct bus_range *ranges,
                       const struct place *map, unsigned count, const struct place *test, unsigned tests)
{
    unsigned made = 0, at = 0;

    tests = board->vm->test_memory ? tests : 0;
    for (unsigned i = 0; i < count || at < tests;) {
        const struct place *place;

        if (at < tests && (i == count || test[at].first < map[i].first))
            place = &test[at++];
        else if (overlaps(place = &map[i++], test, tests))
            continue;
        ranges[made++] = (struct bus_range){place->first, place->last, part(board, place->device)};
    }
    return bus_init(bus, name, ranges, made);
}

/* The test device's lines are those of the interrupt controllers, by number. */
static void set_test_line(void *owner, unsigned line, bool asserted)
{
    struct board *board = owner;

    if (line < 16)
        pic_set_line(&board->pic, line, asserted);
    ioapic_set_line(&board->ioapic, line ? line : PC_TIMER_GSI, asserted);
}

static void create_testdev(struct board *board)
{
    testdev_init(&board->test, board->vm);
    for (unsigned i = 0; i < TESTDEV_LINES; i++)
        board->test.irq[i] = (struct irq_line){set_test_line, board, i, NULL};
}

size_t board_size(unsigned vcpus)
{
    return sizeof(struct board) + vcpus * sizeof(struct local_apic);
}

bool board_create(struct vm *vm, void *memory, const struct serial_backend *serial,
                  const struct cpuid_limits *limits)
{
    struct board *board = memory;

    vm->board = board;
    board->vm = vm;
    create_local_apics(board, limits);
    create_shared_devices(board, serial);
    if (vm->test_memory)
        create_testdev(board);
    return create_bus(board, &vm->ports, "port", board->ports, port_map, PORT_RANGES, test_ports,
                      TEST_PORTS) &&
           create_bus(board, &vm->mmio, "memory", board->mmio, mmio_map, MMIO_RANGES, test_mmio, TEST_MMIO);
}

void board_reset(struct vm *vm)
{
    struct board *board = vm->board;

    spin_lock(&vm->lock);
    bus_reset(&vm->ports);
    bus_reset(&vm->mmio);
    spin_unlock(&vm->lock);
    for (unsigned i = 0; i < board->group.count; i++) {
        local_apic_reset(&board->apics[i], false);
        local_apic_firmware_setup(&board->apics[i]);
    }
}

void board_open_irqs(struct vm *vm)
{
    struct board *board = vm->board;

    spin_lock(&vm->lock);
    pic_unmask(&board->pic);
    spin_unlock(&vm->lock);
}

bool board_may_wake(struct vm *vm)
{
    struct board *board = vm->board;
    bool any_hears = false, intr = false, may = false;

    for (unsigned i = 0; i < board->group.count; i++) {
        struct local_apic *apic = &board->apics[i];
        bool hears = vm->vcpus[i]->activity == VCPU_HALTED && !vm->vcpus[i]->deaf;

        any_hears |= hears;
        intr |= local_apic_lint0_is_open(apic, hears);
        may |= hears && local_apic_timer_may_raise(apic);
    }
    spin_lock(&vm->lock);
    intr |= ioapic_is_open(&board->ioapic, IOAPIC_PIN_INTR, any_hears);
    for (unsigned i = 0; i < ARRAY_LENGTH(wires); i++)
        may |= ((intr && pic_is_open(&board->pic, wires[i].pic_pin)) ||
                ioapic_is_open(&board->ioapic, wires[i].ioapic_pin, any_hears)) &&
               wires[i].may_raise && wires[i].may_raise(part(board, wires[i].device));
    spin_unlock(&vm->lock);
    return may;
}

void board_stop(struct vm *vm)
{
    struct board *board = vm->board;

    for (unsigned i = 0; i < ARRAY_LENGTH(timers); i++)
        timer_stop(part(board, timers[i]));
    for (unsigned i = 0; i < board->group.count; i++)
        timer_stop(&board->apics[i].timer.timer);
}

bool board_serial_input(struct vm *vm, uint8_t byte)
{
    struct board *board = vm->board;
    bool taken;

    spin_lock(&vm->lock);
    taken = uart_input(&board->com1, byte);
    spin_unlock(&vm->lock);
    return taken;
}

void board_serial_ready(struct vm *vm)
{
    struct board *board = vm->board;

    spin_lock(&vm->lock);
    uart_output_ready(&board->com1);
    spin_unlock(&vm->lock);
}

static bool press_power(struct board *board, unsigned code)
{
    (void)code;
    return acpi_pm_press_power_button(&board->pm);
}

static bool send_break(struct board *board, unsigned code)
{
    (void)code;
    return uart_input_break(&board->com1);
}

static bool key_down(struct board *board, unsigned code)
{
    return i8042_key(&board->i8042, code >> 8, (uint8_t)code, false);
}

static bool key_up(struct board *board, unsigned code)
{
    return i8042_key(&board->i8042, code >> 8, (uint8_t)code, true);
}

/* APIC ids are the vCPUs' numbers. */
static bool send_message(struct board *board, unsigned code, enum apic_delivery delivery)
{
    return local_apic_deliver(&board->group, &(struct apic_message){.destination = code / BOARD_VCPU(1),
                                                                    .vector = (uint8_t)code,
                                                                    .delivery = delivery,
                                                                    .x2apic = true});
}

static bool send_nmi(struct board *board, unsigned code)
{
    return send_message(board, code, APIC_NMI);
}

static bool send_interrupt(struct board *board, unsigned code)
{
    return send_message(board, code, APIC_FIXED);
}

static bool (*const signals[])(struct board *board, unsigned code) = {
    [BOARD_POWER_BUTTON] = press_power,
    [BOARD_BREAK] = send_break,
    [BOARD_KEY_DOWN] = key_down,
    [BOARD_KEY_UP] = key_up,
    [BOARD_NMI] = send_nmi,
    [BOARD_INTERRUPT] = send_interrupt,
};

static bool signal(struct vm *vm, enum board_signal what, unsigned code)
{
    bool taken;

    spin_lock(&vm->lock);
    taken = signals[what](vm->board, code);
    spin_unlock(&vm->lock);
    return taken;
}

unsigned board_msr_ranges(struct vcpu *vcpu, struct bus_range ranges[3])
{
    struct board *board = vcpu->vm->board;

    return local_apic_msr_ranges(&board->apics[vcpu->id], ranges);
}

const struct board_ops pc_board = {
    .size = board_size,
    .create = board_create,
    .reset = board_reset,
    .stop = board_stop,
    .open_irqs = board_open_irqs,
    .may_wake = board_may_wake,
    .serial_input = board_serial_input,
    .serial_ready = board_serial_ready,
    .signal = signal,
    .msr_ranges = board_msr_ranges,
};
