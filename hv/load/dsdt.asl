/*
 * The devices of a VM's PC that no bus can find by itself. The C preprocessor comes first, so that addresses
 * are those of pc.h.
 */
#include "hv/x86/pc.h"

/* iasl wants the length of a range as a number, not as an expression. */
#define PCI_WINDOW_SIZE 0x3ec00000
#if PC_PCI_HOLE + PCI_WINDOW_SIZE - 1 != PC_PCI_HOLE_END
#error "PCI_WINDOW_SIZE does not agree with pc.h"
#endif

DefinitionBlock ("", "DSDT", 2, "KEEL  ", "KEELPC  ", 1)
{
    Name (\_S5, Package () { PC_SLP_TYP_S5, 0, 0, 0 })

    Scope (\_SB)
    {
        /*
         * Bus 0 of a conventional PCI host bridge. There is no _PRT, because no function on the bus has an
         * interrupt pin.
         */
        Device (PCI0)
        {
            Name (_HID, EisaId ("PNP0A03"))
            Name (_UID, Zero)
            Name (_CRS, ResourceTemplate ()
            {
                WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode, 0, 0, 0, 0, 1)
                IO (Decode16, 0xCF8, 0xCF8, 1, 8)
                WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange, 0, 0, 0xCF7, 0, 0xCF8)
                WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange, 0, 0xD00, 0xFFFF, 0, 0xF300)
                DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite,
                             0, PC_PCI_HOLE, PC_PCI_HOLE_END, 0, PCI_WINDOW_SIZE)
            })

            Device (PIC)
            {
                Name (_HID, EisaId ("PNP0000"))
                Name (_CRS, ResourceTemplate ()
                {
                    IO (Decode16, 0x20, 0x20, 1, 2)
                    IO (Decode16, 0xA0, 0xA0, 1, 2)
                    IO (Decode16, 0x4D0, 0x4D0, 1, 2)
                    IRQNoFlags () { 2 }
                })
            }

            Device (TMR)
            {
                Name (_HID, EisaId ("PNP0100"))
                Name (_CRS, ResourceTemplate ()
                {
                    IO (Decode16, PC_PIT, PC_PIT, 1, 4)
                    IRQNoFlags () { 0 }
                })
            }

            Device (SPKR)
            {
                Name (_HID, EisaId ("PNP0800"))
                Name (_CRS, ResourceTemplate () { IO (Decode16, 0x61, 0x61, 1, 1) })
            }

            Device (RTC)
            {
                Name (_HID, EisaId ("PNP0B00"))
                Name (_CRS, ResourceTemplate ()
                {
                    IO (Decode16, PC_RTC, PC_RTC, 1, 2)
                    IRQNoFlags () { PC_RTC_IRQ }
                })
            }

            Device (KBD)
            {
                Name (_HID, EisaId ("PNP0303"))
                Name (_CRS, ResourceTemplate ()
                {
                    IO (Decode16, PC_I8042_DATA, PC_I8042_DATA, 1, 1)
                    IO (Decode16, PC_I8042_STATUS, PC_I8042_STATUS, 1, 1)
                    IRQNoFlags () { PC_KEYBOARD_IRQ }
                })
            }

            /* The controller's second port. It is a socket: whether a mouse is in it shows by probing. */
            Device (AUX)
            {
                Name (_HID, EisaId ("PNP0F13"))
                Name (_CRS, ResourceTemplate () { IRQNoFlags () { PC_AUX_IRQ } })
            }

            Device (COM1)
            {
                Name (_HID, EisaId ("PNP0501"))
                Name (_UID, One)
                Name (_CRS, ResourceTemplate ()
                {
                    IO (Decode16, PC_COM1, PC_COM1, 1, PC_COM1_PORTS)
                    IRQNoFlags () { PC_COM1_IRQ }
                })
            }

            /* Ports of the board itself: ACPI's own, and the POST code. */
            Device (SYSR)
            {
                Name (_HID, EisaId ("PNP0C02"))
                Name (_UID, One)
                Name (_CRS, ResourceTemplate ()
                {
                    IO (Decode16, PC_PM_BASE, PC_PM_BASE, 1, PC_PM_PORTS)
                    IO (Decode16, PC_SMI_CMD, PC_SMI_CMD, 1, 1)
                    IO (Decode16, 0x80, 0x80, 1, 1)
                })
            }
        }
    }
}
