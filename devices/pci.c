#include "devices/pci.h"

#include "hv/host/log.h"

/* Configuration address register: enable, bus, device and function, doubleword. */
#define SELECT_ENABLE        UINT32_C(0x80000000)
#define SELECT_BITS          UINT32_C(0x80fffffc)
#define SELECT_BUS(v)        ((v) >> 16 & 0xff)
#define SELECT_DEVFN(v)      ((v) >> 8 & 0xff)
#define SELECT_REGISTER(v)   ((v)&0xfc)

#define CONTROL_OFFSET       1 /* of port 0xCF9 from 0xCF8 */

#define HEADER_MULTIFUNCTION 0x80

/*
 * Intel's id for a host bridge that exists in virtual machines only. The ids of real ones (QEMU's 82441FX for
 * one) bring quirks and drivers for what is inside the real chip; this one tells a guest nothing but "host
 * bridge".
 */
#define HOST_BRIDGE_VENDOR   0x8086
#define HOST_BRIDGE_DEVICE   0x0d57
#define HOST_BRIDGE_CLASS    0x060000

uint32_t pci_get(const struct pci_function *function, unsigned offset, unsigned size)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < size && offset + i < PCI_CONFIG_SIZE; i++)
        value |= (uint32_t)function->config[offset + i] << (8 * i);
    return value;
}

void pci_set(struct pci_function *function, unsigned offset, unsigned size, uint32_t value)
{
    for (unsigned i = 0; i < size && offset + i < PCI_CONFIG_SIZE; i++)
        function->config[offset + i] = value >> (8 * i);
}

/* The function that the address register selects, or NULL; functions on buses behind bus 0 do not exist. */
static struct pci_function *selected_function(const struct pci *pci)
{
    return SELECT_BUS(pci->selected) == 0 ? pci->functions[SELECT_DEVFN(pci->selected)] : NULL;
}

static bool data_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    const struct pci *pci = device->state;
    const struct pci_function *function = selected_function(pci);

    if (!(pci->selected & SELECT_ENABLE))
        return false;
    *value = function ? pci_get(function, SELECT_REGISTER(pci->selected) + offset, size) : size_mask(size);
    return true;
}

/* No function has a register that can be written. */
static bool data_write(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    const struct pci *pci = device->state;

    (void)offset, (void)size, (void)value;
    return pci->selected & SELECT_ENABLE;
}

/* Only a doubleword reaches the address register: any other size is an ordinary access to the ports beneath.
 */
static bool address_read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    const struct pci *pci = device->state;
    uint64_t byte;

    if (size == 4) {
        *value = pci->selected;
        return true;
    }
    if (offset > CONTROL_OFFSET || offset + size <= CONTROL_OFFSET || !pci->control ||
        !pci->control->ops->read(pci->control, 0, 1, &byte))
        return false;
    unsigned shift = 8 * (CONTROL_OFFSET - offset);
    *value = (size_mask(size) & ~((uint64_t)0xff << shift)) | (byte & 0xff) << shift;
    return true;
}

static bool address_write(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct pci *pci = device->state;

    if (size == 4) {
        pci->selected = value & SELECT_BITS;
        return true;
    }
    if (offset > CONTROL_OFFSET || offset + size <= CONTROL_OFFSET || !pci->control)
        return false;
    return pci->control->ops->write(pci->control, 0, 1, value >> (8 * (CONTROL_OFFSET - offset)) & 0xff);
}

static void address_reset(struct device *device)
{
    struct pci *pci = device->state;

    pci->selected = 0;
    if (pci->control && pci->control->ops->reset)
        pci->control->ops->reset(pci->control);
}

static void address_describe(struct device *device, struct writer *out)
{
    const struct pci *pci = device->state;

    print_to(out, "configuration address %08x\n", pci->selected);
    if (pci->control && pci->control->ops->describe)
        pci->control->ops->describe(pci->control, out);
}

static void data_describe(struct device *device, struct writer *out)
{
    const struct pci *pci = device->state;

    for (unsigned i = 0; i < ARRAY_LENGTH(pci->functions); i++) {
        const struct pci_function *function = pci->functions[i];

        if (function)
            print_to(out, "00:%02x.%u %04x:%04x class %06x command %04x %s\n", i >> 3, i & 7,
                     pci_get(function, PCI_VENDOR_ID, 2), pci_get(function, PCI_DEVICE_ID, 2),
                     pci_get(function, PCI_CLASS, 3), pci_get(function, PCI_COMMAND, 2), function->name);
    }
}

static const struct device_ops address_ops = {.read = address_read,
                                              .write = address_write,
                                              .reset = address_reset,
                                              .describe = address_describe,
                                              .width = 4};
static const struct device_ops data_ops = {
    .read = data_read, .write = data_write, .describe = data_describe, .width = 4};

bool pci_add(struct pci *pci, unsigned devfn, struct pci_function *function)
{
    struct pci_function *first = pci->functions[devfn & 0xf8];

    if (pci->functions[devfn & 0xff]) {
        log_line("pci: %s and %s both claim 00:%02x.%u", pci->functions[devfn & 0xff]->name, function->name,
                 devfn >> 3 & 31, devfn & 7);
        return false;
    }
    if (devfn & 7 && !first) {
        log_line("pci: %s is to be 00:%02x.%u, where there is no function 0", function->name, devfn >> 3 & 31,
                 devfn & 7);
        return false;
    }
    if (devfn & 7)
        first->config[PCI_HEADER_TYPE] |= HEADER_MULTIFUNCTION;
    pci->functions[devfn & 0xff] = function;
    return true;
}

void pci_init(struct pci *pci, struct vm *vm, struct device *control)
{
    struct pci_function *bridge = &pci->host_bridge;

    *pci = (struct pci){
        .address = {"PCI address", &address_ops, pci, &vm->lock},
        .data = {"PCI data", &data_ops, pci, &vm->lock},
        .control = control,
        .host_bridge = {.name = "host bridge"},
    };
    pci_set(bridge, PCI_VENDOR_ID, 2, HOST_BRIDGE_VENDOR);
    pci_set(bridge, PCI_DEVICE_ID, 2, HOST_BRIDGE_DEVICE);
    pci_set(bridge, PCI_CLASS, 3, HOST_BRIDGE_CLASS);
    pci_set(bridge, PCI_COMMAND, 2,
            PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER); /* always, as a host bridge's are */
    pci_add(pci, PCI_DEVFN(0, 0), bridge);
}
