/* System registers and tables, selectors that are asked about, and lines of 64 bytes, on a device. */
#include "tests/unit/emulate/emulate_fixture.h"

static void system_selectors_come_from_a_device(void **state)
{
    static const uint64_t gdt[] = {0,   0x12008934567800ff, 0x1, 0x12008234567800ff,
                                   0x1, 0x12000934567800ff, 0x1};

    (void)state;
    guest_begin(64);
    make_gdt(gdt, ARRAY_LENGTH(gdt));
    gpr()[REG_RDI] = GUEST_MMIO;
    guest.mmio[0] = 8;
    GUEST_CODE(CODE, 0x0f, 0x00, 0x1f); /* ltr [rdi] */
    expect_done(GUEST_MMIO);
    assert_int_equal(fake_cpu.segments[SEG_TR].base, UINT64_C(0x112345678));
    assert_int_equal(SEG_TYPE(fake_cpu.segments[SEG_TR].attributes), 11);
    assert_int_equal(guest_peek(0x3000 + 8 + 5, 1), 0x8b); /* busy now */
    regs[REG_RIP] = CODE;
    expect_fault(GUEST_MMIO, EXC_GP, 8);
    guest.mmio[0] = 0;
    expect_fault(GUEST_MMIO, EXC_GP, 0);
    guest.mmio[0] = 0x18; /* an LDT */
    expect_fault(GUEST_MMIO, EXC_GP, 0x18);
    guest.mmio[0] = 0x28;
    expect_fault(GUEST_MMIO, EXC_NP, 0x28);
    guest.mmio[0] = 0x30; /* its upper half is outside */
    expect_fault(GUEST_MMIO, EXC_GP, 0x30);
    fake_cpu.segments[SEG_GDTR].limit =
        0xffff; /* the last descriptor has no upper half: not that of index 0 */
    guest.mmio[0] = 0xf8, guest.mmio[1] = 0xff;
    expect_fault(GUEST_MMIO, EXC_GP, 0xfff8);
    guest.mmio[1] = 0;
    guest.mmio[0] = 0x18;
    GUEST_CODE(CODE, 0x0f, 0x00, 0x17); /* lldt [rdi] */
    expect_done(GUEST_MMIO);
    assert_int_equal(fake_cpu.segments[SEG_LDTR].base, UINT64_C(0x112345678));
    GUEST_CODE(CODE, 0x0f, 0x00, 0x07); /* sldt [rdi] */
    guest.mmio[2] = 0x77;
    guest.mmio[0] = 0;
    expect_done(GUEST_MMIO);
    assert_int_equal(guest.mmio[0], 0x18);
    assert_int_equal(guest.mmio[2], 0x77);
    GUEST_CODE(CODE, 0x0f, 0x00, 0x0f); /* str [rdi] */
    expect_done(GUEST_MMIO);
    assert_int_equal(guest.mmio[0], 8);
    GUEST_CODE(CODE, 0x0f, 0x00, 0x17);
    guest.mmio[0] = 0;
    expect_done(GUEST_MMIO);
    assert_true(fake_cpu.segments[SEG_LDTR].attributes & SEG_UNUSABLE);
    regs[REG_CR0] = 0x50033;
    GUEST_CODE(CODE, 0x48, 0x0f, 0x01, 0x27); /* smsw [rdi]: a word, whatever the operand size */
    expect_done(GUEST_MMIO);
    assert_int_equal(guest.mmio[0], 0x33);
    assert_int_equal(guest.mmio[2], 0x77);
    guest.mmio[0] = 0x18;
    GUEST_CODE(CODE, 0x0f, 0x00, 0x17);
    guest_set_cpl(3); /* what a processor has looked at before it left the guest may have changed since */
    expect_fault(GUEST_MMIO, EXC_GP, 0);
    guest_begin(16);
    gpr()[REG_RBX] = 0x5000;
    GUEST_CODE(CODE, 0x0f, 0x00, 0x17); /* lldt [bx] */
    expect_fault(EMULATE_NO_GPA, EXC_UD, 0);
    GUEST_CODE(CODE, 0x0f, 0x00, 0x07); /* sldt [bx] */
    expect_fault(EMULATE_NO_GPA, EXC_UD, 0);
}

static void tables_are_loaded_and_stored_on_a_device(void **state)
{
    struct segment *gdtr = &fake_cpu.segments[SEG_GDTR], *idtr = &fake_cpu.segments[SEG_IDTR];

    (void)state;
    guest_begin(64);
    gpr()[REG_RDI] = GUEST_MMIO;
    *gdtr = (struct segment){.base = 0xffff800000001234, .limit = 0x67};
    *idtr = (struct segment){.base = 0x1122334455, .limit = 0xfff};
    GUEST_CODE(CODE, 0x0f, 0x01, 0x07); /* sgdt [rdi] */
    expect_done(GUEST_MMIO);
    expect_access(0, true, 0, 2, 0x67);
    assert_memory_equal(guest.mmio, "\x67\x00\x34\x12\x00\x00\x00\x80\xff\xff", 10);
    GUEST_CODE(CODE, 0x66, 0x0f, 0x01, 0x0f); /* sidt [rdi]: ten bytes, whatever the prefix */
    expect_done(GUEST_MMIO);
    assert_memory_equal(guest.mmio, "\xff\x0f\x55\x44\x33\x22\x11\x00\x00\x00", 10);
    GUEST_CODE(CODE, 0x0f, 0x01, 0x17); /* lgdt [rdi] */
    expect_done(GUEST_MMIO);
    assert_int_equal(gdtr->base, 0x1122334455);
    assert_int_equal(gdtr->limit, 0xfff);
    guest.mmio[9] = 0x80; /* not canonical: nothing is loaded */
    guest.mmio[0] = 0;
    GUEST_CODE(CODE, 0x0f, 0x01, 0x1f); /* lidt [rdi] */
    expect_fault(GUEST_MMIO, EXC_GP, 0);
    assert_int_equal(idtr->limit, 0xfff);
    guest.mmio[9] = 0;
    guest_set_cpl(3);
    expect_fault(GUEST_MMIO, EXC_GP, 0);
    GUEST_CODE(CODE, 0x0f, 0x01, 0x07);
    expect_done(GUEST_MMIO);
    regs[REG_RIP] = CODE;
    regs[REG_CR4] = CR4_UMIP;
    expect_fault(GUEST_MMIO, EXC_GP, 0);
    GUEST_CODE(CODE, 0x0f, 0x01, 0x27); /* smsw [rdi] */
    expect_fault(GUEST_MMIO, EXC_GP, 0);
    GUEST_CODE(CODE, 0x0f, 0x00, 0x07); /* sldt [rdi] */
    expect_fault(GUEST_MMIO, EXC_GP, 0);
}

static void tables_have_the_base_that_the_mode_gives_them(void **state)
{
    struct segment *gdtr = &fake_cpu.segments[SEG_GDTR];

    (void)state;
    guest_begin(32);
    gpr()[REG_RDI] = GUEST_MMIO;
    memcpy(guest.mmio, "\x67\x00\x78\x56\x34\x12\x99", 7);
    GUEST_CODE(CODE, 0x0f, 0x01, 0x17); /* lgdt [edi] */
    expect_done(GUEST_MMIO);
    assert_int_equal(gdtr->base, 0x12345678);
    GUEST_CODE(CODE, 0x66, 0x0f, 0x01, 0x17); /* of 24 bits */
    expect_done(GUEST_MMIO);
    assert_int_equal(gdtr->base, 0x345678);
    gdtr->base = 0x87654321;
    GUEST_CODE(CODE, 0x66, 0x0f, 0x01, 0x07); /* sgdt [edi]: of 32 bits always */
    expect_done(GUEST_MMIO);
    assert_memory_equal(guest.mmio, "\x67\x00\x21\x43\x65\x87\x99", 7);
    guest_begin(32);
    page_everything();
    guest_poke(0x11000 + 4 * 0x301, 4, 0); /* the base is not there: no limit is written either */
    gpr()[REG_RDI] = 0x300ffe;
    GUEST_CODE(CODE, 0x0f, 0x01, 0x07);
    expect_fault(EMULATE_NO_GPA, EXC_PF, 2);
    assert_int_equal(guest.access_count, 0);
}

static void the_machine_status_word_is_the_low_end_of_cr0(void **state)
{
    (void)state;
    guest_begin(16);
    gpr()[REG_RBX] = 0x5000;
    guest_poke(0x5000, 2, 0xffff);
    GUEST_CODE(CODE, 0x0f, 0x01, 0x37); /* lmsw [bx] */
    expect_done(EMULATE_NO_GPA);
    assert_int_equal(regs[REG_CR0], CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET);
    guest_poke(0x5000, 2, 0);
    regs[REG_RIP] = CODE;
    expect_done(EMULATE_NO_GPA);
    assert_int_equal(regs[REG_CR0], CR0_PE | CR0_ET); /* which it cannot leave */
    regs[REG_RIP] = CODE;
    guest_set_cpl(3);
    expect_fault(EMULATE_NO_GPA, EXC_GP, 0);
}

/* What VERR, VERW, LAR and LSL find, each as a bit of `seen`, with the values of the latter two. */
static void ask(uint16_t selector, unsigned seen, uint32_t rights, uint32_t limit)
{
    static const uint8_t codes[][3] = {
        {0x0f, 0x00, 0x27}, {0x0f, 0x00, 0x2f}, {0x0f, 0x02, 0x07}, {0x0f, 0x03, 0x07}};

    memcpy(guest.mmio, &selector, 2);
    for (unsigned i = 0; i < 4; i++) {
        gpr()[REG_RAX] = 0x5a5a5a5a5a5a5a5a;
        regs[REG_RFLAGS] = RFLAGS_1 | RFLAGS_CF | (seen >> i & 1 ? 0 : RFLAGS_ZF);
        guest_code(CODE, codes[i], 3);
        expect_done(GUEST_MMIO);
        assert_int_equal(regs[REG_RFLAGS], RFLAGS_1 | RFLAGS_CF | (seen >> i & 1 ? RFLAGS_ZF : 0));
        assert_int_equal(gpr()[REG_RAX], i < 2 || !(seen >> i & 1) ? 0x5a5a5a5a5a5a5a5a
                                         : i == 2                  ? rights
                                                                   : limit);
    }
}

enum { READS = 1, WRITES = 2, RIGHTS = 4, LIMIT = 8 };

static void selectors_are_asked_about(void **state)
{
    static const uint64_t gdt[] = {0,
                                   0x00cf93000000ffff,  /* 8: data that can be written */
                                   0x00cf91000000ffff,  /* 10: that cannot */
                                   0x0040990000000123,  /* 18: code that cannot be read */
                                   0x00409f0000000123,  /* 20: conforming code */
                                   0x00008b0000000067,  /* 28: a busy TSS */
                                   0x00008c0000080000,  /* 30: a call gate */
                                   0x00008e0000080000,  /* 38: an interrupt gate */
                                   0x0000830000000067,  /* 40: a busy 16-bit TSS */
                                   0x00cf13000000ffff}; /* 48: data that is not present */

    (void)state;
    for (unsigned bits = 32; bits <= 64; bits += 32) {
        guest_begin(bits);
        make_gdt(gdt, ARRAY_LENGTH(gdt));
        gpr()[REG_RDI] = GUEST_MMIO;
        ask(0x03, 0, 0, 0);
        ask(0x08, READS | WRITES | RIGHTS | LIMIT, 0x00c09300, 0xffffffff);
        ask(0x0b, 0, 0, 0); /* the selector asks for less */
        ask(0x10, READS | RIGHTS | LIMIT, 0x00c09100, 0xffffffff);
        ask(0x18, RIGHTS | LIMIT, 0x00409900, 0x123);
        ask(0x23, READS | RIGHTS | LIMIT, 0x00409f00, 0x123);
        ask(0x28, RIGHTS | LIMIT, 0x00008b00, 0x67);
        ask(0x30, RIGHTS, 0x00008c00, 0);
        ask(0x38, 0, 0, 0);
        ask(0x40, bits == 32 ? RIGHTS | LIMIT : 0, 0x00008300, 0x67);
        ask(0x48, READS | WRITES | RIGHTS | LIMIT, 0x00c01300, 0xffffffff);
        ask(0x50, 0, 0, 0); /* beyond the table */
        ask(0x0c, 0, 0, 0); /* of the LDT, which has no room */
        guest_set_cpl(3);
        ask(0x08, 0, 0, 0);
        ask(0x23, READS | RIGHTS | LIMIT, 0x00409f00, 0x123);
    }
    guest_begin(32);
    page_everything();
    gpr()[REG_RDI] = 0x300000;
    fake_cpu.segments[SEG_GDTR] = (struct segment){.base = 0x200000, .limit = 0x7f}; /* which is not there */
    guest.mmio[0] = 8;
    GUEST_CODE(CODE, 0x0f, 0x02, 0x07);
    expect_fault(EMULATE_NO_GPA, EXC_PF, 0);
}

static void arpl_takes_the_lower_privilege(void **state)
{
    (void)state;
    guest_begin(32);
    gpr()[REG_RDI] = GUEST_MMIO;
    gpr()[REG_RAX] = 0x12340003;
    guest.mmio[0] = 0x81;
    GUEST_CODE(CODE, 0x63, 0x07); /* arpl [edi], ax */
    expect_done(GUEST_MMIO);
    assert_int_equal(guest.mmio[0], 0x83);
    assert_true(regs[REG_RFLAGS] & RFLAGS_ZF);
    guest.access_count = 0;
    regs[REG_RIP] = CODE;
    expect_done(GUEST_MMIO);
    assert_false(regs[REG_RFLAGS] & RFLAGS_ZF);
    assert_int_equal(guest.access_count, 1); /* read, and not written */
    guest_begin(16);
    GUEST_CODE(CODE, 0x63, 0x07);
    expect_fault(EMULATE_NO_GPA, EXC_UD, 0);
}

static void invpcid_checks_its_descriptor_and_drops_translations(void **state)
{
    static const struct {
        uint64_t type, pcid, address;
        bool pcide, fails;
    } rows[] = {{0, 0, 0x1000, false, false}, {0, 1, 0x1000, false, true},   {0, 1, 0x1000, true, false},
                {0, 0, BIT(63), true, true},  {1, 0, BIT(63), false, false}, {1, 5, 0, false, true},
                {1, 4096, 0, true, true},     {2, 5, BIT(63), false, false}, {3, 0, 0, false, false},
                {3, 4096, 0, false, true},    {4, 0, 0, true, true},         {BIT(32), 0, 0, true, true}};

    (void)state;
    guest_begin(64);
    gpr()[REG_RDI] = GUEST_MMIO;
    GUEST_CODE(CODE, 0x66, 0x0f, 0x38, 0x82, 0x07); /* invpcid rax, [rdi] */
    expect_fault(GUEST_MMIO, EXC_UD, 0);            /* CPUID does not show it */
    guest.cpuid7_ebx = BIT(10);
    for (unsigned i = 0; i < ARRAY_LENGTH(rows); i++) {
        gpr()[REG_RAX] = rows[i].type;
        memcpy(guest.mmio, &rows[i].pcid, 8);
        memcpy(guest.mmio + 8, &rows[i].address, 8);
        regs[REG_CR4] = rows[i].pcide ? CR4_PCIDE : 0;
        regs[REG_RIP] = CODE;
        fake_cpu.flushes = 0;
        if (rows[i].fails)
            expect_fault(GUEST_MMIO, EXC_GP, 0);
        else
            expect_done(GUEST_MMIO);
        assert_int_equal(fake_cpu.flushes, !rows[i].fails);
    }
    regs[REG_RIP] = CODE;
    guest_set_cpl(3);
    gpr()[REG_RAX] = 2;
    expect_fault(GUEST_MMIO, EXC_GP, 0);
}

static void lines_are_moved_and_cleared_whole(void **state)
{
    (void)state;
    guest_begin(64);
    for (unsigned i = 0; i < 64; i++)
        guest.ram[0x5008 + i] = (uint8_t)(i + 1);
    gpr()[REG_RDI] = 0x5008; /* a source is not aligned */
    gpr()[REG_RAX] = GUEST_MMIO + 0x40;
    GUEST_CODE(CODE, 0x66, 0x0f, 0x38, 0xf8, 0x07); /* movdir64b rax, [rdi] */
    expect_fault(EMULATE_NO_GPA, EXC_UD, 0);
    guest.cpuid7_ecx = BIT(28);
    expect_done(EMULATE_NO_GPA);
    assert_memory_equal(guest.mmio + 0x40, guest.ram + 0x5008, 64);
    assert_int_equal(guest.access_count, 8);
    gpr()[REG_RAX] += 8;
    regs[REG_RIP] = CODE;
    expect_fault(EMULATE_NO_GPA, EXC_GP, 0);
    gpr()[REG_RDI] = GUEST_MMIO + 0x40, gpr()[REG_RAX] = 0x6000; /* and the other way */
    expect_done(GUEST_MMIO + 0x40);
    assert_memory_equal(guest.ram + 0x6000, guest.ram + 0x5008, 64);
    gpr()[REG_RAX] = GUEST_MMIO + 0x7f;
    GUEST_CODE(CODE, 0x0f, 0x01, 0xfc); /* clzero */
    expect_fault(GUEST_MMIO + 0x40, EXC_UD, 0);
    guest.cpuid_amd8_ebx = BIT(0);
    memset(guest.mmio, 0xff, 0x100);
    expect_done(GUEST_MMIO + 0x40);
    for (unsigned i = 0; i < 0x100; i++)
        assert_int_equal(guest.mmio[i], i >= 0x40 && i < 0x80 ? 0 : 0xff);
    guest_begin(32);
    guest.cpuid7_ecx = BIT(28);
    fake_cpu.segments[SEG_ES].attributes &= ~2u; /* read-only: it is ES whatever the prefix */
    gpr()[REG_RDI] = 0x5000, gpr()[REG_RAX] = GUEST_MMIO;
    GUEST_CODE(CODE, 0x3e, 0x66, 0x0f, 0x38, 0xf8, 0x07);
    expect_fault(EMULATE_NO_GPA, EXC_GP, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(system_selectors_come_from_a_device),
        cmocka_unit_test(tables_are_loaded_and_stored_on_a_device),
        cmocka_unit_test(tables_have_the_base_that_the_mode_gives_them),
        cmocka_unit_test(the_machine_status_word_is_the_low_end_of_cr0),
        cmocka_unit_test(selectors_are_asked_about),
        cmocka_unit_test(arpl_takes_the_lower_privilege),
        cmocka_unit_test(invpcid_checks_its_descriptor_and_drops_translations),
        cmocka_unit_test(lines_are_moved_and_cleared_whole),
    };
    return cmocka_run_group_tests_name("emulate_system", tests, NULL, guest_end);
}
