/* Guest images: what is loaded, and the state in which the boot vCPU starts. */
#pragma once

#include "hv/lib/base.h"
#include "hv/vm/guest_mem.h"
#include "hv/vm/vcpu.h"

/* A file that the boot loader put into memory: never trusted. */
struct module {
    const char *name;      /* first word of its string */
    const char *arguments; /* the rest, may be "" */
    const uint8_t *bytes;
    uint64_t size;
};

enum entry_mode { ENTRY_REAL, ENTRY_PROTECTED, ENTRY_LONG };

/* Where and how the boot vCPU starts. Segments are flat in protected and long mode. */
struct entry_state {
    enum entry_mode mode;
    uint64_t rip, rsp, rax, rbx, rsi, rdi;
    uint64_t cr3;        /* long mode: identity page tables that the loader built */
    uint16_t cs, ds, ss; /* selectors (real mode: base = selector * 16) */
    gpa_t gdt;           /* a GDT in guest memory with those selectors, for protected and long mode */
    uint16_t gdt_limit;
};

enum image_format { FORMAT_AUTO, FORMAT_FLAT };

/* A file for a multiboot kernel, and what it is told of it. */
struct load_module {
    const struct module *file;
    const char *arguments;
};

/* What a `[vm]` section asks for. */
struct load_request {
    const struct module *kernel, *ramdisk; /* ramdisk may be NULL */
    const struct load_module *modules;
    unsigned module_count;
    const char *cmdline;
    enum image_format format;
    gpa_t flat_load, flat_entry;
    enum entry_mode flat_mode;
    unsigned vcpus;
    gpa_t acpi_rsdp; /* where the VM's RSDP lies, 0 if there is none */
};

/*
 * Recognises the kernel's format, checks and loads it into the VM's memory. Returns false and a reason in
 * words ("kernel vmlinuz: ...: found ..., needed ...") in `reason` if it cannot be loaded; memory is then
 * undefined.
 */
bool load_guest(const struct guest_mem *memory, const struct load_request *request, struct entry_state *entry,
                char *reason, size_t reason_size);
