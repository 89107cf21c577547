/*
 * The I/O APIC of a PC chipset: 24 pins, each with an entry of the redirection table (82093AA data sheet, and
 * the chipsets' "I/O Interrupt" chapters for the EOI register that version 0x20 added).
 *
 * Its version is 0x20, not the 82093AA's 0x11, because the local APICs let a guest suppress EOI broadcasts,
 * and then the EOI register is its only way to end a level-triggered interrupt. Software for version 0x11
 * works on it unchanged.
 */
#pragma once

#include "hv/vm/bus.h"
#include "hv/vm/irq.h"
#include "hv/x86/interrupts.h"

#define IOAPIC_PINS 24
#define IOAPIC_SIZE 0x1000 /* chipsets give it a page of its own; registers are in the first 68 bytes */

struct ioapic {
    uint64_t table[IOAPIC_PINS]; /* without remote IRR, which is in remote_irr */
    uint32_t lines;              /* a bit per pin: asserted */
    uint32_t remote_irr;         /* accepted as a level, no EOI yet */
    uint32_t refused;            /* a level that no local APIC accepted: delivery status "send pending" */
    uint8_t id, index;
    uint8_t initial_id; /* after reset, as firmware would number it */
    struct apic_fabric fabric;
    struct irq_sources sources;
    struct device device;
};

/*
 * Prepares the device; `lock` is held around its accesses, and by whoever calls the functions below. The
 * board connects `sources` and resets it through the bus before use.
 */
void ioapic_init(struct ioapic *ioapic, unsigned id, const struct apic_fabric *fabric, struct spinlock *lock);

/*
 * Drives an input, 0 to 23, in the form of irq_line: `ioapic` is a struct ioapic. `asserted` is logical: the
 * device says that it wants service. Boards wire active-low lines so that the polarity in the entry,
 * correctly programmed, undoes it; so the polarity bit is kept for the guest and does not invert.
 */
void ioapic_set_line(void *ioapic, unsigned pin, bool asserted);

/*
 * A local APIC has ended a level-triggered interrupt: entries with this vector forget it, and deliver again
 * if their line is still asserted.
 */
void ioapic_eoi(struct ioapic *ioapic, uint8_t vector);

/*
 * Whether a request at this pin may go to a local APIC: as an interrupt with a vector, if these are asked for
 * with `fixed`, or as an NMI and the like.
 */
bool ioapic_is_open(const struct ioapic *ioapic, unsigned pin, bool fixed);
