/* Layouts of the ACPI tables that Keel writes (ACPI Specification 6.3, "ACPI Software Programming Model"). */
#pragma once

#include "hv/lib/base.h"

#define OEM_ID "KEEL  "

struct table_header {
    char signature[4];
    uint32_t length;
    uint8_t revision, checksum;
    char oem_id[6], oem_table_id[8];
    uint32_t oem_revision;
    char creator_id[4];
    uint32_t creator_revision;
} PACKED;

struct rsdp {
    char signature[8];
    uint8_t checksum;
    char oem_id[6];
    uint8_t revision;
    uint32_t rsdt_address, length;
    uint64_t xsdt_address;
    uint8_t extended_checksum, reserved[3];
} PACKED;

#define RSDP_OLD_LENGTH 20 /* what the first checksum covers */

/* Generic Address Structure. */
struct address {
    uint8_t space, bit_width, bit_offset, access_size;
    uint64_t address;
} PACKED;

enum { SPACE_IO = 1 };
enum { ACCESS_BYTE = 1, ACCESS_WORD, ACCESS_DWORD };

struct fadt {
    struct table_header header;
    uint32_t firmware_ctrl, dsdt;
    uint8_t reserved_1, preferred_profile;
    uint16_t sci_int;
    uint32_t smi_cmd;
    uint8_t acpi_enable, acpi_disable, s4bios_req, pstate_cnt;
    uint32_t pm1a_evt, pm1b_evt, pm1a_cnt, pm1b_cnt, pm2_cnt, pm_tmr, gpe0, gpe1;
    uint8_t pm1_evt_len, pm1_cnt_len, pm2_cnt_len, pm_tmr_len, gpe0_len, gpe1_len, gpe1_base, cst_cnt;
    uint16_t p_lvl2_lat, p_lvl3_lat, flush_size, flush_stride;
    uint8_t duty_offset, duty_width, day_alarm, month_alarm, century;
    uint16_t boot_flags;
    uint8_t reserved_2;
    uint32_t flags;
    struct address reset_reg;
    uint8_t reset_value;
    uint16_t arm_boot_flags;
    uint8_t minor_version;
    uint64_t x_firmware_ctrl, x_dsdt;
    struct address x_pm1a_evt, x_pm1b_evt, x_pm1a_cnt, x_pm1b_cnt, x_pm2_cnt, x_pm_tmr, x_gpe0, x_gpe1;
    struct address sleep_control, sleep_status;
    uint64_t hypervisor_vendor;
} PACKED;

_Static_assert(sizeof(struct fadt) == 276, "FADT of ACPI 6");

/* Fixed feature flags. The power button is the PM1 block's own; a sleep button and RTC wake there are not. */
#define FADT_WBINVD          BIT(0)
#define FADT_PROC_C1         BIT(2)
#define FADT_SLP_BUTTON      BIT(5)
#define FADT_FIX_RTC         BIT(6)
#define FADT_TMR_VAL_EXT     BIT(8)
#define FADT_RESET_REG_SUP   BIT(10)

/* IA-PC boot architecture flags; "CMOS RTC not present" stays clear. */
#define BOOT_LEGACY_DEVICES  BIT(0)
#define BOOT_8042            BIT(1)
#define BOOT_VGA_NOT_PRESENT BIT(2)

#define LATENCY_NO_C2        101  /* the least that says "no C2" */
#define LATENCY_NO_C3        1001 /* the least that says "no C3" */

struct facs {
    char signature[4];
    uint32_t length, hardware_signature, waking_vector, global_lock, flags;
    uint64_t x_waking_vector;
    uint8_t version, reserved_1[3];
    uint32_t ospm_flags;
    uint8_t reserved_2[24];
} PACKED;

#define FACS_ALIGNMENT 64

struct madt {
    struct table_header header;
    uint32_t local_apic_address, flags;
} PACKED;

#define MADT_PCAT_COMPAT BIT(0) /* there are 8259s as well, to be masked */

struct madt_local_apic {
    uint8_t type, length, uid, apic_id;
    uint32_t flags;
} PACKED;

struct madt_ioapic {
    uint8_t type, length, id, reserved;
    uint32_t address, gsi_base;
} PACKED;

struct madt_override {
    uint8_t type, length, bus, source;
    uint32_t gsi;
    uint16_t flags;
} PACKED;

struct madt_local_nmi {
    uint8_t type, length, uid;
    uint16_t flags;
    uint8_t lint;
} PACKED;

struct madt_local_x2apic {
    uint8_t type, length;
    uint16_t reserved;
    uint32_t apic_id, flags, uid;
} PACKED;

struct madt_x2apic_nmi {
    uint8_t type, length;
    uint16_t flags;
    uint32_t uid;
    uint8_t lint, reserved[3];
} PACKED;

enum {
    MADT_LOCAL_APIC = 0,
    MADT_IOAPIC = 1,
    MADT_OVERRIDE = 2,
    MADT_LOCAL_NMI = 4,
    MADT_LOCAL_X2APIC = 9,
    MADT_X2APIC_NMI = 10,
};

#define APIC_ENABLED     BIT(0)
#define XAPIC_IDS        255 /* ids from here on have x2APIC structures */
#define ALL_UIDS         0xff
#define ALL_X2APIC_UIDS  0xffffffff
#define INTI_ACTIVE_HIGH 1
#define INTI_LEVEL       (3 << 2)
