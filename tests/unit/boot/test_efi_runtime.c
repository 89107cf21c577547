/* What is read of EFI's tables, at low addresses as the boot loader leaves them. */
#include "tests/unit/fake.h"

#include <string.h>
#include <sys/mman.h>

#include "boot/efi_runtime.h"

static struct boot_info info;
static uint8_t *low; /* a page below 4 GiB */

/* Where each table lies in it. */
enum { SYSTEM = 0x10, SERVICES = 0x100, TABLES = 0x200, ATTRIBUTES = 0x400 };
#define RESET 0x12345678

static void put(unsigned at, unsigned size, uint64_t value)
{
    memcpy(low + at, &value, size);
}

static uint64_t address(unsigned at)
{
    return (uint64_t)low + at;
}

/* A range of the memory attributes table; descriptors are 48 bytes apart there. */
static void attributes(unsigned i, unsigned type, uint64_t first, uint64_t pages, uint64_t flags)
{
    unsigned at = ATTRIBUTES + 16 + i * 48;

    put(ATTRIBUTES + 4, 4, i + 1);
    put(at, 4, type);
    put(at + 8, 8, first);
    put(at + 24, 8, pages);
    put(at + 32, 8, flags);
}

#define RUNTIME BIT(63)
#define XP      BIT(14)
#define RO      BIT(17)

static int setup(void **state)
{
    static const uint8_t acpi[16] = {1}, guid[16] = {0x1d, 0x91, 0xfa, 0xdc, 0xeb, 0x26, 0x9f, 0x46,
                                                     0xa2, 0x20, 0x38, 0xb7, 0xdc, 0x46, 0x12, 0x20};

    (void)state;
    fake_reset();
    memset(&info, 0, sizeof(info));
    if (!low)
        low = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    assert_true(low != MAP_FAILED);
    memset(low, 0, PAGE_SIZE);
    memcpy(low + SYSTEM, "IBI SYST", 8);
    put(SYSTEM + 88, 8, address(SERVICES));
    put(SYSTEM + 104, 8, 2);
    put(SYSTEM + 112, 8, address(TABLES));
    memcpy(low + SERVICES, "RUNTSERV", 8);
    put(SERVICES + 104, 8, RESET);
    memcpy(low + TABLES, acpi, 16);
    memcpy(low + TABLES + 24, guid, 16);
    put(TABLES + 24 + 16, 8, address(ATTRIBUTES));
    put(ATTRIBUTES, 4, 1);
    put(ATTRIBUTES + 8, 4, 48);
    attributes(0, 5, 0x1000, 3, RUNTIME | RO);
    attributes(1, 5, 0x4000, 1, RUNTIME | RO | XP);
    attributes(2, 6, 0x5000, 2, RUNTIME | XP);
    info.efi_is_64 = true;
    info.efi_system_table = address(SYSTEM);
    return 0;
}

static void code_constants_and_data_are_told_apart(void **state)
{
    static const struct efi_runtime_range ranges[] = {
        {0x1000, 0x3000, EFI_CODE}, {0x4000, 0x1000, EFI_CONSTANTS}, {0x5000, 0x2000, EFI_DATA}};

    (void)state;
    efi_runtime_read(&info);
    assert_int_equal(info.efi.reset, RESET);
    assert_int_equal(info.efi.count, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(info.efi.ranges[i].first, ranges[i].first);
        assert_int_equal(info.efi.ranges[i].size, ranges[i].size);
        assert_int_equal(info.efi.ranges[i].access, ranges[i].access);
    }
}

static void their_devices_are_in_the_memory_map(void **state)
{
    (void)state;
    info.efi_memory[0] = (struct efi_range){0xffc00000, 0x84000, RUNTIME | 1, 11};
    info.efi_memory[1] = (struct efi_range){0xfe000000, 0x1000, 1, 11};        /* not theirs */
    info.efi_memory[2] = (struct efi_range){0x5000, 0x2000, RUNTIME | 0xf, 6}; /* in the other table */
    info.efi_memory_count = 3;
    efi_runtime_read(&info);
    assert_int_equal(info.efi.reset, RESET);
    assert_int_equal(info.efi.count, 4);
    assert_int_equal(info.efi.ranges[3].first, 0xffc00000);
    assert_int_equal(info.efi.ranges[3].size, 0x84000);
    assert_int_equal(info.efi.ranges[3].access, EFI_DEVICE);
}

static void not_read(const char *what)
{
    efi_runtime_read(&info);
    if (info.efi.reset)
        fail_msg("%s, but taken", what);
    setup(NULL);
}

static void what_is_missing_or_damaged_is_not_taken(void **state)
{
    (void)state;
    info.efi_system_table = 0;
    not_read("no EFI");
    info.efi_is_64 = false;
    not_read("an EFI of 32 bits");
    info.efi_system_table = GIB(4) - 100;
    not_read("a table that ends beyond 4 GiB");
    low[SYSTEM] = 'X';
    not_read("no system table");
    low[SERVICES] = 'X';
    not_read("no services");
    put(SYSTEM + 88, 8, GIB(5));
    not_read("services out of sight");
    put(SYSTEM + 104, 8, 1);
    not_read("no attributes");
    put(SYSTEM + 104, 8, UINT64_MAX / 24 + 2);
    not_read("more tables than there can be");
    put(ATTRIBUTES + 8, 4, 39);
    not_read("descriptors that are too short");
    put(ATTRIBUTES + 4, 4, 0x10000000);
    not_read("more ranges than there can be");
    put(TABLES + 24 + 16, 8, GIB(4) - 8);
    not_read("attributes at the end of what is seen");
    attributes(1, 5, 0x4000, 1, RUNTIME);
    not_read("a page that is written and executed");
    attributes(1, 5, 0x4000, 0, RUNTIME | RO);
    not_read("an empty range");
    attributes(1, 5, 0x4001, 1, RUNTIME | RO);
    not_read("half a page");
    attributes(1, 5, 0x4000, BIT(52), RUNTIME | RO);
    not_read("a range around the world");
    attributes(1, 5, BIT(63), 1, RUNTIME | RO);
    not_read("a range that is no address");
    put(SERVICES + 104, 8, 0);
    not_read("no ResetSystem");
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(code_constants_and_data_are_told_apart),
        TEST(their_devices_are_in_the_memory_map),
        TEST(what_is_missing_or_damaged_is_not_taken),
    };
    return cmocka_run_group_tests_name("efi_runtime", tests, NULL, NULL);
}
