/* The machine's I/O APICs and 8259s. Keel masks all of them and routes only what it serves itself. */
#include "hv/host/acpi.h"
#include "hv/host/apic.h"
#include "hv/host/instructions.h"
#include "hv/host/paging.h"

#define IOAPIC_SELECT  0
#define IOAPIC_WINDOW  4 /* in 32-bit words */
#define IOAPIC_VERSION 1
#define IOAPIC_ENTRY   0x10
#define ENTRY_MASKED   BIT(16)
#define ENTRY_LEVEL    BIT(15)
#define ENTRY_LOW      BIT(13)

static uint32_t ioapic_read(volatile uint32_t *registers, unsigned reg)
{
    registers[IOAPIC_SELECT] = reg;
    return registers[IOAPIC_WINDOW];
}

static void ioapic_write(volatile uint32_t *registers, unsigned reg, uint32_t value)
{
    registers[IOAPIC_SELECT] = reg;
    registers[IOAPIC_WINDOW] = value;
}

static unsigned pin_count(volatile uint32_t *registers)
{
    return (ioapic_read(registers, IOAPIC_VERSION) >> 16 & 0xff) + 1;
}

void legacy_interrupts_off(void)
{
    if (!machine.no_pics) {
        outb(0x21, 0xff);
        outb(0xa1, 0xff);
    }
    for (unsigned i = 0; i < machine.ioapic_count; i++) {
        volatile uint32_t *registers = host_map(machine.ioapics[i].address, PAGE_SIZE, HOST_DEVICE);

        if (!registers)
            continue;
        for (unsigned pin = 0; pin < pin_count(registers); pin++)
            ioapic_write(registers, IOAPIC_ENTRY + 2 * pin, ENTRY_MASKED);
    }
}

bool ioapic_route(unsigned irq, uint8_t vector, uint32_t apic_id)
{
    bool isa = irq < ARRAY_LENGTH(machine.isa);
    uint32_t gsi = isa ? machine.isa[irq].gsi : irq;
    uint32_t entry = vector | (isa && !machine.isa[irq].level ? 0 : ENTRY_LEVEL) |
                     (isa && !machine.isa[irq].low ? 0 : ENTRY_LOW);

    for (unsigned i = 0; i < machine.ioapic_count && irq && apic_id < 0xff; i++) {
        volatile uint32_t *registers = host_map(machine.ioapics[i].address, PAGE_SIZE, HOST_DEVICE);
        uint32_t base = machine.ioapics[i].gsi_base;

        if (!registers || gsi < base || gsi >= base + pin_count(registers))
            continue;
        ioapic_write(registers, IOAPIC_ENTRY + 2 * (gsi - base) + 1, apic_id << 24);
        ioapic_write(registers, IOAPIC_ENTRY + 2 * (gsi - base), entry);
        return true;
    }
    return false;
}
