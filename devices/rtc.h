/* The MC146818 real-time clock with the PC's CMOS memory. */
#pragma once

#include "hv/host/timer.h"
#include "hv/vm/bus.h"
#include "hv/vm/irq.h"

#define RTC_CMOS_SIZE 128

struct rtc {
    struct device device; /* 0x70-0x71 */
    struct irq_line irq;  /* IRQ 8: high until register C is read */
    struct timer timer;
    uint8_t cmos[RTC_CMOS_SIZE]; /* the registers too, as they were after `seconds` */
    uint8_t index;
    bool nmi_masked;
    uint64_t origin;  /* when the divider chain began, to the tick; may lie before 0 (modulo 2^64) */
    uint64_t seconds; /* of the chain, already counted into the registers */
    uint64_t periods; /* of the periodic interrupt, already counted into register C */
};

/*
 * Makes the clock, set to clock_wall_seconds(), and the CMOS memory as a PC's firmware leaves it. `low_end`
 * is where RAM below 4 GiB ends, `high_size` how many bytes of it lie from 4 GiB on. The caller connects
 * rtc->irq and puts rtc->device on 0x70-0x71. `lock` is the one held around the device's accesses, by its
 * timer too. Time and CMOS survive a reset, as a battery makes them.
 */
void rtc_init(struct rtc *rtc, struct spinlock *lock, uint64_t low_end, uint64_t high_size);

/* Whether its clock may raise the interrupt; the caller holds the lock. `rtc` is a struct rtc. */
bool rtc_may_raise(const void *rtc);
/* Brings the line up to date, and its timer: somebody looks at it, or has opened its input. With the lock. */
void rtc_update(struct rtc *rtc);
