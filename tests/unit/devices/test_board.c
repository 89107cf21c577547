#include "tests/unit/fake.h"

#include <stdlib.h>
#include <string.h>

#include "devices/board.h"
#include "devices/irq/local_apic.h"
#include "hv/cpu/cpuid.h"
#include "hv/x86/pc.h"

#define VCPUS 2

static struct vm vm;
static struct vcpu vcpus[VCPUS];
static void *memory;
static char said[64];
static unsigned length;

static bool put(void *owner, uint8_t byte)
{
    assert_ptr_equal(owner, said);
    if (length < sizeof(said) - 1)
        said[length++] = byte;
    return true;
}

static uint32_t in(uint16_t port, unsigned size)
{
    uint64_t value = 0;

    bus_read(&vm.ports, port, size, &value);
    return value;
}

static void out(uint16_t port, unsigned size, uint32_t value)
{
    bus_write(&vm.ports, port, size, value);
}

static void apic_write(unsigned vcpu, enum apic_reg reg, uint32_t value)
{
    struct device *page = vcpus[vcpu].local.device;

    assert_true(page->ops->write(page, reg * 16, 4, value));
}

static void ioapic_write(uint8_t reg, uint32_t value)
{
    bus_write(&vm.mmio, PC_IOAPIC, 4, reg);
    bus_write(&vm.mmio, PC_IOAPIC + 0x10, 4, value);
}

static int pending(unsigned vcpu)
{
    return vcpus[vcpu].arch.interrupts.pending(vcpus[vcpu].arch.interrupts.state);
}

static int acknowledge(unsigned vcpu)
{
    return vcpus[vcpu].arch.interrupts.acknowledge(vcpus[vcpu].arch.interrupts.state);
}

/* Base vectors 0x20 and 0x28, everything unmasked. */
static void start_pic(void)
{
    static const uint8_t words[2][4] = {{0x11, 0x20, 0x04, 0x01}, {0x11, 0x28, 0x02, 0x01}};

    for (unsigned chip = 0; chip < 2; chip++) {
        uint16_t port = chip ? 0xa0 : 0x20;

        out(port, 1, words[chip][0]);
        for (unsigned i = 1; i < 4; i++)
            out(port + 1, 1, words[chip][i]);
        out(port + 1, 1, 0);
    }
}

/* One pin of the I/O APIC to one vCPU. */
static void route(unsigned pin, uint8_t vector, bool level, unsigned vcpu)
{
    ioapic_write(0x10 + 2 * pin + 1, vcpu << 24);
    ioapic_write(0x10 + 2 * pin, vector | (level ? 1u << 15 : 0));
}

/* What makes each device raise its line, and be quiet again. */
static void pulse_pit(void)
{
    fake_run_until(fake_now + fake_hz / 10); /* counter 0 has a period of 55 ms */
}

static void type_a_key(void)
{
    out(PC_I8042_DATA, 1, 0xee); /* echo */
}

static void receive_a_character(void)
{
    out(PC_COM1 + 1, 1, 1);    /* received data available */
    out(PC_COM1 + 4, 1, 0x0b); /* DTR, RTS, OUT2 */
    assert_true(board_serial_input(&vm, 'x'));
}

static void tick_the_clock(void)
{
    out(PC_RTC, 1, 0x0b);
    out(PC_RTC + 1, 1, 0x42); /* periodic */
    fake_run_until(fake_now + fake_hz / 100);
}

static void press_the_button(void)
{
    out(PC_SMI_CMD, 1, PC_ACPI_ENABLE);
    out(PC_PM1A_EVT + 2, 2, 0x0100);
    assert_true(pc_board.signal(&vm, BOARD_POWER_BUTTON, 0));
}

static void loop_back_the_mouse(void)
{
    out(PC_I8042_STATUS, 1, 0x60);
    out(PC_I8042_DATA, 1, 0x47);
    out(PC_I8042_STATUS, 1, 0xd3);
    out(PC_I8042_DATA, 1, 0x5a);
}

static const struct {
    void (*raise)(void);
    unsigned irq, gsi;
} sources[] = {
    {pulse_pit, 0, PC_TIMER_GSI},
    {type_a_key, PC_KEYBOARD_IRQ, PC_KEYBOARD_IRQ},
    {receive_a_character, PC_COM1_IRQ, PC_COM1_IRQ},
    {tick_the_clock, PC_RTC_IRQ, PC_RTC_IRQ},
    {press_the_button, PC_SCI_IRQ, PC_SCI_IRQ},
    {loop_back_the_mouse, PC_AUX_IRQ, PC_AUX_IRQ},
};

static uint8_t test_memory[VM_TEST_MEMORY];
static bool with_testdev;

static void create(void)
{
    const struct serial_backend backend = {put, said};

    memset(&vm, 0, sizeof(vm));
    memset(vcpus, 0, sizeof(vcpus));
    vm.memory.count = 2;
    vm.memory.regions[0] = (struct guest_region){.first = 0, .size = MIB(256)};
    vm.memory.regions[1] = (struct guest_region){.first = GIB(4), .size = MIB(128)};
    vm.vcpu_count = VCPUS;
    vm.test_memory = with_testdev ? test_memory : NULL;
    for (unsigned i = 0; i < VCPUS; i++) {
        vcpus[i].vm = &vm;
        vcpus[i].id = i;
        vm.vcpus[i] = &vcpus[i];
    }
    memory = aligned_alloc(PAGE_SIZE, board_size(VCPUS)); /* exactly: the sanitizer watches its ends */
    memset(memory, 0, board_size(VCPUS));
    assert_non_null(memory);
    assert_true(
        board_create(&vm, memory, &backend,
                     &(struct cpuid_limits){.physical_bits = 39, .x2apic = true, .tsc_deadline = true}));
}

static int setup(void **state)
{
    (void)state;
    fake_reset();
    memset(said, 0, sizeof(said));
    length = 0;
    fake_asked.end = VM_RUNS;
    create();
    board_reset(&vm);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    board_stop(&vm);
    free(memory);
    return 0;
}

static void a_pc_has_its_ports(void **state)
{
    static const struct {
        uint16_t first, last;
    } ports[] = {
        {0x20, 0x21},   {0x40, 0x43},   {0x60, 0x61},   {0x64, 0x64},   {0x70, 0x71},   {0x80, 0x8f},
        {0x92, 0x92},   {0xa0, 0xa1},   {0xb2, 0xb3},   {0xe9, 0xe9},   {0xeb, 0xeb},   {0xed, 0xed},
        {0xf0, 0xf1},   {0xf4, 0xf7},   {0x3b4, 0x3bb}, {0x3c0, 0x3cf}, {0x3d4, 0x3db}, {0x3f8, 0x3ff},
        {0x4d0, 0x4d1}, {0x510, 0x511}, {0x600, 0x60f}, {0xcf8, 0xcff},
    };
    unsigned next = 0;

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(ports); i++) {
        for (; next < ports[i].first; next++)
            assert_null(bus_find(&vm.ports, next));
        for (; next <= ports[i].last; next++)
            assert_non_null(bus_find(&vm.ports, next));
    }
    for (; next < 0x10000; next++)
        assert_null(bus_find(&vm.ports, next));
    assert_non_null(bus_find(&vm.mmio, PC_IOAPIC));
    assert_null(bus_find(&vm.mmio, PC_IOAPIC + PAGE_SIZE));
}

static void shared_devices_take_the_vms_lock(void **state)
{
    static const uint16_t unlocked[] = {0x80, 0xe9, 0xeb, 0xed, 0xf0, 0xf4};

    (void)state;
    for (unsigned i = 0; i < vm.ports.count; i++) {
        const struct bus_range *range = &vm.ports.ranges[i];
        bool shared = true;

        for (unsigned k = 0; k < ARRAY_LENGTH(unlocked); k++)
            shared &= range->first != unlocked[k];
        assert_ptr_equal(range->device->lock, shared ? &vm.lock : NULL);
    }
    assert_ptr_equal(vm.mmio.ranges[0].device->lock, &vm.lock);
}

static void devices_know_the_ports_they_are_put_on(void **state)
{
    (void)state;
    assert_int_equal(in(0x21, 1), 0xff);        /* PIC: all masked */
    assert_int_equal(in(0x64, 1), 0x14);        /* i8042 */
    assert_int_equal(in(0x92, 1), 0x02);        /* A20 */
    assert_int_equal(in(0xe9, 1), 0xe9);        /* debug console */
    assert_int_equal(in(PC_COM1 + 5, 1), 0x60); /* transmitter empty */
    out(0x80, 1, 0x5c);
    assert_int_equal(in(0x80, 1), 0x5c);
    out(0xcf8, 4, 0x80000000);
    assert_int_equal(in(0xcfc, 4), 0x0d578086);
    fake_run_until(fake_now + fake_hz);
    assert_in_range(in(PC_PM_TMR, 4), 3579545, 3579600);
    assert_int_equal(vm.ports.misses.count, 0);
}

static void interrupts_reach_the_pic(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(sources); i++) {
        board_reset(&vm);
        start_pic();
        sources[i].raise();
        /* IRQ 0 has ticked meanwhile; it would come first. */
        out(0x21, 1, sources[i].irq ? 0x01 : 0x00);
        assert_int_equal(pending(0), INTERRUPT_EXTERNAL);
        assert_int_equal(pending(1), -1); /* its LINT0 is masked */
        assert_true(fake_asked.requests[0] & REQUEST_EVENT);
        assert_int_equal(acknowledge(0), 0x20 + sources[i].irq);
        assert_false(spin_is_held(&vm.lock));
    }
}

static void interrupts_reach_the_ioapic(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(sources); i++) {
        board_reset(&vm);
        apic_write(1, APIC_SVR, 0x1ff);
        for (unsigned pin = 0; pin < PC_IOAPIC_PINS; pin++)
            if (pin != PC_TIMER_GSI || sources[i].irq == 0)
                route(pin, 0x40 + pin, false, 1);
        sources[i].raise();
        assert_int_equal(pending(0), -1);
        assert_int_equal(acknowledge(1), 0x40 + sources[i].gsi);
    }
}

static void a_level_comes_again_until_it_is_served(void **state)
{
    (void)state;
    route(PC_SCI_IRQ, 0x55, true, 0);
    press_the_button();
    assert_int_equal(acknowledge(0), 0x55);
    assert_int_equal(pending(0), -1);
    apic_write(0, APIC_EOI, 0);
    assert_int_equal(acknowledge(0), 0x55); /* the line is still up */
    out(PC_PM1A_EVT, 2, 0x0100);
    apic_write(0, APIC_EOI, 0);
    assert_int_equal(pending(0), -1);
    assert_false(spin_is_held(&vm.lock));
}

static void the_pics_output_reaches_the_ioapic(void **state)
{
    (void)state;
    start_pic();
    apic_write(0, APIC_LVT_LINT0, 1 << 16);
    apic_write(1, APIC_SVR, 0x1ff);
    ioapic_write(0x11, 1u << 24);
    ioapic_write(0x10, 7 << 8); /* ExtINT */
    type_a_key();
    out(0x21, 1, 0x01);
    assert_int_equal(pending(0), -1);
    assert_int_equal(pending(1), INTERRUPT_EXTERNAL);
}

/*
 * Timers of devices whose lines are masked everywhere are not armed, and the controllers show all the same
 * what would have come.
 */
static void masked_lines_cost_the_host_nothing(void **state)
{
    (void)state;
    out(0x43, 1, 0x34); /* counter 0: about a millisecond */
    out(0x40, 1, 1193 & 0xff);
    out(0x40, 1, 1193 >> 8);
    out(0x70, 1, 0x0b);
    out(0x71, 1, 0x42); /* the CMOS clock's periodic interrupt */
    out(PC_SMI_CMD, 1, PC_ACPI_ENABLE);
    out(PC_PM1A_EVT + 2, 2, 1); /* the PM timer's carry */
    assert_int_equal(fake_next_deadline(), UINT64_MAX);
    fake_now += 700 * fake_hz; /* the PM timer's carry comes each ten minutes */
    out(0x20, 1, 0x0a);        /* the request register, behind the masks */
    assert_int_equal(in(0x20, 1) & 1, 1);
    out(0xa0, 1, 0x0a);
    assert_int_equal(in(0xa0, 1) & 3, 3);
    assert_int_equal(fake_next_deadline(), UINT64_MAX);

    start_pic(); /* ICW1 opens all of them, and forgets edges */
    assert_int_not_equal(fake_next_deadline(), UINT64_MAX);
    out(0x21, 1, 0xff);
    out(0xa1, 1, 0xff);
    fake_run_until(fake_now + fake_hz);
    assert_int_equal(fake_next_deadline(), UINT64_MAX);
    while (pending(0) >= 0)
        acknowledge(0);
    out(0x20, 1, 0x60);
    out(0x21, 1, 0xfe); /* what was latched meanwhile comes at once */
    assert_int_equal(acknowledge(0), 0x20);
    assert_true(fake_next_deadline() <= fake_now + fake_hz / 900);

    out(0x21, 1, 0xff);
    apic_write(0, APIC_SVR, 0x1ff);
    fake_run_until(fake_now + fake_hz);
    route(PC_TIMER_GSI, 0x44, false, 0); /* an edge behind the I/O APIC's mask is lost */
    assert_true(pending(0) < 0);
    assert_true(fake_next_deadline() <= fake_now + fake_hz / 900);
    fake_run_until(fake_now + fake_hz / 900);
    assert_int_equal(acknowledge(0), 0x44);
}

static void the_guest_can_end_itself(void **state)
{
    static const struct {
        uint16_t port;
        uint8_t size;
        uint32_t value;
        enum vm_end end;
    } ends[] = {
        {0xcf9, 1, 0x06, VM_RESET},
        {0x92, 1, 0x01, VM_RESET},
        {0x64, 1, 0xfe, VM_RESET},
        {0xf4, 4, 3, VM_EXITED},
        {PC_PM1A_CNT, 2, PC_SLP_TYP_S5 << 10 | 0x2000, VM_POWERED_OFF},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(ends); i++) {
        fake_asked.end = VM_RUNS;
        out(ends[i].port, ends[i].size, ends[i].value);
        assert_int_equal(fake_asked.end, ends[i].end);
        assert_int_equal(fake_asked.status, ends[i].end == VM_EXITED ? 7 : 0);
    }
}

static void both_consoles_talk_to_the_backend(void **state)
{
    (void)state;
    out(PC_COM1, 1, 'a');
    out(0xe9, 1, 'b');
    assert_string_equal(said, "ab");
    assert_true(board_serial_input(&vm, 'c'));
    assert_false(board_serial_input(&vm, 'd')); /* no FIFO yet: one byte */
    assert_int_equal(in(PC_COM1, 1), 'c');
    assert_true(board_serial_input(&vm, 'd'));
}

static uint8_t cmos(uint8_t index)
{
    out(PC_RTC, 1, index);
    return in(PC_RTC + 1, 1);
}

static void cmos_tells_the_memory(void **state)
{
    (void)state;
    assert_int_equal(cmos(0x15) | cmos(0x16) << 8, 640);
    assert_int_equal(cmos(0x34) | cmos(0x35) << 8, (MIB(256) - MIB(16)) >> 16);
    assert_int_equal(cmos(0x5b) | cmos(0x5c) << 8, MIB(128) >> 16);
}

static void every_vcpu_has_a_local_apic(void **state)
{
    struct bus_range ranges[3];

    (void)state;
    for (unsigned i = 0; i < VCPUS; i++) {
        uint64_t value;

        assert_int_equal(vcpus[i].local.first, PC_LOCAL_APIC);
        assert_int_equal(board_msr_ranges(&vcpus[i], ranges), 3);
        for (unsigned k = 0; k < 3; k++)
            if (ranges[k].first == IA32_APIC_BASE) {
                assert_true(ranges[k].device->ops->read(ranges[k].device, 0, 8, &value));
                assert_int_equal(value, PC_LOCAL_APIC | APIC_BASE_EN | (i == 0 ? APIC_BASE_BSP : 0));
            }
        assert_true(vcpus[i].local.device->ops->read(vcpus[i].local.device, APIC_ID * 16, 4, &value));
        assert_int_equal(value, i << 24);
    }
}

static void a_reset_forgets_what_the_guest_did(void **state)
{
    (void)state;
    start_pic();
    press_the_button();
    type_a_key();
    tick_the_clock();
    out(0xcf8, 4, 0x80001234);
    out(0xcf9, 1, 0x02);
    out(0x92, 1, 0);
    route(PC_SCI_IRQ, 0x55, true, 0);
    board_reset(&vm);
    assert_int_equal(in(0x21, 1), 0xff);
    assert_int_equal(in(0xa1, 1), 0xff);
    assert_int_equal(in(0x64, 1), 0x14);
    assert_int_equal(in(PC_PM1A_EVT, 4), 0);
    assert_int_equal(in(0xcf8, 4), 0);
    assert_int_equal(in(0xcf9, 1), 0);
    assert_int_equal(in(0x92, 1), 0x02);
    assert_int_equal(pending(0), -1);
    press_the_button(); /* no redirection entry is left */
    assert_int_equal(pending(0), -1);
}

static void a_stopped_board_calls_nobody(void **state)
{
    (void)state;
    tick_the_clock();
    out(PC_SMI_CMD, 1, PC_ACPI_ENABLE);
    out(PC_PM1A_EVT + 2, 2, 0x0001);
    apic_write(1, APIC_SVR, 0x1ff);
    apic_write(1, APIC_LVT_TIMER, 1 << 17 | 0x40);
    apic_write(1, APIC_INITIAL_COUNT, 100000000);
    assert_int_not_equal(fake_next_deadline(), UINT64_MAX);
    board_stop(&vm);
    assert_int_equal(fake_next_deadline(), UINT64_MAX);
    board_reset(&vm);
    start_pic();
    pulse_pit();
    assert_int_equal(acknowledge(0), 0x20);
}

static void every_device_can_describe_itself(void **state)
{
    static const char *const expected[] = {"imr ff",           "command byte 65",
                                           "PM1 status 0000",  "POST code 00",
                                           "reset control 00", "00:00.0 8086:0d57 class 060000"};
    struct text_buffer buffer;
    char text[8192];

    (void)state;
    text_buffer_init(&buffer, text, sizeof(text));
    for (unsigned i = 0; i < vm.ports.count; i++)
        if (vm.ports.ranges[i].device->ops->describe)
            vm.ports.ranges[i].device->ops->describe(vm.ports.ranges[i].device, &buffer.writer);
    for (unsigned i = 0; i < ARRAY_LENGTH(expected); i++)
        assert_non_null(strstr(text, expected[i]));
    assert_int_equal(text[strlen(text) - 1], '\n');
}

/* Every port, any value, any size, while time goes by: for the sanitizers. */
static void random_accesses_are_survived(void **state)
{
    static const unsigned sizes[] = {1, 2, 4};
    uint32_t random = 42;

    (void)state;
    for (unsigned i = 0; i < 300000; i++) {
        const struct bus_range *range;
        uint16_t port;

        random = random * 1664525 + 1013904223;
        range = &vm.ports.ranges[(random >> 24) % vm.ports.count];
        port = range->first - 1 + (random >> 16 & 0xff) % (range->last - range->first + 3);
        random = random * 1664525 + 1013904223;
        if (random & BIT(31))
            out(port, sizes[(random >> 8) % 3], random >> (random >> 27 & 15));
        else
            in(port, sizes[(random >> 8) % 3]);
        if (i % 16 == 0)
            acknowledge(0);
        if (i % 64 == 0)
            bus_write(&vm.mmio, PC_IOAPIC + (random >> 10 & 0x7c), 4, random);
        if (i % 256 == 0)
            fake_run_until(fake_now + (random >> 12));
    }
    board_reset(&vm);
    assert_false(spin_is_held(&vm.lock));
    assert_int_equal(in(0x21, 1), 0xff);
    assert_int_equal(in(0x64, 1), 0x14);
    assert_int_equal(pending(0), -1);
}

static int setup_with_testdev(void **state)
{
    int result;

    with_testdev = true;
    result = setup(state);
    with_testdev = false;
    return result;
}

static void without_the_key_there_is_no_test_device(void **state)
{
    (void)state;
    out(0xe0, 4, 0x12345678);
    assert_int_equal(in(0xe0, 4), 0xffffffff);
    assert_int_equal(in(0xe9, 1), 0xe9);
    assert_null(bus_find(&vm.ports, 0x2000));
    assert_null(bus_find(&vm.mmio, 0xff000000));
}

static void the_test_devices_latch_is_read_in_any_size(void **state)
{
    (void)state;
    out(0xe0, 4, 0x12345678);
    assert_int_equal(in(0xe2, 2), 0x1234);
    assert_int_equal(in(0xe9, 1), 0x56); /* in the debug console's place */
    out(0xeb, 1, 0xab);
    assert_int_equal(in(0xe0, 4), 0xab345678);
    assert_int_equal(in(0xe8, 4), 0xab345678);
    assert_int_equal(length, 0);
}

static void the_test_device_drives_every_line(void **state)
{
    (void)state;
    apic_write(0, APIC_SVR, 0x1ff);
    for (unsigned n = 0; n < 24; n++) {
        ioapic_write((uint8_t)(0x10 + 2 * n), 0x50 + n);
        ioapic_write((uint8_t)(0x11 + 2 * n), 0);
    }
    for (unsigned n = 0; n < 24; n++) {
        if (n == PC_TIMER_GSI) /* the cascade's number: the pin is line 0's */
            continue;
        out((uint16_t)(0x2000 + n), 1, 0xff);
        assert_int_equal(pending(0), 0x50 + (n ? n : PC_TIMER_GSI));
        acknowledge(0);
        apic_write(0, APIC_EOI, 0);
        out((uint16_t)(0x2000 + n), 1, 1); /* no edge */
        assert_int_equal(pending(0), -1);
        out((uint16_t)(0x2000 + n), 1, 0);
    }
}

static void the_test_devices_memory_holds_and_pages_go(void **state)
{
    uint64_t value = 0;

    (void)state;
    bus_write(&vm.mmio, 0xff00fff8, 8, 0x1122334455667788);
    bus_read(&vm.mmio, 0xff00fffc, 4, &value);
    assert_int_equal(value, 0x11223344);
    out(0xe4, 4, 0x12345678);
    assert_int_equal(fake_hidden, 0x12345001);
    out(0xe5, 1, 0x99);
    assert_int_equal(fake_hidden, 0x12345001);
    board_reset(&vm);
    assert_int_equal(fake_hidden, 0);
    bus_read(&vm.mmio, 0xff00fffc, 4, &value);
    assert_int_equal(value, 0);
}

/* Every vCPU halts; the first one hears interrupts or not, the others wait to be started. */
static bool may_wake(bool hears)
{
    bool may;

    for (unsigned i = 0; i < VCPUS; i++)
        vcpus[i].activity = i ? VCPU_WAIT_FOR_SIPI : VCPU_HALTED;
    vcpus[0].deaf = !hears;
    may = board_may_wake(&vm);
    assert_false(spin_is_held(&vm.lock));
    return may;
}

static void a_boot_sector_finds_timer_and_keyboard_open(void **state)
{
    (void)state;
    assert_false(may_wake(true));
    board_open_irqs(&vm);
    assert_int_equal(in(0x21, 1), 0xb8);
    assert_int_equal(in(0xa1, 1), 0x8f);
    assert_true(may_wake(true));
    assert_false(may_wake(false));
    fake_run_until(fake_now + fake_hz / 10);
    assert_int_equal(pending(0), INTERRUPT_EXTERNAL);
    assert_int_equal(acknowledge(0), 8);
}

/* Firmware has served the ticks until then: a guest that makes an NMI of LINT0 gets it with the next. */
static void a_boot_sector_finds_no_tick_that_waits(void **state)
{
    (void)state;
    fake_run_until(fake_now + fake_hz); /* while it was loaded */
    board_open_irqs(&vm);
    assert_int_equal(pending(0), -1);
    apic_write(0, APIC_SVR, 0x1ff);
    apic_write(0, APIC_LVT_LINT0, 0x400); /* NMI */
    fake_asked.requests[0] = 0;
    fake_run_until(fake_now + fake_hz / 10);
    assert_true(fake_asked.requests[0] & REQUEST_NMI);
}

/* For each source: masked it wakes nobody, enabled and open it does, by either way. */
static void open_pic(unsigned irq)
{
    out(0x21, 1, 0xff & ~(irq < 8 ? 1u << irq : 4));
    out(0xa1, 1, 0xff & ~(irq < 8 ? 0 : 1u << (irq - 8)));
}

static void enable_received(void)
{
    out(PC_COM1 + 1, 1, 1);
    out(PC_COM1 + 4, 1, 0x08); /* OUT2 */
}

static void enable_alarm(void)
{
    out(PC_RTC, 1, 0x0b);
    out(PC_RTC + 1, 1, 0x22);
}

static void enable_button(void)
{
    out(PC_SMI_CMD, 1, PC_ACPI_ENABLE);
    out(PC_PM1A_EVT + 2, 2, 0x0100);
}

static void stop_pit(void)
{
    out(0x43, 1, 0x30); /* mode 0, and no count */
}

static void stop_keyboard(void)
{
    out(PC_I8042_STATUS, 1, 0xad);
}

static void disable_received(void)
{
    out(PC_COM1 + 1, 1, 0);
}

static void disable_alarm(void)
{
    out(PC_RTC, 1, 0x0b);
    out(PC_RTC + 1, 1, 0x02);
}

static void disable_button(void)
{
    out(PC_PM1A_EVT + 2, 2, 0);
}

static void only_what_is_enabled_and_open_may_wake(void **state)
{
    static const struct {
        unsigned irq, gsi;
        void (*enable)(void), (*disable)(void);
    } cases[] = {
        {0, PC_TIMER_GSI, NULL, stop_pit},
        {PC_KEYBOARD_IRQ, PC_KEYBOARD_IRQ, NULL, stop_keyboard},
        {PC_COM1_IRQ, PC_COM1_IRQ, enable_received, disable_received},
        {PC_RTC_IRQ, PC_RTC_IRQ, enable_alarm, disable_alarm},
        {PC_SCI_IRQ, PC_SCI_IRQ, enable_button, disable_button},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(cases); i++) {
        board_reset(&vm);
        open_pic(cases[i].irq);
        assert_int_equal(may_wake(true), !cases[i].enable);
        if (cases[i].enable)
            cases[i].enable();
        assert_true(may_wake(true));
        assert_false(may_wake(false));
        out(0x21, 1, 0xff);
        assert_false(may_wake(true));
        route(cases[i].gsi, 0x40, false, 0);
        assert_true(may_wake(true));
        assert_false(may_wake(false));
        ioapic_write(0x10 + 2 * cases[i].gsi, 4 << 8); /* as an NMI */
        assert_true(may_wake(false));
        cases[i].disable();
        assert_false(may_wake(false));
        open_pic(cases[i].irq);
        assert_false(may_wake(true));
    }
}

static void a_closed_lint0_keeps_the_pic_out(void **state)
{
    (void)state;
    board_open_irqs(&vm);
    apic_write(0, APIC_LVT_LINT0, 0x10700);
    assert_false(may_wake(true));
    apic_write(0, APIC_LVT_LINT0, 0x400); /* NMI */
    assert_true(may_wake(false));
}

static void a_local_apics_timer_may_wake(void **state)
{
    (void)state;
    apic_write(0, APIC_INITIAL_COUNT, 1000000);
    assert_false(may_wake(true));
    apic_write(0, APIC_LVT_TIMER, 0x40);
    assert_true(may_wake(true));
    assert_false(may_wake(false));
    apic_write(0, APIC_INITIAL_COUNT, 0);
    assert_false(may_wake(true));
}

static void a_person_sends_an_nmi_or_an_interrupt_to_one_vcpu(void **state)
{
    (void)state;
    apic_write(1, APIC_SVR, 0x1ff);
    memset(fake_asked.requests, 0, sizeof(fake_asked.requests));
    assert_true(pc_board.signal(&vm, BOARD_NMI, BOARD_VCPU(1)));
    assert_int_equal(fake_asked.requests[0] & REQUEST_NMI, 0);
    assert_true(fake_asked.requests[1] & REQUEST_NMI);
    assert_true(pc_board.signal(&vm, BOARD_INTERRUPT, BOARD_VCPU(1) | 0x51));
    assert_int_equal(vcpus[1].arch.interrupts.pending(vcpus[1].arch.interrupts.state), 0x51);
    assert_false(pc_board.signal(&vm, BOARD_NMI, BOARD_VCPU(VCPUS)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_pc_has_its_ports, setup, teardown),
        cmocka_unit_test_setup_teardown(shared_devices_take_the_vms_lock, setup, teardown),
        cmocka_unit_test_setup_teardown(devices_know_the_ports_they_are_put_on, setup, teardown),
        cmocka_unit_test_setup_teardown(interrupts_reach_the_pic, setup, teardown),
        cmocka_unit_test_setup_teardown(interrupts_reach_the_ioapic, setup, teardown),
        cmocka_unit_test_setup_teardown(a_level_comes_again_until_it_is_served, setup, teardown),
        cmocka_unit_test_setup_teardown(the_pics_output_reaches_the_ioapic, setup, teardown),
        cmocka_unit_test_setup_teardown(masked_lines_cost_the_host_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(the_guest_can_end_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(both_consoles_talk_to_the_backend, setup, teardown),
        cmocka_unit_test_setup_teardown(cmos_tells_the_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(every_vcpu_has_a_local_apic, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reset_forgets_what_the_guest_did, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stopped_board_calls_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(every_device_can_describe_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(random_accesses_are_survived, setup, teardown),
        cmocka_unit_test_setup_teardown(a_boot_sector_finds_timer_and_keyboard_open, setup, teardown),
        cmocka_unit_test_setup_teardown(a_boot_sector_finds_no_tick_that_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(only_what_is_enabled_and_open_may_wake, setup, teardown),
        cmocka_unit_test_setup_teardown(a_closed_lint0_keeps_the_pic_out, setup, teardown),
        cmocka_unit_test_setup_teardown(a_local_apics_timer_may_wake, setup, teardown),
        cmocka_unit_test_setup_teardown(a_person_sends_an_nmi_or_an_interrupt_to_one_vcpu, setup, teardown),
        cmocka_unit_test_setup_teardown(without_the_key_there_is_no_test_device, setup, teardown),
        cmocka_unit_test_setup_teardown(the_test_devices_latch_is_read_in_any_size, setup_with_testdev,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_test_device_drives_every_line, setup_with_testdev, teardown),
        cmocka_unit_test_setup_teardown(the_test_devices_memory_holds_and_pages_go, setup_with_testdev,
                                        teardown),
    };
    return cmocka_run_group_tests_name("board", tests, NULL, NULL);
}
