#include "boot/efi/image.h"

#include "hv/host/log.h"
#include "hv/lib/string.h"
#include "hv/load/elf.h"

extern const uint8_t keel_elf[], keel_elf_end[];

#define BORDER MIB(2)

/* Copies every segment to where it is at the new place. */
static void place(const struct module *file, const struct elf_image *elf, gpa_t linked_at, uint32_t base)
{
    for (unsigned i = 0; i < elf->count; i++) {
        const struct elf_segment *segment = &elf->segments[i];
        uint8_t *to = (uint8_t *)(uintptr_t)(segment->address - linked_at + base);

        memcpy(to, file->bytes + segment->offset, segment->file_size);
        memset(to + segment->file_size, 0, segment->size - segment->file_size);
    }
}

EFI_STATUS image_load(struct image *image, EFI_BOOT_SERVICES *services)
{
    struct module file = {.name = "keel.elf", .bytes = keel_elf, .size = (uint64_t)(keel_elf_end - keel_elf)};
    struct load_request request = {.kernel = &file};
    char reason[160];
    struct loader loader = {.request = &request, .reason = reason, .reason_size = sizeof(reason)};
    struct elf_image elf;
    gpa_t entry, first = UINT32_MAX;
    EFI_STATUS status;

    if (!elf_read(&loader, &file, &elf) || !elf_entry(&loader, &elf, &entry)) {
        log_line("%s. keel.efi itself is damaged: build or copy it again", reason);
        return EFI_LOAD_ERROR;
    }
    for (unsigned i = 0; i < elf.count; i++)
        first = MIN(first, elf.segments[i].address);
    first = ALIGN_DOWN(first, BORDER);
    image->pages = ALIGN_UP(elf_end(&elf) - first + BORDER, PAGE_SIZE) >> PAGE_SHIFT;
    image->first = UINT32_MAX;
    status = services->AllocatePages(AllocateMaxAddress, EfiLoaderData, image->pages, &image->first);
    if (EFI_ERROR(status)) {
        log_line("there are no %lu KiB in one piece below 4 GiB for Keel; give the machine more memory",
                 image->pages * PAGE_SIZE / KIB(1));
        return status;
    }
    image->base = (uint32_t)ALIGN_UP(image->first, BORDER);
    place(&file, &elf, first, image->base);
    image->entry = (uint32_t)(entry - first) + image->base;
    return EFI_SUCCESS;
}
