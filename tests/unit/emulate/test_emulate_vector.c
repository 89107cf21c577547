/* Vector moves and division with a device. test_unicorn has the arithmetic. */
#include "tests/unit/emulate/emulate_fixture.h"

#include "hv/host/stub.h"

/* The bytes of XMM register `index` in FXSAVE's image, and of MMX register `index` once TOP is 0. */
static uint8_t *xmm(unsigned index)
{
    return guest.state + 160 + 16 * index;
}

static uint8_t *mmx(unsigned index)
{
    return guest.state + 32 + 16 * index;
}

static void begin_vector(void)
{
    const uint8_t nop = 0x90;
    struct stub_registers registers = {0};
    uint8_t image[512];

    guest_begin(64);
    regs[REG_CR4] |= CR4_OSFXSR;
    for (unsigned i = 0; i < sizeof(image); i++)
        image[i] = (uint8_t)(i * 7);
    image[2] = 0; /* no exception waits */
    guest_set_state(image);
    stub_run(&nop, 1, &registers); /* as the CPU has it: bits that do not exist are 0 */
    for (unsigned i = 0; i < 64; i++)
        guest.mmio[i] = (uint8_t)(0xc0 + i);
    gpr()[REG_RDI] = GUEST_MMIO + 0x10;
}

static void vector_moves_reach_a_device_in_their_size(void **state)
{
    static const struct {
        uint8_t code[5];
        uint8_t reg, size;
        bool store;
    } cases[] = {
        {{0x0f, 0x10, 0x0f}, 1, 16},             /* movups */
        {{0x66, 0x0f, 0x10, 0x0f}, 1, 16},       /* movupd */
        {{0xf3, 0x0f, 0x10, 0x0f}, 1, 4},        /* movss: the rest is cleared */
        {{0xf2, 0x0f, 0x10, 0x0f}, 1, 8},        /* movsd */
        {{0x44, 0x0f, 0x28, 0x0f}, 9, 16},       /* movaps xmm9 */
        {{0x66, 0x0f, 0x6f, 0x0f}, 1, 16},       /* movdqa */
        {{0xf3, 0x44, 0x0f, 0x6f, 0x0f}, 9, 16}, /* movdqu */
        {{0x66, 0x0f, 0x6e, 0x0f}, 1, 4},        /* movd */
        {{0x66, 0x48, 0x0f, 0x6e, 0x0f}, 1, 8},  /* movq */
        {{0xf3, 0x0f, 0x7e, 0x0f}, 1, 8},        /* movq */
        {{0x0f, 0x11, 0x0f}, 1, 16, true},
        {{0xf3, 0x0f, 0x11, 0x0f}, 1, 4, true},
        {{0xf2, 0x0f, 0x11, 0x0f}, 1, 8, true},
        {{0x0f, 0x29, 0x0f}, 1, 16, true},
        {{0x66, 0x0f, 0x2b, 0x0f}, 1, 16, true}, /* movntpd */
        {{0x66, 0x0f, 0x7f, 0x0f}, 1, 16, true},
        {{0xf3, 0x0f, 0x7f, 0x0f}, 1, 16, true},
        {{0x66, 0x0f, 0x7e, 0x0f}, 1, 4, true},
        {{0x66, 0x0f, 0xd6, 0x0f}, 1, 8, true},
        {{0x66, 0x0f, 0xe7, 0x0f}, 1, 16, true}, /* movntdq */
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(cases); i++) {
        uint8_t expected[16] = {0}, before[512];

        begin_vector();
        memcpy(before, guest.state, sizeof(before));
        guest_code(CODE, cases[i].code, 5);
        expect_done(GUEST_MMIO + 0x10);
        assert_int_equal(guest.access_count, cases[i].size > 8 ? 2 : 1);
        assert_int_equal(guest.accesses[0].write, cases[i].store);
        if (cases[i].store) {
            assert_memory_equal(guest.mmio + 0x10, xmm(cases[i].reg), cases[i].size);
            assert_int_equal(guest.mmio[0x10 + cases[i].size], 0xc0 + 0x10 + cases[i].size);
        } else {
            memcpy(expected, guest.mmio + 0x10, cases[i].size);
            assert_memory_equal(xmm(cases[i].reg), expected, 16);
            memcpy(before + 160 + 16 * cases[i].reg, expected, 16);
        }
        assert_memory_equal(guest.state, before, sizeof(before)); /* nothing else has changed */
    }
}

static void control_registers_forbid_as_the_manual_says(void **state)
{
    static const struct {
        uint64_t cr0;
        bool osfxsr, mmx;
        uint8_t vector;
    } cases[] = {
        {0, true, false, EXC_NONE},
        {0, false, false, EXC_UD},
        {CR0_EM, true, false, EXC_UD},
        {CR0_TS, true, false, EXC_NM},
        {CR0_TS, false, false, EXC_UD}, /* #UD before #NM */
        {CR0_TS | CR0_EM, true, false, EXC_UD},
        {0, false, true, EXC_NONE},
        {CR0_EM, true, true, EXC_UD},
        {CR0_TS, false, true, EXC_NM},
        {CR0_TS | CR0_EM, true, true, EXC_UD},
        {CR0_MP, true, false, EXC_NONE},
        {CR0_MP | CR0_TS, true, true, EXC_NM},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_LENGTH(cases); i++)
        for (unsigned store = 0; store < 2; store++) {
            begin_vector();
            regs[REG_CR0] |= cases[i].cr0;
            regs[REG_CR4] = cases[i].osfxsr ? CR4_OSFXSR : 0;
            GUEST_CODE(CODE, cases[i].mmx ? 0x90 : 0x66, 0x0f, 0x6f | store << 4, 0x0f); /* movq, movdqa */
            regs[REG_RIP] += cases[i].mmx;
            if (cases[i].vector == EXC_NONE)
                expect_done(GUEST_MMIO + 0x10);
            else
                expect_fault(GUEST_MMIO + 0x10, cases[i].vector, 0);
            assert_int_equal(guest.access_count > 0, cases[i].vector == EXC_NONE);
        }
}

static void an_exception_that_waits_is_of_mmx_too(void **state)
{
    (void)state;
    begin_vector();
    guest.state[2] |= 0x81; /* invalid operation, and FCW does not mask it */
    guest.state[0] &= 0xfe;
    GUEST_CODE(CODE, 0x0f, 0x6f, 0x0f);
    expect_fault(GUEST_MMIO + 0x10, EXC_MF, 0);
    assert_int_equal(guest.access_count, 0);
}

static void mmx_moves_make_the_registers_theirs(void **state)
{
    uint8_t old[16];

    (void)state;
    begin_vector();
    guest.state[3] = 3 << 3; /* TOP is 3: MM4 is ST(1) */
    guest.state[4] = 0;
    memcpy(old, mmx(1), sizeof(old));
    GUEST_CODE(CODE, 0x0f, 0x7f, 0x27); /* movq [rdi], mm4 */
    expect_done(GUEST_MMIO + 0x10);
    assert_memory_equal(guest.mmio + 0x10, old, 8);
    assert_memory_equal(mmx(4), old, 10);
    assert_int_equal(guest.state[3] & 0x38, 0);
    assert_int_equal(guest.state[4], 0xff);
    GUEST_CODE(CODE, 0x0f, 0x6f, 0x17); /* movq mm2, [rdi] */
    memset(guest.mmio + 0x10, 0x5a, 8);
    expect_done(GUEST_MMIO + 0x10);
    assert_memory_equal(mmx(2), "\x5a\x5a\x5a\x5a\x5a\x5a\x5a\x5a\xff\xff", 10);
    GUEST_CODE(CODE, 0x0f, 0x6e, 0x17); /* movd mm2, [rdi] */
    expect_done(GUEST_MMIO + 0x10);
    assert_memory_equal(mmx(2), "\x5a\x5a\x5a\x5a\0\0\0\0\xff\xff", 10);
}

static void only_the_aligned_vector_moves_ask_for_alignment(void **state)
{
    (void)state;
    begin_vector();
    gpr()[REG_RDI] = GUEST_MMIO + 0xffc; /* two pages, too */
    GUEST_CODE(CODE, 0x0f, 0x11, 0x0f);
    expect_done(EMULATE_NO_GPA);
    assert_memory_equal(guest.mmio + 0xffc, xmm(1), 16);
    GUEST_CODE(CODE, 0xf3, 0x0f, 0x7f, 0x0f);
    expect_done(EMULATE_NO_GPA);
    guest.access_count = 0;
    GUEST_CODE(CODE, 0x0f, 0x29, 0x0f);
    expect_fault(EMULATE_NO_GPA, EXC_GP, 0);
    GUEST_CODE(CODE, 0x66, 0x0f, 0x6f, 0x0f);
    expect_fault(EMULATE_NO_GPA, EXC_GP, 0);
    GUEST_CODE(CODE, 0x66, 0x0f, 0xe7, 0x0f);
    expect_fault(EMULATE_NO_GPA, EXC_GP, 0);
    assert_int_equal(guest.access_count, 0);
}

static void division_by_a_device_divides_or_faults(void **state)
{
    (void)state;
    guest_begin(64);
    gpr()[REG_RDI] = GUEST_MMIO;
    gpr()[REG_RAX] = 1;
    gpr()[REG_RDX] = 2;
    GUEST_CODE(CODE, 0x48, 0xf7, 0x37); /* div qword [rdi], of 0 */
    expect_fault(GUEST_MMIO, EXC_DE, 0);
    assert_false(guest.fault.has_error);
    assert_int_equal(gpr()[REG_RDX], 2);
    guest.mmio[0] = 2; /* the quotient does not fit */
    expect_fault(GUEST_MMIO, EXC_DE, 0);
    guest.mmio[0] = 3;
    expect_done(GUEST_MMIO);
    assert_int_equal(gpr()[REG_RAX], 0xaaaaaaaaaaaaaaab);
    assert_int_equal(gpr()[REG_RDX], 0);
    GUEST_CODE(CODE, 0xf6, 0x3f); /* idiv byte [rdi]: -128 / -1 does not fit, 128 / -1 does */
    guest.mmio[0] = 0xff;
    gpr()[REG_RAX] = 0xff80;
    expect_fault(GUEST_MMIO, EXC_DE, 0);
    gpr()[REG_RAX] = 0x0080;
    expect_done(GUEST_MMIO);
    assert_int_equal(gpr()[REG_RAX], 0x0080);
}

/* The exit's address is of one element: another at the same place of its page is not there. */
static void elements_of_a_gather_are_where_their_addresses_say(void **state)
{
    static const uint64_t indexes[] = {0, 0x5000 - (uint64_t)GUEST_MMIO}, mask[] = {BIT(63), BIT(63)};

    (void)state;
    if (!__builtin_cpu_supports("avx2"))
        skip();
    begin_vector();
    guest.vcpu.arch.xcr0 = 7;
    regs[REG_CR4] |= CR4_OSXSAVE;
    memcpy(guest.state + 160 + 16 * 2, indexes, 16);
    memcpy(guest.state + 160 + 16 * 3, mask, 16);
    gpr()[REG_RDI] = GUEST_MMIO + 0x40;
    memset(guest.mmio + 0x40, 0x11, 8);
    memset(guest.ram + 0x5040, 0x22, 8);
    GUEST_CODE(CODE, 0xc4, 0xe2, 0xe1, 0x91, 0x0c, 0x17); /* vpgatherqq xmm1, [rdi + xmm2], xmm3 */
    expect_done(GUEST_MMIO + 0x40);
    assert_memory_equal(guest.state + 160 + 16, guest.mmio + 0x40, 8);
    assert_memory_equal(guest.state + 160 + 24, guest.ram + 0x5040, 8);
}

/* MM registers are numbered from 0, wherever the top of the x87 stack is; a fault leaves that alone. */
static void a_masked_store_writes_the_bytes_that_are_chosen(void **state)
{
    (void)state;
    begin_vector();
    guest.state[3] = 3 << 3; /* TOP: MM0 is ST(5), MM1 ST(6) */
    memcpy(guest.state + 32 + 16 * 5, "abcdefgh", 8);
    memcpy(guest.state + 32 + 16 * 6, "\x80\x7f\xff\x00\x00\x00\x00\x81", 8);
    memcpy(guest.state + 160, "ABCDEFGHIJKLMNOP", 16);
    memcpy(guest.state + 160 + 16, "\x00\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff", 16);
    gpr()[REG_RDI] = GUEST_MMIO + 0xffb;
    GUEST_CODE(CODE, 0x66, 0x0f, 0xf7, 0xc1); /* maskmovdqu xmm0, xmm1 */
    expect_done(EMULATE_NO_GPA);
    assert_int_equal(guest.access_count, 2);
    expect_access(0, true, 0xffc, 1, 'B');
    expect_access(1, true, 0x100a, 1, 'P');
    GUEST_CODE(CODE, 0x0f, 0xf7, 0xc1);        /* maskmovq mm0, mm1 */
    gpr()[REG_RDI] = UINT64_C(0x7ffffffffffa); /* the last byte is not canonical */
    guest.access_count = 0;
    expect_fault(EMULATE_NO_GPA, EXC_GP, 0);
    assert_int_equal(guest.access_count, 0);
    assert_int_equal(guest.state[3], 3 << 3);
    gpr()[REG_RDI] = GUEST_MMIO;
    expect_done(EMULATE_NO_GPA);
    assert_int_equal(guest.access_count, 3);
    expect_access(0, true, 0, 1, 'a');
    expect_access(1, true, 2, 1, 'c');
    expect_access(2, true, 7, 1, 'h');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vector_moves_reach_a_device_in_their_size),
        cmocka_unit_test(control_registers_forbid_as_the_manual_says),
        cmocka_unit_test(an_exception_that_waits_is_of_mmx_too),
        cmocka_unit_test(mmx_moves_make_the_registers_theirs),
        cmocka_unit_test(only_the_aligned_vector_moves_ask_for_alignment),
        cmocka_unit_test(division_by_a_device_divides_or_faults),
        cmocka_unit_test(elements_of_a_gather_are_where_their_addresses_say),
        cmocka_unit_test(a_masked_store_writes_the_bytes_that_are_chosen),
    };
    return cmocka_run_group_tests_name("emulate_vector", tests, NULL, guest_end);
}
