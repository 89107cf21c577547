#include "boot/efi/volume.h"

#include "hv/lib/string.h"

/* Some firmware fails on larger reads. */
#define READ_MOST MIB(1)

/* The bytes of a device path, without its end (UEFI, "Device Path Protocol"). */
static size_t path_size(const uint8_t *path)
{
    size_t size = 0;

    while (path[size] != END_DEVICE_PATH_TYPE) {
        size_t node = path[size + 2] | path[size + 3] << 8;

        if (node < sizeof(EFI_DEVICE_PATH_PROTOCOL))
            break;
        size += node;
    }
    return size;
}

/* Whether `volume` is the device `disk`, or a part of it. */
static bool lies_on(EFI_HANDLE volume, EFI_HANDLE disk, EFI_BOOT_SERVICES *services)
{
    EFI_GUID guid = EFI_DEVICE_PATH_PROTOCOL_GUID;
    void *inner, *outer;

    return !EFI_ERROR(services->HandleProtocol(volume, &guid, &inner)) &&
           !EFI_ERROR(services->HandleProtocol(disk, &guid, &outer)) &&
           path_size(inner) >= path_size(outer) && memcmp(inner, outer, path_size(outer)) == 0;
}

/*
 * The file system on the device that keel.efi was loaded from. GRUB's chainloader may name the whole disk, if
 * the firmware saw no partitions there or GRUB read keel.efi from a CD: then it is the first one on that
 * disk.
 */
static EFI_STATUS find_files(EFI_HANDLE device, EFI_BOOT_SERVICES *services, EFI_FILE_IO_INTERFACE **files)
{
    EFI_GUID guid = EFI_SIMPLE_FILE_SYSTEM_PROTOCOL_GUID;
    EFI_STATUS status = services->HandleProtocol(device, &guid, (void **)files);
    EFI_HANDLE *volumes;
    UINTN count;

    if (!EFI_ERROR(status) ||
        EFI_ERROR(services->LocateHandleBuffer(ByProtocol, &guid, NULL, &count, &volumes)))
        return status;
    for (UINTN i = 0; i < count && EFI_ERROR(status); i++)
        if (lies_on(volumes[i], device, services))
            status = services->HandleProtocol(volumes[i], &guid, (void **)files);
    services->FreePool(volumes);
    return status;
}

EFI_STATUS volume_open(struct volume *volume, EFI_HANDLE image, EFI_BOOT_SERVICES *services)
{
    EFI_GUID guid = EFI_LOADED_IMAGE_PROTOCOL_GUID;
    EFI_LOADED_IMAGE *self;
    EFI_FILE_IO_INTERFACE *files;
    EFI_STATUS status = services->HandleProtocol(image, &guid, (void **)&self);

    volume->services = services;
    if (!EFI_ERROR(status))
        status = find_files(self->DeviceHandle, services, &files);
    return EFI_ERROR(status) ? status : files->OpenVolume(files, &volume->root);
}

static bool widen(const char *path, CHAR16 *wide)
{
    size_t i = 0;

    for (; path[i] && i < PATH_MOST; i++) {
        if ((unsigned char)path[i] >= 0x80)
            return false;
        wide[i] = (CHAR16)path[i];
    }
    wide[i] = 0;
    return !path[i];
}

/* UEFI, "EFI_FILE_PROTOCOL.SetPosition()": all ones is the end, and no position of a folder but 0 can be set.
 */
static EFI_STATUS size_of(EFI_FILE_HANDLE file, UINT64 *size)
{
    EFI_STATUS status = file->SetPosition(file, UINT64_MAX);

    if (!EFI_ERROR(status))
        status = file->GetPosition(file, size);
    return EFI_ERROR(status) ? status : file->SetPosition(file, 0);
}

static EFI_STATUS read_all(EFI_FILE_HANDLE file, const struct file *to)
{
    for (UINT64 done = 0; done < to->size;) {
        UINTN count = MIN(to->size - done, READ_MOST);
        EFI_STATUS status = file->Read(file, &count, (uint8_t *)(uintptr_t)to->first + done);

        if (EFI_ERROR(status))
            return status;
        if (count == 0)
            return EFI_END_OF_FILE;
        done += count;
    }
    return EFI_SUCCESS;
}

static EFI_STATUS read_open(EFI_BOOT_SERVICES *services, EFI_FILE_HANDLE file, struct file *out)
{
    EFI_STATUS status = size_of(file, &out->size);
    UINTN pages;

    if (EFI_ERROR(status))
        return status;
    if (out->size > UINT32_MAX)
        return EFI_OUT_OF_RESOURCES;
    pages = MAX(ALIGN_UP(out->size, PAGE_SIZE) >> PAGE_SHIFT, 1u);
    out->first = UINT32_MAX;
    status = services->AllocatePages(AllocateMaxAddress, EfiLoaderData, pages, &out->first);
    if (EFI_ERROR(status))
        return status;
    status = read_all(file, out);
    if (EFI_ERROR(status))
        services->FreePages(out->first, pages);
    return status;
}

EFI_STATUS volume_read(const struct volume *volume, const char *path, struct file *out)
{
    CHAR16 wide[PATH_MOST + 1];
    EFI_FILE_HANDLE file;
    EFI_STATUS status;

    if (!widen(path, wide))
        return EFI_INVALID_PARAMETER;
    status = volume->root->Open(volume->root, &file, wide, EFI_FILE_MODE_READ, 0);
    if (EFI_ERROR(status))
        return status;
    status = read_open(volume->services, file, out);
    file->Close(file);
    return status;
}
