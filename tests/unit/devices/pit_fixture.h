/* An 8254 on a port bus, for the tests of it. */
#pragma once

#include "tests/unit/fake.h"

#include <stdlib.h>
#include <string.h>

#include "devices/pit.h"
#include "hv/vm/bus.h"
#include "hv/vm/vm.h"
#include "tests/unit/devices/pit_model.h"

#define SECOND 1000000000ull

static struct pit pit;
static struct vm vm;
static struct bus bus;
static struct bus_range ranges[2];
static unsigned rises;
static uint64_t last_rise;
static bool line, unheard;

static inline void set_line(void *owner, unsigned pin, bool asserted)
{
    (void)owner, (void)pin;
    if (asserted && !line)
        rises++, last_rise = fake_now;
    line = asserted;
}

static inline bool hears_line(void *owner, unsigned pin)
{
    (void)owner, (void)pin;
    return !unheard;
}

static inline uint8_t in(unsigned port)
{
    uint64_t value;

    bus_read(&bus, port, 1, &value);
    return (uint8_t)value;
}

static inline void out(unsigned port, uint8_t value)
{
    assert_true(bus_write(&bus, port, 1, value));
}

static inline unsigned in_16(unsigned port)
{
    unsigned low = in(port);

    return low | in(port) << 8;
}

static inline void out_16(unsigned port, unsigned value)
{
    out(port, value & 0xff);
    out(port, value >> 8);
}

static inline void power_on(uint64_t hz)
{
    fake_reset();
    fake_hz = hz;
    pit_init(&pit, &vm);
    pit.irq = (struct irq_line){set_line, NULL, 0, hears_line};
    unheard = false;
    ranges[0] = (struct bus_range){0x40, 0x43, &pit.counter_ports};
    ranges[1] = (struct bus_range){0x61, 0x61, &pit.control_port};
    assert_true(bus_init(&bus, "port", ranges, 2));
    bus_reset(&bus);
    out(0x43, 0x30); /* counter 0 is quiet: mode 0 without a count */
    rises = 0, line = false;
}

/* A nanosecond a tick. */
static inline int setup(void **state)
{
    (void)state;
    power_on(SECOND);
    return 0;
}

/* A CLK pulse a tick. */
static inline int setup_clk(void **state)
{
    (void)state;
    power_on(PIT_HZ);
    return 0;
}

static inline void clk(unsigned pulses)
{
    fake_run_until(fake_now + pulses);
}
