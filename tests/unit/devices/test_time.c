/* Two boards over ten minutes of virtual time, one served at once, the other kept from its core again and
 * again. */
#include <stdlib.h>
#include <string.h>

#include "devices/board.h"
#include "devices/irq/local_apic.h"
#include "hv/cpu/cpuid.h"
#include "hv/x86/pc.h"
#include "tests/unit/fake.h"

#define MINUTES      10
#define PIT_COUNT    11932 /* 100 a second */
#define PIT_VECTOR   0x30
#define RTC_VECTOR   0x38
#define APIC_VECTOR  0x40
#define APIC_RATE    250
#define RTC_64_HZ    0x2a
#define AWAY_MOST_MS 400

enum tick { TICK_PIT, TICK_RTC, TICK_APIC, TICKS };

static struct machine {
    struct vm vm;
    struct vcpu vcpu;
    void *memory;
    unsigned taken[TICKS];
    unsigned most; /* of one kind, taken without any time in between */
} fast, loaded;

static uint32_t in(struct machine *machine, uint16_t port, unsigned size)
{
    uint64_t value = 0;

    bus_read(&machine->vm.ports, port, size, &value);
    return (uint32_t)value;
}

static void out(struct machine *machine, uint16_t port, uint8_t value)
{
    bus_write(&machine->vm.ports, port, 1, value);
}

static uint8_t rtc(struct machine *machine, uint8_t index)
{
    out(machine, PC_RTC, index);
    return (uint8_t)in(machine, PC_RTC + 1, 1);
}

static void set_rtc(struct machine *machine, uint8_t index, uint8_t value)
{
    out(machine, PC_RTC, index);
    out(machine, PC_RTC + 1, value);
}

static void apic_write(struct machine *machine, enum apic_reg reg, uint32_t value)
{
    struct device *page = machine->vcpu.local.device;

    assert_true(page->ops->write(page, reg * 16, 4, value));
}

static uint32_t apic_read(struct machine *machine, enum apic_reg reg)
{
    struct device *page = machine->vcpu.local.device;
    uint64_t value = 0;

    assert_true(page->ops->read(page, reg * 16, 4, &value));
    return (uint32_t)value;
}

static void route(struct machine *machine, unsigned pin, uint8_t vector)
{
    bus_write(&machine->vm.mmio, PC_IOAPIC, 4, 0x10 + 2 * pin);
    bus_write(&machine->vm.mmio, PC_IOAPIC + 0x10, 4, vector);
}

static void create(struct machine *machine)
{
    const struct serial_backend nobody = {0};

    memset(machine, 0, sizeof(*machine));
    machine->vm.vcpu_count = 1;
    machine->vm.vcpus[0] = &machine->vcpu;
    machine->vcpu.vm = &machine->vm;
    machine->memory = aligned_alloc(PAGE_SIZE, ALIGN_UP(board_size(1), PAGE_SIZE));
    memset(machine->memory, 0, board_size(1));
    assert_true(
        board_create(&machine->vm, machine->memory, &nobody,
                     &(struct cpuid_limits){.physical_bits = 39, .x2apic = true, .tsc_deadline = true}));
    board_reset(&machine->vm);
}

/* Three periodic interrupts, from the same moment on. */
static void set_up(struct machine *machine)
{
    route(machine, PC_TIMER_GSI, PIT_VECTOR);
    route(machine, PC_RTC_IRQ, RTC_VECTOR);
    apic_write(machine, APIC_SVR, 0x1ff);
    apic_write(machine, APIC_DIVIDE, 0xb);
    apic_write(machine, APIC_LVT_TIMER, 1u << 17 | APIC_VECTOR);
    apic_write(machine, APIC_INITIAL_COUNT, (uint32_t)(fake_hz / APIC_RATE));
    out(machine, PC_PIT + 3, 0x34);
    out(machine, PC_PIT, PIT_COUNT & 0xff);
    out(machine, PC_PIT, PIT_COUNT >> 8);
    set_rtc(machine, 0x0a, RTC_64_HZ);
    set_rtc(machine, 0x0b, 0x42);
}

/* The vCPU has its core: it takes what is pending. */
static void serve(struct machine *machine)
{
    struct interrupt_controller *controller = &machine->vcpu.arch.interrupts;
    unsigned now[TICKS] = {0};

    while (controller->pending(controller->state) >= 0) {
        int vector = controller->acknowledge(controller->state);
        enum tick tick = vector == PIT_VECTOR ? TICK_PIT : vector == RTC_VECTOR ? TICK_RTC : TICK_APIC;

        assert_true(vector == PIT_VECTOR || vector == RTC_VECTOR || vector == APIC_VECTOR);
        machine->taken[tick]++;
        now[tick]++;
        machine->most = MAX(machine->most, now[tick]);
        if (tick == TICK_RTC)
            rtc(machine, 0x0c);
        apic_write(machine, APIC_EOI, 0);
    }
}

static uint32_t seed;

static uint32_t draw(uint32_t below)
{
    seed = seed * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)seed * below >> 32);
}

/* Both live on; the host's own interrupt comes up to `late` nanoseconds late now and then. */
static void live(uint64_t nanoseconds, uint32_t late)
{
    uint64_t end = fake_now + nanoseconds, back = 0;

    for (unsigned step = 0; fake_now < end; step++) {
        uint64_t next = fake_now + 100000 + draw(700000);

        if (late && step % 512 == 511)
            fake_now = next += draw(late);
        fake_run_until(next);
        serve(&fast);
        if (fake_now < back)
            continue;
        serve(&loaded);
        back = draw(2) ? fake_now + (uint64_t)draw(AWAY_MOST_MS) * 1000000 : 0;
    }
}

static int setup(void **state)
{
    (void)state;
    fake_reset();
    seed = 1;
    create(&fast);
    create(&loaded);
    set_up(&fast);
    set_up(&loaded);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    board_stop(&fast.vm);
    board_stop(&loaded.vm);
    free(fast.memory);
    free(loaded.memory);
    return 0;
}

static unsigned seconds(struct machine *machine)
{
    uint8_t second = rtc(machine, 0), minute = rtc(machine, 2);

    return (minute >> 4) * 600u + (minute & 15) * 60u + (second >> 4) * 10u + (second & 15);
}

static void assert_clocks_agree(void)
{
    uint16_t latched[2];

    assert_int_equal(in(&fast, PC_PM_TMR, 4), in(&loaded, PC_PM_TMR, 4));
    assert_int_equal(apic_read(&fast, APIC_CURRENT_COUNT), apic_read(&loaded, APIC_CURRENT_COUNT));
    for (unsigned i = 0; i < 2; i++) {
        struct machine *machine = i ? &loaded : &fast;

        out(machine, PC_PIT + 3, 0);
        latched[i] = (uint16_t)in(machine, PC_PIT, 1);
        latched[i] |= (uint16_t)(in(machine, PC_PIT, 1) << 8);
    }
    assert_int_equal(latched[0], latched[1]);
    assert_int_equal(seconds(&fast), seconds(&loaded));
}

static void the_clocks_of_two_vms_agree_after_minutes_of_different_load(void **state)
{
    unsigned before = seconds(&fast);
    uint64_t begin = fake_now;

    (void)state;
    for (unsigned minute = 0; minute < MINUTES; minute++) {
        live(60 * fake_hz, 0);
        assert_clocks_agree();
    }
    assert_int_equal((seconds(&fast) - before + 3600) % 3600, (fake_now - begin) / fake_hz);
}

static void who_is_served_at_once_loses_no_tick(void **state)
{
    uint64_t begin = fake_now, lived;

    (void)state;
    live(MINUTES * 60 * fake_hz, 0);
    lived = fake_now - begin;
    assert_in_range(fast.taken[TICK_PIT], lived * 1193182 / PIT_COUNT / fake_hz - 1,
                    lived * 1193182 / PIT_COUNT / fake_hz);
    assert_in_range(fast.taken[TICK_RTC], lived * 64 / fake_hz - 1, lived * 64 / fake_hz + 1);
    assert_int_equal(fast.taken[TICK_APIC], lived * APIC_RATE / fake_hz);
}

static void who_was_away_finds_one_latched_tick_of_each_kind_and_no_burst(void **state)
{
    (void)state;
    live(60 * fake_hz, 0);
    for (unsigned tick = 0; tick < TICKS; tick++) {
        assert_true(loaded.taken[tick] < fast.taken[tick]);
        assert_true(loaded.taken[tick] > fast.taken[tick] / 50); /* and it was not wedged */
    }
    assert_int_equal(loaded.most, 1);
    assert_int_equal(fast.most, 1);
}

static void a_host_that_comes_late_disturbs_no_phase(void **state)
{
    uint64_t period = fake_hz / APIC_RATE, begin = fake_now, ticks;

    (void)state;
    live(MINUTES * 60 * fake_hz, 50000000);
    assert_clocks_agree();
    assert_int_equal(fast.most, 1);
    ticks = (fake_now - begin) * 1193182 / PIT_COUNT / fake_hz;
    assert_in_range(fast.taken[TICK_PIT], ticks - 5,
                    ticks); /* late by at most 50 ms: made up for one by one */
    fake_run_until(begin + ((fake_now - begin) / period + 1) * period - 1);
    serve(&fast);
    fake_run_until(fake_now + 1); /* the very moment, after 150000 periods */
    assert_int_equal(fast.vcpu.arch.interrupts.pending(fast.vcpu.arch.interrupts.state), APIC_VECTOR);
}

static void what_came_while_a_vm_stood_still_is_latched_once(void **state)
{
    unsigned before[TICKS];

    (void)state;
    live(fake_hz, 0);
    memcpy(before, loaded.taken, sizeof(before));
    for (unsigned second = 0; second < 3600; second += 10) /* paused for an hour */
        fake_run_until(fake_now + 10 * fake_hz);
    serve(&loaded);
    for (unsigned tick = 0; tick < TICKS; tick++)
        assert_in_range(loaded.taken[tick], before[tick] + 1, before[tick] + 1);
    serve(&fast);
    assert_clocks_agree();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_clocks_of_two_vms_agree_after_minutes_of_different_load),
        TEST(who_is_served_at_once_loses_no_tick),
        TEST(who_was_away_finds_one_latched_tick_of_each_kind_and_no_burst),
        TEST(a_host_that_comes_late_disturbs_no_phase),
        TEST(what_came_while_a_vm_stood_still_is_latched_once),
    };
    return cmocka_run_group_tests_name("time", tests, NULL, NULL);
}
