/* What the firmware's ACPI tables say about the machine. */
#pragma once

#include "hv/host/boot_info.h"
#include "hv/host/cpu.h"
#include "hv/host/serial.h"
#include "hv/lib/base.h"

#define IOAPICS_MOST 16

/* A byte-wide register (ACPI, "Generic Address Structure"). */
struct acpi_register {
    uint8_t space; /* 1: port, 0: memory; 0xff: there is none */
    uint64_t address;
};

struct machine {
    uint32_t apic_ids[CPUS_MOST]; /* usable processors, in the MADT's order, each once */
    unsigned apic_count;
    unsigned apics_left_out; /* beyond CPUS_MOST */
    struct {
        hpa_t address;
        uint32_t gsi_base;
    } ioapics[IOAPICS_MOST];
    unsigned ioapic_count;
    struct {
        uint32_t gsi;
        bool level, low;
    } isa[16];
    bool no_pics; /* there are no 8259s */
    uint16_t pm1a_control, pm1b_control, pm_timer;
    bool s5_known;
    uint8_t s5_type_a, s5_type_b;
    struct acpi_register sleep; /* on hardware-reduced machines instead of PM1 control */
    struct acpi_register reset;
    uint8_t reset_value;
    const struct efi_runtime *efi; /* the last way to end it, or NULL */
    struct serial *console;        /* the SPCR's UART, or NULL */
    unsigned console_baud;
};

extern struct machine machine;

/* Reads MADT, FADT, DSDT and SPCR. Without ACPI the machine has one processor and no I/O APIC; that is said.
 */
void acpi_init(const struct boot_info *info);

/* Turns the machine off, by S5 or by EFI, or says that it cannot and stops the core. */
_Noreturn void machine_power_off(void);

/* Restarts the machine: ACPI reset register, port 0xCF9, keyboard controller, EFI, triple fault, in that
 * order. */
_Noreturn void machine_reboot(void);
