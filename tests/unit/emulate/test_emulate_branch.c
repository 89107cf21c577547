/* Branches, frames and system segments with their stack or operand on a device. */
#include "tests/unit/emulate/emulate_fixture.h"

static void calls_and_returns_have_their_stack_on_a_device(void **state)
{
    (void)state;
    guest_begin(64);
    regs[REG_RSP] = GUEST_MMIO + 0x100;
    GUEST_CODE(CODE, 0xe8, 0x10, 0, 0, 0);
    expect_done(EMULATE_NO_GPA);
    assert_int_equal(regs[REG_RIP], CODE + 5 + 0x10);
    assert_int_equal(regs[REG_RSP], GUEST_MMIO + 0xf8);
    expect_access(0, true, 0xf8, 8, CODE + 5);
    GUEST_CODE(CODE + 0x100, 0xc2, 0x10, 0x00); /* ret 16 */
    expect_done(EMULATE_NO_GPA);
    assert_int_equal(regs[REG_RIP], CODE + 5);
    assert_int_equal(regs[REG_RSP], GUEST_MMIO + 0x110);
    gpr()[REG_RDI] = GUEST_MMIO;
    guest.mmio[1] = 0x20;
    GUEST_CODE(CODE, 0xff, 0x27); /* jmp [rdi] */
    expect_done(GUEST_MMIO);
    assert_int_equal(regs[REG_RIP], 0x2000);
    GUEST_CODE(CODE, 0xff, 0x17); /* call [rdi] */
    expect_done(GUEST_MMIO);
    assert_int_equal(regs[REG_RIP], 0x2000);
    assert_int_equal(guest.mmio[0x108], CODE + 2 - 0x1000);
    memset(guest.mmio, 0x11, 8); /* not canonical: nothing has happened */
    guest.access_count = 0;
    GUEST_CODE(CODE, 0xff, 0x17);
    expect_fault(GUEST_MMIO, EXC_GP, 0);
    assert_int_equal(regs[REG_RSP], GUEST_MMIO + 0x108);
    assert_int_equal(guest.access_count, 1);
    GUEST_CODE(CODE, 0xff, 0x27);
    expect_fault(GUEST_MMIO, EXC_GP, 0);
}

static void a_near_jump_stays_within_the_code_segment(void **state)
{
    (void)state;
    guest_begin(32);
    fake_cpu.segments[SEG_CS].limit = 0xffff;
    gpr()[REG_RDI] = GUEST_MMIO;
    guest.mmio[2] = 1;
    GUEST_CODE(CODE, 0xff, 0x27);
    expect_fault(GUEST_MMIO, EXC_GP, 0);
    guest.mmio[2] = 0, guest.mmio[0] = 0x77;
    expect_done(GUEST_MMIO);
    assert_int_equal(regs[REG_RIP], 0x77);
}

static void a_far_jump_loads_the_code_segment(void **state)
{
    static const uint64_t gdt[] = {0,
                                   0x00af9b000000ffff,  /* 64-bit code */
                                   0x00af1b000000ffff,  /* not present */
                                   0x00affb000000ffff,  /* of CPL 3 */
                                   0x00ef9b000000ffff,  /* both L and D */
                                   0x00cf93000000ffff}; /* data */
    static const struct {
        uint8_t selector, vector, error;
    } bad[] = {{0, EXC_GP, 0},       {0x0b, EXC_GP, 8},    {0x10, EXC_NP, 0x10}, {0x18, EXC_GP, 0x18},
               {0x20, EXC_GP, 0x20}, {0x28, EXC_GP, 0x28}, {0x30, EXC_GP, 0x30}};

    (void)state;
    guest_begin(64);
    make_gdt(gdt, ARRAY_LENGTH(gdt));
    gpr()[REG_RDI] = GUEST_MMIO;
    guest.mmio[1] = 0x20, guest.mmio[8] = 8;
    GUEST_CODE(CODE, 0x48, 0xff, 0x2f); /* jmp far [rdi], 8 bytes and a selector */
    expect_done(GUEST_MMIO);
    assert_int_equal(regs[REG_RIP], 0x2000);
    assert_int_equal(fake_cpu.segments[SEG_CS].selector, 8);
    assert_true(fake_cpu.segments[SEG_CS].attributes & SEG_L);
    regs[REG_RIP] = CODE;
    for (unsigned i = 0; i < ARRAY_LENGTH(bad); i++) {
        guest.mmio[8] = bad[i].selector;
        expect_fault(GUEST_MMIO, bad[i].vector, bad[i].error);
        assert_int_equal(fake_cpu.segments[SEG_CS].selector, 8);
    }
    guest.mmio[8] = 8, guest.mmio[6] = 0x80; /* not canonical */
    expect_fault(GUEST_MMIO, EXC_GP, 0);
}

static void in_real_mode_a_far_jump_moves_the_base(void **state)
{
    (void)state;
    guest_begin(16);
    fake_cpu.segments[SEG_CS].base = 0;
    guest_poke(0x5000, 4, 0x12340567);
    gpr()[REG_RDI] = 0x5000;
    GUEST_CODE(CODE, 0xff, 0x2d); /* jmp far [di] */
    expect_done(EMULATE_NO_GPA);
    assert_int_equal(regs[REG_RIP], 0x567);
    assert_int_equal(fake_cpu.segments[SEG_CS].base, 0x12340);
}

static void frames_have_their_place_on_a_device(void **state)
{
    (void)state;
    guest_begin(64);
    regs[REG_RSP] = GUEST_MMIO + 0x800;
    gpr()[REG_RBP] = 0x1122334455667788;
    GUEST_CODE(CODE, 0xc8, 0x20, 0x01, 0x00); /* enter 0x120, 0 */
    expect_done(EMULATE_NO_GPA);
    assert_int_equal(gpr()[REG_RBP], GUEST_MMIO + 0x7f8);
    assert_int_equal(regs[REG_RSP], GUEST_MMIO + 0x7f8 - 0x120);
    GUEST_CODE(CODE, 0xc9); /* leave */
    expect_done(EMULATE_NO_GPA);
    assert_int_equal(gpr()[REG_RBP], 0x1122334455667788);
    assert_int_equal(regs[REG_RSP], GUEST_MMIO + 0x800);
    gpr()[REG_RBP] = GUEST_MMIO + 0x408;
    guest.mmio[0x400] = 0x5a;                 /* the outer level's frame */
    GUEST_CODE(CODE, 0xc8, 0x20, 0x01, 0x02); /* enter 0x120, 2 */
    expect_done(EMULATE_NO_GPA);
    assert_int_equal(gpr()[REG_RBP], GUEST_MMIO + 0x7f8);
    assert_int_equal(regs[REG_RSP], GUEST_MMIO + 0x7f8 - 0x10 - 0x120);
    assert_int_equal(guest.mmio[0x7f0], 0x5a);
    assert_int_equal(guest.mmio[0x7e8], 0xf8); /* and this one's */
}

static void all_registers_and_flags_have_their_place_on_a_device(void **state)
{
    (void)state;
    guest_begin(32);
    regs[REG_RSP] = GUEST_MMIO + 0x800;
    for (unsigned i = 0; i < 8; i++)
        gpr()[i] = 0x100 + i;
    GUEST_CODE(CODE, 0x60, 0x61); /* pusha, popa */
    expect_done(EMULATE_NO_GPA);
    expect_access(0, true, 0x7fc, 4, 0x100);
    expect_access(4, true, 0x7ec, 4, GUEST_MMIO + 0x800);
    assert_int_equal(regs[REG_RSP], GUEST_MMIO + 0x7e0);
    memset(gpr(), 0, 8 * sizeof(uint64_t));
    expect_done(EMULATE_NO_GPA);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(i == REG_RSP ? 0x104 : gpr()[i], 0x100 + i);
    assert_int_equal(regs[REG_RSP], GUEST_MMIO + 0x800);
    memset(guest.mmio + 0x800, 0xff, 4);
    GUEST_CODE(CODE, 0x9d); /* popf: no RF, VM, VIF nor VIP; IF and IOPL by privilege */
    expect_done(EMULATE_NO_GPA);
    assert_int_equal(regs[REG_RFLAGS], 0x247fd7);
    regs[REG_RFLAGS] = RFLAGS_1;
    guest_set_cpl(3);
    regs[REG_RSP] = GUEST_MMIO + 0x800;
    regs[REG_RIP] = CODE;
    expect_done(EMULATE_NO_GPA);
    assert_int_equal(regs[REG_RFLAGS], 0x244dd7);
}

static void far_pointers_and_bounds_come_from_a_device(void **state)
{
    static const uint64_t gdt[] = {0, 0x00cf92000000ffff};

    (void)state;
    guest_begin(32);
    make_gdt(gdt, ARRAY_LENGTH(gdt));
    gpr()[REG_RDI] = GUEST_MMIO;
    memcpy(guest.mmio, "\x78\x56\x34\x12\x08\x00", 6);
    GUEST_CODE(CODE, 0xc4, 0x07); /* les eax, [edi] */
    expect_done(GUEST_MMIO);
    assert_int_equal(gpr()[REG_RAX], 0x12345678);
    assert_int_equal(fake_cpu.segments[SEG_ES].selector, 8);
    guest.mmio[4] = 0x10;               /* beyond the table: nothing is loaded */
    GUEST_CODE(CODE, 0x0f, 0xb4, 0x0f); /* lfs ecx, [edi] */
    expect_fault(GUEST_MMIO, EXC_GP, 0x10);
    assert_int_equal(gpr()[REG_RCX], 0);
    memcpy(guest.mmio, "\xfe\xff\xff\xff\x03\x00\x00\x00", 8); /* -2 to 3 */
    GUEST_CODE(CODE, 0x62, 0x07);                              /* bound eax, [edi] */
    for (int i = -4; i <= 5; i++) {
        regs[REG_RIP] = CODE;
        gpr()[REG_RAX] = (uint32_t)i;
        if (i >= -2 && i <= 3)
            expect_done(GUEST_MMIO);
        else
            expect_fault(GUEST_MMIO, EXC_BR, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_and_returns_have_their_stack_on_a_device),
        cmocka_unit_test(a_near_jump_stays_within_the_code_segment),
        cmocka_unit_test(a_far_jump_loads_the_code_segment),
        cmocka_unit_test(in_real_mode_a_far_jump_moves_the_base),
        cmocka_unit_test(frames_have_their_place_on_a_device),
        cmocka_unit_test(all_registers_and_flags_have_their_place_on_a_device),
        cmocka_unit_test(far_pointers_and_bounds_come_from_a_device),
    };
    return cmocka_run_group_tests_name("emulate_branch", tests, NULL, guest_end);
}
