/* A PC's pair of 8259As, and their INTR. */
#pragma once

#include "tests/unit/fake.h"

#include <string.h>

#include "devices/irq/pic.h"

static struct pic pic;
static struct spinlock lock;
static bool intr;
static unsigned rises; /* of INTR */

static inline void set_intr(void *owner, unsigned pin, bool asserted)
{
    assert_ptr_equal(owner, &pic);
    assert_int_equal(pin, 5);
    assert_int_not_equal(asserted, intr); /* told of changes only */
    intr = asserted;
    rises += asserted;
}

static inline void out(unsigned port, uint8_t value)
{
    struct device *device = port < PIC_SLAVE_PORT  ? &pic.master
                            : port < PIC_ELCR_PORT ? &pic.slave
                                                   : &pic.elcr;

    assert_true(device->ops->write(device, port & 1, 1, value));
}

static inline uint8_t in(unsigned port)
{
    struct device *device = port < PIC_SLAVE_PORT  ? &pic.master
                            : port < PIC_ELCR_PORT ? &pic.slave
                                                   : &pic.elcr;
    uint64_t value = UINT64_MAX;

    assert_true(device->ops->read(device, port & 1, 1, &value));
    assert_in_range(value, 0, 0xff);
    return value;
}

static inline uint8_t in_isr(unsigned port)
{
    out(port, 0x0b);
    return in(port);
}

static inline uint8_t in_irr(unsigned port)
{
    out(port, 0x0a);
    return in(port);
}

static inline void start_chip(unsigned port, uint8_t icw1, uint8_t base, uint8_t icw3, uint8_t icw4)
{
    out(port, icw1);
    out(port + 1, base);
    if (!(icw1 & 2))
        out(port + 1, icw3);
    if (icw1 & 1)
        out(port + 1, icw4);
}

/* Vectors 0x20 and 0x28, nothing masked, as a PC's operating system does it. */
static inline void start_pair(uint8_t icw4)
{
    start_chip(0x20, 0x11, 0x20, 0x04, icw4);
    start_chip(0xa0, 0x11, 0x28, 0x02, icw4 & ~0x10);
}

static inline void set(unsigned pin, bool asserted)
{
    pic_set_line(&pic, pin, asserted);
}

static inline void pulse(unsigned pin)
{
    set(pin, true);
    set(pin, false);
}

static inline int setup(void **state)
{
    (void)state;
    pic_init(&pic, &lock);
    pic.intr = (struct irq_line){set_intr, &pic, 5};
    intr = false;
    rises = 0;
    pic.master.ops->reset(&pic.master);
    start_pair(0x01);
    return 0;
}
