/* The boot information of multiboot kernels. Nothing outside hv/load/ needs this. */
#pragma once

#include "hv/load/loader.h"
#include "hv/load/multiboot_abi.h"

/*
 * Put the ramdisk, as the first module, behind `kernel_end`, and write the boot information to LOW_BOOT_INFO:
 * command line, loader's name, memory size and map, module; for multiboot2 also a copy of the RSDP. As GRUB
 * does, a module's string is its arguments without its name. Return false with the reason said if something
 * does not fit.
 */
bool multiboot1_write_info(struct loader *loader, gpa_t kernel_end);
bool multiboot2_write_info(struct loader *loader, gpa_t kernel_end);
