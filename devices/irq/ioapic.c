#include "devices/irq/ioapic.h"

#include "hv/x86/pc.h"

#define OFFSET_INDEX       0x00 /* IOREGSEL */
#define OFFSET_WINDOW      0x10 /* IOWIN */
#define OFFSET_EOI         0x40 /* EOI register, of version 0x20 */

#define INDEX_ID           0x00
#define INDEX_VERSION      0x01
#define INDEX_ARBITRATION  0x02
#define INDEX_TABLE        0x10

#define VERSION            (PC_IOAPIC_VERSION | (IOAPIC_PINS - 1) << 16)
#define ID_SHIFT           24
#define ID_MASK            0xf

#define ENTRY_VECTOR(e)    ((e)&0xff)
#define ENTRY_DELIVERY(e)  ((e) >> 8 & 7)
#define ENTRY_LOGICAL      BIT(11)
#define ENTRY_SEND_PENDING BIT(12)
#define ENTRY_REMOTE_IRR   BIT(14)
#define ENTRY_LEVEL        BIT(15)
#define ENTRY_MASKED       BIT(16)
#define ENTRY_DEST(e)      ((e) >> 56)
#define ENTRY_WRITABLE     (UINT64_C(0xff) << 56 | 0x1afff)

/* Only fixed and lowest-priority interrupts can be levels; the other modes are edges whatever the entry says.
 */
static bool is_level(uint64_t entry)
{
    return entry & ENTRY_LEVEL && ENTRY_DELIVERY(entry) <= APIC_LOWEST;
}

static bool deliver(struct ioapic *ioapic, uint64_t entry)
{
    const struct apic_message message = {
        .destination = ENTRY_DEST(entry),
        .delivery = ENTRY_DELIVERY(entry),
        .vector = ENTRY_VECTOR(entry),
        .logical = entry & ENTRY_LOGICAL,
        .level = is_level(entry),
    };

    return ioapic->fabric.deliver(ioapic->fabric.owner, &message);
}

/* Sends a pin's level if it is asserted, not masked, and not already with a local APIC. */
static void serve_level(struct ioapic *ioapic, unsigned pin)
{
    uint64_t entry = ioapic->table[pin];
    uint32_t bit = BIT(pin);

    ioapic->refused &= ~bit;
    if (!is_level(entry) || entry & ENTRY_MASKED || !(ioapic->lines & bit) || ioapic->remote_irr & bit)
        return;
    if (deliver(ioapic, entry))
        ioapic->remote_irr |= bit;
    else
        ioapic->refused |= bit;
}

void ioapic_set_line(void *state, unsigned pin, bool asserted)
{
    struct ioapic *ioapic = state;
    uint32_t bit = BIT(pin & 31);
    uint64_t entry;

    if (pin >= IOAPIC_PINS || !(ioapic->lines & bit) == !asserted)
        return;
    ioapic->lines ^= bit;
    entry = ioapic->table[pin];
    if (is_level(entry))
        serve_level(ioapic, pin);
    else if (asserted && !(entry & ENTRY_MASKED))
        deliver(ioapic, entry); /* a masked edge is lost: 82093AA, "Interrupt Mask" */
}

void ioapic_eoi(struct ioapic *ioapic, uint8_t vector)
{
    for (uint32_t left = ioapic->remote_irr; left; left &= left - 1) {
        unsigned pin = __builtin_ctz(left);

        if (ENTRY_VECTOR(ioapic->table[pin]) != vector)
            continue;
        ioapic->remote_irr &= ~BIT(pin);
        serve_level(ioapic, pin);
    }
}

bool ioapic_is_open(const struct ioapic *ioapic, unsigned pin, bool fixed)
{
    uint64_t entry = ioapic->table[pin];

    return !(entry & ENTRY_MASKED) && (fixed || ENTRY_DELIVERY(entry) > APIC_LOWEST);
}

static uint64_t entry_read(const struct ioapic *ioapic, unsigned pin)
{
    return ioapic->table[pin] | (ioapic->remote_irr & BIT(pin) ? ENTRY_REMOTE_IRR : 0) |
           (ioapic->refused & BIT(pin) ? ENTRY_SEND_PENDING : 0);
}

static void entry_write(struct ioapic *ioapic, unsigned pin, uint64_t value)
{
    bool opens = ioapic->table[pin] & ~value & ENTRY_MASKED;

    if (opens)
        irq_sources_update(&ioapic->sources);
    ioapic->table[pin] = value & ENTRY_WRITABLE;
    if (!is_level(value))
        ioapic->remote_irr &= ~BIT(pin); /* how software for version 0x11 gets rid of a stuck one */
    serve_level(ioapic, pin);
    if (opens)
        irq_sources_update(&ioapic->sources);
}

static uint32_t register_read(const struct ioapic *ioapic)
{
    unsigned index = ioapic->index;

    if (index >= INDEX_TABLE && index < INDEX_TABLE + 2 * IOAPIC_PINS)
        return entry_read(ioapic, (index - INDEX_TABLE) / 2) >> (index & 1 ? 32 : 0);
    if (index == INDEX_ID || index == INDEX_ARBITRATION)
        return (uint32_t)ioapic->id << ID_SHIFT;
    return index == INDEX_VERSION ? VERSION : 0;
}

static void register_write(struct ioapic *ioapic, uint32_t value)
{
    unsigned index = ioapic->index, pin = (index - INDEX_TABLE) / 2;

    if (index == INDEX_ID) {
        ioapic->id = value >> ID_SHIFT & ID_MASK;
    } else if (index >= INDEX_TABLE && pin < IOAPIC_PINS) {
        uint64_t entry = ioapic->table[pin];

        if (index & 1)
            entry = (uint32_t)entry | (uint64_t)value << 32;
        else
            entry = (entry & ~(uint64_t)UINT32_MAX) | value;
        entry_write(ioapic, pin, entry);
    }
}

/* The 32-bit register at `offset`, a multiple of 4. false: there is none. The EOI register reads as 0. */
static inline bool read_whole(const struct ioapic *ioapic, uint64_t offset, uint64_t *value)
{
    switch (offset) {
    case OFFSET_INDEX:
        *value = ioapic->index;
        return true;
    case OFFSET_WINDOW:
        *value = register_read(ioapic);
        return true;
    case OFFSET_EOI:
        *value = 0;
        return true;
    }
    return false;
}

static inline bool write_whole(struct ioapic *ioapic, uint64_t offset, uint32_t value)
{
    switch (offset) {
    case OFFSET_INDEX:
        ioapic->index = value;
        return true;
    case OFFSET_WINDOW:
        register_write(ioapic, value);
        return true;
    case OFFSET_EOI:
        ioapic_eoi(ioapic, value);
        return true;
    }
    return false;
}

/*
 * Software is to access whole registers. A narrower access reads its bytes of one, and writes them with the
 * others as they are; one that would straddle the register's end loses the bytes beyond.
 */
static __attribute__((noinline)) bool read_part(const struct ioapic *ioapic, uint64_t offset, unsigned size,
                                                uint64_t *value)
{
    uint64_t whole;

    if (!read_whole(ioapic, offset & ~UINT64_C(3), &whole))
        return false;
    *value = whole >> 8 * (offset & 3) & size_mask(size);
    return true;
}

static __attribute__((noinline)) bool write_part(struct ioapic *ioapic, uint64_t offset, unsigned size,
                                                 uint64_t value)
{
    unsigned shift = 8 * (offset & 3);
    uint32_t mask = (uint32_t)(size_mask(size) << shift);
    uint64_t whole;

    if (!read_whole(ioapic, offset & ~UINT64_C(3), &whole))
        return false;
    if (offset > OFFSET_EOI)
        return true; /* not the byte that has the vector */
    return write_whole(ioapic, offset & ~UINT64_C(3),
                       ((uint32_t)whole & ~mask) | ((uint32_t)(value << shift) & mask));
}

static inline bool is_whole(uint64_t offset, unsigned size)
{
    return size == 4 && !(offset & 3);
}

static bool read(struct device *device, uint64_t offset, unsigned size, uint64_t *value)
{
    return likely(is_whole(offset, size)) ? read_whole(device->state, offset, value)
                                          : read_part(device->state, offset, size, value);
}

static bool write(struct device *device, uint64_t offset, unsigned size, uint64_t value)
{
    return likely(is_whole(offset, size)) ? write_whole(device->state, offset, (uint32_t)value)
                                          : write_part(device->state, offset, size, value);
}

static void reset(struct device *device)
{
    struct ioapic *ioapic = device->state;

    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
        ioapic->table[pin] = ENTRY_MASKED;
    ioapic->remote_irr = ioapic->refused = 0;
    ioapic->index = 0;
    ioapic->id = ioapic->initial_id;
}

static void describe(struct device *device, struct writer *out)
{
    static const char *const modes[8] = {"fixed", "lowest", "smi", "3", "nmi", "init", "6", "extint"};
    const struct ioapic *ioapic = device->state;

    print_to(out, "id %u version 0x%x index 0x%02x lines 0x%06x\n", ioapic->id, VERSION, ioapic->index,
             ioapic->lines);
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        uint64_t entry = entry_read(ioapic, pin);

        if (entry == ENTRY_MASKED)
            continue;
        print_to(out, "pin %2u vector 0x%02x %s %s to %s 0x%02x%s%s%s\n", pin, (unsigned)ENTRY_VECTOR(entry),
                 modes[ENTRY_DELIVERY(entry)], entry & ENTRY_LEVEL ? "level" : "edge",
                 entry & ENTRY_LOGICAL ? "logical" : "physical", (unsigned)ENTRY_DEST(entry),
                 entry & ENTRY_MASKED ? " masked" : "", entry & ENTRY_REMOTE_IRR ? " remote-irr" : "",
                 entry & ENTRY_SEND_PENDING ? " send-pending" : "");
    }
}

static const struct device_ops ops = {
    .read = read, .write = write, .reset = reset, .describe = describe, .width = 4};

void ioapic_init(struct ioapic *ioapic, unsigned id, const struct apic_fabric *fabric, struct spinlock *lock)
{
    *ioapic = (struct ioapic){
        .initial_id = id & ID_MASK,
        .fabric = *fabric,
        .device = {"ioapic", &ops, ioapic, lock},
    };
    reset(&ioapic->device);
}
