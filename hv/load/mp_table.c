#include "hv/load/mp_table.h"

#include "hv/lib/string.h"
#include "hv/load/guest_map.h"
#include "hv/x86/pc.h"

#define SPEC_REV_1_4 4
#define IDS          255 /* of local APICs; 255 is all of them */
#define ALL_APICS    255

/* MultiProcessor Specification, "MP Floating Pointer Structure". */
struct floating_pointer {
    char signature[4];
    uint32_t table;
    uint8_t length; /* in units of 16 bytes */
    uint8_t spec_rev, checksum;
    uint8_t features[5]; /* 1: no default configuration; 2: bit 7 clear, there is no IMCR */
} PACKED;

/* "MP Configuration Table Header" */
struct header {
    char signature[4];
    uint16_t length;
    uint8_t spec_rev, checksum;
    char oem_id[8], product_id[12];
    uint32_t oem_table;
    uint16_t oem_table_size, entry_count;
    uint32_t local_apic;
    uint16_t extended_length;
    uint8_t extended_checksum, reserved;
} PACKED;

/* "Base MP Configuration Table Entries" */
enum { ENTRY_PROCESSOR, ENTRY_BUS, ENTRY_IOAPIC, ENTRY_INTERRUPT, ENTRY_LOCAL_INTERRUPT };

struct processor {
    uint8_t type, id, apic_version, flags;
    uint32_t signature, features, reserved[2];
} PACKED;

#define PROCESSOR_ENABLED   BIT(0)
#define PROCESSOR_BOOTSTRAP BIT(1)

struct bus {
    uint8_t type, id;
    char name[6];
} PACKED;

enum { BUS_PCI, BUS_ISA }; /* a PCI bus has its own number */

struct ioapic {
    uint8_t type, id, version, flags;
    uint32_t address;
} PACKED;

#define IOAPIC_ENABLED BIT(0)

/* Both kinds of them: `pin` is the I/O APIC's or the local APIC's. */
struct interrupt {
    uint8_t type, kind;
    uint16_t flags;
    uint8_t bus, irq, apic, pin;
} PACKED;

enum { KIND_INT, KIND_NMI, KIND_SMI, KIND_EXTINT };

#define AS_THE_BUS        0 /* polarity and trigger mode */
#define ACTIVE_HIGH_LEVEL (1 | 3 << 2)

/* The configuration table while it grows. */
struct table {
    struct header *header;
    uint8_t *end;
};

static void put(struct table *table, const void *entry, size_t size)
{
    memcpy(table->end, entry, size);
    table->end += size;
    table->header->entry_count++;
}

/* The byte that makes the sum of all 0. */
static uint8_t checksum(const void *bytes, size_t length)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < length; i++)
        sum += ((const uint8_t *)bytes)[i];
    return (uint8_t)-sum;
}

static void put_processors(struct table *table, unsigned count, const struct mp_processor *like)
{
    for (unsigned id = 0; id < MIN(count, IDS); id++) {
        struct processor entry = {
            .type = ENTRY_PROCESSOR,
            .id = (uint8_t)id,
            .apic_version = PC_LOCAL_APIC_VERSION,
            .flags = PROCESSOR_ENABLED | (id == 0 ? PROCESSOR_BOOTSTRAP : 0),
            .signature = like->signature,
            .features = like->features,
        };

        put(table, &entry, sizeof(entry));
    }
}

static void put_machine(struct table *table)
{
    static const struct bus buses[] = {{ENTRY_BUS, BUS_PCI, "PCI   "}, {ENTRY_BUS, BUS_ISA, "ISA   "}};
    static const struct ioapic ioapic = {ENTRY_IOAPIC, PC_IOAPIC_ID, PC_IOAPIC_VERSION, IOAPIC_ENABLED,
                                         PC_IOAPIC};

    for (unsigned i = 0; i < ARRAY_LENGTH(buses); i++)
        put(table, &buses[i], sizeof(buses[i]));
    put(table, &ioapic, sizeof(ioapic));
}

/*
 * As devices/board.c wires them: irq 0 at pin 2, the others as they count. The 8259As' INTR comes to LINT0;
 * that pin 0 has it too is left out, since systems that read it expect firmware to have set that pin up.
 */
static void put_interrupts(struct table *table)
{
    static const struct interrupt local[] = {
        {ENTRY_LOCAL_INTERRUPT, KIND_EXTINT, AS_THE_BUS, BUS_ISA, 0, ALL_APICS, 0},
        {ENTRY_LOCAL_INTERRUPT, KIND_NMI, AS_THE_BUS, BUS_ISA, 0, ALL_APICS, PC_NMI_LINT},
    };
    struct interrupt entry = {ENTRY_INTERRUPT, KIND_INT, AS_THE_BUS, BUS_ISA, 0, PC_IOAPIC_ID, 0};

    for (uint8_t irq = 0; irq < PC_ISA_IRQS; irq++) {
        if (irq == PC_CASCADE_IRQ)
            continue;
        entry.irq = irq;
        entry.pin = irq == 0 ? PC_TIMER_GSI : irq;
        entry.flags = irq == PC_SCI_IRQ ? ACTIVE_HIGH_LEVEL : AS_THE_BUS;
        put(table, &entry, sizeof(entry));
    }
    for (unsigned i = 0; i < ARRAY_LENGTH(local); i++)
        put(table, &local[i], sizeof(local[i]));
}

#define OTHER_ENTRIES (2 + 1 + PC_ISA_IRQS + 2)

_Static_assert(sizeof(struct floating_pointer) + sizeof(struct header) + IDS * sizeof(struct processor) +
                       OTHER_ENTRIES * sizeof(struct interrupt) <=
                   MAP_FIRMWARE_END - MAP_MP_TABLES,
               "everything fits: put() need not ask");

void mp_table_build(const struct guest_mem *memory, unsigned vcpus, const struct mp_processor *processor)
{
    uint8_t *area = guest_ptr(memory, MAP_MP_TABLES, MAP_FIRMWARE_END - MAP_MP_TABLES);
    struct floating_pointer *pointer = (struct floating_pointer *)area;
    struct table table;

    if (!area)
        return;
    table.header = (struct header *)(area + sizeof(*pointer));
    *table.header = (struct header){
        .signature = "PCMP",
        .spec_rev = SPEC_REV_1_4,
        .oem_id = "KEEL    ",
        .product_id = "PC          ",
        .local_apic = PC_LOCAL_APIC,
    };
    table.end = (uint8_t *)(table.header + 1);
    put_processors(&table, vcpus, processor);
    put_machine(&table);
    put_interrupts(&table);
    table.header->length = (uint16_t)(table.end - (uint8_t *)table.header);
    table.header->checksum = checksum(table.header, table.header->length);
    *pointer = (struct floating_pointer){
        .signature = "_MP_",
        .table = MAP_MP_TABLES + sizeof(*pointer),
        .length = sizeof(*pointer) / 16,
        .spec_rev = SPEC_REV_1_4,
    };
    pointer->checksum = checksum(pointer, sizeof(*pointer));
}
