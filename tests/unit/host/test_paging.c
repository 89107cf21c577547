#include "tests/unit/fake.h"

#include <string.h>
#include <sys/mman.h>

#include "hv/host/frames.h"
#include "hv/host/paging.h"

#include "tests/unit/privileged.h"

/* The image: linked 1 MiB behind IMAGE_BASE, as linker.ld does; it is only mapped here, not touched. */
__asm__(".globl image_start, text_end, rodata_end, image_end\n"
        ".set image_start, 0xffffffff80100000\n"
        ".set text_end,    0xffffffff80103000\n"
        ".set rodata_end,  0xffffffff80105000\n"
        ".set image_end,   0xffffffff80109000\n");
#define IMAGE_START 0xffffffff80100000
#define TEXT_END    0xffffffff80103000
#define RODATA_END  0xffffffff80105000
#define IMAGE_END   0xffffffff80109000

/* RAM, seen where it is, as the boot page tables do. */
#define RAM         0x10000000
#define RAM_SIZE    MIB(64)

static struct boot_info info;

/* Keel's address space, made anew over this RAM. */
static int setup(void **state)
{
    (void)state;
    fake_reset();
    image_base = IMAGE_BASE;
    memset(&info, 0, sizeof(info));
    info.memory[0] = (struct boot_memory){0, 0xa0000, MEMORY_RAM};
    info.memory[1] = (struct boot_memory){RAM, RAM_SIZE, MEMORY_RAM};
    info.memory[2] = (struct boot_memory){RAM + MIB(16), MIB(1), MEMORY_ACPI};
    info.memory_count = 3;
    info.modules[0] = (struct boot_module){.first = RAM + MIB(20), .size = MIB(2) + 1};
    info.module_count = 1;
    assert_ptr_equal(mmap((void *)RAM, RAM_SIZE, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0),
                     (void *)RAM);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    munmap((void *)RAM, RAM_SIZE);
    return 0;
}

static void begin(void)
{
    privileged_begin();
    paging_init(&info);
    privileged_end();
    host_frames()->window = 0; /* the final window is no address of a user program's */
}

static struct table_leaf found;
static uint64_t looked_for;

static void keep(void *context, const struct table_leaf *leaf)
{
    (void)context;
    if (looked_for - leaf->address < leaf->size)
        found = *leaf;
}

/* The leaf that maps `address` in `space`. */
static const struct table_leaf *leaf_at(const struct table *space, uint64_t address)
{
    looked_for = address;
    found = (struct table_leaf){0};
    table_visit(space, keep, NULL);
    return &found;
}

/* A root of Keel's own space as another core loads it. */
static struct table own(void)
{
    return (struct table){.format = &table_format_x86,
                          .source = &host_pages,
                          .root = paging_root(),
                          .levels = 4,
                          .largest_leaf = 2};
}

static void the_image_is_mapped_by_section_and_nothing_is_both(void **state)
{
    static const struct {
        uint64_t first, end;
        unsigned access;
    } sections[] = {{IMAGE_START, TEXT_END, TABLE_READ | TABLE_EXECUTE},
                    {TEXT_END, RODATA_END, TABLE_READ},
                    {RODATA_END, IMAGE_END, TABLE_READ | TABLE_WRITE}};
    struct paging_audit audit;
    struct table space;

    (void)state;
    begin();
    space = own();
    assert_int_equal(privileged.cr[3], paging_root());
    for (unsigned i = 0; i < ARRAY_LENGTH(sections); i++)
        for (uint64_t at = sections[i].first; at < sections[i].end; at += PAGE_SIZE) {
            const struct table_leaf *leaf = leaf_at(&space, at);

            assert_int_equal(leaf->access & ~TABLE_GLOBAL, sections[i].access);
            assert_int_equal(leaf->to + (at - leaf->address), at - IMAGE_BASE);
        }
    assert_int_equal(leaf_at(&space, IMAGE_END)->size, 0);
    assert_int_equal(leaf_at(&space, IMAGE_START - 1)->size, 0);
    audit = paging_audit(NULL);
    assert_true(audit.pages > 9);
    assert_int_equal(audit.writable_and_executable, 0);
    assert_string_equal(fake_log, "");
}

static void the_pool_and_only_the_pool_is_in_the_window(void **state)
{
    const struct frames *frames;
    struct table space;

    (void)state;
    begin();
    space = own();
    frames = host_frames();
    assert_true(frames->pool.size >= MIB(4));
    assert_true(frames->pool.first >= RAM && frames->pool.first + frames->pool.size <= RAM + RAM_SIZE);
    assert_int_equal(leaf_at(&space, PHYS_WINDOW + frames->pool.first)->access & ~TABLE_GLOBAL,
                     TABLE_READ | TABLE_WRITE);
    assert_int_equal(leaf_at(&space, PHYS_WINDOW + frames->pool.first - 1)->size, 0);
    assert_int_equal(leaf_at(&space, PHYS_WINDOW + frames->pool.first + frames->pool.size)->size, 0);
    assert_int_equal(leaf_at(&space, RAM)->size, 0); /* the boot tables' own mapping has gone */
}

static void what_is_reserved_is_given_to_nobody(void **state)
{
    static const struct memory_range reserved[] = {{RAM + MIB(16), MIB(1)},
                                                   {RAM + MIB(20), MIB(2) + PAGE_SIZE}};
    struct memory_range pieces[16];
    struct memory_counts counts;
    uint64_t expected;
    size_t count;

    (void)state;
    begin();
    counts = memory_count(host_frames());
    expected = RAM_SIZE - counts.pool_total - reserved[0].size - reserved[1].size;
    assert_int_equal(counts.guest_total, expected);
    count = guest_memory_allocate(host_frames(), counts.guest_free, pieces, ARRAY_LENGTH(pieces));
    assert_true(count > 0);
    for (size_t i = 0; i < count; i++)
        for (unsigned j = 0; j < 2; j++)
            assert_true(pieces[i].first >= reserved[j].first + reserved[j].size ||
                        pieces[i].first + pieces[i].size <= reserved[j].first);
}

static void host_map_maps_whole_pages_as_asked(void **state)
{
    struct table space;

    (void)state;
    begin();
    space = own();
    assert_ptr_equal(host_map(0xfec00010, 4, HOST_DEVICE), PHYS_WINDOW + 0xfec00010);
    assert_int_equal(leaf_at(&space, PHYS_WINDOW + 0xfec00000)->access & ~TABLE_GLOBAL,
                     TABLE_READ | TABLE_WRITE);
    assert_int_equal(found.memory_type, PAT_UC);
    assert_ptr_equal(host_map(0xe0ffe, 4, HOST_READ), PHYS_WINDOW + 0xe0ffe); /* two pages */
    assert_int_equal(leaf_at(&space, PHYS_WINDOW + 0xe0000)->access & ~TABLE_GLOBAL, TABLE_READ);
    assert_int_equal(leaf_at(&space, PHYS_WINDOW + 0xe1000)->to, 0xe1000);
    assert_int_equal(found.memory_type, PAT_WB);
    assert_int_equal(leaf_at(&space, PHYS_WINDOW + 0xe2000)->size, 0);
    assert_non_null(host_map(0xb8000, PAGE_SIZE, HOST_WRITE));
    assert_int_equal(leaf_at(&space, PHYS_WINDOW + 0xb8000)->access & ~TABLE_GLOBAL,
                     TABLE_READ | TABLE_WRITE);
    assert_int_equal(paging_audit(NULL).writable_and_executable, 0);
}

static void host_map_refuses_what_the_window_does_not_hold(void **state)
{
    (void)state;
    begin();
    assert_null(host_map(0xe0000, 0, HOST_READ));
    assert_null(host_map(UINT64_MAX - 3, 4, HOST_READ)); /* wraps */
    assert_null(host_map(0x1000, UINT64_MAX, HOST_READ));
    assert_null(host_map(GIB(2048), 1, HOST_READ));
    assert_non_null(host_map(GIB(2048) - 1, 1, HOST_READ));
}

static void new_pages_are_mapped_where_asked(void **state)
{
    struct table space;

    (void)state;
    begin();
    space = own();
    assert_true(host_map_new(STACKS_WINDOW + 0x5000, 3));
    for (unsigned i = 0; i < 3; i++) {
        const struct table_leaf *leaf = leaf_at(&space, STACKS_WINDOW + 0x5000 + i * PAGE_SIZE);

        assert_int_equal(leaf->access & ~TABLE_GLOBAL, TABLE_READ | TABLE_WRITE);
        assert_true(leaf->to - host_frames()->pool.first < host_frames()->pool.size);
    }
    assert_int_equal(leaf_at(&space, STACKS_WINDOW + 0x4000)->size, 0); /* a guard page */
    assert_int_equal(leaf_at(&space, STACKS_WINDOW + 0x8000)->size, 0);
}

static void a_guests_space_has_keel_and_its_ram(void **state)
{
    struct table keel, guest;

    (void)state;
    begin();
    keel = own();
    assert_true(guest_space_create(&guest));
    assert_true(guest_space_map(&guest, MIB(1), RAM + MIB(40), MIB(4)));
    assert_int_equal(leaf_at(&guest, GUEST_WINDOW + MIB(1))->access, TABLE_READ | TABLE_WRITE);
    assert_int_equal(found.to, RAM + MIB(40));
    assert_int_equal(leaf_at(&keel, GUEST_WINDOW + MIB(1))->size, 0); /* no other space sees it */
    assert_int_equal(leaf_at(&guest, IMAGE_START)->access & ~TABLE_GLOBAL, TABLE_READ | TABLE_EXECUTE);
    host_map(0xfee00000, PAGE_SIZE, HOST_DEVICE); /* what Keel maps later is seen too */
    assert_int_equal(leaf_at(&guest, PHYS_WINDOW + 0xfee00000)->memory_type, PAT_UC);
    assert_false(guest_space_map(&guest, GIB(512) - PAGE_SIZE, RAM, 2 * PAGE_SIZE));
    assert_int_equal(paging_audit(&guest).writable_and_executable, 0);
    assert_true(paging_audit(&guest).pages > paging_audit(NULL).pages);
    table_destroy(&guest);
    assert_int_equal(leaf_at(&keel, IMAGE_START)->access & ~TABLE_GLOBAL, TABLE_READ | TABLE_EXECUTE);
}

static void the_audit_finds_one_page_that_is_both(void **state)
{
    struct paging_audit audit;
    struct table space;

    (void)state;
    begin();
    assert_true(table_init(&space, &table_format_x86, &host_pages, 4, 3));
    assert_true(table_map(&space, GIB(1), 0, MIB(4), TABLE_READ | TABLE_EXECUTE, PAT_WB));
    assert_true(table_map(&space, GIB(2), 0, MIB(4), TABLE_READ | TABLE_WRITE, PAT_WB));
    audit = paging_audit(&space);
    assert_int_equal(audit.pages, 4);
    assert_int_equal(audit.writable_and_executable, 0);
    assert_true(
        table_map(&space, GIB(1) + 0x5000, 0, PAGE_SIZE, TABLE_READ | TABLE_WRITE | TABLE_EXECUTE, PAT_WB));
    audit = paging_audit(&space);
    assert_int_equal(audit.writable_and_executable, 1);
    assert_non_null(strstr(fake_log, "paging: 0x40005000, 4096 bytes, is writable and executable"));
    assert_true(table_map(&space, GIB(4), 0, GIB(1), TABLE_READ | TABLE_WRITE | TABLE_EXECUTE, PAT_WB));
    assert_int_equal(paging_audit(&space).writable_and_executable, 2);
    assert_non_null(strstr(fake_log, "0x100000000, 1073741824 bytes"));
}

static void an_image_that_was_loaded_elsewhere_is_mapped_from_there(void **state)
{
    const hpa_t loaded = RAM + MIB(8);
    struct memory_range pieces[16];
    struct table space;
    size_t count;

    (void)state;
    image_base = IMAGE_START - loaded;
    begin();
    space = own();
    assert_int_equal(leaf_at(&space, RODATA_END)->to, loaded + (RODATA_END - IMAGE_START));
    assert_int_equal(virt_to_phys((void *)TEXT_END), loaded + (TEXT_END - IMAGE_START));
    assert_int_equal(virt_to_phys(phys_to_virt(0xfee00000)), 0xfee00000);
    count = guest_memory_allocate(host_frames(), memory_count(host_frames()).guest_free, pieces, 16);
    assert_true(count > 0);
    for (size_t i = 0; i < count; i++)
        assert_true(pieces[i].first >= loaded + (IMAGE_END - IMAGE_START) ||
                    pieces[i].first + pieces[i].size <= loaded);
}

static void efis_own_memory_is_left_alone(void **state)
{
    struct memory_counts counts;

    (void)state;
    info.efi_memory[0] = (struct efi_range){RAM + MIB(32), MIB(1), 0, 5};          /* run-time code */
    info.efi_memory[1] = (struct efi_range){RAM + MIB(34), MIB(1), 0, 7};          /* free */
    info.efi_memory[2] = (struct efi_range){RAM + MIB(36), MIB(1), 0, 4};          /* boot services */
    info.efi_memory[3] = (struct efi_range){RAM + MIB(38), MIB(1), BIT(63), 4};    /* but needed later */
    info.efi_memory[4] = (struct efi_range){RAM + MIB(40), MIB(1), 0, 0x80000000}; /* a vendor's */
    info.efi_memory_count = 5;
    begin();
    counts = memory_count(host_frames());
    assert_int_equal(counts.guest_total, RAM_SIZE - counts.pool_total - MIB(1) - MIB(2) - PAGE_SIZE - MIB(3));
}

static void the_start_up_page_is_the_highest_below_640_kib(void **state)
{
    (void)state;
    begin();
    assert_int_equal(paging_low_page(), 0x9f000);
    info.memory[3] = (struct boot_memory){0x9fc00, 0x400, MEMORY_RESERVED}; /* an EBDA */
    info.memory_count = 4;
    begin();
    assert_int_equal(paging_low_page(), 0x9e000);
    info.memory[0].first = MIB(2);
    info.memory[0].size = PAGE_SIZE;
    begin();
    assert_int_equal(paging_low_page(), 0);
}

static void small_machines_do_with_the_least_pool(void **state)
{
    (void)state;
    info.memory[1].size = MIB(6);
    begin();
    assert_int_equal(host_frames()->pool.size, MIB(4));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_image_is_mapped_by_section_and_nothing_is_both),
        TEST(the_pool_and_only_the_pool_is_in_the_window),
        TEST(what_is_reserved_is_given_to_nobody),
        TEST(host_map_maps_whole_pages_as_asked),
        TEST(host_map_refuses_what_the_window_does_not_hold),
        TEST(new_pages_are_mapped_where_asked),
        TEST(a_guests_space_has_keel_and_its_ram),
        TEST(the_audit_finds_one_page_that_is_both),
        TEST(an_image_that_was_loaded_elsewhere_is_mapped_from_there),
        TEST(efis_own_memory_is_left_alone),
        TEST(the_start_up_page_is_the_highest_below_640_kib),
        TEST(small_machines_do_with_the_least_pool),
    };
    return cmocka_run_group_tests_name("paging", tests, NULL, NULL);
}
