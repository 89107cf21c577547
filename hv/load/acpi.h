/* The ACPI tables of a VM's PC (ACPI Specification 6.3, "ACPI Software Programming Model"). */
#pragma once

#include "hv/lib/base.h"
#include "hv/vm/guest_mem.h"

/*
 * Writes RSDP, RSDT, XSDT, FADT, FACS, DSDT, MADT and an SSDT with `vcpus` processors (local APIC ids from 0
 * on) to the firmware's part of RAM, MAP_FIRMWARE and up. Returns the RSDP's address, which a search of
 * 0xE0000 to 0xFFFFF finds too; or 0, with the reason in a log line, if they do not fit.
 */
gpa_t acpi_build(const struct guest_mem *memory, unsigned vcpus);
