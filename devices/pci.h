/*
 * PCI, configuration mechanism 1 (PCI Local Bus Specification, "Software Generation of Configuration
 * Transactions"): ports 0xCF8 to 0xCFF, one bus, and the functions that the board puts on it. Function
 * 00:00.0 is the host bridge.
 */
#pragma once

#include "hv/vm/vm.h"

#define PCI_CONFIG_SIZE             256
#define PCI_DEVFN(device, function) ((device) << 3 | (function))

/* Offsets in a type 0 header. */
enum {
    PCI_VENDOR_ID = 0x00,
    PCI_DEVICE_ID = 0x02,
    PCI_COMMAND = 0x04,
    PCI_REVISION = 0x08,
    PCI_CLASS = 0x09, /* three bytes: interface, subclass, base class */
    PCI_HEADER_TYPE = 0x0e,
    PCI_BAR0 = 0x10,
    PCI_CAPABILITIES = 0x34,
};

#define PCI_COMMAND_MEMORY 0x0002
#define PCI_COMMAND_MASTER 0x0004

struct pci_function {
    const char *name;
    uint8_t config[PCI_CONFIG_SIZE];
};

struct pci {
    struct device address;  /* ports 0xCF8-0xCFB */
    struct device data;     /* ports 0xCFC-0xCFF */
    struct device *control; /* answers at 0xCF9, where this device is no register: reset.h */
    uint32_t selected;      /* configuration address register */
    struct pci_function host_bridge;
    struct pci_function *functions[256]; /* of bus 0, by PCI_DEVFN */
};

/* `control` is the byte-wide device at port 0xCF9, or NULL. The board resets both devices before use. */
void pci_init(struct pci *pci, struct vm *vm, struct device *control);

/*
 * Puts a function on the bus. Returns false, said in a log line, if its place is taken. A function other than
 * 0 marks function 0 of its device, which must be there before it, as one of several.
 */
bool pci_add(struct pci *pci, unsigned devfn, struct pci_function *function);

/* Little-endian accesses to a function's own config, for its maker. */
uint32_t pci_get(const struct pci_function *function, unsigned offset, unsigned size);
void pci_set(struct pci_function *function, unsigned offset, unsigned size, uint32_t value);
