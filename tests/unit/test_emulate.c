/* The emulator on devices, at page borders, and where silicon raises an exception. test_unicorn has the
 * arithmetic. */
#include "tests/unit/guest.h"

#include <string.h>

#include "hv/vm/emulate.h"
#include "hv/vm/io_permission.h"

#define CODE    0x1000
#define P_RW    3 /* present, writable */
#define P_RW_US 7

static uint64_t *const regs = fake_cpu.regs;

static uint64_t *gpr(void)
{
    return guest.vcpu.gpr;
}

static void expect_done(gpa_t gpa)
{
    guest.raised = false;
    if (emulate(&guest.vcpu, gpa) != EMULATE_DONE)
        fail_msg("not done: vector %u, error %x, address %lx", guest.fault.vector, guest.fault.error,
                 guest.fault.address);
    assert_false(guest.raised);
}

static void expect_fault(gpa_t gpa, unsigned vector, uint32_t error)
{
    uint64_t rip = regs[REG_RIP];

    guest.raised = false;
    assert_int_equal(emulate(&guest.vcpu, gpa), EMULATE_FAULT);
    assert_true(guest.raised);
    assert_int_equal(guest.fault.vector, vector);
    assert_int_equal(guest.fault.error, error);
    assert_int_equal(regs[REG_RIP], rip);
}

static void expect_access(unsigned index, bool write, uint64_t address, unsigned size, uint64_t value)
{
    assert_true(index < guest.access_count);
    assert_int_equal(guest.accesses[index].write, write);
    assert_int_equal(guest.accesses[index].address, address);
    assert_int_equal(guest.accesses[index].size, size);
    assert_int_equal(guest.accesses[index].value, value);
}

/*
 * 32-bit paging by one page table for the first 4 MiB, identity but for what a test changes: its entries lie
 * at 0x11000. MMIO is at 0x300000 and 0x301000.
 */
static void page_everything(void)
{
    guest_poke(0x10000, 4, 0x11000 | P_RW_US);
    for (unsigned i = 0; i < GUEST_RAM >> 12; i++)
        guest_poke(0x11000 + 4 * i, 4, i << 12 | P_RW_US);
    guest_poke(0x11000 + 4 * 0x300, 4, GUEST_MMIO | P_RW_US);
    guest_poke(0x11000 + 4 * 0x301, 4, (GUEST_MMIO + 0x1000) | P_RW_US);
    regs[REG_CR3] = 0x10000;
    regs[REG_CR0] |= CR0_PG | CR0_WP;
}

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
    GUEST_CODE(CODE, 0x0f, 0x51, 0x07); /* sqrtps xmm0, [rdi] */
    assert_int_equal(emulate(&guest.vcpu, GUEST_MMIO), EMULATE_UNKNOWN);
    assert_int_equal(regs[REG_RIP], CODE);
    assert_int_equal(guest.access_count, 0);
    assert_int_equal(emulate_bytes(&guest.vcpu, bytes), 15);
    assert_memory_equal(bytes, "\x0f\x51\x07", 3);
    regs[REG_RIP] = GUEST_MMIO; /* code in a device */
    assert_int_equal(emulate(&guest.vcpu, EMULATE_NO_GPA), EMULATE_UNKNOWN);
    assert_int_equal(emulate_bytes(&guest.vcpu, bytes), 0);
}

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
    decode_cache_flush(&guest.vcpu);
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

static void a_long_rep_comes_in_shares(void **state)
{
    unsigned exits = 0;

    (void)state;
    guest_begin(64);
    GUEST_CODE(CODE, 0xf3, 0xa4); /* rep movsb */
    gpr()[REG_RCX] = 2000;
    gpr()[REG_RSI] = 0x5000;
    gpr()[REG_RDI] = GUEST_MMIO;
    for (unsigned i = 0; i < 2000; i++)
        guest.ram[0x5000 + i] = i * 7;
    while (regs[REG_RIP] == CODE && exits++ < 100) {
        expect_done(GUEST_MMIO);
        assert_int_equal(gpr()[REG_RSI] - 0x5000, 2000 - gpr()[REG_RCX]);
        assert_int_equal(gpr()[REG_RDI] - GUEST_MMIO, 2000 - gpr()[REG_RCX]);
    }
    assert_in_range(exits, 2, 10);
    assert_int_equal(gpr()[REG_RCX], 0);
    assert_memory_equal(guest.mmio, guest.ram + 0x5000, 2000);
}

static void a_rep_leaves_when_work_is_waiting(void **state)
{
    (void)state;
    guest_begin(64);
    GUEST_CODE(CODE, 0xf3, 0xab);
    gpr()[REG_RCX] = 100;
    gpr()[REG_RDI] = GUEST_MMIO;
    guest.vcpu.requests = REQUEST_EVENT;
    expect_done(GUEST_MMIO);
    assert_int_equal(gpr()[REG_RCX], 99); /* never without progress */
    assert_int_equal(regs[REG_RIP], CODE);
}

static void a_rep_of_nothing_touches_nothing(void **state)
{
    (void)state;
    guest_begin(64);
    GUEST_CODE(CODE, 0xf3, 0xa4);
    gpr()[REG_RSI] = BIT(63); /* not even canonical */
    expect_done(EMULATE_NO_GPA);
    assert_int_equal(regs[REG_RIP], CODE + 2);
}

static void a_fault_in_a_rep_keeps_what_is_done(void **state)
{
    (void)state;
    guest_begin(32);
    page_everything();
    guest_poke(0x11000 + 4 * 6, 4, 0x6000 | 1); /* read-only */
    GUEST_CODE(CODE, 0xf3, 0xab);               /* rep stosd */
    gpr()[REG_RAX] = 0x5a5a5a5a;
    gpr()[REG_RCX] = 16;
    gpr()[REG_RDI] = 0x5ff6; /* the third crosses */
    expect_fault(EMULATE_NO_GPA, EXC_PF, 3);
    assert_int_equal(guest.fault.address, 0x6000);
    assert_int_equal(gpr()[REG_RCX], 14);
    assert_int_equal(gpr()[REG_RDI], 0x5ffe);
    assert_int_equal(guest_peek(0x5ffa, 4), 0x5a5a5a5a);
    assert_int_equal(guest_peek(0x5ffe, 2), 0);
}

static void a_rep_stops_at_the_segments_limit(void **state)
{
    (void)state;
    guest_begin(16);
    GUEST_CODE(CODE, 0xf3, 0xaa); /* rep stosb */
    fake_cpu.segments[SEG_ES].limit = 0x5003;
    gpr()[REG_RCX] = 16;
    gpr()[REG_RDI] = 0x5000;
    gpr()[REG_RAX] = 1;
    expect_fault(EMULATE_NO_GPA, EXC_GP, 0);
    assert_int_equal(gpr()[REG_RCX], 12);
    assert_int_equal(guest_peek(0x5000, 8), 0x01010101);
}

static void sixteen_bit_strings_wrap_at_64k(void **state)
{
    (void)state;
    guest_begin(16);
    GUEST_CODE(CODE, 0xf3, 0xaa);
    fake_cpu.segments[SEG_ES].base = 0x20000;
    gpr()[REG_RCX] = 0x10004;
    gpr()[REG_RDI] = 0xfffe;
    gpr()[REG_RAX] = 9;
    expect_done(EMULATE_NO_GPA);
    assert_int_equal(guest_peek(0x2fffe, 4), 0x0909);
    assert_int_equal(guest_peek(0x20000, 4), 0x0909);
    assert_int_equal(gpr()[REG_RCX], 0x10000); /* CX alone counts */
    assert_int_equal(gpr()[REG_RDI], 2);
}

static void the_direction_flag_turns_strings_round(void **state)
{
    (void)state;
    guest_begin(64);
    GUEST_CODE(CODE, 0xf3, 0x66, 0xa5); /* rep movsw */
    regs[REG_RFLAGS] |= RFLAGS_DF;
    gpr()[REG_RCX] = 3;
    gpr()[REG_RSI] = 0x6000;
    gpr()[REG_RDI] = GUEST_MMIO + 4;
    guest_poke(0x5ffc, 8, 0x33332222111);
    expect_done(EMULATE_NO_GPA);
    assert_int_equal(gpr()[REG_RSI], 0x5ffa);
    assert_memory_equal(guest.mmio, guest.ram + 0x5ffc, 6);
    expect_access(0, true, 4, 2, guest_peek(0x6000, 2));
}

static void a_single_step_is_one_element(void **state)
{
    (void)state;
    guest_begin(64);
    GUEST_CODE(CODE, 0xf3, 0xaa);
    regs[REG_RFLAGS] |= RFLAGS_TF;
    gpr()[REG_RCX] = 2;
    gpr()[REG_RDI] = GUEST_MMIO;
    expect_done(EMULATE_NO_GPA);
    assert_int_equal(gpr()[REG_RCX], 1);
    assert_int_equal(fake_cpu.advances, 1); /* so that the trap comes */
    expect_done(EMULATE_NO_GPA);
    assert_int_equal(regs[REG_RIP], CODE + 2);
}

static void string_input_checks_memory_before_it_reads_the_port(void **state)
{
    (void)state;
    guest_begin(32);
    page_everything();
    guest_poke(0x11000 + 4 * 6, 4, 0);
    GUEST_CODE(CODE, 0xf3, 0x66, 0x6d); /* rep insw */
    gpr()[REG_RDX] = GUEST_PORTS + 2;
    gpr()[REG_RCX] = 4;
    gpr()[REG_RDI] = 0x5ffc;
    expect_fault(EMULATE_NO_GPA, EXC_PF, 2);
    assert_int_equal(guest.access_count, 2);
    expect_access(0, false, GUEST_PORTS + 2, 2, 0x0100);
    assert_int_equal(guest_peek(0x5ffc, 4), 0x05040100);
    assert_int_equal(gpr()[REG_RCX], 2);
}

static void string_output_sends_memory_to_the_port(void **state)
{
    (void)state;
    guest_begin(64);
    GUEST_CODE(CODE, 0xf3, 0x6e); /* rep outsb */
    gpr()[REG_RDX] = GUEST_PORTS;
    gpr()[REG_RCX] = 2;
    gpr()[REG_RSI] = 0x5000;
    guest_poke(0x5000, 2, 0x4241);
    expect_done(EMULATE_NO_GPA);
    expect_access(0, true, GUEST_PORTS, 1, 0x41);
    expect_access(1, true, GUEST_PORTS, 1, 0x42);
    assert_int_equal(gpr()[REG_RSI], 0x5002);
    assert_int_equal(regs[REG_RIP], CODE + 2);
}

/* A 32-bit TSS at 0x7000 with its bitmap at 0x7068, which denies port 0x300 alone. */
static void set_up_bitmap(void)
{
    fake_cpu.segments[SEG_TR] = (struct segment){.base = 0x7000, .limit = 0x68 + 0x80, .attributes = 0x8b};
    guest_poke(0x7066, 2, 0x68);
    guest.ram[0x7068 + 0x60] = 1;
}

static void the_bitmap_guards_ports_from_programs(void **state)
{
    struct fault fault;

    (void)state;
    guest_begin(32);
    set_up_bitmap();
    assert_true(io_permitted(&guest.vcpu, 0x300, 1, &fault));
    guest_set_cpl(3);
    assert_false(io_permitted(&guest.vcpu, 0x300, 1, &fault));
    assert_int_equal(fault.vector, EXC_GP);
    assert_true(io_permitted(&guest.vcpu, 0x301, 1, &fault));
    assert_true(io_permitted(&guest.vcpu, 0x2ff, 1, &fault));
    assert_false(io_permitted(&guest.vcpu, 0x2ff, 2, &fault)); /* any port of it */
    assert_false(io_permitted(&guest.vcpu, 0x2fd, 4, &fault));
    assert_true(io_permitted(&guest.vcpu, 0x2fc, 4, &fault));
    assert_true(io_permitted(&guest.vcpu, 0x3ff, 1, &fault));
    assert_false(io_permitted(&guest.vcpu, 0x400, 1, &fault)); /* its second byte is beyond the limit */
    regs[REG_RFLAGS] |= 3 << 12;                               /* IOPL */
    assert_true(io_permitted(&guest.vcpu, 0x300, 1, &fault));
    regs[REG_RFLAGS] |= RFLAGS_VM; /* where IOPL does not matter */
    assert_false(io_permitted(&guest.vcpu, 0x300, 1, &fault));
    fake_cpu.segments[SEG_TR].attributes = 0x83; /* a 16-bit TSS has no bitmap */
    assert_false(io_permitted(&guest.vcpu, 0x301, 1, &fault));
}

static void a_forbidden_string_output_is_a_protection_fault(void **state)
{
    (void)state;
    guest_begin(32);
    set_up_bitmap();
    guest_set_cpl(3);
    GUEST_CODE(CODE, 0x6e);
    gpr()[REG_RDX] = 0x300;
    expect_fault(EMULATE_NO_GPA, EXC_GP, 0);
    assert_int_equal(guest.access_count, 0);
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
        TEST(addresses_must_be_canonical),
        TEST(segments_keep_their_limits_and_types),
        TEST(code_ends_at_its_segments_limit),
        TEST(real_mode_adds_sixteen_times_the_selector),
        TEST(alignment_is_checked_for_programs_that_ask),
        TEST(cmpxchg16b_compares_both_halves),
        TEST(a_stack_may_lie_in_a_device),
        TEST(a_push_that_cannot_be_stored_does_not_read_its_source),
        TEST(bit_numbers_reach_beyond_the_operand),
        TEST(a_long_rep_comes_in_shares),
        TEST(a_rep_leaves_when_work_is_waiting),
        TEST(a_rep_of_nothing_touches_nothing),
        TEST(a_fault_in_a_rep_keeps_what_is_done),
        TEST(a_rep_stops_at_the_segments_limit),
        TEST(sixteen_bit_strings_wrap_at_64k),
        TEST(the_direction_flag_turns_strings_round),
        TEST(a_single_step_is_one_element),
        TEST(string_input_checks_memory_before_it_reads_the_port),
        TEST(string_output_sends_memory_to_the_port),
        TEST(the_bitmap_guards_ports_from_programs),
        TEST(a_forbidden_string_output_is_a_protection_fault),
        TEST(loading_a_segment_reads_its_descriptor),
        TEST(the_stack_segment_has_rules_of_its_own),
        TEST(real_and_v86_mode_load_segments_without_descriptors),
    };
    return cmocka_run_group_tests_name("emulate", tests, NULL, NULL);
}
