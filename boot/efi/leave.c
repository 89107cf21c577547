#include "boot/efi/leave.h"

#include "hv/load/multiboot_abi.h"

/* What drivers may add to the map between asking for its size and the end. */
#define SPARE_DESCRIPTORS 64
#define TRIES             16

EFI_STATUS leave_prepare(struct departure *departure, EFI_BOOT_SERVICES *services)
{
    UINTN size = 0, key, stride = 0;
    UINT32 version;
    EFI_STATUS status = services->GetMemoryMap(&size, NULL, &key, &stride, &version);

    if (status != EFI_BUFFER_TOO_SMALL)
        return EFI_ERROR(status) ? status : EFI_LOAD_ERROR;
    if (stride < sizeof(struct efi_descriptor))
        return EFI_INCOMPATIBLE_VERSION;
    departure->room = size + SPARE_DESCRIPTORS * stride;
    departure->pages = ALIGN_UP(departure->room, PAGE_SIZE) >> PAGE_SHIFT;
    return services->AllocatePages(AllocateAnyPages, EfiLoaderData, departure->pages, &departure->buffer);
}

void leave_cancel(const struct departure *departure, EFI_BOOT_SERVICES *services)
{
    services->FreePages(departure->buffer, departure->pages);
}

EFI_STATUS leave(const struct departure *departure, EFI_HANDLE image, EFI_BOOT_SERVICES *services,
                 struct efi_map *map)
{
    EFI_MEMORY_DESCRIPTOR *buffer = (EFI_MEMORY_DESCRIPTOR *)(uintptr_t)departure->buffer;
    EFI_STATUS status = EFI_LOAD_ERROR;

    for (unsigned i = 0; i < TRIES; i++) {
        UINTN size = departure->room, key, stride;
        UINT32 version;

        status = services->GetMemoryMap(&size, buffer, &key, &stride, &version);
        if (EFI_ERROR(status))
            return status;
        status = services->ExitBootServices(image, key);
        *map = (struct efi_map){(const uint8_t *)buffer, size, (uint32_t)stride, version};
        if (status != EFI_INVALID_PARAMETER)
            break;
    }
    return status;
}
