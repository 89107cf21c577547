/*
 * Starting Linux, however its image was packed (Linux, "The Linux/x86 Boot Protocol" and "Zero Page").
 * Nothing outside hv/load/ needs this.
 */
#pragma once

#include "hv/load/loader.h"

/* The header within a bzImage at 0x1f1, and within the zero page at the same offset. */
struct setup_header {
    uint8_t setup_sects;
    uint16_t root_flags;
    uint32_t syssize;
    uint16_t ram_size, vid_mode, root_dev, boot_flag;
    uint8_t jump, jump_offset;
    uint32_t header;
    uint16_t version;
    uint32_t realmode_swtch;
    uint16_t start_sys_seg, kernel_version;
    uint8_t type_of_loader, loadflags;
    uint16_t setup_move_size;
    uint32_t code32_start, ramdisk_image, ramdisk_size, bootsect_kludge;
    uint16_t heap_end_ptr;
    uint8_t ext_loader_ver, ext_loader_type;
    uint32_t cmd_line_ptr, initrd_addr_max, kernel_alignment;
    uint8_t relocatable_kernel, min_alignment;
    uint16_t xloadflags;
    uint32_t cmdline_size, hardware_subarch;
    uint64_t hardware_subarch_data;
    uint32_t payload_offset, payload_length;
    uint64_t setup_data, pref_address;
    uint32_t init_size, handover_offset, kernel_info_offset;
} PACKED;

#define SETUP_HEADER          0x1f1 /* its offset in the file and in the zero page */
#define SETUP_HEADER_MOST     0x290 /* where the zero page goes on with other things */
#define SETUP_BOOT_FLAG       0xaa55
#define SETUP_MAGIC           0x53726448 /* "HdrS" */
#define LOADFLAG_LOADED_HIGH  BIT(0)
#define XLOADFLAG_KERNEL_64   BIT(0)
#define ENTRY_64_OFFSET       0x200 /* of the 64-bit entry point from where the kernel was loaded */
#define LOADER_UNDEFINED      0xff  /* type_of_loader of one that has no number */

/* Versions of the protocol, and what came with each. */
#define PROTOCOL_PREF_ADDRESS 0x20a
#define PROTOCOL_XLOADFLAGS   0x20c
#define PROTOCOL_ACPI_RSDP    0x20e

/* A kernel that lies in the VM's memory, with all it needs there claimed. */
struct linux_kernel {
    const uint8_t *header; /* what the zero page gets at SETUP_HEADER */
    size_t header_length;
    gpa_t load, entry;
    bool entry_64;
};

/*
 * Puts ramdisk and command line into memory, fills in the zero page, and sets the entry state. Returns false
 * with the reason said if something does not fit.
 */
bool linux_boot(struct loader *loader, const struct linux_kernel *kernel);
