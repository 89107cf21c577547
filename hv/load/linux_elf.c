/*
 * Linux's uncompressed vmlinux: an ELF64 file that starts where it was linked to lie, by the 64-bit entry of
 * the boot protocol. It carries no setup header, so it gets one that says what its decompressor would know.
 */
#include "hv/load/elf.h"
#include "hv/load/linux_boot.h"

/* What x86-64 kernels are configured with. */
#define VMLINUX_ALIGNMENT    MIB(2)
#define VMLINUX_CMDLINE_MOST 2047
#define VMLINUX_INITRD_MAX   0x7fffffff

static bool load(struct loader *loader)
{
    const struct module *file = loader->request->kernel;
    struct elf_image image;
    struct setup_header setup = {
        .boot_flag = SETUP_BOOT_FLAG,
        .header = SETUP_MAGIC,
        .version = PROTOCOL_ACPI_RSDP,
        .loadflags = LOADFLAG_LOADED_HIGH,
        .initrd_addr_max = VMLINUX_INITRD_MAX,
        .kernel_alignment = VMLINUX_ALIGNMENT,
        .xloadflags = XLOADFLAG_KERNEL_64,
        .cmdline_size = VMLINUX_CMDLINE_MOST,
    };
    struct linux_kernel kernel = {
        .header = (const uint8_t *)&setup, .header_length = sizeof(setup), .entry_64 = true};

    if (!elf_read(loader, file, &image))
        return false;
    if (!image.is_64)
        return loader_refuse(loader,
                             "a 32-bit ELF file without a multiboot header; Keel starts 32-bit kernels as a "
                             "bzImage or by multiboot");
    if (!elf_entry(loader, &image, &kernel.entry))
        return false;
    if (kernel.entry > UINT32_MAX)
        return loader_refuse(loader,
                             "its entry point 0x%lx is above 4 GiB, where nothing is mapped at the start",
                             kernel.entry);
    if (!elf_load(loader, file, &image))
        return false;
    kernel.load = kernel.entry;
    return linux_boot(loader, &kernel);
}

const struct kernel_format linux_elf_format = {
    .name = "Linux vmlinux",
    .sign = "ELF for x86-64",
    .recognise = elf_recognise,
    .load = load,
};
