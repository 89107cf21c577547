/* The tables of the MultiProcessor Specification (version 1.4), for systems that do not read ACPI's. */
#pragma once

#include "hv/lib/base.h"
#include "hv/vm/guest_mem.h"

/* What they say of each processor, as CPUID leaf 1 does. */
struct mp_processor {
    uint32_t signature; /* EAX */
    uint32_t features;  /* EDX */
};

/*
 * Writes the floating pointer structure and the configuration table of a VM with `vcpus` processors (local
 * APIC ids from 0 on) to MAP_MP_TABLES and up, where a search of 0xF0000 to 0xFFFFF finds them. What has no
 * room in 8 bits of an id is left out. Nothing is written if the VM has no RAM there.
 */
void mp_table_build(const struct guest_mem *memory, unsigned vcpus, const struct mp_processor *processor);
