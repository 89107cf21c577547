/*
 * A flat image: bytes that are copied to one address and started at another. The guest finds its command line
 * at RSI and the RSDP at RDI (in real mode, whose registers do not reach that far, nothing), and has a stack.
 */
#include "hv/lib/string.h"
#include "hv/load/loader.h"

static void start_real(struct loader *loader, gpa_t entry)
{
    *loader->entry = (struct entry_state){
        .mode = ENTRY_REAL,
        .rip = entry & 0xffff,
        .cs = (entry & ~UINT64_C(0xffff)) >> 4,
        .ds = (entry & ~UINT64_C(0xffff)) >> 4,
        .ss = (uint16_t)(loader->low >> 4),
        .rsp = LOW_SIZE,
    };
}

/* Whether it can be what the configuration says; else the reason is said. */
static bool check(struct loader *loader)
{
    const struct load_request *request = loader->request;
    gpa_t entry = request->flat_entry, size = request->kernel->size;

    if (size == 0)
        return loader_refuse(loader, "the file is empty");
    if (request->ramdisk)
        return loader_refuse(loader, "a flat image has no place for a ramdisk; leave `ramdisk` out");
    if (entry < request->flat_load || entry - request->flat_load >= size)
        return loader_refuse(loader, "its entry 0x%lx is not within its %lu bytes at 0x%lx", entry, size,
                             request->flat_load);
    if (request->flat_mode == ENTRY_REAL && entry >= MAP_FIRMWARE_END)
        return loader_refuse(loader,
                             "real mode reaches no entry at 0x%lx; set load below 0x100000, or entry = "
                             "protected",
                             entry);
    if (request->flat_mode != ENTRY_REAL && entry > UINT32_MAX)
        return loader_refuse(loader, "its entry 0x%lx is above 4 GiB, where nothing is mapped at the start",
                             entry);
    return true;
}

static bool load_flat(struct loader *loader)
{
    const struct load_request *request = loader->request;
    const struct module *kernel = request->kernel;
    size_t cmdline = strlen(request->cmdline) + 1;
    gpa_t entry = request->flat_entry;
    void *to;

    if (!check(loader))
        return false;
    if (cmdline > LOW_BOOT_INFO_END - LOW_CMDLINE)
        return loader_refuse(loader, "its command line has %lu bytes; at most %u fit", cmdline - 1,
                             LOW_BOOT_INFO_END - LOW_CMDLINE - 1);
    to = loader_claim(loader, "the image", request->flat_load, kernel->size);
    if (!to)
        return false;
    memcpy(to, kernel->bytes, kernel->size);
    if (!loader_place_low(loader))
        return false;
    guest_write(loader->memory, loader->low + LOW_CMDLINE, request->cmdline, cmdline);
    if (request->flat_mode == ENTRY_REAL) {
        start_real(loader, entry);
        return true;
    }
    if (request->flat_mode == ENTRY_PROTECTED)
        loader_start_protected(loader, (uint32_t)entry);
    else
        loader_start_long(loader, entry);
    loader->entry->rsi = loader->low + LOW_CMDLINE;
    loader->entry->rdi = request->acpi_rsdp;
    return true;
}

const struct kernel_format flat_format = {.name = "flat image", .sign = "asked for", .load = load_flat};
