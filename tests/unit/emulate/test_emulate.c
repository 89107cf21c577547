/* The emulator on devices, at page borders, and where silicon raises an exception. test_unicorn has the
 * arithmetic. */
#include "tests/unit/emulate/emulate_fixture.h"

static void a_device_sees_one_access_of_the_right_size(void **state)
{
    static const struct {
        uint8_t code[4];
        bool write;
        unsigned size;
        uint64_t rax; /* after it */
    } cases[] = {
        {{0x8a, 0x07, 0x90}, false, 1, 0x11223344556677a0},
        {{0x66, 0x8b, 0x07}, false, 2, 0x112233445566a1a0},
        {{0x8b, 0x07, 0x90}, false, 4, 0xa3a2a1a0},
        {{0x48, 0x8b, 0x07}, false, 8, 0xa7a6a5a4a3a2a1a0},
        {{0x0f, 0xb6, 0x07}, false, 1, 0xa0},
        {{0x0f, 0xb7, 0x07}, false, 2, 0xa1a0},
        {{0x48, 0x0f, 0xbe, 0x07}, false, 1, 0xffffffffffffffa0},
        {{0x8a, 0x27, 0x90}, false, 1, 0x112233445566a088},
        {{0x88, 0x07, 0x90}, true, 1, 0x1122334455667788},
        {{0x66, 0x89, 0x07}, true, 2, 0x1122334455667788},
        {{0x89, 0x07, 0x90}, true, 4, 0x1122334455667788},
        {{0x48, 0x89, 0x07}, true, 8, 0x1122334455667788},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(cases); i++) {
        guest_begin(64);
        guest_code(CODE, cases[i].code, 4);
        for (unsigned pass = 0; pass < 3; pass++) { /* decoded, remembered, remembered without an address */
            regs[REG_RIP] = CODE;
            guest.access_count = 0;
            for (unsigned byte = 0; byte < 8; byte++)
                guest.mmio[0x10 + byte] = 0xa0 + byte;
            gpr()[REG_RAX] = 0x1122334455667788;
            gpr()[REG_RDI] = GUEST_MMIO + 0x10;
            expect_done(pass == 2 ? EMULATE_NO_GPA : GUEST_MMIO + 0x10);
            assert_int_equal(guest.access_count, 1);
            expect_access(0, cases[i].write, 0x10, cases[i].size,
                          (cases[i].write ? 0x1122334455667788 : 0xa7a6a5a4a3a2a1a0) &
                              size_mask(cases[i].size));
            assert_int_equal(gpr()[REG_RAX], cases[i].rax);
            assert_true(regs[REG_RIP] >= CODE + 2 && regs[REG_RIP] <= CODE + 4);
        }
    }
}

static void immediates_and_offsets_reach_a_device(void **state)
{
    (void)state;
    guest_begin(64);
    GUEST_CODE(CODE, 0xc7, 0x07, 0x78, 0x56, 0x34, 0x92); /* mov dword [rdi], 0x92345678 */
    gpr()[REG_RDI] = GUEST_MMIO;
    expect_done(GUEST_MMIO);
    expect_access(0, true, 0, 4, 0x92345678);
    GUEST_CODE(CODE, 0x48, 0xc7, 0x07, 0x78, 0x56, 0x34, 0x92); /* sign-extended to 64 bits */
    expect_done(GUEST_MMIO);
    expect_access(1, true, 0, 8, 0xffffffff92345678);
    GUEST_CODE(CODE, 0xa1, 0x08, 0x00, 0xd0, 0xfe, 0, 0, 0, 0); /* mov eax, [0xfed00008] */
    expect_done(GUEST_MMIO + 8);
    expect_access(2, false, 8, 4, 0);
}

static void movbe_swaps_both_ways(void **state)
{
    (void)state;
    guest_begin(64);
    gpr()[REG_RDI] = GUEST_MMIO;
    guest.mmio[0] = 0x12, guest.mmio[3] = 0x34;
    GUEST_CODE(CODE, 0x0f, 0x38, 0xf0, 0x07);
    expect_done(GUEST_MMIO);
    assert_int_equal(gpr()[REG_RAX], 0x12000034);
    gpr()[REG_RAX] = 0xaabb;
    GUEST_CODE(CODE, 0x66, 0x0f, 0x38, 0xf1, 0x07);
    expect_done(GUEST_MMIO);
    expect_access(1, true, 0, 2, 0xbbaa);
}

static void read_modify_write_is_a_read_and_a_write(void **state)
{
    (void)state;
    guest_begin(64);
    gpr()[REG_RDI] = GUEST_MMIO;
    guest.mmio[0] = 0x0f;
    GUEST_CODE(CODE, 0xf0, 0x83, 0x0f, 0x70); /* lock or dword [rdi], 0x70 */
    expect_done(GUEST_MMIO);
    assert_int_equal(guest.access_count, 2);
    expect_access(0, false, 0, 4, 0x0f);
    expect_access(1, true, 0, 4, 0x7f);
    GUEST_CODE(CODE, 0xf6, 0x07, 0x80); /* test only reads */
    expect_done(GUEST_MMIO);
    assert_int_equal(guest.access_count, 3);
    assert_true(regs[REG_RFLAGS] & RFLAGS_ZF);
}

static void changed_code_is_decoded_anew(void **state)
{
    (void)state;
    guest_begin(64);
    gpr()[REG_RDI] = GUEST_MMIO;
    GUEST_CODE(CODE, 0x8b, 0x07); /* mov eax, [rdi] */
    expect_done(GUEST_MMIO);
    regs[REG_RIP] = CODE;
    expect_done(GUEST_MMIO);
    guest.ram[CODE + 1] = 0x0f; /* mov ecx, [rdi] */
    guest.mmio[0] = 0x77;
    regs[REG_RIP] = CODE;
    expect_done(GUEST_MMIO);
    assert_int_equal(gpr()[REG_RAX], 0);
    assert_int_equal(gpr()[REG_RCX], 0x77);
}

static void remapped_code_is_decoded_anew(void **state)
{
    (void)state;
    guest_begin(32);
    page_everything();
    gpr()[REG_RDI] = 0x300000;
    guest.mmio[0] = 0x77;
    GUEST_CODE(0x2000, 0x8b, 0x0f); /* mov ecx, [edi] */
    GUEST_CODE(CODE, 0x8b, 0x07);   /* mov eax, [edi] */
    expect_done(GUEST_MMIO);
    assert_int_equal(gpr()[REG_RAX], 0x77);
    guest_poke(0x11000 + 4, 4, 0x2000 | P_RW); /* the same linear address is another page */
    regs[REG_RIP] = CODE;
    expect_done(GUEST_MMIO);
    assert_int_equal(gpr()[REG_RCX], 0x77);
    guest_poke(0x11000 + 4, 4, 0); /* and none at all */
    regs[REG_RIP] = CODE;
    expect_fault(GUEST_MMIO, EXC_PF, 0);
    assert_int_equal(guest.fault.address, CODE);
}

static void the_same_bytes_in_other_code_are_decoded_anew(void **state)
{
    (void)state;
    guest_begin(32);
    gpr()[REG_RDI] = GUEST_MMIO;
    guest.mmio[2] = 0x55;
    GUEST_CODE(CODE, 0x67, 0x8b, 0x05); /* 32-bit: mov eax, [di] */
    guest_poke(0, 4, 0x1234);
    gpr()[REG_RDI] = 0;
    expect_done(EMULATE_NO_GPA);
    assert_int_equal(gpr()[REG_RAX], 0x1234);
    fake_cpu.segments[SEG_CS].attributes &= ~SEG_DB; /* 16-bit: mov ax, [edi] would need more bytes */
    regs[REG_RIP] = CODE;
    guest_poke(CODE + 3, 4, 0x8);
    guest_poke(8, 2, 0x9988);
    expect_done(EMULATE_NO_GPA);
    assert_int_equal(gpr()[REG_RAX], 0x9988);
    assert_int_equal(regs[REG_RIP], CODE + 7);
}

static void every_place_in_a_page_can_be_remembered(void **state)
{
    (void)state;
    guest_begin(64);
    gpr()[REG_RDI] = GUEST_MMIO;
    guest.mmio[0] = 0x5a;
    for (unsigned at = 0x1ff0; at <= 0x2000; at++) {
        GUEST_CODE(at, 0x0f, 0xb6, 0x07); /* movzx eax, byte [rdi] */
        for (unsigned pass = 0; pass < 2; pass++) {
            gpr()[REG_RAX] = 0;
            regs[REG_RIP] = at;
            expect_done(GUEST_MMIO);
            assert_int_equal(gpr()[REG_RAX], 0x5a);
            assert_int_equal(regs[REG_RIP], at + 3);
        }
        guest.ram[at + 1] = 0xb7; /* movzx eax, word [rdi] */
        guest.mmio[1] = 1;
        regs[REG_RIP] = at;
        expect_done(GUEST_MMIO);
        assert_int_equal(gpr()[REG_RAX], 0x15a);
    }
}

static void the_page_after_is_fetched_only_when_needed(void **state)
{
    (void)state;
    guest_begin(32);
    page_everything();
    gpr()[REG_RDI] = 0x300000;
    guest_poke(0x11000 + 4 * 2, 4, 0); /* the page at 0x2000 is not present */
    GUEST_CODE(0x1ffe, 0x8b, 0x07);
    expect_done(GUEST_MMIO);
    GUEST_CODE(0x1ffe, 0x8b, 0x47, 0x08); /* mov eax, [edi + 8] */
    expect_fault(GUEST_MMIO + 8, EXC_PF, 0);
    assert_int_equal(guest.fault.address, 0x2000);
    guest_poke(0x11000 + 4 * 2, 4, 0x5000 | P_RW); /* the rest of it lies elsewhere */
    guest.ram[0x5000] = 0x0c;
    expect_done(GUEST_MMIO + 0xc);
    expect_access(1, false, 0xc, 4, 0);
}

static void an_access_in_two_pages_is_checked_before_it_is_made(void **state)
{
    (void)state;
    guest_begin(32);
    page_everything();
    GUEST_CODE(CODE, 0x89, 0x07); /* mov [edi], eax */
    gpr()[REG_RDI] = 0x300ffe;
    gpr()[REG_RAX] = 0x44332211;
    guest_poke(0x11000 + 4 * 0x301, 4, (GUEST_MMIO + 0x1000) | 5); /* read-only */
    expect_fault(GUEST_MMIO + 0xffe, EXC_PF, 3);
    assert_int_equal(guest.fault.address, 0x301000);
    assert_int_equal(guest.access_count, 0);
    guest_poke(0x11000 + 4 * 0x301, 4, 0x6000 | P_RW); /* the second half is RAM */
    expect_done(GUEST_MMIO + 0xffe);
    expect_access(0, true, 0xffe, 2, 0x2211);
    assert_int_equal(guest_peek(0x6000, 2), 0x4433);
    GUEST_CODE(CODE, 0x8b, 0x0f);
    expect_done(GUEST_MMIO + 0xffe);
    assert_int_equal(gpr()[REG_RCX], 0x44332211);
}

static void a_program_gets_no_write_out_of_an_address_that_it_may_read(void **state)
{
    (void)state;
    guest_begin(32);
    page_everything();
    guest_set_cpl(3);
    guest_poke(0x11000 + 4 * 0x300, 4, GUEST_MMIO | 5);
    gpr()[REG_RDI] = 0x300000;
    GUEST_CODE(CODE, 0x89, 0x07); /* put there by another vCPU after the exit of a read */
    expect_fault(GUEST_MMIO, EXC_PF, 7);
    assert_int_equal(guest.access_count, 0);
    GUEST_CODE(CODE, 0x8b, 0x07);
    expect_done(GUEST_MMIO);
}

static void code_that_goes_on_for_16_bytes_is_a_protection_fault(void **state)
{
    uint8_t code[16];

    (void)state;
    guest_begin(64);
    memset(code, 0x66, sizeof(code));
    code[14] = 0x8b, code[15] = 0x07;
    guest_code(CODE, code, sizeof(code));
    expect_fault(EMULATE_NO_GPA, EXC_GP, 0);
    guest_code(0x1ffa, code, sizeof(code));
    expect_fault(EMULATE_NO_GPA, EXC_GP, 0);
}

static void lock_on_a_move_is_an_invalid_opcode(void **state)
{
    (void)state;
    guest_begin(64);
    GUEST_CODE(CODE, 0xf0, 0x89, 0x07);
    expect_fault(EMULATE_NO_GPA, EXC_UD, 0);
    assert_false(guest.fault.has_error);
}

static void an_unknown_instruction_changes_nothing_and_can_be_shown(void **state)
{
    uint8_t bytes[15];

    (void)state;
    guest_begin(64);
    GUEST_CODE(CODE, 0x0f, 0xb9, 0x07); /* ud1 eax, [rdi] */
    assert_int_equal(emulate(&guest.vcpu, GUEST_MMIO), EMULATE_UNKNOWN);
    assert_int_equal(regs[REG_RIP], CODE);
    assert_int_equal(guest.access_count, 0);
    assert_int_equal(emulate_bytes(&guest.vcpu, bytes), 15);
    assert_memory_equal(bytes, "\x0f\xb9\x07", 3);
    regs[REG_RIP] = GUEST_MMIO; /* code in a device */
    assert_int_equal(emulate(&guest.vcpu, EMULATE_NO_GPA), EMULATE_UNKNOWN);
    assert_int_equal(emulate_bytes(&guest.vcpu, bytes), 0);
}

static void alignment_is_checked_for_programs_that_ask(void **state)
{
    (void)state;
    guest_begin(32);
    GUEST_CODE(CODE, 0x8b, 0x07);
    gpr()[REG_RDI] = 0x5002;
    regs[REG_CR0] |= CR0_AM;
    regs[REG_RFLAGS] |= RFLAGS_AC;
    expect_done(EMULATE_NO_GPA);
    guest_set_cpl(3);
    regs[REG_RIP] = CODE;
    expect_fault(EMULATE_NO_GPA, EXC_AC, 0);
    assert_true(guest.fault.has_error);
    regs[REG_CR0] &= ~CR0_AM;
    expect_done(EMULATE_NO_GPA);
    guest_begin(64);
    GUEST_CODE(CODE, 0x48, 0x0f, 0xc7, 0x0f); /* cmpxchg16b [rdi] has its own rule */
    gpr()[REG_RDI] = 0x5008;
    expect_fault(EMULATE_NO_GPA, EXC_GP, 0);
}

static void cmpxchg16b_compares_both_halves(void **state)
{
    (void)state;
    for (unsigned pass = 0; pass < 2; pass++) { /* in RAM, in a device */
        guest_begin(64);
        GUEST_CODE(CODE, 0xf0, 0x48, 0x0f, 0xc7, 0x0f);
        gpr()[REG_RDI] = pass ? GUEST_MMIO : 0x5000;
        memset(pass ? guest.mmio : guest.ram + 0x5000, 0x11, 16);
        gpr()[REG_RAX] = 0x1111111111111111, gpr()[REG_RDX] = 5;
        gpr()[REG_RBX] = 6, gpr()[REG_RCX] = 7;
        expect_done(EMULATE_NO_GPA);
        assert_false(regs[REG_RFLAGS] & RFLAGS_ZF);
        assert_int_equal(gpr()[REG_RDX], 0x1111111111111111);
        regs[REG_RIP] = CODE;
        expect_done(EMULATE_NO_GPA);
        assert_true(regs[REG_RFLAGS] & RFLAGS_ZF);
        assert_int_equal((pass ? guest.mmio : guest.ram + 0x5000)[0], 6);
        assert_int_equal((pass ? guest.mmio : guest.ram + 0x5000)[8], 7);
    }
}

static void a_stack_may_lie_in_a_device(void **state)
{
    (void)state;
    guest_begin(64);
    regs[REG_RSP] = GUEST_MMIO + 0x20;
    gpr()[REG_RAX] = 0x1122334455667788;
    GUEST_CODE(CODE, 0x50, 0x66, 0x6a, 0xff, 0x66, 0x59); /* push rax; push word -1; pop cx */
    expect_done(GUEST_MMIO + 0x18);
    expect_access(0, true, 0x18, 8, 0x1122334455667788);
    expect_done(GUEST_MMIO + 0x16);
    expect_access(1, true, 0x16, 2, 0xffff);
    assert_int_equal(regs[REG_RSP], GUEST_MMIO + 0x16);
    expect_done(GUEST_MMIO + 0x16);
    assert_int_equal(gpr()[REG_RCX], 0xffff);
    assert_int_equal(regs[REG_RSP], GUEST_MMIO + 0x18);
}

static void a_push_that_cannot_be_stored_does_not_read_its_source(void **state)
{
    (void)state;
    guest_begin(32);
    page_everything();
    guest_poke(0x11000 + 4 * 5, 4, 0);
    regs[REG_RSP] = 0x5800;
    gpr()[REG_RDI] = 0x300000;
    GUEST_CODE(CODE, 0xff, 0x37); /* push dword [edi] */
    expect_fault(GUEST_MMIO, EXC_PF, 2);
    assert_int_equal(guest.fault.address, 0x57fc);
    assert_int_equal(guest.access_count, 0);
    assert_int_equal(regs[REG_RSP], 0x5800);
}

static void bit_numbers_reach_beyond_the_operand(void **state)
{
    (void)state;
    guest_begin(64);
    gpr()[REG_RDI] = GUEST_MMIO + 0x100;
    gpr()[REG_RAX] = (uint64_t)-33; /* bit 31 of the doubleword 8 bytes before */
    GUEST_CODE(CODE, 0x0f, 0xab, 0x07);
    expect_done(GUEST_MMIO + 0xf8);
    expect_access(1, true, 0xf8, 4, 0x80000000);
    GUEST_CODE(CODE, 0x0f, 0xba, 0x2f, 0x25); /* an immediate stays inside: 37 is 5 */
    expect_done(GUEST_MMIO + 0x100);
    expect_access(3, true, 0x100, 4, 0x20);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, guest_end)
    const struct CMUnitTest tests[] = {
        TEST(a_device_sees_one_access_of_the_right_size),
        TEST(immediates_and_offsets_reach_a_device),
        TEST(movbe_swaps_both_ways),
        TEST(read_modify_write_is_a_read_and_a_write),
        TEST(changed_code_is_decoded_anew),
        TEST(remapped_code_is_decoded_anew),
        TEST(the_same_bytes_in_other_code_are_decoded_anew),
        TEST(every_place_in_a_page_can_be_remembered),
        TEST(the_page_after_is_fetched_only_when_needed),
        TEST(an_access_in_two_pages_is_checked_before_it_is_made),
        TEST(a_program_gets_no_write_out_of_an_address_that_it_may_read),
        TEST(code_that_goes_on_for_16_bytes_is_a_protection_fault),
        TEST(lock_on_a_move_is_an_invalid_opcode),
        TEST(an_unknown_instruction_changes_nothing_and_can_be_shown),
        TEST(alignment_is_checked_for_programs_that_ask),
        TEST(cmpxchg16b_compares_both_halves),
        TEST(a_stack_may_lie_in_a_device),
        TEST(a_push_that_cannot_be_stored_does_not_read_its_source),
        TEST(bit_numbers_reach_beyond_the_operand),
    };
    return cmocka_run_group_tests_name("emulate", tests, NULL, NULL);
}
