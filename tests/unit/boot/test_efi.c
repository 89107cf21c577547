/* keel.efi against a firmware made of arrays: its files, its memory map, and the end of its boot services. */
#include "boot/efi/information.h"
#include "boot/efi/leave.h"
#include "boot/efi/volume.h"
#include "boot/multiboot2.h"
#include "hv/load/multiboot_abi.h"
#include "tests/unit/fake.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* The firmware's memory: where it gives pages, all below 4 GiB. */
static struct {
    UINTN allocated, freed;
    EFI_STATUS refuse;
} memory;

static EFI_STATUS EFIAPI allocate_pages(EFI_ALLOCATE_TYPE type, EFI_MEMORY_TYPE kind, UINTN pages,
                                        EFI_PHYSICAL_ADDRESS *at)
{
    void *where;

    (void)kind;
    if (memory.refuse)
        return memory.refuse;
    if (type == AllocateMaxAddress)
        assert_int_equal(*at, UINT32_MAX);
    where = mmap(NULL, pages << PAGE_SHIFT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT,
                 -1, 0);
    assert_true(where != MAP_FAILED);
    memory.allocated += pages;
    *at = (uintptr_t)where;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI free_pages(EFI_PHYSICAL_ADDRESS at, UINTN pages)
{
    memory.freed += pages;
    munmap((void *)(uintptr_t)at, pages << PAGE_SHIFT);
    return EFI_SUCCESS;
}

/* A memory map of descriptors wider than those of today, as newer firmware may have; and when it changes. */
#define STRIDE 48
static uint8_t ranges[8][STRIDE];
static unsigned range_count;
static UINTN map_key;
static unsigned changes_left, exits;

static EFI_STATUS EFIAPI get_memory_map(UINTN *size, EFI_MEMORY_DESCRIPTOR *map, UINTN *key, UINTN *stride,
                                        UINT32 *version)
{
    UINTN needed = range_count * STRIDE;

    *stride = STRIDE;
    *version = 1;
    if (*size < needed) {
        *size = needed;
        return EFI_BUFFER_TOO_SMALL;
    }
    memcpy(map, ranges, needed);
    *size = needed;
    *key = map_key;
    return EFI_SUCCESS;
}

static void add_range(uint32_t type, uint64_t first, uint64_t pages, uint64_t attributes)
{
    struct efi_descriptor range = {.type = type, .physical = first, .pages = pages, .attributes = attributes};

    assert_true(range_count < ARRAY_LENGTH(ranges));
    memset(ranges[range_count], 0xee, STRIDE);
    memcpy(ranges[range_count++], &range, sizeof(range));
}

/* As often as asked for, a driver allocates when it hears of the end. */
static EFI_STATUS EFIAPI exit_boot_services(EFI_HANDLE image, UINTN key)
{
    (void)image;
    exits++;
    if (changes_left) {
        changes_left--;
        map_key++;
        if (range_count < ARRAY_LENGTH(ranges))
            add_range(EfiBootServicesData, GIB(1) + range_count * MIB(1), 1, 0);
    }
    return key == map_key ? EFI_SUCCESS : EFI_INVALID_PARAMETER;
}

static EFI_BOOT_SERVICES services = {
    .AllocatePages = allocate_pages,
    .FreePages = free_pages,
    .GetMemoryMap = get_memory_map,
    .ExitBootServices = exit_boot_services,
};

/* A volume with one file. */
static struct {
    const char *path;
    uint8_t bytes[MIB(1) + 10];
    UINT64 says, has, at; /* its size, and how much can be read of it */
    bool folder;
    EFI_STATUS read_error;
    unsigned open;
    UINTN largest_read;
} disk;

static EFI_STATUS EFIAPI file_close(EFI_FILE_HANDLE file)
{
    (void)file;
    disk.open--;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI file_read(EFI_FILE_HANDLE file, UINTN *size, void *to)
{
    (void)file;
    disk.largest_read = MAX(disk.largest_read, *size);
    *size = MIN(*size, disk.has - disk.at);
    memcpy(to, disk.bytes + disk.at, *size);
    disk.at += *size;
    return disk.read_error;
}

static EFI_STATUS EFIAPI file_get(EFI_FILE_HANDLE file, UINT64 *at)
{
    (void)file;
    *at = disk.at;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI file_set(EFI_FILE_HANDLE file, UINT64 at)
{
    (void)file;
    if (disk.folder && at)
        return EFI_UNSUPPORTED;
    disk.at = at == UINT64_MAX ? disk.says : at;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI file_open(EFI_FILE_HANDLE root, EFI_FILE_HANDLE *out, CHAR16 *path, UINT64 mode,
                                   UINT64 attributes);

static EFI_FILE_PROTOCOL files = {.Open = file_open,
                                  .Close = file_close,
                                  .Read = file_read,
                                  .GetPosition = file_get,
                                  .SetPosition = file_set};
static struct volume volume = {&services, &files};

static EFI_STATUS EFIAPI file_open(EFI_FILE_HANDLE root, EFI_FILE_HANDLE *out, CHAR16 *path, UINT64 mode,
                                   UINT64 attributes)
{
    size_t i = 0;

    (void)root;
    assert_int_equal(mode, EFI_FILE_MODE_READ);
    assert_int_equal(attributes, 0);
    while (disk.path[i] && path[i] == (CHAR16)disk.path[i])
        i++;
    if (disk.path[i] || path[i])
        return EFI_NOT_FOUND;
    disk.open++;
    disk.at = 0;
    *out = &files;
    return EFI_SUCCESS;
}

static int begin(void **state)
{
    (void)state;
    fake_reset();
    memset(&memory, 0, sizeof(memory));
    memset(&disk, 0, sizeof(disk));
    for (size_t i = 0; i < sizeof(disk.bytes); i++)
        disk.bytes[i] = (uint8_t)(i * 7 + (i >> 8));
    disk.path = "\\EFI\\keel\\vmlinuz";
    disk.says = disk.has = 10;
    range_count = changes_left = exits = 0;
    map_key = 5;
    return 0;
}

static void a_file_is_read_whole_in_reads_of_a_mebibyte(void **state)
{
    struct file file;

    (void)state;
    disk.says = disk.has = MIB(1) + 10;
    assert_int_equal(volume_read(&volume, disk.path, &file), EFI_SUCCESS);
    assert_int_equal(file.size, MIB(1) + 10);
    assert_memory_equal((void *)(uintptr_t)file.first, disk.bytes, file.size);
    assert_int_equal(disk.largest_read, MIB(1));
    assert_int_equal(disk.open, 0);
    assert_int_equal(memory.allocated, 257);
    free_pages(file.first, 257);
}

static void an_empty_file_has_a_page_all_the_same(void **state)
{
    struct file file;

    (void)state;
    disk.says = disk.has = 0;
    assert_int_equal(volume_read(&volume, disk.path, &file), EFI_SUCCESS);
    assert_int_equal(file.size, 0);
    assert_int_equal(memory.allocated, 1);
    free_pages(file.first, 1);
}

/* What fails leaves no file open and no page taken. */
static void fails(EFI_STATUS expected)
{
    struct file file;

    assert_true(volume_read(&volume, "\\EFI\\keel\\vmlinuz", &file) == expected);
    assert_int_equal(disk.open, 0);
    assert_int_equal(memory.allocated, memory.freed);
}

static void what_cannot_be_read_says_why_and_keeps_nothing(void **state)
{
    (void)state;
    disk.path = "\\EFI\\keel\\vmlinu";
    fails(EFI_NOT_FOUND);
    begin(NULL);
    disk.folder = true;
    fails(EFI_UNSUPPORTED);
    begin(NULL);
    disk.has = 9;
    fails(EFI_END_OF_FILE);
    begin(NULL);
    disk.read_error = EFI_DEVICE_ERROR;
    fails(EFI_DEVICE_ERROR);
    begin(NULL);
    memory.refuse = EFI_OUT_OF_RESOURCES;
    fails(EFI_OUT_OF_RESOURCES);
    begin(NULL);
    disk.says = UINT64_C(1) << 32;
    fails(EFI_OUT_OF_RESOURCES);
}

static void a_path_too_long_or_not_of_ascii_is_refused(void **state)
{
    char path[PATH_MOST + 2];
    struct file file;

    (void)state;
    memset(path, 'a', sizeof(path));
    path[PATH_MOST + 1] = 0;
    assert_true(volume_read(&volume, path, &file) == EFI_INVALID_PARAMETER);
    path[PATH_MOST] = 0;
    assert_true(volume_read(&volume, path, &file) == EFI_NOT_FOUND);
    assert_true(volume_read(&volume, "\\\xc3\xa4", &file) == EFI_INVALID_PARAMETER);
}

/* About to leave a firmware whose memory map changes so often meanwhile. */
static void begin_departure(struct departure *departure, unsigned changes)
{
    add_range(EfiConventionalMemory, MIB(1), 256, 0);
    changes_left = changes;
    assert_int_equal(leave_prepare(departure, &services), EFI_SUCCESS);
}

static void leaving_tries_again_with_the_new_map_when_it_changed(void **state)
{
    struct departure departure;
    struct efi_map map;

    (void)state;
    begin_departure(&departure, 3);
    assert_int_equal(leave(&departure, NULL, &services, &map), EFI_SUCCESS);
    assert_int_equal(exits, 4);
    assert_int_equal(map.size, 4 * STRIDE);
    assert_int_equal(map.stride, STRIDE);
    assert_memory_equal(map.descriptors, ranges, map.size);
    leave_cancel(&departure, &services);
    assert_int_equal(memory.allocated, memory.freed);
}

static void leaving_gives_up_on_a_map_that_never_rests(void **state)
{
    struct departure departure;
    struct efi_map map;

    (void)state;
    begin_departure(&departure, 1000);
    assert_true(leave(&departure, NULL, &services, &map) == EFI_INVALID_PARAMETER);
    assert_true(exits < 100);
    leave_cancel(&departure, &services);
}

static uint64_t room[512];
static struct boot_info info;

/* What multiboot2_parse reads of what keel.efi wrote. */
static void read_back(struct information *information)
{
    assert_true(information_end(information));
    assert_true(multiboot2_parse(room, information->size, &info));
    assert_int_equal(info.left_out, 0);
}

static void keel_reads_back_the_modules_and_strings(void **state)
{
    struct information information;

    (void)state;
    information_begin(&information, room, sizeof(room));
    information_string(&information, MB2_TAG_LOADER_NAME, "keel.efi");
    information_module(&information, 0xfff00000, 0x1234, "keel.conf");
    information_module(&information, 0x200000, 0, "vmlinuz");
    information_add(&information, MB2_TAG_LOAD_BASE, &(uint32_t){0x7e000000}, 4, NULL, 0);
    read_back(&information);
    assert_string_equal(info.loader_name, "keel.efi");
    assert_int_equal(info.module_count, 2);
    assert_string_equal(info.modules[0].name, "keel.conf");
    assert_int_equal(info.modules[0].first, 0xfff00000);
    assert_int_equal(info.modules[0].size, 0x1234);
    assert_string_equal(info.modules[1].name, "vmlinuz");
    assert_int_equal(info.load_base, 0x7e000000);
}

static void expect_range(unsigned index, uint64_t first, uint64_t size, uint32_t type)
{
    assert_int_equal(info.memory[index].first, first);
    assert_int_equal(info.memory[index].size, size);
    assert_int_equal(info.memory[index].type, type);
}

static void what_the_firmware_keeps_is_no_ram(void **state)
{
    struct information information;
    struct efi_map map = {.descriptors = ranges[0], .stride = STRIDE, .version = 1};

    (void)state;
    add_range(EfiBootServicesCode, 0, 16, 0);
    add_range(EfiConventionalMemory, 0x10000, 16, 0);
    add_range(EfiRuntimeServicesData, 0x20000, 1, EFI_MEMORY_RUNTIME);
    add_range(EfiLoaderData, 0x21000, 1, EFI_MEMORY_RUNTIME);
    add_range(EfiACPIReclaimMemory, 0x22000, 2, 0);
    add_range(EfiACPIMemoryNVS, 0x24000, 3, 0);
    add_range(EfiUnusableMemory, 0x30000, 1, 0);
    add_range(0x80000001, GIB(4), 1, 0);
    map.size = range_count * STRIDE;
    information_begin(&information, room, sizeof(room));
    information_memory(&information, &map);
    read_back(&information);
    assert_int_equal(info.memory_count, 6);
    expect_range(0, 0, 0x20000, MEMORY_RAM);
    expect_range(1, 0x20000, 0x2000, MEMORY_RESERVED);
    expect_range(2, 0x22000, 0x2000, MEMORY_ACPI);
    expect_range(3, 0x24000, 0x3000, MEMORY_NVS);
    expect_range(4, 0x30000, 0x1000, MEMORY_BAD);
    expect_range(5, GIB(4), 0x1000, MEMORY_RESERVED);
    assert_int_equal(info.efi_memory_count, 8);
    assert_int_equal(info.efi_memory[3].attributes, EFI_MEMORY_RUNTIME);
}

static void what_does_not_fit_is_left_out_and_told(void **state)
{
    struct information information;

    (void)state;
    information_begin(&information, room, 48);
    information_string(&information, MB2_TAG_LOADER_NAME, "a name of many more bytes than there are");
    information_string(&information, MB2_TAG_CMDLINE, "fits");
    assert_false(information_end(&information));
    assert_true(multiboot2_parse(room, information.size, &info));
    assert_string_equal(info.cmdline, "fits");
    assert_string_equal(info.loader_name, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_file_is_read_whole_in_reads_of_a_mebibyte, begin),
        cmocka_unit_test_setup(an_empty_file_has_a_page_all_the_same, begin),
        cmocka_unit_test_setup(what_cannot_be_read_says_why_and_keeps_nothing, begin),
        cmocka_unit_test_setup(a_path_too_long_or_not_of_ascii_is_refused, begin),
        cmocka_unit_test_setup(leaving_tries_again_with_the_new_map_when_it_changed, begin),
        cmocka_unit_test_setup(leaving_gives_up_on_a_map_that_never_rests, begin),
        cmocka_unit_test_setup(keel_reads_back_the_modules_and_strings, begin),
        cmocka_unit_test_setup(what_the_firmware_keeps_is_no_ram, begin),
        cmocka_unit_test_setup(what_does_not_fit_is_left_out_and_told, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
