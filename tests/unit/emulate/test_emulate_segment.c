/* Segments: their limits and types, in each mode, and how they are loaded. */
#include "tests/unit/emulate/emulate_fixture.h"

static void addresses_must_be_canonical(void **state)
{
    (void)state;
    guest_begin(64);
    GUEST_CODE(CODE, 0x8b, 0x07);
    gpr()[REG_RDI] = 0x0000800000000000;
    expect_fault(EMULATE_NO_GPA, EXC_GP, 0);
    gpr()[REG_RDI] = 0x00007ffffffffffe; /* the last byte is not */
    expect_fault(EMULATE_NO_GPA, EXC_GP, 0);
    regs[REG_CR4] |= CR4_LA57;
    gpr()[REG_RDI] = 0x00ff800000000000;
    expect_done(EMULATE_NO_GPA);
    GUEST_CODE(CODE, 0x8b, 0x45, 0x00); /* mov eax, [rbp] */
    gpr()[REG_RBP] = BIT(63);
    expect_fault(EMULATE_NO_GPA, EXC_SS, 0);
}

static void segments_keep_their_limits_and_types(void **state)
{
    struct segment *ds = &fake_cpu.segments[SEG_DS], *ss = &fake_cpu.segments[SEG_SS];

    (void)state;
    guest_begin(32);
    ds->limit = ss->limit = 0x8003;
    gpr()[REG_RDI] = gpr()[REG_RBP] = 0x8001;
    GUEST_CODE(CODE, 0x8b, 0x07);
    expect_fault(EMULATE_NO_GPA, EXC_GP, 0);
    GUEST_CODE(CODE, 0x8b, 0x45, 0x00); /* through SS */
    expect_fault(EMULATE_NO_GPA, EXC_SS, 0);
    gpr()[REG_RBP] = 0x8000;
    expect_done(EMULATE_NO_GPA);
    ds->attributes = (ds->attributes & ~0xfu) | 7; /* expand-down: above the limit only */
    GUEST_CODE(CODE, 0x8b, 0x07);
    gpr()[REG_RDI] = 0x8003;
    expect_fault(EMULATE_NO_GPA, EXC_GP, 0);
    gpr()[REG_RDI] = 0x8004;
    expect_done(EMULATE_NO_GPA);
    gpr()[REG_RDI] = 0xfffffffe; /* beyond the top */
    regs[REG_RIP] = CODE;
    expect_fault(EMULATE_NO_GPA, EXC_GP, 0);
    ds->attributes &= ~SEG_DB;
    gpr()[REG_RDI] = 0xfffe; /* of 16 bits now */
    expect_fault(EMULATE_NO_GPA, EXC_GP, 0);
    ds->attributes = 0x91, ds->limit = 0xffffffff; /* read-only */
    gpr()[REG_RDI] = 0x8000;
    expect_done(EMULATE_NO_GPA);
    GUEST_CODE(CODE, 0x89, 0x07);
    expect_fault(EMULATE_NO_GPA, EXC_GP, 0);
    ds->attributes = 0x99; /* execute-only */
    GUEST_CODE(CODE, 0x8b, 0x07);
    expect_fault(EMULATE_NO_GPA, EXC_GP, 0);
    ds->attributes = SEG_UNUSABLE; /* null */
    expect_fault(EMULATE_NO_GPA, EXC_GP, 0);
    GUEST_CODE(CODE, 0x2e, 0x89, 0x07); /* code is not writable */
    expect_fault(EMULATE_NO_GPA, EXC_GP, 0);
}

static void code_ends_at_its_segments_limit(void **state)
{
    (void)state;
    guest_begin(32);
    fake_cpu.segments[SEG_CS].limit = CODE + 1;
    GUEST_CODE(CODE, 0x8b, 0x07);
    expect_done(EMULATE_NO_GPA);
    guest.vcpu.arch.code_changed = true;
    GUEST_CODE(CODE, 0x8b, 0x47, 0x00);
    expect_fault(EMULATE_NO_GPA, EXC_GP, 0);
    GUEST_CODE(CODE + 2, 0x8b, 0x07);
    expect_fault(EMULATE_NO_GPA, EXC_GP, 0);
}

static void real_mode_adds_sixteen_times_the_selector(void **state)
{
    (void)state;
    guest_begin(16);
    fake_cpu.segments[SEG_CS].base = 0x2000;
    fake_cpu.segments[SEG_CS].attributes = 0x9b;
    fake_cpu.segments[SEG_ES].base = 0x3000;
    guest_poke(0x3010, 2, 0xbeef);
    GUEST_CODE(0x2100, 0x26, 0x8b, 0x05); /* mov ax, es:[di] */
    gpr()[REG_RDI] = 0xabc00010;          /* upper half unused */
    expect_done(EMULATE_NO_GPA);
    assert_int_equal(gpr()[REG_RAX], 0xbeef);
    assert_int_equal(regs[REG_RIP], 0x103);
    gpr()[REG_RDI] = 0xffff;
    regs[REG_RIP] = 0x100;
    expect_fault(EMULATE_NO_GPA, EXC_GP, 0);
    GUEST_CODE(0x2100, 0x2e, 0x89, 0x05); /* code is writable here */
    gpr()[REG_RDI] = 0x10;
    expect_done(EMULATE_NO_GPA);
    assert_int_equal(guest_peek(0x2010, 2), 0xbeef);
}

/* A GDT at 0x8000: 8 code, 0x10 data, 0x18 data not present, 0x20 data of level 3. */
static void set_up_gdt(void)
{
    static const uint64_t gdt[] = {0, 0x00cf9a000000ffff, 0x12cf92345678ffff, 0x00cf12000000ffff,
                                   0x00cff2000000ffff};

    memcpy(guest.ram + 0x8000, gdt, sizeof(gdt));
    fake_cpu.segments[SEG_GDTR] = (struct segment){.base = 0x8000, .limit = sizeof(gdt) - 1};
    GUEST_CODE(CODE, 0x8e, 0x1f); /* mov ds, [edi] */
    gpr()[REG_RDI] = 0x5000;
}

static void loading_a_segment_reads_its_descriptor(void **state)
{
    (void)state;
    guest_begin(32);
    set_up_gdt();
    guest_poke(0x5000, 2, 0x13);
    expect_fault(EMULATE_NO_GPA, EXC_GP, 0x10); /* RPL 3, DPL 0 */
    guest_poke(0x5000, 2, 0x10);
    expect_done(EMULATE_NO_GPA);
    assert_int_equal(fake_cpu.segments[SEG_DS].base, 0x12345678);
    assert_int_equal(fake_cpu.segments[SEG_DS].limit, 0xffffffff);
    assert_int_equal(fake_cpu.segments[SEG_DS].attributes, 0xc093);
    assert_int_equal(guest.ram[0x8015], 0x93); /* accessed */
    fake_cpu.segments[SEG_DS].base = 0;
    regs[REG_RIP] = CODE;
    guest_poke(0x5000, 2, 0x18);
    expect_fault(EMULATE_NO_GPA, EXC_NP, 0x18);
    guest_poke(0x5000, 2, 0x28);
    expect_fault(EMULATE_NO_GPA, EXC_GP, 0x28);
    guest_poke(0x5000, 2, 0x14); /* of an LDT that is not there */
    fake_cpu.segments[SEG_LDTR].attributes = SEG_UNUSABLE;
    expect_fault(EMULATE_NO_GPA, EXC_GP, 0x14);
    guest_poke(0x5000, 2, 0);
    expect_done(EMULATE_NO_GPA);
    assert_true(fake_cpu.segments[SEG_DS].attributes & SEG_UNUSABLE);
}

static void the_stack_segment_has_rules_of_its_own(void **state)
{
    (void)state;
    guest_begin(32);
    set_up_gdt();
    GUEST_CODE(CODE, 0x8e, 0x17); /* mov ss, [edi] */
    guest_poke(0x5000, 2, 0x20);
    expect_fault(EMULATE_NO_GPA, EXC_GP, 0x20); /* DPL 3 at CPL 0 */
    guest_poke(0x5000, 2, 0x08);
    expect_fault(EMULATE_NO_GPA, EXC_GP, 0x08); /* code */
    guest_poke(0x5000, 2, 0x18);
    expect_fault(EMULATE_NO_GPA, EXC_SS, 0x18);
    guest_poke(0x5000, 2, 0);
    expect_fault(EMULATE_NO_GPA, EXC_GP, 0);
    guest_poke(0x5000, 2, 0x10);
    expect_done(EMULATE_NO_GPA);
}

static void real_and_v86_mode_load_segments_without_descriptors(void **state)
{
    (void)state;
    guest_begin(16);
    GUEST_CODE(CODE, 0x07); /* pop es */
    regs[REG_RSP] = 0x5000;
    guest_poke(0x5000, 2, 0x1234);
    fake_cpu.segments[SEG_ES].limit = 0xffffffff; /* as BIOSes set it, and it stays */
    expect_done(EMULATE_NO_GPA);
    assert_int_equal(fake_cpu.segments[SEG_ES].base, 0x12340);
    assert_int_equal(fake_cpu.segments[SEG_ES].limit, 0xffffffff);
    assert_int_equal(regs[REG_RSP], 0x5002);
    regs[REG_CR0] |= CR0_PE;
    regs[REG_RFLAGS] |= RFLAGS_VM;
    regs[REG_RIP] = CODE;
    guest_poke(0x5002, 2, 0x2345);
    expect_done(EMULATE_NO_GPA);
    assert_int_equal(fake_cpu.segments[SEG_ES].base, 0x23450);
    assert_int_equal(fake_cpu.segments[SEG_ES].limit, 0xffff);
    assert_int_equal(fake_cpu.segments[SEG_ES].attributes, 0xf3);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, guest_end)
    const struct CMUnitTest tests[] = {
        TEST(addresses_must_be_canonical),
        TEST(segments_keep_their_limits_and_types),
        TEST(code_ends_at_its_segments_limit),
        TEST(real_mode_adds_sixteen_times_the_selector),
        TEST(loading_a_segment_reads_its_descriptor),
        TEST(the_stack_segment_has_rules_of_its_own),
        TEST(real_and_v86_mode_load_segments_without_descriptors),
    };
    return cmocka_run_group_tests_name("emulate_segment", tests, NULL, NULL);
}
