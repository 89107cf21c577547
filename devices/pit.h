/* The 8254 interval timer with the gate and speaker port 0x61. */
#pragma once

#include "hv/host/timer.h"
#include "hv/vm/bus.h"
#include "hv/vm/irq.h"

struct vm;

#define PIT_HZ    1193182 /* CLK of every counter */
#define PIT_NEVER ((uint64_t)-1)

/* One counter, brought up to date when somebody looks: see pit_advance in pit.c. */
struct pit_counter {
    uint64_t at;          /* the CLK pulse after which the fields below are as they are */
    uint64_t quiet_until; /* until then only `count` changes, by `step` each pulse; 0: not known */
    uint8_t step;
    uint32_t count;   /* the counting element; a plain number, 65536 (or 10000) standing for 0 */
    uint32_t initial; /* the count register, 1 to 65536 */
    uint16_t latch;
    uint8_t control; /* the control word's low six bits */
    uint8_t status, low_byte;
    bool out, gate;
    bool written;    /* a count came since the control word */
    bool load;       /* the next CLK pulse loads the counting element */
    bool loaded;     /* it has been loaded since the control word */
    bool expired;    /* modes 0, 1, 4, 5: it has reached 0 since it was loaded */
    bool odd;        /* mode 3: the half cycle began with an odd count */
    bool null_count; /* the count register holds what the counting element does not yet use */
    bool half_written, half_read, latched, status_latched;
};

struct pit {
    struct device counter_ports; /* 0x40-0x43 */
    struct device control_port;  /* 0x61 */
    struct irq_line irq;         /* OUT of counter 0 */
    struct vm *vm;
    struct timer timer;
    struct pit_counter counters[3];
    uint64_t edge;        /* the CLK pulse with the next rising edge of OUT 0 to deliver, or PIT_NEVER */
    uint8_t port_control; /* port 0x61's four writable bits */
    bool away;            /* the last edge came while no vCPU of the VM was served where the timer fired */
};

/*
 * Makes the timer, as a PC's firmware leaves it. The caller connects pit->irq, puts counter_ports on
 * 0x40-0x43 and control_port on 0x61, and resets counter_ports once the VM can run: counter 0 ticks from then
 * on. The VM's lock is held around the device's accesses, by its timer too, and by callers of the others.
 */
void pit_init(struct pit *pit, struct vm *vm);

/* Brings OUT 0 up to date, and its timer: somebody looks at the line, or has opened its input. */
void pit_update(struct pit *pit);

/* A vCPU is served again on this core: the timer comes here. */
void pit_resume(struct pit *pit);

/* Whether OUT 0 will rise if the guest does nothing; the caller holds the lock. `pit` is a struct pit. */
bool pit_may_raise(const void *pit);
