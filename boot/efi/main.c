/*
 * keel.efi: Keel started by the firmware itself. It reads keel.conf and the files that it names from its own
 * volume, makes of them what GRUB would hand over, leaves the boot services, and enters Keel as GRUB does.
 * What is missing or wrong is said on the firmware's console, and the firmware goes on with its next entry.
 */
#include <efi.h>

#include "boot/efi/console.h"
#include "boot/efi/describe.h"
#include "boot/efi/image.h"
#include "boot/efi/leave.h"
#include "boot/efi/volume.h"
#include "hv/host/log.h"
#include "hv/lib/format.h"
#include "hv/lib/string.h"
#include "hv/life/config.h"
#include "hv/life/config_keys.h"

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table);

/* Where keel.conf is looked for. The files that it names lie in the same folder. */
static const char *const folders[] = {"\\EFI\\keel\\", "\\"};

#define SECONDS_TO_READ 5 /* firmware clears its screen at once for its next entry */

static struct config config;
static struct hand_over over;
static struct volume volume;

static const struct file *keep(const char *name, const struct file *file)
{
    struct hand_over_module *module = &over.modules[over.module_count++];

    *module = (struct hand_over_module){name, *file};
    return &module->file;
}

static EFI_STATUS read_config(const char **folder)
{
    EFI_STATUS status = EFI_NOT_FOUND;
    struct file file;
    char path[PATH_MOST];

    for (unsigned i = 0; i < ARRAY_LENGTH(folders) && status == EFI_NOT_FOUND; i++) {
        *folder = folders[i];
        format_text(path, sizeof(path), "%s%s", *folder, CONFIG_FILE);
        status = volume_read(&volume, path, &file);
    }
    if (status == EFI_NOT_FOUND)
        log_line(
            "there is no \\EFI\\keel\\keel.conf and no \\keel.conf on the volume that keel.efi was started "
            "from: write one that says which VMs to run, beside the files that it names");
    else if (EFI_ERROR(status))
        log_line("cannot read %s: %s (status 0x%lx)", path, efi_words(status), status);
    if (EFI_ERROR(status))
        return status;
    keep(CONFIG_FILE, &file);
    if (config_parse(path, (const char *)(uintptr_t)file.first, file.size, &config))
        return EFI_SUCCESS;
    log_line("nothing is started: correct %s", path);
    return EFI_LOAD_ERROR;
}

static bool is_kept(const char *name)
{
    for (unsigned i = 0; i < over.module_count; i++)
        if (strcmp(over.modules[i].name, name) == 0)
            return true;
    return false;
}

/* Reads one file, unless another VM named it as well. A name without a / at its head is of keel.conf's
 * folder. */
static EFI_STATUS read_module(const char *folder, const struct config_vm *vm, const char *key,
                              const char *name)
{
    unsigned line = vm->lines[config_key_index(config_find_key(SECTION_VM, key))];
    char path[PATH_MOST + 1];
    struct file file;
    EFI_STATUS status = EFI_INVALID_PARAMETER;
    const char *why;

    if (!name || is_kept(name))
        return EFI_SUCCESS;
    if (format_text(path, sizeof(path), "%s%s", strchr("/\\", *name) ? "" : folder, name) < sizeof(path) &&
        !strchr(name, ' ') && !strchr(name, '\t')) {
        for (char *at = path; *at; at++)
            *at = *at == '/' ? '\\' : *at;
        status = volume_read(&volume, path, &file);
    }
    if (!EFI_ERROR(status)) {
        keep(name, &file);
        if (file.size)
            return EFI_SUCCESS;
    }
    why = EFI_ERROR(status) ? efi_words(status) : "it is empty";
    log_line(
        "cannot use %s: %s (status 0x%lx). %s:%u names it as %s of [vm %s]: copy the file there, or correct "
        "the line",
        path, why, status, config.file, line, key, vm->name);
    return EFI_ERROR(status) ? status : EFI_LOAD_ERROR;
}

/* Of `module = name arguments` the name, kept for good. */
static const char *first_word(const char *value)
{
    static char words[sizeof(config.text)];
    static size_t used;
    char *word = words + used;

    while (*value && *value != ' ' && *value != '\t')
        words[used++] = *value++;
    words[used++] = 0;
    return word;
}

static EFI_STATUS read_modules(const char *folder)
{
    EFI_STATUS first = EFI_SUCCESS;

    for (unsigned i = 0; i < config.vm_count; i++) {
        const struct config_vm *vm = &config.vms[i];
        struct {
            const char *key, *name;
        } files[3 + CONFIG_MODULES] = {
            {"kernel", vm->kernel}, {"ramdisk", vm->ramdisk}, {"symbols", vm->symbols}};

        for (unsigned j = 0; j < vm->modules.count; j++) {
            files[3 + j].key = "module";
            files[3 + j].name = first_word(vm->modules.values[j]);
        }
        for (unsigned j = 0; j < 3 + vm->modules.count; j++) {
            EFI_STATUS status = read_module(folder, vm, files[j].key, files[j].name);

            first = EFI_ERROR(first) ? first : status;
        }
    }
    return first;
}

static EFI_STATUS read_files(EFI_HANDLE image, EFI_BOOT_SERVICES *services)
{
    const char *folder;
    EFI_STATUS status = volume_open(&volume, image, services);

    if (EFI_ERROR(status)) {
        log_line(
            "what keel.efi was started from has no file system (status 0x%lx): start it from a FAT volume",
            status);
        return status;
    }
    status = read_config(&folder);
    if (!EFI_ERROR(status))
        status = read_modules(folder);
    volume.root->Close(volume.root);
    return status;
}

/* What leaving needs: allocated before, given back if it fails. */
static struct departure departure;
static EFI_PHYSICAL_ADDRESS enter_page = UINT32_MAX; /* until it is allocated */

static EFI_STATUS prepare(EFI_BOOT_SERVICES *services)
{
    EFI_STATUS status = leave_prepare(&departure, services);

    if (!EFI_ERROR(status))
        status = services->AllocatePages(AllocateMaxAddress, EfiLoaderCode, 1, &enter_page);
    if (!EFI_ERROR(status))
        status = hand_over_prepare(&over, departure.room, services);
    if (EFI_ERROR(status))
        log_line("no memory below 4 GiB to leave the firmware (status 0x%lx): give the machine more", status);
    return status;
}

/* Does not return if all is well. */
static EFI_STATUS depart(EFI_HANDLE image, EFI_BOOT_SERVICES *services)
{
    struct efi_map map;
    EFI_STATUS status = prepare(services);

    if (EFI_ERROR(status))
        return status;
    memcpy((void *)(uintptr_t)enter_page, enter_start, (size_t)(enter_end - enter_start));
    status = leave(&departure, image, services, &map);
    if (EFI_ERROR(status)) {
        log_line("the firmware does not let keel.efi leave its boot services: status 0x%lx", status);
        return status;
    }
    hand_over_describe(&over, &map);
    ((enter_function)(uintptr_t)enter_page)(over.image.entry, over.information);
    __builtin_unreachable();
}

static void give_back(EFI_BOOT_SERVICES *services)
{
    for (unsigned i = 0; i < over.module_count; i++)
        services->FreePages(over.modules[i].file.first,
                            MAX(ALIGN_UP(over.modules[i].file.size, PAGE_SIZE) >> PAGE_SHIFT, 1u));
    if (over.image.base)
        services->FreePages(over.image.first, over.image.pages);
    if (departure.buffer)
        leave_cancel(&departure, services);
    if (enter_page != UINT32_MAX)
        services->FreePages(enter_page, 1);
    if (over.information && over.information != UINT32_MAX)
        services->FreePages(over.information, over.room >> PAGE_SHIFT);
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
    EFI_STATUS status;

    efi_console_init(table);
    table->BootServices->SetWatchdogTimer(0, 0, 0, NULL);
    status = read_files(image, table->BootServices);
    if (!EFI_ERROR(status))
        status = image_load(&over.image, table->BootServices);
    if (!EFI_ERROR(status)) {
        hand_over_collect(&over, image, table);
        status = depart(image, table->BootServices);
    }
    give_back(table->BootServices);
    table->BootServices->Stall(SECONDS_TO_READ * 1000000);
    return status;
}
