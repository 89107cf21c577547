#include "hv/host/acpi.h"

#include "hv/host/log.h"
#include "hv/host/paging.h"
#include "hv/lib/string.h"

struct machine machine;

/* ACPI, "System Description Table Header". */
struct PACKED header {
    char signature[4];
    uint32_t length;
    uint8_t revision, checksum;
    char oem[6], oem_table[8];
    uint32_t oem_revision, creator, creator_revision;
};

struct PACKED rsdp {
    char signature[8];
    uint8_t checksum;
    char oem[6];
    uint8_t revision;
    uint32_t rsdt;
    uint32_t length;
    uint64_t xsdt;
};

/* More than any real table has: a length beyond it is a broken table. */
#define TABLE_MOST MIB(4)

static bool sums_to_zero(const void *bytes, uint64_t length)
{
    uint8_t sum = 0;

    for (uint64_t i = 0; i < length; i++)
        sum += ((const uint8_t *)bytes)[i];
    return sum == 0;
}

/* Maps the table at `physical`; NULL if it is no table. */
static const struct header *map_table(hpa_t physical)
{
    const struct header *table = physical ? host_map(physical, sizeof(*table), HOST_READ) : NULL;

    if (!table || table->length < sizeof(*table) || table->length > TABLE_MOST)
        return NULL;
    table = host_map(physical, table->length, HOST_READ);
    return table && sums_to_zero(table, table->length) ? table : NULL;
}

static const struct header *find_table(const struct rsdp *rsdp, const char *signature)
{
    const struct header *root = rsdp->revision >= 2 ? map_table(rsdp->xsdt) : NULL;
    unsigned size = root ? 8 : 4;

    if (!root)
        root = map_table(rsdp->rsdt);
    if (!root)
        return NULL;
    for (uint32_t at = sizeof(*root); at + size <= root->length; at += size) {
        uint64_t physical = 0;
        const struct header *table;

        memcpy(&physical, (const char *)root + at, size);
        table = map_table(physical);
        if (table && memcmp(table->signature, signature, 4) == 0)
            return table;
    }
    return NULL;
}

static const struct rsdp *scan_for_rsdp(hpa_t first, uint64_t length)
{
    const char *area = host_map(first, length, HOST_READ);

    for (uint64_t at = 0; area && at + sizeof(struct rsdp) <= length; at += 16)
        if (memcmp(area + at, "RSD PTR ", 8) == 0 && sums_to_zero(area + at, 20))
            return (const struct rsdp *)(area + at);
    return NULL;
}

/* The boot loader's copy first; else where BIOSes keep it (ACPI, "Finding the RSDP on IA-PC Systems"). */
static const struct rsdp *find_rsdp(const struct boot_info *info)
{
    const struct rsdp *rsdp;
    const uint16_t *ebda;

    if (info->rsdp_length >= 20)
        return (const struct rsdp *)info->rsdp;
    ebda = host_map(0, PAGE_SIZE, HOST_READ);
    rsdp = ebda ? scan_for_rsdp((hpa_t)ebda[0x40e / 2] << 4, KIB(1)) : NULL;
    return rsdp ? rsdp : scan_for_rsdp(0xe0000, KIB(128));
}

static void add_processor(uint32_t apic_id, uint32_t flags, uint32_t everyone)
{
    if (!(flags & 1) || apic_id == everyone)
        return; /* not enabled; "online capable" ones need hot plug */
    for (unsigned i = 0; i < machine.apic_count; i++)
        if (machine.apic_ids[i] == apic_id)
            return; /* some firmware names a processor both ways */
    if (machine.apic_count < CPUS_MOST)
        machine.apic_ids[machine.apic_count++] = apic_id;
    else
        machine.apics_left_out++;
}

static uint32_t read32(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof(value));
    return value;
}

/* One MADT structure of `length` bytes (ACPI, "Interrupt Controller Structures"). */
static void read_madt_entry(const uint8_t *entry, unsigned length)
{
    switch (entry[0]) {
    case 0: /* local APIC */
        if (length >= 8)
            add_processor(entry[3], read32(entry + 4), 0xff);
        break;
    case 9: /* local x2APIC */
        if (length >= 16)
            add_processor(read32(entry + 4), read32(entry + 8), UINT32_MAX);
        break;
    case 1: /* I/O APIC */
        if (length >= 12 && machine.ioapic_count < IOAPICS_MOST) {
            machine.ioapics[machine.ioapic_count].address = read32(entry + 4);
            machine.ioapics[machine.ioapic_count++].gsi_base = read32(entry + 8);
        }
        break;
    case 2: /* interrupt source override */
        if (length >= 10 && entry[3] < 16) {
            machine.isa[entry[3]].gsi = read32(entry + 4);
            machine.isa[entry[3]].low = (entry[8] & 3) == 3;
            machine.isa[entry[3]].level = (entry[8] >> 2 & 3) == 3;
        }
        break;
    }
}

#define MADT_FLAGS       40
#define MADT_PCAT_COMPAT BIT(0)

static void read_madt(const struct header *madt)
{
    const uint8_t *bytes = (const uint8_t *)madt;

    if (madt->length >= MADT_FLAGS + 4)
        machine.no_pics = !(read32(bytes + MADT_FLAGS) & MADT_PCAT_COMPAT);
    for (uint32_t at = sizeof(*madt) + 8; at + 2 <= madt->length;) {
        unsigned length = bytes[at + 1];

        if (length < 2 || at + length > madt->length)
            break;
        read_madt_entry(bytes + at, length);
        at += length;
    }
}

/* The low byte of the integer at *next (ACPI, "Computational Data"), and past it; false: something else. */
static bool read_integer(const uint8_t **next, const uint8_t *end, uint8_t *value)
{
    static const uint8_t lengths[] = {1, 2, 4, 0, 8}; /* behind Byte-, Word-, DWord-, no, and QWordPrefix */
    const uint8_t *at = *next;
    unsigned kind, length = 0;

    if (at >= end)
        return false;
    if (*at != 0x00 && *at != 0x01 && *at != 0xff) { /* ZeroOp, OneOp, OnesOp */
        kind = *at - 0x0au;
        length = kind < sizeof(lengths) ? lengths[kind] : 0;
        if (!length || (size_t)(end - at) <= length)
            return false;
    }
    *value = at[length ? 1 : 0];
    *next = at + 1 + length;
    return true;
}

/*
 * SLP_TYPa and SLP_TYPb of the package \_S5: NameOp "_S5_" PackageOp length count, then integers (ACPI, "AML
 * Byte Stream"). Looked for, not interpreted: no firmware hides it behind code.
 */
static void read_s5(const struct header *dsdt)
{
    const uint8_t *bytes = (const uint8_t *)dsdt, *end = bytes + dsdt->length;

    for (uint32_t at = sizeof(*dsdt); at + 8 <= dsdt->length; at++) {
        const uint8_t *next = bytes + at + 6;
        uint8_t a, b;

        if (memcmp(bytes + at, "_S5_\x12", 5) != 0)
            continue;
        next += (bytes[at + 5] >> 6) + 1; /* package length, then the element count */
        if (!read_integer(&next, end, &a) || !read_integer(&next, end, &b))
            continue;
        machine.s5_type_a = a & 7;
        machine.s5_type_b = b & 7;
        machine.s5_known = true;
        return;
    }
}

static uint64_t read64(const uint8_t *at)
{
    return read32(at) | (uint64_t)read32(at + 4) << 32;
}

/* Offsets in the FADT (ACPI, "Fixed ACPI Description Table"). */
enum {
    FADT_DSDT = 40,
    FADT_PM1A_CNT = 64,
    FADT_PM1B_CNT = 68,
    FADT_PM_TMR = 76,
    FADT_FLAGS = 112,
    FADT_RESET = 116,
    FADT_RESET_VALUE = 128,
    FADT_X_DSDT = 140,
    FADT_X_PM1A_CNT = 172,
    FADT_X_PM1B_CNT = 184,
    FADT_X_PM_TMR = 208,
    FADT_SLEEP_CONTROL = 244,
};
#define FADT_RESET_SUPPORTED  BIT(10)
#define FADT_HARDWARE_REDUCED BIT(20)

/* An address structure: space, bits, offset, access, address. */
#define REGISTER_SIZE         12

static struct acpi_register read_register(const struct header *table, unsigned at)
{
    const uint8_t *bytes = (const uint8_t *)table + at;
    struct acpi_register none = {.space = 0xff};

    if (at + REGISTER_SIZE > table->length || bytes[0] > 1 || !read64(bytes + 4))
        return none;
    return (struct acpi_register){bytes[0], read64(bytes + 4)};
}

/* A port by its old field, or by its wide one where that is 0. */
static uint16_t read_port(const struct header *fadt, unsigned at, unsigned wide_at)
{
    uint16_t port = (uint16_t)read32((const uint8_t *)fadt + at);
    struct acpi_register wide = read_register(fadt, wide_at);

    return port || wide.space != 1 ? port : (uint16_t)wide.address;
}

static void read_fadt(const struct header *fadt)
{
    const uint8_t *bytes = (const uint8_t *)fadt;
    const struct header *dsdt;
    uint64_t wide_dsdt = 0;
    uint32_t flags;

    if (fadt->length < FADT_RESET)
        return;
    flags = read32(bytes + FADT_FLAGS);
    if (flags & FADT_HARDWARE_REDUCED) {
        machine.sleep = read_register(fadt, FADT_SLEEP_CONTROL);
    } else {
        machine.pm1a_control = read_port(fadt, FADT_PM1A_CNT, FADT_X_PM1A_CNT);
        machine.pm1b_control = read_port(fadt, FADT_PM1B_CNT, FADT_X_PM1B_CNT);
        machine.pm_timer = read_port(fadt, FADT_PM_TMR, FADT_X_PM_TMR);
    }
    if (fadt->length > FADT_RESET_VALUE && (flags & FADT_RESET_SUPPORTED)) {
        machine.reset = read_register(fadt, FADT_RESET);
        machine.reset_value = bytes[FADT_RESET_VALUE];
    }
    if (fadt->length >= FADT_X_DSDT + 8)
        wide_dsdt = read64(bytes + FADT_X_DSDT);
    dsdt = map_table(wide_dsdt ? wide_dsdt : read32(bytes + FADT_DSDT));
    if (dsdt)
        read_s5(dsdt);
}

/* Offsets in the SPCR (Microsoft, "Serial Port Console Redirection Table"). */
enum {
    SPCR_TYPE = 36,
    SPCR_ADDRESS = 40,
    SPCR_BITS = 41, /* between one register and the next */
    SPCR_ACCESS = 43,
    SPCR_INTERRUPT_TYPE = 52,
    SPCR_IRQ = 53,
    SPCR_GSI = 54,
    SPCR_BAUD = 58,
};
#define SPCR_16450      1
#define SPCR_16550_WIDE 0x12
#define ACCESS_DWORD    3
#define IRQ_BY_PIC      BIT(0)
#define IRQ_BY_IOAPIC   BIT(1)

static void read_spcr(const struct header *spcr)
{
    static const unsigned bauds[] = {[3] = 9600, [4] = 19200, [6] = 57600, [7] = 115200};
    const uint8_t *bytes = (const uint8_t *)spcr;
    struct acpi_register base = read_register(spcr, SPCR_ADDRESS);
    struct serial *uart = &serial_ports[SERIAL_ACPI];
    unsigned baud, bits = bytes[SPCR_BITS];

    if (spcr->length <= SPCR_BAUD || base.space == 0xff ||
        (bytes[SPCR_TYPE] > SPCR_16450 && bytes[SPCR_TYPE] != SPCR_16550_WIDE))
        return;
    for (unsigned i = 0; i < SERIAL_ACPI; i++)
        if (base.space == 1 && serial_ports[i].port == base.address)
            uart = &serial_ports[i];
    uart->port = base.address;
    uart->irq = bytes[SPCR_INTERRUPT_TYPE] & IRQ_BY_IOAPIC ? read32(bytes + SPCR_GSI)
                : bytes[SPCR_INTERRUPT_TYPE] & IRQ_BY_PIC  ? bytes[SPCR_IRQ]
                                                           : uart->irq;
    if (base.space == 0) {
        uart->port = (uint64_t)host_map(base.address, 8 * 4, HOST_DEVICE);
        uart->width = bits == 32 && bytes[SPCR_ACCESS] % ACCESS_DWORD == 0 ? 4 : 1;
        uart->shift = bits == 32 ? 2 : bits == 16 ? 1 : 0;
    }
    baud = bytes[SPCR_BAUD] < ARRAY_LENGTH(bauds) ? bauds[bytes[SPCR_BAUD]] : 0;
    machine.console_baud = baud ? baud : SERIAL_AS_IT_IS;
    machine.console = uart;
}

void acpi_init(const struct boot_info *info)
{
    const struct rsdp *rsdp = find_rsdp(info);
    const struct header *madt, *fadt, *spcr;

    machine.efi = &info->efi;
    machine.reset.space = machine.sleep.space = 0xff;
    for (unsigned irq = 0; irq < 16; irq++)
        machine.isa[irq].gsi = irq;
    if (!rsdp) {
        log_line("acpi: no tables found: only the boot core is used. Turn ACPI on in the firmware's set-up.");
        return;
    }
    madt = find_table(rsdp, "APIC");
    if (madt)
        read_madt(madt);
    else
        log_line("acpi: no MADT: only the boot core is used");
    fadt = find_table(rsdp, "FACP");
    if (fadt)
        read_fadt(fadt);
    spcr = find_table(rsdp, "SPCR");
    if (spcr)
        read_spcr(spcr);
    if (machine.apics_left_out)
        log_line("acpi: %u processors more than Keel's %u are left unused", machine.apics_left_out,
                 CPUS_MOST);
}
