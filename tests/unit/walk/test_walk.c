/* The guest's paging: every cause of a page fault, in every paging mode, at every level. */
#include "tests/unit/guest.h"

#include <string.h>

#include "hv/walk/walk.h"

#define P  BIT(0)
#define RW BIT(1)
#define US BIT(2)
#define A  BIT(5)
#define D  BIT(6)
#define PS BIT(7)
#define XD BIT(63)

/* A paging mode, with one page mapped through tables at 0x10000, 0x11000, …, the root first. */
struct shape {
    const char *name;
    unsigned levels, entry_size;
    uint64_t cr4, efer;
    uint64_t gva;
};

static const struct shape shapes[] = {
    {"32-bit", 2, 4, 0, 0, 0x80403123},
    {"PAE", 3, 8, CR4_PAE, EFER_NXE, 0x80603123},
    {"4-level", 4, 8, CR4_PAE, EFER_NXE | EFER_LMA | EFER_LME, 0xffff808040603123},
    {"5-level", 5, 8, CR4_PAE | CR4_LA57, EFER_NXE | EFER_LMA | EFER_LME, 0xff80808040603123},
};

static const struct shape *shape;
static struct fault fault;
static gpa_t gpa;

/* Where the entry of `level` (1: page table) lies. */
static uint64_t entry_at(unsigned level)
{
    unsigned bits = shape->entry_size == 4 ? 10 : 9;
    uint64_t index = shape->gva >> (12 + bits * (level - 1)) & ((1u << bits) - 1);

    return 0x10000 + 0x1000 * (shape->levels - level) + index * shape->entry_size;
}

static uint64_t entry(unsigned level)
{
    return guest_peek(entry_at(level), shape->entry_size);
}

static void set_entry(unsigned level, uint64_t value)
{
    guest_poke(entry_at(level), shape->entry_size, value);
}

/* PAE's highest entries have neither rights nor flags. */
static bool is_pdpte(unsigned level)
{
    return shape->levels == 3 && level == 3;
}

static void begin(const struct shape *s)
{
    shape = s;
    guest_begin(s->efer & EFER_LMA ? 64 : 32);
    fake_cpu.regs[REG_CR0] |= CR0_PG | CR0_WP;
    fake_cpu.regs[REG_CR4] = s->cr4;
    fake_cpu.regs[REG_EFER] = s->efer;
    fake_cpu.regs[REG_CR3] = 0x10000;
    for (unsigned level = s->levels; level > 1; level--)
        set_entry(level, (0x10000 + 0x1000 * (s->levels - level + 1)) | P | (is_pdpte(level) ? 0 : RW | US));
    set_entry(1, 0x45000 | P | RW | US);
    memset(&fault, 0, sizeof(fault));
    gpa = 0;
}

static bool translate(unsigned access)
{
    return guest_translate(&guest.vcpu, shape->gva, access, &gpa, &fault);
}

static void expect_fault(unsigned access, unsigned error)
{
    uint64_t before[5];

    for (unsigned level = 1; level <= shape->levels; level++)
        before[level - 1] = entry(level);
    memset(&fault, 0, sizeof(fault));
    if (translate(access))
        fail_msg("%s: translated, where error %x was due", shape->name, error);
    assert_int_equal(fault.vector, EXC_PF);
    assert_true(fault.has_error);
    if (fault.error != error)
        fail_msg("%s: error code %x, where %x was due", shape->name, fault.error, error);
    assert_int_equal(fault.address, shape->gva);
    for (unsigned level = 1; level <= shape->levels; level++)
        assert_int_equal(entry(level), before[level - 1]); /* a fault marks nothing */
}

static void expect_page(unsigned access, gpa_t address)
{
    if (!translate(access))
        fail_msg("%s: fault with error %x", shape->name, fault.error);
    assert_int_equal(gpa, address);
}

#define FOR_EACH_SHAPE(s) for (const struct shape *s = shapes; s < shapes + ARRAY_LENGTH(shapes); s++)

static void without_paging_addresses_are_themselves(void **state)
{
    (void)state;
    begin(&shapes[0]);
    fake_cpu.regs[REG_CR0] &= ~CR0_PG;
    expect_page(ACCESS_WRITE, 0x80403123);
}

static void each_mode_finds_its_page(void **state)
{
    (void)state;
    FOR_EACH_SHAPE(s)
    {
        begin(s);
        expect_page(ACCESS_READ, 0x45123);
    }
}

static void a_read_sets_accessed_and_a_write_dirty_in_the_leaf(void **state)
{
    (void)state;
    FOR_EACH_SHAPE(s)
    {
        begin(s);
        expect_page(ACCESS_READ, 0x45123);
        for (unsigned level = 1; level <= s->levels; level++)
            assert_int_equal(entry(level) & (A | D), is_pdpte(level) ? 0 : A);
        expect_page(ACCESS_WRITE, 0x45123);
        for (unsigned level = 1; level <= s->levels; level++)
            assert_int_equal(entry(level) & (A | D), is_pdpte(level) ? 0 : level == 1 ? A | D : A);
    }
}

static void a_debugger_alters_nothing(void **state)
{
    (void)state;
    FOR_EACH_SHAPE(s)
    {
        begin(s);
        expect_page(ACCESS_WRITE | ACCESS_NO_ALTER, 0x45123);
        for (unsigned level = 1; level <= s->levels; level++)
            assert_int_equal(entry(level) & (A | D), 0);
    }
}

static void an_entry_not_present_faults_at_every_level(void **state)
{
    (void)state;
    FOR_EACH_SHAPE(s)
    for (unsigned level = 1; level <= s->levels; level++) {
        begin(s);
        set_entry(level, entry(level) & ~P);
        expect_fault(ACCESS_READ, 0);
        expect_fault(ACCESS_WRITE, 2);
        expect_fault(ACCESS_FETCH, s->efer & EFER_NXE ? 0x10 : 0);
        guest_set_cpl(3);
        expect_fault(ACCESS_WRITE, 6);
        expect_fault(ACCESS_WRITE | ACCESS_SYSTEM, 2);
    }
}

static void read_only_at_any_level_stops_writes(void **state)
{
    (void)state;
    FOR_EACH_SHAPE(s)
    for (unsigned level = 1; level <= s->levels; level++) {
        if (s->levels == 3 && level == 3)
            continue;
        begin(s);
        set_entry(level, entry(level) & ~RW);
        expect_fault(ACCESS_WRITE, 3);
        fake_cpu.regs[REG_CR0] &= ~CR0_WP;
        expect_page(ACCESS_WRITE, 0x45123);
        guest_set_cpl(3);
        expect_fault(ACCESS_WRITE, 7);
        expect_page(ACCESS_READ, 0x45123);
    }
}

static void supervisor_at_any_level_stops_programs(void **state)
{
    (void)state;
    FOR_EACH_SHAPE(s)
    for (unsigned level = 1; level <= s->levels; level++) {
        if (s->levels == 3 && level == 3)
            continue;
        begin(s);
        set_entry(level, entry(level) & ~US);
        guest_set_cpl(3);
        expect_fault(ACCESS_READ, 5);
        expect_fault(ACCESS_FETCH, s->efer & EFER_NXE ? 0x15 : 5);
        expect_page(ACCESS_READ | ACCESS_SYSTEM, 0x45123);
    }
}

static void execute_disable_at_any_level_stops_fetches(void **state)
{
    (void)state;
    FOR_EACH_SHAPE(s)
    for (unsigned level = 1; level <= s->levels; level++) {
        if (s->entry_size == 4 || (s->levels == 3 && level == 3))
            continue;
        begin(s);
        set_entry(level, entry(level) | XD);
        expect_page(ACCESS_READ, 0x45123);
        expect_fault(ACCESS_FETCH, 0x11);
        fake_cpu.regs[REG_EFER] &= ~EFER_NXE; /* now the bit is reserved */
        expect_fault(ACCESS_READ, 9);
    }
}

static void address_bits_beyond_maxphyaddr_are_reserved(void **state)
{
    (void)state;
    FOR_EACH_SHAPE(s)
    for (unsigned level = 1; level <= s->levels; level++) {
        if (s->entry_size == 4)
            continue;
        begin(s);
        set_entry(level, entry(level) | BIT(40));
        expect_fault(ACCESS_WRITE, 0xb);
        guest.physical_bits = 41;
        if (level == 1)
            expect_page(ACCESS_READ, 0x45123 | BIT(40));
        guest.physical_bits = 52;
        if (level == 1)
            expect_page(ACCESS_READ, 0x45123 | BIT(40));
    }
}

/* Bits 8:5 and 2:1 are reserved, but QEMU marks these entries as accessed. */
static void pae_pointers_may_be_accessed_and_nothing_else(void **state)
{
    (void)state;
    for (unsigned bit = 1; bit <= 8; bit++) {
        begin(&shapes[1]);
        set_entry(3, entry(3) | BIT(bit));
        if (bit == 3 || bit == 4 || bit == 5)
            expect_page(ACCESS_READ, 0x45123);
        else
            expect_fault(ACCESS_READ, 9);
    }
}

static void structure_bits_are_reserved_where_the_manual_says(void **state)
{
    (void)state;
    begin(&shapes[1]);
    set_entry(3, entry(3) | RW); /* a PDPTE has no rights */
    expect_fault(ACCESS_READ, 9);
    begin(&shapes[1]);
    set_entry(2, entry(2) | BIT(60)); /* ignored with 4 levels, reserved in PAE */
    expect_fault(ACCESS_READ, 9);
    begin(&shapes[2]);
    set_entry(1, entry(1) | BIT(60) | BIT(52));
    expect_page(ACCESS_READ, 0x45123);
    begin(&shapes[2]);
    set_entry(4, entry(4) | PS);
    expect_fault(ACCESS_READ, 9);
    begin(&shapes[3]);
    set_entry(5, entry(5) | PS);
    expect_fault(ACCESS_READ, 9);
}

static void large_pages_map_and_check_their_alignment(void **state)
{
    (void)state;
    for (unsigned i = 1; i < 4; i++) {
        begin(&shapes[i]);
        set_entry(2, 0x40000000 | P | RW | US | PS | BIT(12)); /* PAT */
        expect_page(ACCESS_WRITE, 0x40000000 | (shapes[i].gva & 0x1fffff));
        assert_int_equal(entry(2) & (A | D), A | D);
        set_entry(2, entry(2) | BIT(13));
        expect_fault(ACCESS_READ, 9);
    }
    begin(&shapes[2]);
    set_entry(3, 0xc0000000 | P | RW | US | PS);
    expect_page(ACCESS_READ, 0xc0000000 | (shapes[2].gva & 0x3fffffff));
    set_entry(3, entry(3) | BIT(29));
    expect_fault(ACCESS_READ, 9);
    set_entry(3, 0xc0000000 | P | RW | US | PS);
    guest.pages_1g = false;
    expect_fault(ACCESS_READ, 9);
}

static void four_megabyte_pages_need_pse(void **state)
{
    (void)state;
    begin(&shapes[0]);
    set_entry(2, 0x11000 | P | RW | US | PS);
    expect_page(ACCESS_READ, 0x45123); /* the bit is ignored */
    fake_cpu.regs[REG_CR4] |= CR4_PSE;
    set_entry(2, 0x00c00000 | P | RW | US | PS);
    expect_page(ACCESS_READ, 0xc03123);
}

static void pse36_puts_address_bits_39_to_32_below(void **state)
{
    (void)state;
    begin(&shapes[0]);
    fake_cpu.regs[REG_CR4] |= CR4_PSE;
    set_entry(2, 0x00c00000 | P | RW | US | PS | 0xa5 << 13);
    expect_page(ACCESS_READ, 0xa500c03123);
    set_entry(2, entry(2) | BIT(21));
    expect_fault(ACCESS_READ, 9);
    set_entry(2, 0x00c00000 | P | RW | US | PS | 0x10 << 13);
    guest.physical_bits = 36;
    expect_fault(ACCESS_READ, 9);
    guest.physical_bits = 40;
    expect_page(ACCESS_READ, 0x1000c03123);
    guest.pse36 = false;
    expect_fault(ACCESS_READ, 9);
}

static void smep_stops_the_supervisor_running_a_user_page(void **state)
{
    (void)state;
    FOR_EACH_SHAPE(s)
    {
        begin(s);
        expect_page(ACCESS_FETCH, 0x45123);
        fake_cpu.regs[REG_CR4] |= CR4_SMEP;
        expect_fault(ACCESS_FETCH, 0x11);
        set_entry(1, entry(1) & ~US);
        expect_page(ACCESS_FETCH, 0x45123);
    }
}

static void smap_stops_the_supervisor_reading_a_user_page(void **state)
{
    (void)state;
    FOR_EACH_SHAPE(s)
    {
        begin(s);
        fake_cpu.regs[REG_CR4] |= CR4_SMAP;
        expect_fault(ACCESS_READ, 1);
        expect_fault(ACCESS_WRITE, 3);
        fake_cpu.regs[REG_RFLAGS] |= RFLAGS_AC;
        expect_page(ACCESS_WRITE, 0x45123);
        expect_fault(ACCESS_READ | ACCESS_SYSTEM, 1); /* AC frees explicit accesses only */
        guest_set_cpl(3);
        expect_page(ACCESS_WRITE, 0x45123);
        expect_fault(ACCESS_READ | ACCESS_SYSTEM, 1);
    }
}

static void protection_keys_govern_data_in_user_pages(void **state)
{
    (void)state;
    for (unsigned i = 2; i < 4; i++) {
        begin(&shapes[i]);
        set_entry(1, entry(1) | UINT64_C(5) << 59);
        guest.pkru = 1 << 10; /* key 5: no access */
        expect_page(ACCESS_READ, 0x45123);
        fake_cpu.regs[REG_CR4] |= CR4_PKE;
        expect_fault(ACCESS_READ, 0x21);
        expect_page(ACCESS_FETCH, 0x45123);
        guest.pkru = 2 << 10; /* no write */
        expect_page(ACCESS_READ, 0x45123);
        expect_fault(ACCESS_WRITE, 0x23);
        fake_cpu.regs[REG_CR0] &= ~CR0_WP;
        expect_page(ACCESS_WRITE, 0x45123);
        guest_set_cpl(3);
        expect_fault(ACCESS_WRITE, 0x27);
        set_entry(1, entry(1) & ~US);
        guest_set_cpl(0);
        guest.pkru = UINT32_MAX;
        expect_page(ACCESS_READ, 0x45123);
    }
    begin(&shapes[1]); /* not in PAE */
    fake_cpu.regs[REG_CR4] |= CR4_PKE;
    guest.pkru = UINT32_MAX;
    expect_page(ACCESS_READ, 0x45123);
}

static void tables_outside_ram_read_as_ones(void **state)
{
    (void)state;
    begin(&shapes[2]);
    set_entry(2, GUEST_RAM | P | RW | US);
    expect_fault(ACCESS_READ, 9); /* bits beyond MAXPHYADDR are set */
    fake_cpu.regs[REG_CR3] = ALIGN_DOWN(BIT(39), PAGE_SIZE);
    expect_fault(ACCESS_READ, 9);
}

static void the_path_tells_what_the_walk_depended_on(void **state)
{
    struct walk_path path;

    (void)state;
    FOR_EACH_SHAPE(s)
    {
        begin(s);
        assert_true(guest_walk(&guest.vcpu, s->gva, ACCESS_FETCH, &path, &gpa, &fault));
        assert_true(path.exact);
        assert_int_equal(path.count, s->levels);
        for (unsigned i = 0; i < path.count; i++) {
            const uint8_t *at = guest.ram + ALIGN_DOWN(entry_at(s->levels - i), 8);
            assert_ptr_equal(path.entries[i].where, at);
            assert_int_equal(*path.entries[i].where, path.entries[i].value);
        }
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, guest_end)
    const struct CMUnitTest tests[] = {
        TEST(without_paging_addresses_are_themselves),
        TEST(each_mode_finds_its_page),
        TEST(a_read_sets_accessed_and_a_write_dirty_in_the_leaf),
        TEST(a_debugger_alters_nothing),
        TEST(an_entry_not_present_faults_at_every_level),
        TEST(read_only_at_any_level_stops_writes),
        TEST(supervisor_at_any_level_stops_programs),
        TEST(execute_disable_at_any_level_stops_fetches),
        TEST(address_bits_beyond_maxphyaddr_are_reserved),
        TEST(pae_pointers_may_be_accessed_and_nothing_else),
        TEST(structure_bits_are_reserved_where_the_manual_says),
        TEST(large_pages_map_and_check_their_alignment),
        TEST(four_megabyte_pages_need_pse),
        TEST(pse36_puts_address_bits_39_to_32_below),
        TEST(smep_stops_the_supervisor_running_a_user_page),
        TEST(smap_stops_the_supervisor_reading_a_user_page),
        TEST(protection_keys_govern_data_in_user_pages),
        TEST(tables_outside_ram_read_as_ones),
        TEST(the_path_tells_what_the_walk_depended_on),
    };
    return cmocka_run_group_tests_name("walk", tests, NULL, NULL);
}
