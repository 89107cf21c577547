/* Linux as distributions ship it: the boot protocol from 2.10 on, by its 64-bit entry or, without one, by its
 * 32-bit entry. */
#include "hv/lib/string.h"
#include "hv/load/linux_boot.h"

#define SECTOR             512
#define SETUP_SECTS_UNSAID 4 /* what 0 in setup_sects means */
#define PARAGRAPH          16

static bool recognise(const struct module *kernel)
{
    const uint8_t *magic = module_at(kernel, SETUP_HEADER + offsetof(struct setup_header, header), 4);
    uint32_t value;

    if (!magic)
        return false;
    memcpy(&value, magic, sizeof(value));
    return value == SETUP_MAGIC;
}

/* The header as far as it reaches; what an old one does not have is 0. */
static bool read_header(struct loader *loader, struct setup_header *setup, size_t *length)
{
    const struct module *file = loader->request->kernel;
    size_t jump = offsetof(struct setup_header, jump_offset);
    const uint8_t *bytes = module_at(file, SETUP_HEADER, jump + 1);

    *length = bytes ? jump + 1 + bytes[jump] : 0;
    *length = MIN(*length, SETUP_HEADER_MOST - SETUP_HEADER);
    bytes = module_at(file, SETUP_HEADER, *length);
    if (!bytes || *length < offsetof(struct setup_header, realmode_swtch))
        return loader_refuse(
            loader,
            "a Linux bzImage whose setup header ends in the middle (%lu bytes of it, in a file "
            "of %lu); copy the kernel again",
            *length, file->size);
    memset(setup, 0, sizeof(*setup));
    memcpy(setup, bytes, MIN(*length, sizeof(*setup)));
    return true;
}

static bool check_header(struct loader *loader, const struct setup_header *setup, size_t length)
{
    if (setup->boot_flag != SETUP_BOOT_FLAG)
        return loader_refuse(loader,
                             "a Linux bzImage with a damaged header: boot_flag is 0x%x, needed 0x%x; copy "
                             "the kernel again",
                             setup->boot_flag, SETUP_BOOT_FLAG);
    if (setup->version < PROTOCOL_PREF_ADDRESS)
        return loader_refuse(
            loader,
            "Linux boot protocol %u.%02u; needed is 2.10 or later (Linux 2.6.31): use a newer "
            "kernel",
            setup->version >> 8, setup->version & 0xff);
    if (length < offsetof(struct setup_header, handover_offset))
        return loader_refuse(loader,
                             "a Linux bzImage with a damaged header: %lu bytes long, needed %lu for protocol "
                             "2.10; copy the kernel again",
                             length, offsetof(struct setup_header, handover_offset));
    if (!(setup->loadflags & LOADFLAG_LOADED_HIGH))
        return loader_refuse(loader,
                             "a Linux zImage (LOADED_HIGH is clear in loadflags 0x%x); needed is a "
                             "bzImage: `make bzImage`",
                             setup->loadflags);
    if (setup->relocatable_kernel &&
        (setup->kernel_alignment < PAGE_SIZE || setup->kernel_alignment & (setup->kernel_alignment - 1)))
        return loader_refuse(loader,
                             "a Linux bzImage with a damaged header: kernel_alignment is 0x%x, needed is a "
                             "power of two from 0x1000; copy the kernel again",
                             setup->kernel_alignment);
    return true;
}

/* The protected-mode kernel: what follows the real-mode sectors. */
static const uint8_t *find_payload(struct loader *loader, const struct setup_header *setup, uint64_t *size)
{
    const struct module *file = loader->request->kernel;
    unsigned sectors = setup->setup_sects ? setup->setup_sects : SETUP_SECTS_UNSAID;
    uint64_t offset = (sectors + 1) * (uint64_t)SECTOR;
    const uint8_t *bytes;

    *size = (uint64_t)setup->syssize * PARAGRAPH;
    if (*size <= ENTRY_64_OFFSET) {
        loader_refuse(
            loader,
            "a Linux bzImage with a damaged header: syssize 0x%x says the kernel has %lu bytes; copy "
            "the kernel again",
            setup->syssize, *size);
        return NULL;
    }
    if (file->size > offset &&
        offset + *size - file->size < PARAGRAPH) /* its last paragraph may be cut short */
        *size = MIN(*size, file->size - offset);
    bytes = module_at(file, offset, *size);
    if (!bytes)
        loader_refuse(loader, "a truncated Linux bzImage: found %lu bytes, needed %lu; copy the kernel again",
                      file->size, offset + *size);
    return bytes;
}

/*
 * Where it is loaded and what it runs in. A relocatable kernel goes where it wants to run; any other to
 * code32_start, from where it moves itself to pref_address.
 */
static void choose_addresses(const struct setup_header *setup, uint64_t size, gpa_t *load, gpa_t *first,
                             gpa_t *end)
{
    gpa_t run = setup->pref_address;

    if (setup->relocatable_kernel)
        run = run > UINT64_MAX - setup->kernel_alignment ? run : ALIGN_UP(run, setup->kernel_alignment);
    *load = setup->relocatable_kernel ? run : setup->code32_start;
    *first = MIN(*load, run);
    *end = MAX(*load + size, run > UINT64_MAX - setup->init_size ? UINT64_MAX : run + setup->init_size);
}

static bool load(struct loader *loader)
{
    struct setup_header setup;
    struct linux_kernel kernel = {.header = loader->request->kernel->bytes + SETUP_HEADER};
    const uint8_t *payload;
    gpa_t first, end;
    uint64_t size;
    uint8_t *to;

    if (!read_header(loader, &setup, &kernel.header_length) ||
        !check_header(loader, &setup, kernel.header_length))
        return false;
    payload = find_payload(loader, &setup, &size);
    if (!payload)
        return false;
    choose_addresses(&setup, size, &kernel.load, &first, &end);
    to = loader_claim(loader, "the kernel", first, end - first);
    if (!to)
        return false;
    memcpy(to + (kernel.load - first), payload, size);
    kernel.entry_64 = setup.version >= PROTOCOL_XLOADFLAGS && setup.xloadflags & XLOADFLAG_KERNEL_64;
    kernel.entry = kernel.load + (kernel.entry_64 ? ENTRY_64_OFFSET : 0);
    if (kernel.load > UINT32_MAX - ENTRY_64_OFFSET)
        return loader_refuse(loader, "it wants to run at 0x%lx, above 4 GiB; Keel starts kernels below that",
                             kernel.load);
    return linux_boot(loader, &kernel);
}

const struct kernel_format linux_bzimage_format = {
    .name = "Linux bzImage",
    .sign = "\"HdrS\" at 0x202",
    .recognise = recognise,
    .load = load,
};
