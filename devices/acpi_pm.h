/*
 * ACPI fixed hardware: the PM1a event and control blocks, the PM timer, a GPE block, and the SMI command
 * port. It is the classic kind, not the hardware-reduced one: every operating system with ACPI knows it, the
 * timer and the power button need no driver, and one without ACPI finds a machine in legacy mode (SCI_EN is 0
 * until ACPI is enabled at the SMI command port), in which no SCI ever comes. hv/x86/pc.h says where it all
 * is.
 */
#pragma once

#include "hv/host/timer.h"
#include "hv/vm/vm.h"

#define PM_TIMER_HZ 3579545

struct acpi_pm {
    struct device block; /* PC_PM_PORTS ports at PC_PM_BASE */
    struct device smi;   /* PC_SMI_CMD and the status byte after it */
    struct irq_line sci; /* level */
    struct vm *vm;
    struct timer timer; /* armed only while the PM timer's carry can raise an SCI that is heard */
    uint64_t carries;   /* of the PM timer, as TMR_STS was last brought up to date */
    uint16_t pm1_status, pm1_enable, pm1_control;
    uint16_t gpe_status, gpe_enable;
    uint8_t smi_command, smi_status;
};

/* The board connects sci and resets the device before use. */
void acpi_pm_init(struct acpi_pm *pm, struct vm *vm);

/* Brings the SCI up to date, and its timer: somebody looks at it, or has opened its input. With the lock. */
void acpi_pm_update(struct acpi_pm *pm);

/*
 * The power button is pressed: asks the guest to shut down. Returns false if it has not enabled that event,
 * and so will not. The caller holds the VM's lock.
 */
bool acpi_pm_press_power_button(struct acpi_pm *pm);

/* Whether an event is enabled that raises an SCI; the caller holds the VM's lock. `pm` is a struct acpi_pm.
 */
bool acpi_pm_may_raise(const void *pm);
