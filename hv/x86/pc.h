/*
 * Where things are in a VM's PC: what the loaders and the ACPI tables tell the guest, and where
 * devices/board.c then puts the devices. One place, so that the two cannot disagree.
 */
#pragma once

/* Guest-physical memory: RAM below 4 GiB ends at the PCI hole; the rest of it begins at 4 GiB. */
#define PC_PCI_HOLE           UINT64_C(0xc0000000)
#define PC_PCI_HOLE_END       UINT64_C(0xfebfffff) /* the last byte that a PCI window may give to devices */
#define PC_IOAPIC             UINT64_C(0xfec00000)
#define PC_LOCAL_APIC         UINT64_C(0xfee00000)

/* I/O APIC: its id, its first global interrupt, and where ISA irq 0 (the 8254) arrives on it. */
#define PC_IOAPIC_ID          0
#define PC_IOAPIC_GSI_BASE    0
#define PC_IOAPIC_PINS        24
#define PC_IOAPIC_VERSION     0x20
#define PC_TIMER_GSI          2
#define PC_ISA_IRQS           16
#define PC_BIOS_IRQS          0x08 /* the vector of irq 0, as a BIOS leaves the 8259As */
#define PC_BIOS_SLAVE_IRQS    0x70 /* and that of irq 8 */
#define PC_CASCADE_IRQ        2    /* between the two 8259As: no device's */

/* Local APICs: their version, and the pin that an NMI comes by; the 8259As' INTR comes by LINT0. */
#define PC_LOCAL_APIC_VERSION 0x14
#define PC_NMI_LINT           1

/* ISA devices: ports, how many, and irq. */
#define PC_PIT                0x40
#define PC_I8042_DATA         0x60
#define PC_I8042_STATUS       0x64
#define PC_KEYBOARD_IRQ       1
#define PC_AUX_IRQ            12
#define PC_RTC                0x70
#define PC_RTC_IRQ            8
#define PC_RTC_CENTURY        0x32 /* CMOS byte with the century, in BCD; day and month alarm there are none */
#define PC_COM1               0x3f8
#define PC_COM1_PORTS         8
#define PC_COM1_IRQ           4

/*
 * ACPI fixed hardware ("ACPI Hardware Specification"). One block of ports, event first, so that one resource
 * of the DSDT covers it. The SCI is level-triggered, active high, on an ISA irq of its own.
 */
#define PC_PM_BASE            0x600
#define PC_PM_PORTS           16
#define PC_PM1A_EVT           0x600 /* status, then enable */
#define PC_PM1A_EVT_LENGTH    4
#define PC_PM1A_CNT           0x604
#define PC_PM1A_CNT_LENGTH    2
#define PC_PM_TMR             0x608
#define PC_PM_TMR_LENGTH      4
#define PC_PM_TMR_BITS        32    /* FADT flag TMR_VAL_EXT is to be set */
#define PC_GPE0               0x60c /* status, then enable */
#define PC_GPE0_LENGTH        4
#define PC_SCI_IRQ            9
#define PC_SMI_CMD            0xb2
#define PC_ACPI_ENABLE        0xe1 /* written to PC_SMI_CMD: SCI_EN becomes 1 */
#define PC_ACPI_DISABLE       0x1e /* and 0 */
#define PC_SLP_TYP_S5         7    /* in PM1a control, with SLP_EN */

/* The FADT's RESET_REG and RESET_VALUE: the chipset's reset control register. */
#define PC_RESET_REG          0xcf9
#define PC_RESET_VALUE        0x06
