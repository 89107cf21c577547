#include "boot/efi_runtime.h"

#include "hv/lib/string.h"

/* UEFI, "EFI System Table", "EFI Runtime Services Table", "EFI_MEMORY_ATTRIBUTES_TABLE", of 64 bits. */
#define SYSTEM_SIGNATURE  UINT64_C(0x5453595320494249) /* "IBI SYST" */
#define RUNTIME_SIGNATURE UINT64_C(0x56524553544e5552) /* "RUNTSERV" */

struct system_table {
    uint64_t signature, unused[10], runtime, boot, tables, table;
};

struct runtime_services {
    uint64_t signature, unused[12], reset_system;
};

struct configuration {
    uint8_t guid[16];
    uint64_t table;
};

struct attributes_table {
    uint32_t version, count, size, flags;
};

struct descriptor {
    uint32_t type;
    uint64_t first, virtual, pages, attributes;
};

static const uint8_t attributes_guid[16] = {0x1d, 0x91, 0xfa, 0xdc, 0xeb, 0x26, 0x9f, 0x46,
                                            0xa2, 0x20, 0x38, 0xb7, 0xdc, 0x46, 0x12, 0x20};

#define NOT_EXECUTABLE BIT(14)
#define READ_ONLY      BIT(17)
#define TYPE_MMIO      11
#define TABLES_MOST    256
#define PAGES_MOST     (GIB(64) >> PAGE_SHIFT)

/* What lies at a physical address, where the boot loader's information still is; NULL: out of sight. */
static const void *see(hpa_t address, uint64_t size)
{
    return address && address < GIB(4) && size <= GIB(4) - address ? (const void *)address : NULL;
}

static const struct attributes_table *find_attributes(const struct system_table *system)
{
    const struct configuration *tables = see(system->table, system->tables * sizeof(*tables));

    for (uint64_t i = 0; tables && i < system->tables; i++)
        if (memcmp(tables[i].guid, attributes_guid, sizeof(attributes_guid)) == 0)
            return see(tables[i].table, sizeof(struct attributes_table));
    return NULL;
}

static bool add(struct efi_runtime *efi, hpa_t first, uint64_t pages, enum efi_access access)
{
    if (efi->count == ARRAY_LENGTH(efi->ranges) || !pages || pages > PAGES_MOST || first % PAGE_SIZE ||
        first > BIT(46))
        return false;
    efi->ranges[efi->count++] = (struct efi_runtime_range){first, pages << PAGE_SHIFT, access};
    return true;
}

static bool read_attributes(struct efi_runtime *efi, const struct attributes_table *table)
{
    const uint8_t *at;

    if (table->size < sizeof(struct descriptor) || table->count > ARRAY_LENGTH(efi->ranges))
        return false;
    at = see((hpa_t)table + sizeof(*table), (uint64_t)table->count * table->size);
    for (uint32_t i = 0; at && i < table->count; i++, at += table->size) {
        struct descriptor in;

        memcpy(&in, at, sizeof(in));
        if (!(in.attributes & (READ_ONLY | NOT_EXECUTABLE)) ||
            !add(efi, in.first, in.pages,
                 !(in.attributes & READ_ONLY)     ? EFI_DATA
                 : in.attributes & NOT_EXECUTABLE ? EFI_CONSTANTS
                                                  : EFI_CODE))
            return false;
    }
    return at;
}

static bool read_devices(struct boot_info *info)
{
    for (unsigned i = 0; i < info->efi_memory_count; i++) {
        const struct efi_range *range = &info->efi_memory[i];

        if (range->type >= TYPE_MMIO && (range->attributes & EFI_RANGE_RUNTIME) &&
            !add(&info->efi, range->first, range->size >> PAGE_SHIFT, EFI_DEVICE))
            return false;
    }
    return true;
}

void efi_runtime_read(struct boot_info *info)
{
    const struct system_table *system = see(info->efi_system_table, sizeof(*system));
    const struct runtime_services *services;
    const struct attributes_table *attributes;

    if (!info->efi_is_64 || !system || system->signature != SYSTEM_SIGNATURE || system->tables > TABLES_MOST)
        return;
    services = see(system->runtime, sizeof(*services));
    attributes = find_attributes(system);
    if (services && services->signature == RUNTIME_SIGNATURE && attributes &&
        read_attributes(&info->efi, attributes) && read_devices(info))
        info->efi.reset = services->reset_system;
}
