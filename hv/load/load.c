/* Which format a kernel has. */
#include "hv/lib/string.h"
#include "hv/load/bios.h"
#include "hv/load/loader.h"

/*
 * In the order in which they are tried: a Linux bzImage may be an EFI application as well, and an ELF file
 * with a multiboot header is to be started as the header says.
 */
static const struct kernel_format *const formats[] = {
    &linux_bzimage_format,
    &multiboot2_format,
    &multiboot1_format,
    &linux_elf_format,
};

static bool refuse_unknown(struct loader *loader)
{
    const struct module *kernel = loader->request->kernel;
    const uint8_t *b = kernel->bytes;

    if (kernel->size < 4)
        return loader_refuse(loader, "it has %lu bytes: that is no kernel; was the file read in full?",
                             kernel->size);
    return loader_refuse(loader,
                         "no format that Keel knows: it begins with %02x %02x %02x %02x. Needed is one of: "
                         "%s (%s), %s (%s), %s "
                         "(%s), %s (%s); or say format = flat, load and entry in keel.conf",
                         b[0], b[1], b[2], b[3], formats[0]->name, formats[0]->sign, formats[1]->name,
                         formats[1]->sign, formats[2]->name, formats[2]->sign, formats[3]->name,
                         formats[3]->sign);
}

static bool load_as(struct loader *loader, const struct kernel_format *format)
{
    if (loader->request->module_count && !format->takes_modules)
        return loader_refuse(loader,
                             "a %s kernel takes no `module`, only a multiboot one does; remove that key",
                             format->name);
    return format->load(loader);
}

bool load_guest(const struct guest_mem *memory, const struct load_request *request, struct entry_state *entry,
                char *reason, size_t reason_size)
{
    struct loader loader = {
        .memory = memory,
        .request = request,
        .entry = entry,
        .reason = reason,
        .reason_size = reason_size,
    };

    memset(entry, 0, sizeof(*entry));
    guest_map_build(memory, &loader.map);
    if (!bios_write(memory))
        return loader_refuse(&loader, "the VM has no RAM below 640 KiB; give it memory = 1M or more");
    if (request->format == FORMAT_FLAT)
        return load_as(&loader, &flat_format);
    for (unsigned i = 0; i < ARRAY_LENGTH(formats); i++)
        if (formats[i]->recognise(request->kernel))
            return load_as(&loader, formats[i]);
    return refuse_unknown(&loader);
}
