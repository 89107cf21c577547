#include "hv/load/acpi.h"

#include "dsdt.h"
#include "hv/host/log.h"
#include "hv/lib/string.h"
#include "hv/load/acpi_tables.h"
#include "hv/load/guest_map.h"
#include "hv/x86/pc.h"

/* AML (ACPI, "ACPI Machine Language Specification"). */
enum {
    AML_NAME = 0x08,
    AML_WORD = 0x0b,
    AML_STRING = 0x0d,
    AML_SCOPE = 0x10,
    AML_ROOT = 0x5c,
    AML_EXTENDED = 0x5b,
    AML_DEVICE = 0x82
};

/* The firmware's part of RAM while it fills up. */
struct area {
    uint8_t *bytes;
    uint32_t used;
};

#define AREA_SIZE    (MAP_MP_TABLES - MAP_FIRMWARE)
#define CPUS_MOST    1024
#define CPU_BYTES    64   /* more than one processor takes in MADT and SSDT together */
#define COMMON_BYTES 8192 /* more than all the rest takes */

_Static_assert(CPUS_MOST *CPU_BYTES + COMMON_BYTES <= AREA_SIZE && sizeof(dsdt) <= COMMON_BYTES / 2,
               "everything fits: take() need not ask");

/* The next `size` bytes, zero. */
static void *take(struct area *area, uint32_t size)
{
    uint8_t *at = area->bytes + area->used;

    memset(at, 0, size);
    area->used += size;
    return at;
}

static void align(struct area *area, uint32_t to)
{
    area->used = (uint32_t)ALIGN_UP(area->used, to);
}

static void put(struct area *area, const void *from, uint32_t size)
{
    memcpy(take(area, size), from, size);
}

static uint32_t address_of(const struct area *area, const void *at)
{
    return MAP_FIRMWARE + (uint32_t)((const uint8_t *)at - area->bytes);
}

/* The byte that makes the sum of all 0. */
static uint8_t checksum(const void *bytes, uint64_t length)
{
    uint8_t sum = 0;

    for (uint64_t i = 0; i < length; i++)
        sum += ((const uint8_t *)bytes)[i];
    return (uint8_t)-sum;
}

/* A table grows from begin_table to end_table, which knows its length. */
static void *begin_table(struct area *area, const char *signature, uint8_t revision, uint32_t size)
{
    struct table_header *header;

    align(area, 16);
    header = take(area, size);
    memcpy(header->signature, signature, sizeof(header->signature));
    memcpy(header->oem_id, OEM_ID, sizeof(header->oem_id));
    memcpy(header->oem_table_id, "KEELPC  ", sizeof(header->oem_table_id));
    memcpy(header->creator_id, "KEEL", sizeof(header->creator_id));
    header->revision = revision;
    header->oem_revision = header->creator_revision = 1;
    return header;
}

static uint32_t end_table(const struct area *area, struct table_header *header)
{
    header->length = (uint32_t)(area->bytes + area->used - (uint8_t *)header);
    header->checksum = checksum(header, header->length);
    return address_of(area, header);
}

static uint32_t write_facs(struct area *area)
{
    struct facs *facs;

    align(area, FACS_ALIGNMENT);
    facs = take(area, sizeof(*facs));
    memcpy(facs->signature, "FACS", sizeof(facs->signature));
    facs->length = sizeof(*facs);
    facs->version = 2;
    return address_of(area, facs);
}

static uint32_t write_dsdt(struct area *area)
{
    align(area, 16);
    put(area, dsdt, sizeof(dsdt));
    return MAP_FIRMWARE + area->used - sizeof(dsdt);
}

static struct address io_address(uint16_t port, uint8_t bytes, uint8_t access_size)
{
    return (struct address){SPACE_IO, (uint8_t)(bytes * 8), 0, access_size, port};
}

static void fill_pm_block(struct fadt *fadt)
{
    fadt->sci_int = PC_SCI_IRQ;
    fadt->smi_cmd = PC_SMI_CMD;
    fadt->acpi_enable = PC_ACPI_ENABLE;
    fadt->acpi_disable = PC_ACPI_DISABLE;
    fadt->pm1a_evt = PC_PM1A_EVT;
    fadt->pm1_evt_len = PC_PM1A_EVT_LENGTH;
    fadt->x_pm1a_evt = io_address(PC_PM1A_EVT, PC_PM1A_EVT_LENGTH, ACCESS_WORD);
    fadt->pm1a_cnt = PC_PM1A_CNT;
    fadt->pm1_cnt_len = PC_PM1A_CNT_LENGTH;
    fadt->x_pm1a_cnt = io_address(PC_PM1A_CNT, PC_PM1A_CNT_LENGTH, ACCESS_WORD);
    fadt->pm_tmr = PC_PM_TMR;
    fadt->pm_tmr_len = PC_PM_TMR_LENGTH;
    fadt->x_pm_tmr = io_address(PC_PM_TMR, PC_PM_TMR_LENGTH, ACCESS_DWORD);
    fadt->gpe0 = PC_GPE0;
    fadt->gpe0_len = PC_GPE0_LENGTH;
    fadt->x_gpe0 = io_address(PC_GPE0, PC_GPE0_LENGTH, ACCESS_BYTE);
}

static uint32_t write_fadt(struct area *area, uint32_t facs_at, uint32_t dsdt_at)
{
    struct fadt *fadt = begin_table(area, "FACP", 6, sizeof(*fadt));

    fadt->firmware_ctrl = facs_at; /* x_firmware_ctrl must be 0 then (ACPI, "FADT Format") */
    fadt->dsdt = dsdt_at;
    fadt->x_dsdt = dsdt_at;
    fill_pm_block(fadt);
    fadt->p_lvl2_lat = LATENCY_NO_C2;
    fadt->p_lvl3_lat = LATENCY_NO_C3;
    fadt->century = PC_RTC_CENTURY;
    fadt->boot_flags = BOOT_LEGACY_DEVICES | BOOT_8042 | BOOT_VGA_NOT_PRESENT;
    fadt->flags =
        FADT_WBINVD | FADT_PROC_C1 | FADT_SLP_BUTTON | FADT_FIX_RTC | FADT_TMR_VAL_EXT | FADT_RESET_REG_SUP;
    fadt->reset_reg = io_address(PC_RESET_REG, 1, ACCESS_BYTE);
    fadt->reset_value = PC_RESET_VALUE;
    return end_table(area, &fadt->header);
}

_Static_assert(PC_PM_TMR_BITS == 32, "FADT_TMR_VAL_EXT says so");

static void put_processor(struct area *area, unsigned id)
{
    const struct madt_local_apic xapic = {MADT_LOCAL_APIC, sizeof(xapic), (uint8_t)id, (uint8_t)id,
                                          APIC_ENABLED};
    const struct madt_local_x2apic x2apic = {MADT_LOCAL_X2APIC, sizeof(x2apic), 0, id, APIC_ENABLED, id};

    if (id < XAPIC_IDS)
        put(area, &xapic, sizeof(xapic));
    else
        put(area, &x2apic, sizeof(x2apic));
}

static uint32_t write_madt(struct area *area, unsigned vcpus)
{
    const struct madt_ioapic ioapic = {MADT_IOAPIC, sizeof(ioapic), PC_IOAPIC_ID,
                                       0,           PC_IOAPIC,      PC_IOAPIC_GSI_BASE};
    const struct madt_override overrides[] = {
        {MADT_OVERRIDE, sizeof(overrides[0]), 0, 0, PC_TIMER_GSI, 0},
        {MADT_OVERRIDE, sizeof(overrides[0]), 0, PC_SCI_IRQ, PC_SCI_IRQ, INTI_ACTIVE_HIGH | INTI_LEVEL},
    };
    const struct madt_local_nmi nmi = {MADT_LOCAL_NMI, sizeof(nmi), ALL_UIDS, 0, PC_NMI_LINT};
    const struct madt_x2apic_nmi x2apic_nmi = {MADT_X2APIC_NMI, sizeof(x2apic_nmi), 0,
                                               ALL_X2APIC_UIDS, PC_NMI_LINT,        {0}};
    struct madt *madt = begin_table(area, "APIC", 5, sizeof(*madt));

    madt->local_apic_address = PC_LOCAL_APIC;
    madt->flags = MADT_PCAT_COMPAT;
    for (unsigned id = 0; id < vcpus; id++)
        put_processor(area, id);
    put(area, &ioapic, sizeof(ioapic));
    put(area, overrides, sizeof(overrides));
    put(area, &nmi, sizeof(nmi));
    if (vcpus > XAPIC_IDS)
        put(area, &x2apic_nmi, sizeof(x2apic_nmi));
    return end_table(area, &madt->header);
}

/* Writes a length of `bytes` at `at` in the two-byte form of PkgLength, which counts itself. */
static void put_package_length(uint8_t *at, uint32_t bytes)
{
    at[0] = (uint8_t)(1 << 6 | (bytes & 0xf));
    at[1] = (uint8_t)(bytes >> 4);
}

/* Device (Cnnn) { Name (_HID, "ACPI0007") Name (_UID, id) } */
static void put_processor_device(struct area *area, unsigned id)
{
    static const char digits[] = "0123456789ABCDEF";
    /* clang-format off */
    const uint8_t aml[] = {
        AML_EXTENDED, AML_DEVICE, 0, 0, /* PkgLength */
        'C', digits[id >> 8 & 15], digits[id >> 4 & 15], digits[id & 15],
        AML_NAME, '_', 'H', 'I', 'D', AML_STRING, 'A', 'C', 'P', 'I', '0', '0', '0', '7', 0,
        AML_NAME, '_', 'U', 'I', 'D', AML_WORD, (uint8_t)id, (uint8_t)(id >> 8),
    };
    /* clang-format on */
    uint8_t *device = take(area, sizeof(aml));

    memcpy(device, aml, sizeof(aml));
    put_package_length(device + 2, sizeof(aml) - 2);
}

/* The processors, which the DSDT cannot list because each VM has its own number of them. */
static uint32_t write_ssdt(struct area *area, unsigned vcpus)
{
    struct table_header *header = begin_table(area, "SSDT", 2, sizeof(*header));

    for (unsigned id = 0; id < vcpus; id++) {
        static const uint8_t scope[] = {AML_SCOPE, 0, 0, AML_ROOT, '_', 'S', 'B', '_'};
        uint8_t *at = area->bytes + area->used;

        put(area, scope, sizeof(scope));
        put_processor_device(area, id);
        put_package_length(at + 1, (uint32_t)(area->bytes + area->used - at) - 1);
    }
    return end_table(area, header);
}

/* The root tables: the same addresses with 32 and with 64 bits. */
static uint32_t write_rsdt(struct area *area, const uint32_t *tables, unsigned count)
{
    struct table_header *header = begin_table(area, "RSDT", 1, sizeof(*header));

    put(area, tables, count * (uint32_t)sizeof(tables[0]));
    return end_table(area, header);
}

static uint32_t write_xsdt(struct area *area, const uint32_t *tables, unsigned count)
{
    struct table_header *header = begin_table(area, "XSDT", 1, sizeof(*header));

    for (unsigned i = 0; i < count; i++) {
        uint64_t address = tables[i];
        put(area, &address, sizeof(address));
    }
    return end_table(area, header);
}

gpa_t acpi_build(const struct guest_mem *memory, unsigned vcpus)
{
    struct area area = {.bytes = guest_ptr(memory, MAP_FIRMWARE, AREA_SIZE)};
    uint32_t tables[3], facs_at, dsdt_at;
    struct rsdp *rsdp;

    if (!area.bytes || vcpus == 0 || vcpus > CPUS_MOST) {
        log_line("ACPI tables: %u vcpus, %s RAM at 0x%x; needed are 1 to %u vcpus, and memory = 1M or more",
                 vcpus, area.bytes ? "and" : "no", MAP_FIRMWARE, CPUS_MOST);
        return 0;
    }
    rsdp = take(&area, sizeof(*rsdp));
    facs_at = write_facs(&area);
    dsdt_at = write_dsdt(&area);
    tables[0] = write_fadt(&area, facs_at, dsdt_at);
    tables[1] = write_madt(&area, vcpus);
    tables[2] = write_ssdt(&area, vcpus);
    memcpy(rsdp->signature, "RSD PTR ", sizeof(rsdp->signature));
    memcpy(rsdp->oem_id, OEM_ID, sizeof(rsdp->oem_id));
    rsdp->revision = 2;
    rsdp->length = sizeof(*rsdp);
    rsdp->rsdt_address = write_rsdt(&area, tables, ARRAY_LENGTH(tables));
    rsdp->xsdt_address = write_xsdt(&area, tables, ARRAY_LENGTH(tables));
    rsdp->checksum = checksum(rsdp, RSDP_OLD_LENGTH);
    rsdp->extended_checksum = checksum(rsdp, sizeof(*rsdp));
    return MAP_FIRMWARE;
}
